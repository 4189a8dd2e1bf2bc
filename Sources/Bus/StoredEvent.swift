import Cryptography
package import Domain
import JSON

/// One event as it lies in the log, with its place.
package struct StoredEvent: Sendable {
    package let position: Position
    package let frame: EventFrame

    package init(position: Position, frame: EventFrame) {
        self.position = position
        self.frame = frame
    }
}

extension StoredEvent {
    /// Appends the event as targets and tails see it: the EventBridge envelope, with a block `isthmus` that says who
    /// published it and that no publisher can set. `detail` is spliced in byte for byte.
    ///
    /// - Parameters:
    ///   - id: the event id that `EventIDCodec` makes of the position.
    ///   - region: the gateway's region.
    /// - Source: docs.aws.amazon.com/eventbridge/latest/userguide/eb-events-structure.html
    package func appendEnvelope(to buffer: inout [UInt8], id: UniqueID, region: String) {
        let publisher = frame.publisher
        JSONWriter.append(to: &buffer) { writer in
            writer.beginObject()
            writer.member("version", "0")
            writer.member("id", id.description)
            writer.key("detail-type")
            writer.string(utf8: frame.detailType)
            writer.key("source")
            writer.string(utf8: frame.source)
            writer.member("account", publisher.account.description)
            writer.member("time", Timestamp(seconds: frame.time.seconds).iso8601)
            writer.member("region", region)
            writer.key("resources")
            writer.beginArray()
            frame.forEachResource { writer.string(utf8: $0) }
            writer.endArray()
            writer.key("detail")
            writer.raw(frame.detail)
            writer.key("isthmus")
            appendProvenance(publisher, to: &writer)
            writer.endObject()
        }
    }

    private func appendProvenance(_ publisher: PublisherProvenance, to writer: inout JSONWriter) {
        writer.beginObject()
        writer.member("principal", publisher.principal)
        writer.member("account", publisher.account.description)
        if let path = publisher.organizationPath { writer.member("organizationPath", path) }
        if let domain = publisher.trustDomain { writer.member("trustDomain", domain) }
        if let fingerprint = publisher.certificateFingerprint {
            writer.member("certificateFingerprint", fingerprint.hexadecimal)
        }
        writer.member("decisionId", frame.decisionID.description)
        writer.member("receiptId", frame.requestID.description)
        writer.member("receivedAt", frame.receivedAt.iso8601)
        writer.member("sequence", position.sequence.value)
        if frame.isCloudEvent {
            writer.key("cloudEvent")
            writer.raw(frame.traceHeader)
        } else if !frame.traceHeader.isEmpty {
            writer.key("traceHeader")
            writer.string(utf8: frame.traceHeader)
        }
        writer.endObject()
    }
}
