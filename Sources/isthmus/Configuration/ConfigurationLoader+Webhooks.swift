import Domain
import Identity
import JSON
import Registry

extension ConfigurationLoader {
    /// Webhooks that one file may declare.
    static let maximumWebhooks = 10_000
    /// Bytes of a field's name or a fixed detail type.
    static let maximumPlaceBytes = 256

    func readWebhooks(_ value: YAMLValue?) -> [Webhook] {
        guard let value, let elements = value.list() else { return [] }
        if elements.count > Self.maximumWebhooks {
            value.error("`webhooks` has \(elements.count) elements", "declare at most \(Self.maximumWebhooks)")
            return []
        }
        var seen: Set<PartnerEventSourceName> = []
        return elements.compactMap { element in
            guard let webhook = readWebhook(element) else { return nil }
            if !seen.insert(webhook.source).inserted {
                element.error("the webhook of `\(webhook.source)` is declared twice", "remove one")
            }
            return webhook
        }
    }

    private func readWebhook(_ value: YAMLValue) -> Webhook? {
        let keys = ["source", "scheme", "hmac", "mode", "toleranceSeconds", "detailType", "id", "time"]
        guard let mapping = value.mapping(keys) else { return nil }
        let source = mapping.required("source", "aws.partner/acme.example/shop/orders").flatMap { readSource($0) }
        let scheme = mapping.required("scheme", "standard-webhooks")?.choice(WebhookBatch.Scheme.self)
        let described = scheme.flatMap { readScheme($0, mapping) }
        let mode = mapping["mode"].flatMap { $0.choice(Webhook.Mode.self) } ?? .enforce
        let tolerance = readTolerance(mapping, described, scheme)
        let detailType = mapping.required("detailType", "{header: X-GitHub-Event}").flatMap { readPlace($0) }
        var id = mapping["id"].flatMap { readPlace($0, isFixedAllowed: false) }
        if mapping["id"] == nil, scheme == .standardWebhooks { id = .header("webhook-id") }
        let time = mapping["time"].flatMap { readPlace($0, isFixedAllowed: false) }
        guard let source, let scheme, let detailType else { return nil }
        guard described != nil || scheme == .messageSignature else { return nil }
        if mode == .shadow {
            mapping["mode"]?.warning(
                "whoever reaches the gateway sends as `\(source)`: its signatures are only reported",
                "write `enforce` when the partner is connected")
        }
        return Webhook(
            source: source, scheme: scheme, described: described, mode: mode, toleranceSeconds: Int64(tolerance),
            detailType: detailType, id: id, time: time)
    }

    private func readSource(_ value: YAMLValue) -> PartnerEventSourceName? {
        guard let text = value.text() else { return nil }
        if let name = PartnerEventSourceName(parsing: text) { return name }
        value.error(
            "`\(value.path)` is `\(text)`, not a partner event source", "write aws.partner/PARTNER/NAMESPACE/NAME")
        return nil
    }

    private func readTolerance(
        _ mapping: YAMLMapping, _ described: WebhookScheme?, _ scheme: WebhookBatch.Scheme?
    ) -> Int {
        let standard = Int(WebhookVerifier.pastToleranceSeconds)
        guard let member = mapping["toleranceSeconds"] else { return standard }
        if described?.isReplayable == true {
            member.error(
                "`\(member.path)` has no effect: `\(scheme?.rawValue ?? "")` signs no time", "remove the key")
        }
        return member.integer(in: 1...standard) ?? standard
    }

    /// What is verified; nil for `rfc9421`, and after a report.
    private func readScheme(_ scheme: WebhookBatch.Scheme, _ mapping: YAMLMapping) -> WebhookScheme? {
        if scheme != .hmac, let member = mapping["hmac"] {
            member.error("`\(member.path)` describes the scheme `hmac` only", "remove it, or write `scheme: hmac`")
        }
        switch scheme {
        case .standardWebhooks: return .standardWebhooks
        case .gitHub: return .gitHub
        case .stripe: return .stripe
        case .slack: return .slack
        case .shopify: return .shopify
        case .messageSignature: return nil
        case .hmac:
            return mapping.required("hmac", "{header: X-Signature, template: \"{body}\"}").flatMap { readHMAC($0) }
        }
    }

    private func readHMAC(_ value: YAMLValue) -> WebhookScheme? {
        let keys = ["header", "encoding", "digest", "prefix", "timestampHeader", "idHeader", "template"]
        guard let mapping = value.mapping(keys) else { return nil }
        let header = mapping.required("header", "X-Signature")?.text()
        let encoding = mapping["encoding"].flatMap { $0.choice(WebhookHMAC.Encoding.self) } ?? .hex
        let hash = mapping["digest"].flatMap { $0.choice(WebhookHMAC.Hash.self) } ?? .sha256
        let text = mapping["template"].flatMap { $0.text() } ?? "{body}"
        guard let header else { return nil }
        let template: WebhookTemplate
        do throws(WebhookTemplate.Fault) { template = try WebhookTemplate(parsing: text) } catch {
            (mapping["template"] ?? value).error(error.description, "write one such as \"{timestamp}.{body}\"")
            return nil
        }
        do throws(WebhookHMAC.Fault) {
            return .hmac(
                try WebhookHMAC(
                    header: header, encoding: encoding, hash: hash, prefix: mapping["prefix"]?.text() ?? "",
                    timestampHeader: mapping["timestampHeader"]?.text(), idHeader: mapping["idHeader"]?.text(),
                    template: template))
        } catch {
            value.error("`\(value.path)`: \(error.description)", "see config/isthmus.yaml for an example")
            return nil
        }
    }

    /// Where a field is found: `{header: NAME}`, `{pointer: /a/b}` or `{value: TEXT}`.
    private func readPlace(_ value: YAMLValue, isFixedAllowed: Bool = true) -> Webhook.Place? {
        let keys = ["header", "pointer"] + (isFixedAllowed ? ["value"] : [])
        guard let mapping = value.mapping(keys) else { return nil }
        let given = keys.filter { mapping[$0] != nil }
        guard given.count == 1, let member = mapping[given[0]], let text = member.text() else {
            if given.count != 1 {
                let wanted = keys.map { "`\($0)`" }.joined(separator: ", ")
                value.error("`\(value.path)` names \(given.count) places", "write exactly one of \(wanted)")
            }
            return nil
        }
        switch given[0] {
        case "header":
            let isName = text.utf8.count <= Self.maximumPlaceBytes && text.utf8.allSatisfy(Self.isFieldNameCharacter)
            if isName { return .header(text.lowercased()) }
            member.error("`\(member.path)` is `\(text)`, not the name of a header field", "write one such as X-Event")
        case "pointer":
            if let pointer = JSONPointer(parsing: text), !text.isEmpty { return .pointer(pointer) }
            member.error("`\(member.path)` is `\(text)`, not a JSON pointer", "write one such as /data/id (RFC 6901)")
        default:
            if text.utf8.count <= Self.maximumPlaceBytes { return .value(text) }
            member.error(
                "`\(member.path)` has \(text.utf8.count) bytes", "write at most \(Self.maximumPlaceBytes)")
        }
        return nil
    }

    /// Source: RFC 9110 section 5.6.2.
    private static func isFieldNameCharacter(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }
}
