import Domain
import Identity
import JSON
import Registry

extension Webhook {
    /// The webhook as it is in effect, one line of YAML each.
    var effectiveLines: [(key: String, text: String)] {
        var lines: [(key: String, text: String)] = [
            ("source", quoted(source.description)), ("scheme", quoted(scheme.rawValue)),
            ("mode", quoted(mode.rawValue)),
        ]
        if case .hmac(let described)? = described, scheme == .hmac { lines.append(("hmac", text(described))) }
        if !isReplayable { lines.append(("toleranceSeconds", "\(toleranceSeconds)")) }
        lines.append(("detailType", text(detailType)))
        if let id { lines.append(("id", text(id))) }
        if let time { lines.append(("time", text(time))) }
        return lines
    }

    private func text(_ place: Place) -> String {
        switch place {
        case .header(let name): "{header: \(quoted(name))}"
        case .pointer(let pointer): "{pointer: \(quoted(pointer.description))}"
        case .value(let value): "{value: \(quoted(value))}"
        }
    }

    private func text(_ described: WebhookHMAC) -> String {
        var members = [
            "header: \(quoted(described.header))", "encoding: \(described.encoding.rawValue)",
            "digest: \(described.hash.rawValue)",
        ]
        if !described.prefix.isEmpty { members.append("prefix: \(quoted(described.prefix))") }
        if let name = described.timestampHeader { members.append("timestampHeader: \(quoted(name))") }
        if let name = described.idHeader { members.append("idHeader: \(quoted(name))") }
        members.append("template: \(quoted(described.template.description))")
        return "{\(members.joined(separator: ", "))}"
    }

    private func quoted(_ text: String) -> String {
        var writer = JSONWriter()
        writer.string(text)
        return String(decoding: writer.bytes, as: UTF8.self)
    }
}
