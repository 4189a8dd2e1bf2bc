// Feeds the header of the PROXY protocol, version 2.
//
// Oracles: the answer is the same however many bytes follow; fewer bytes than the header's own never make a header, and
// a refusal stays one whatever follows; a header is no longer than its limit and its address is one.

private enum Outcome: Equatable {
    case header(ProxyHeader)
    case more
    case refused(ProxyHeaderRefusal)
}

private func read(_ bytes: [UInt8]) -> Outcome {
    do throws(ProxyHeaderRefusal) {
        return try ProxyHeader.read(bytes).map { .header($0) } ?? .more
    } catch {
        return .refused(error)
    }
}

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzProxyProtocol(_ start: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
    let bytes = Array(UnsafeBufferPointer(start: start, count: count))
    let outcome = read(bytes)
    switch outcome {
    case .header(let header):
        precondition((16...4096).contains(header.byteCount) && header.byteCount <= bytes.count)
        precondition(read(Array(bytes[..<header.byteCount])) == outcome)
        precondition(read(Array(bytes[..<(header.byteCount - 1)])) == .more)
        precondition(read(bytes + [0xFF, 0, 7]) == outcome)
        if case .client(let address) = header.origin {
            precondition(!address.isEmpty && address.utf8.allSatisfy { $0 > 0x2D && $0 < 0x67 })
        }
    case .refused: precondition(read(bytes + [0, 0xFF]) == outcome)
    case .more: precondition(bytes.count < 4096)
    }
    return 0
}
