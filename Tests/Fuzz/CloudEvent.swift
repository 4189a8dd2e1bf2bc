import Bus
import Domain
import JSON

// Feeds requests that carry CloudEvents: lines `name: value` up to an empty one are header fields, the rest is content.
//
// Oracles: an event and its guard stand side by side, one for binary and structured mode; what is decoded has the
// required attributes, a detail and attributes that are one JSON object each; sizes are below their limits.

private let decoders = Decoders()

/// libFuzzer calls from one thread.
private final class Decoders: @unchecked Sendable {
    let checker = JSONParser(maximumBytes: Limits.wireBodyBytes)
    var decoder = CloudEventsDecoder(
        body: JSONParser(maximumBytes: Limits.wireBodyBytes), detail: JSONParser(maximumBytes: Limits.wireBodyBytes),
        entriesBytes: Limits.entriesBytes)
}

private func request(_ input: UnsafeBufferPointer<UInt8>) -> Request {
    var fields = HeaderFields()
    var rest = input[...]
    while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
        let line = rest[..<end]
        rest = rest[(end + 1)...]
        guard !line.isEmpty, fields.count < Limits.headerFields else { break }
        let mark = line.firstIndex(of: UInt8(ascii: ":")) ?? line.endIndex
        fields.append(
            name: UnsafeBufferPointer(rebasing: line[..<mark]),
            value: UnsafeBufferPointer(rebasing: line[mark...].dropFirst().drop { $0 == UInt8(ascii: " ") }))
    }
    let none = UnsafeBufferPointer<UInt8>(start: nil, count: 0)
    return Request(
        version: .http2, method: none, target: none, authority: none, fields: fields, body: Array(rest))
}

private func isObject(_ text: Bytes) -> Bool {
    do throws(JSONError) { return try decoders.checker.withDocument(Array(text)) { $0.object != nil } } catch {
        return false
    }
}

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzCloudEvent(_ start: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
    let request = request(UnsafeBufferPointer(start: start, count: count))
    let publication: Publication
    do throws(Fault) {
        publication = try decoders.decoder.decode(request, for: .init(bus: Array("b".utf8), principal: "p"))
    } catch {
        precondition(!error.message.isEmpty)
        return 0
    }
    guard case .events(let guards) = publication.guards else { preconditionFailure("each event has its own guard") }
    precondition(guards.count == publication.entries.count)
    precondition(publication.entries.count <= CloudEventsDecoder.eventsPerBatch)
    if case .single = publication.form { precondition(publication.entries.count == 1) }
    var billed = 0
    for (entry, repeatGuard) in zip(publication.entries, guards) {
        switch entry.content {
        case .invalid(_, let message):
            precondition(!message.isEmpty && !repeatGuard.isDurable)
        case .entry(let entry):
            precondition(!entry.source.isEmpty && !entry.detailType.isEmpty && repeatGuard.isDurable)
            precondition(isObject(entry.detail) && isObject(entry.traceHeader))
            billed += entry.billedBytes
        }
    }
    precondition(billed < Limits.entriesBytes)
    return 0
}
