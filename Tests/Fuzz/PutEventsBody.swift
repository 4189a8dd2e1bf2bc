import Domain
import JSON

// Feeds the content of PutEvents and PutPartnerEvents.
//
// Oracles: 1 to as many entries as the operation takes; each is refused with its reason, or has a source, a detail type
// and a detail that is one JSON object; the sizes are those that were counted, and below their limits.

private let decoders = Decoders()

/// libFuzzer calls from one thread.
private final class Decoders: @unchecked Sendable {
    let checker = JSONParser(maximumBytes: Limits.wireBodyBytes)
    var decoder = PutEventsDecoder()
}

private func isObject(_ text: Bytes) -> Bool {
    do throws(JSONError) { return try decoders.checker.withDocument(Array(text)) { $0.object != nil } } catch {
        return false
    }
}

private func size(_ entry: Entry) -> Int {
    var total = (entry.time == nil ? 0 : 14) + entry.source.count + entry.detailType.count + entry.detail.count
    var rest = entry.resources
    for _ in 0..<entry.resourceCount {
        let count = rest.prefix(4).reversed().reduce(0) { $0 << 8 | Int($1) }
        precondition(rest.count >= 4 + count)
        total += count
        rest = rest.dropFirst(4 + count)
    }
    precondition(rest.isEmpty)
    return total
}

private func check(_ content: [UInt8], maximumEntries: Int) {
    let entries: [DecodedEntry]
    do throws(Fault) { entries = try decoders.decoder.decode(content, maximumEntries: maximumEntries) } catch {
        precondition(!error.message.isEmpty)
        return
    }
    precondition((1...maximumEntries).contains(entries.count))
    var billed = 0
    for entry in entries {
        switch entry.content {
        case .invalid(_, let message): precondition(!message.isEmpty)
        case .entry(let entry):
            precondition(!entry.source.isEmpty && !entry.detailType.isEmpty && isObject(entry.detail))
            precondition(entry.billedBytes == size(entry))
            billed += entry.billedBytes
        }
    }
    precondition(billed < Limits.entriesBytes)
}

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzPutEventsBody(_ start: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
    let content = Array(UnsafeBufferPointer(start: start, count: count))
    check(content, maximumEntries: Limits.entriesPerRequest)
    check(content, maximumEntries: Limits.partnerEntriesPerRequest)
    return 0
}
