/// The first line of an HTTP/1.1 request, as offsets into the header block. Source: RFC 9112 section 3.
struct HTTP1RequestLine {
    let method: Range<Int>
    /// The target as sent.
    let wireTarget: Range<Int>
    /// Path and query; empty when an absolute target has none, which means `/`.
    let target: Range<Int>
    /// The authority of an absolute target.
    let authority: Range<Int>?
    let isVersion10: Bool
    let isHead: Bool
    /// Where the first field line starts.
    let end: Int

    /// `/`, for an absolute target without a path.
    static var root: UnsafeBufferPointer<UInt8> {
        let text: StaticString = "/"
        return UnsafeBufferPointer(start: text.utf8Start, count: 1)
    }

    private static let methodLimit = 32

    /// Reads `line`, which ends in CR LF and starts at the first byte of the block.
    init(parsing line: UnsafeBufferPointer<UInt8>, limits: ConnectionLimits) throws(HTTP1Refusal) {
        let content = line.count - 2
        var methodEnd = 0
        while methodEnd < content, line[methodEnd] != HTTP1Syntax.space { methodEnd += 1 }
        let name = line[0..<methodEnd]
        guard methodEnd > 0, methodEnd <= Self.methodLimit, name.allSatisfy(Self.isMethod) else { throw .methodInvalid }
        let targetStart = methodEnd + 1
        var targetEnd = targetStart
        while targetEnd < content, line[targetEnd] != HTTP1Syntax.space { targetEnd += 1 }
        guard targetStart < content, targetEnd > targetStart else { throw .requestLineMalformed }
        guard targetEnd - targetStart <= limits.targetBytes else { throw .targetTooLong }
        guard targetEnd < content else { throw .versionUnsupported }
        let version = line[(targetEnd + 1)..<content]
        if version.elementsEqual("HTTP/1.1".utf8) {
            isVersion10 = false
        } else if version.elementsEqual("HTTP/1.0".utf8) {
            isVersion10 = true
        } else {
            throw version.contains(HTTP1Syntax.space) ? .requestLineMalformed : .versionUnsupported
        }
        guard line[targetStart..<targetEnd].allSatisfy(HTTP1Syntax.isTarget) else { throw .targetInvalid }
        guard !name.elementsEqual("CONNECT".utf8) else { throw .targetInvalid }
        method = 0..<methodEnd
        wireTarget = targetStart..<targetEnd
        isHead = name.elementsEqual("HEAD".utf8)
        end = line.count
        let isOptions = name.elementsEqual("OPTIONS".utf8)
        (target, authority) = try Self.split(line, targetStart..<targetEnd, isOptions: isOptions)
    }

    private static func isMethod(_ byte: UInt8) -> Bool { HTTP1Syntax.isFieldName(byte) || byte == UInt8(ascii: "_") }

    /// Takes the four forms of a target apart. Source: RFC 9112 section 3.2.
    private static func split(
        _ line: UnsafeBufferPointer<UInt8>, _ target: Range<Int>, isOptions: Bool
    ) throws(HTTP1Refusal) -> (target: Range<Int>, authority: Range<Int>?) {
        if line[target.lowerBound] == UInt8(ascii: "/") { return (target, nil) }
        if isOptions, target.count == 1, line[target.lowerBound] == UInt8(ascii: "*") { return (target, nil) }
        let scheme: Int
        if target.count >= 8, HTTP1Syntax.equals(line[target.lowerBound..<(target.lowerBound + 8)], "https://") {
            scheme = 8
        } else if target.count >= 7, HTTP1Syntax.equals(line[target.lowerBound..<(target.lowerBound + 7)], "http://") {
            scheme = 7
        } else {
            throw .targetInvalid
        }
        let start = target.lowerBound + scheme
        var end = start
        while end < target.upperBound, line[end] != UInt8(ascii: "/") {
            guard HTTP1Syntax.isHost(line[end]) else { throw .targetInvalid }
            end += 1
        }
        guard end > start else { throw .targetInvalid }
        return (end..<target.upperBound, start..<end)
    }
}
