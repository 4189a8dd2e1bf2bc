import Domain

/// The head of one HTTP/1.1 request: checked line by line, kept as received but for the case of its names.
struct HTTP1Head {
    /// Where the content ends.
    enum Framing: Equatable {
        case none
        case length(Int)
        case chunked
    }

    /// The bytes from the request line to the empty line, names in lower case.
    private(set) var bytes: [UInt8]
    private(set) var fields: HeaderFields
    private(set) var framing = Framing.none
    private(set) var expectsContinue = false
    private(set) var keepsAlive = true
    private var line: HTTP1RequestLine
    private var host: Range<Int>?

    /// Whether the answer goes without its content. Source: RFC 9110 section 9.3.2.
    var isHeadRequest: Bool { line.isHead }
    var method: ArraySlice<UInt8> { bytes[line.method] }
    /// The target as it stood on the request line, whichever form it had.
    var wireTarget: ArraySlice<UInt8> { bytes[line.wireTarget] }

    /// Reads a whole header block, the empty line included.
    ///
    /// - Parameter line: what `HTTP1RequestLine` read from the first line of `block`.
    init(parsing block: [UInt8], line: HTTP1RequestLine, limits: ConnectionLimits) throws(HTTP1Refusal) {
        bytes = block
        self.line = line
        fields = HeaderFields(reservingBytes: block.count, fields: 16)
        keepsAlive = !line.isVersion10
        var start = line.end
        var total = 0
        while start < block.count - 2 {
            // INVARIANT: the scanner has made sure that every line ends in CR LF and holds neither elsewhere.
            var end = start
            while bytes[end] != HTTP1Syntax.carriageReturn { end += 1 }
            total += try readField(start..<end)
            guard total <= limits.headerBytes, fields.count <= limits.headerFields else { throw .tooManyFields }
            start = end + 2
        }
        try checkTogether()
    }

    /// The request, with its content.
    func request(body: [UInt8]) -> Request {
        bytes.withUnsafeBufferPointer { bytes in
            Request(
                version: .http11, method: UnsafeBufferPointer(rebasing: bytes[line.method]),
                target: line.target.isEmpty ? HTTP1RequestLine.root : UnsafeBufferPointer(rebasing: bytes[line.target]),
                authority: UnsafeBufferPointer(rebasing: bytes[host ?? 0..<0]), fields: fields, body: body)
        }
    }

    /// Reads one field line and returns the bytes of its name and value.
    private mutating func readField(_ range: Range<Int>) throws(HTTP1Refusal) -> Int {
        let first = bytes[range.lowerBound]
        guard first != HTTP1Syntax.space, first != HTTP1Syntax.tab else { throw .folded }
        var nameEnd = range.lowerBound
        while nameEnd < range.upperBound, HTTP1Syntax.isFieldName(bytes[nameEnd]) {
            bytes[nameEnd] = HTTP1Syntax.lowered(bytes[nameEnd])
            nameEnd += 1
        }
        guard nameEnd < range.upperBound else { throw .fieldMalformed }
        guard bytes[nameEnd] == HTTP1Syntax.colon else { throw .fieldNameInvalid }
        guard nameEnd > range.lowerBound else { throw .fieldMalformed }
        var valueStart = nameEnd + 1
        var valueEnd = range.upperBound
        while valueStart < valueEnd, isBlank(bytes[valueStart]) { valueStart += 1 }
        while valueEnd > valueStart, isBlank(bytes[valueEnd - 1]) { valueEnd -= 1 }
        for index in valueStart..<valueEnd where !HTTP1Syntax.isFieldValue(bytes[index]) { throw .fieldValueInvalid }
        let name = range.lowerBound..<nameEnd
        let value = valueStart..<valueEnd
        bytes.withUnsafeBufferPointer { bytes in
            fields.append(
                name: UnsafeBufferPointer(rebasing: bytes[name]), value: UnsafeBufferPointer(rebasing: bytes[value]))
        }
        if let field = meaning(of: name) { try take(field, value) }
        return name.count + value.count
    }

    private func isBlank(_ byte: UInt8) -> Bool { byte == HTTP1Syntax.space || byte == HTTP1Syntax.tab }

    /// The fields that frame or steer a message.
    private enum Steering {
        case host, contentLength, transferEncoding, expect, connection, upgrade
    }

    private func meaning(of name: Range<Int>) -> Steering? {
        let name = bytes[name]
        switch name.count {
        case 4: return name.equals("host") ? .host : nil
        case 6: return name.equals("expect") ? .expect : nil
        case 7: return name.equals("upgrade") ? .upgrade : nil
        case 10: return name.equals("connection") ? .connection : nil
        case 14: return name.equals("content-length") ? .contentLength : nil
        case 17: return name.equals("transfer-encoding") ? .transferEncoding : nil
        default: return nil
        }
    }

    private mutating func take(_ field: Steering, _ value: Range<Int>) throws(HTTP1Refusal) {
        switch field {
        case .host:
            guard host == nil else { throw .hostRepeated }
            guard !value.isEmpty, bytes[value].allSatisfy(HTTP1Syntax.isHost) else { throw .hostInvalid }
            host = value
        case .contentLength:
            if fields.repeats("content-length") { throw .contentLengthRepeated }
            guard (1...19).contains(value.count), bytes[value].allSatisfy(HTTP1Syntax.isDigit) else {
                throw .contentLengthInvalid
            }
            framing = .length(
                bytes[value].reduce(0) { length, digit in
                    let (tens, overflows) = length.multipliedReportingOverflow(by: 10)
                    let (sum, carries) = tens.addingReportingOverflow(Int(digit) - 0x30)
                    return overflows || carries ? Int.max : sum
                })
        case .transferEncoding:
            guard !fields.repeats("transfer-encoding"), bytes[value].equals("chunked") else {
                throw .transferEncodingInvalid
            }
        case .expect:
            guard !fields.repeats("expect"), bytes[value].equals("100-continue") else { throw .expectationUnknown }
            expectsContinue = !line.isVersion10
        case .connection: try takeConnection(value)
        case .upgrade: throw .upgradeRefused
        }
    }

    /// Reads the options of one `Connection` field. Source: RFC 9110 section 7.6.1.
    private mutating func takeConnection(_ value: Range<Int>) throws(HTTP1Refusal) {
        for option in bytes[value].split(separator: UInt8(ascii: ",")) {
            let trimmed = option.drop(while: isBlank).reversed().drop(while: isBlank).reversed()
            let word = String(decoding: trimmed, as: UTF8.self).lowercased()
            switch word {
            case "close": keepsAlive = false
            case "keep-alive": if line.isVersion10 { throw .keepAliveInVersion10 }
            case "upgrade", "http2-settings": throw .upgradeRefused
            default: break
            }
        }
    }

    /// The rules that need all fields.
    private mutating func checkTogether() throws(HTTP1Refusal) {
        guard let host else { throw .hostMissing }
        if let named = line.authority {
            let sameHost =
                bytes[named].count == host.count
                && zip(bytes[named], bytes[host]).allSatisfy { HTTP1Syntax.lowered($0) == HTTP1Syntax.lowered($1) }
            guard sameHost else { throw .absoluteFormHostDiffers }
        }
        if fields.index(of: "transfer-encoding") != nil {
            guard framing == .none else { throw .lengthAndTransferEncoding }
            guard !line.isVersion10 else { throw .transferEncodingInVersion10 }
            framing = .chunked
        }
        if framing == .length(0) { framing = .none }
    }
}
