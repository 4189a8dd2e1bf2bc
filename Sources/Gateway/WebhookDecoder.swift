import Bus
import Cryptography
import Domain
import Identity
import JSON
import Registry

/// Turns the request of a webhook, already verified, into one entry: its content is the detail, byte for byte.
struct WebhookDecoder {
    private let body: JSONParser
    private let entriesBytes: Int

    /// The parser may be that of another decoder of the same loop: one is used at a time.
    init(body: JSONParser, entriesBytes: Int) {
        self.body = body
        self.entriesBytes = entriesBytes
    }

    /// The event of one request.
    func decode(
        _ request: borrowing Request, _ endpoint: WebhookEndpoint, _ attestation: WebhookAttestation
    ) throws(Fault) -> Publication {
        let webhook = endpoint.webhook
        let content = request.body
        let fields = request.fields
        let read = try body.withDocument(content, refuse: { Fault(.malformedDetail, "Detail is malformed: \($0)") }) {
            root throws(Fault) in
            guard root.object != nil else {
                throw Fault(.malformedDetail, "Detail is malformed: the content must be one JSON object.")
            }
            let detailType =
                if let same = endpoint.detailType { same } else {
                    try Self.text(webhook.detailType, "DetailType", fields, root)
                }
            let moment: Timestamp? =
                if let place = webhook.time { try Self.moment(Self.text(place, "Time", fields, root)) } else { nil }
            let id: [UInt8]? = if let place = webhook.id { try Self.text(place, "id", fields, root) } else { nil }
            return (detailType: detailType, time: moment, id: id)
        }
        let none = UnsafeBufferPointer<UInt8>(start: nil, count: 0)
        let entry = endpoint.source.withUnsafeBufferPointer { source in
            read.detailType.withUnsafeBufferPointer { type in
                content.withUnsafeBufferPointer { content in
                    Entry(
                        source: source, detailType: type, detail: content, resources: none, resourceCount: 0,
                        traceHeader: none, time: read.time)
                }
            }
        }
        guard entry.billedBytes < entriesBytes else {
            throw Fault(.validation, "Total size of the entries in the request is over the limit.")
        }
        return Publication(
            entries: [DecodedEntry(content: .entry(entry), busReference: [])],
            guards: .request(Self.repeatGuard(endpoint, attestation, id: read.id, content)), form: .single,
            right: .partnerEventSource)
    }

    /// What a repeat is recognised by: the message's id where the signature covers it, else the content.
    ///
    /// An id that is not signed could be changed by whoever saw the request, who would then be heard twice.
    private static func repeatGuard(
        _ endpoint: WebhookEndpoint, _ attestation: WebhookAttestation, id: [UInt8]?, _ content: [UInt8]
    ) -> RepeatGuard {
        guard attestation.refusal == nil else {
            return .webhook(
                source: endpoint.unsigned, kind: "unverified", id: SHA256.hash(content).bytes[...])
        }
        let nonce = attestation.nonce.map { Array($0.utf8)[...] }
        let isSigned: Bool
        switch endpoint.webhook.id {
        case .header(let name)?: isSigned = attestation.signedFields.contains(name)
        case .pointer?: isSigned = true
        case .value?, nil: isSigned = false
        }
        if isSigned, let id, nonce == nil { return .webhook(source: endpoint.signed, kind: "id", id: id[...]) }
        let body = SHA256.hash(content)
        guard isSigned, let id else {
            return .webhook(
                source: endpoint.signed, kind: "content", id: body.bytes[...], nonce: nonce, body: body)
        }
        return .webhook(source: endpoint.signed, kind: "id", id: id[...], nonce: nonce, body: body)
    }

    /// Bytes of a detail type or id. Source: API_PutPartnerEventsRequestEntry and `WebhookVerifier.maximumIDBytes`,
    /// rounded up.
    static let textBytes = 512

    private static func text(
        _ place: Webhook.Place, _ parameter: String, _ fields: HeaderFields, _ root: JSONValue
    ) throws(Fault) -> [UInt8] {
        let text: [UInt8]
        let location: String
        switch place {
        case .value(let value): return Array(value.utf8)
        case .header(let name):
            if let index = fields.index(named: name), fields.index(named: name, from: index + 1) == nil {
                text = Array(fields.value(at: index))
            } else {
                text = []
            }
            location = "once in the header field `\(name)`"
        case .pointer(let pointer):
            let value = pointer.value(in: root)
            if let string = value?.string {
                text = Array(string)
            } else if let number = value?.int64 {
                text = Array(String(number).utf8)
            } else {
                text = []
            }
            location = "at `\(pointer)` of the content, a string or whole number"
        }
        guard (1...textBytes).contains(text.count),
            text.allSatisfy({ $0 < 0x80 }) || String(validating: text, as: UTF8.self) != nil
        else {
            throw Fault(
                .invalidArgument,
                "Parameter \(parameter) is not valid. Reason: it must stand \(location), with 1 to \(textBytes) bytes "
                    + "of UTF-8.")
        }
        return text
    }

    /// A timestamp of RFC 3339, or seconds since 1970.
    private static func moment(_ text: [UInt8]) throws(Fault) -> Timestamp {
        if let moment = Timestamp(rfc3339: text), moment.milliseconds >= 0 { return moment }
        if text.count <= 11, let seconds = Int64(String(decoding: text, as: UTF8.self)), seconds >= 0 {
            return Timestamp(seconds: seconds)
        }
        throw Fault(
            .invalidArgument,
            "Parameter Time is not valid. Reason: it must be a timestamp of RFC 3339 or seconds since 1970.")
    }
}
