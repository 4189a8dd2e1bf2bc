import CSimdjson

/// Reads JSON documents one after the other into buffers it keeps: after warm-up a document allocates nothing.
///
/// One thread at a time uses a parser (it is not `Sendable`): an event loop owns one.
///
/// - Cost: about 12 bytes of memory for each byte of the largest document seen.
/// - Source: https://github.com/simdjson/simdjson/blob/v3.0.1/doc/tape.md
package final class JSONParser {
    /// The largest document this parser reads, in bytes.
    package let maximumBytes: Int
    /// How deep arrays and objects may nest: 1 allows `[1]` and refuses `[[1]]`; an empty one inside is not counted.
    package let maximumDepth: Int

    private let parser: OpaquePointer
    private var isInUse = false
    /// Bytes behind a document that simdjson may look at; a document without them is copied.
    private static let padding = csimdjson_padding()

    /// The depth a document may have when the caller names none; AWS documents no limit, and no event needs more.
    package static let defaultMaximumDepth = 128

    /// A parser for documents of up to `maximumBytes` (1 … 4 GiB) and `maximumDepth` (1 … 1,024) levels.
    package init(maximumBytes: Int, maximumDepth: Int = JSONParser.defaultMaximumDepth) {
        precondition((1...Int(UInt32.max)).contains(maximumBytes), "maximumBytes is 1 … 4 GiB")
        precondition((1...1024).contains(maximumDepth), "maximumDepth is 1 … 1,024")
        self.maximumBytes = maximumBytes
        self.maximumDepth = maximumDepth
        // simdjson counts the document itself as one more level.
        guard let parser = csimdjson_parser_create(maximumBytes, maximumDepth + 1) else {
            preconditionFailure("no memory for a JSON parser")
        }
        self.parser = parser
    }

    deinit {
        csimdjson_parser_destroy(parser)
    }

    /// Parses `bytes` and gives the root to `body`; the value and everything read from it end with the call.
    ///
    /// Object keys may repeat: ask `JSONValue.repeatedKey()` where that matters.
    package func withDocument<R>(
        _ bytes: UnsafeRawBufferPointer, _ body: (JSONValue) throws(JSONError) -> R
    ) throws(JSONError) -> R {
        let root = try parse(bytes)
        defer { isInUse = false }
        return try body(root)
    }

    /// As the form that throws `JSONError`, for a body with errors of its own: `refuse` turns a document that is not
    /// JSON into one of those.
    package func withDocument<R, E: Error>(
        _ bytes: UnsafeRawBufferPointer, refuse: (JSONError) -> E, _ body: (JSONValue) throws(E) -> R
    ) throws(E) -> R {
        let root: JSONValue
        do throws(JSONError) { root = try parse(bytes) } catch { throw refuse(error) }
        defer { isInUse = false }
        return try body(root)
    }

    /// Parses the text of a JSON string where it lies, as a document of its own.
    ///
    /// - Parameter text: the `string` of a value of another parser, within that one's `withDocument`.
    package func withDocument<R>(
        inString text: UnsafeBufferPointer<UInt8>, _ body: (JSONValue) throws(JSONError) -> R
    ) throws(JSONError) -> R {
        // INVARIANT: simdjson's buffer for strings ends with room to look ahead: it is made 64 bytes longer than the
        // strings of a document can come to (simdjson `dom/document-inl.h`, `document::allocate`).
        let root = try parse(UnsafeRawBufferPointer(text), isPadded: true)
        defer { isInUse = false }
        return try body(root)
    }

    /// Parses an array's bytes, where they lie if the array has room behind them; see the form that takes a raw buffer.
    package func withDocument<R>(
        _ bytes: [UInt8], _ body: (JSONValue) throws(JSONError) -> R
    ) throws(JSONError) -> R {
        try withDocument(bytes, refuse: { $0 }, body)
    }

    /// Parses a slice's bytes; see the form that takes a raw buffer.
    package func withDocument<R>(
        _ bytes: ArraySlice<UInt8>, _ body: (JSONValue) throws(JSONError) -> R
    ) throws(JSONError) -> R {
        try bytes.withUnsafeBufferPointer { buffer throws(JSONError) in
            try withDocument(UnsafeRawBufferPointer(buffer), body)
        }
    }

    /// Parses an array's bytes, where they lie if the array has room behind them; see the form that takes a raw buffer
    /// and `refuse`.
    package func withDocument<R, E: Error>(
        _ bytes: [UInt8], refuse: (JSONError) -> E, _ body: (JSONValue) throws(E) -> R
    ) throws(E) -> R {
        let isPadded = bytes.capacity - bytes.count >= Self.padding
        return try bytes.withUnsafeBufferPointer { buffer throws(E) in
            let root: JSONValue
            do throws(JSONError) {
                root = try parse(UnsafeRawBufferPointer(buffer), isPadded: isPadded)
            } catch { throw refuse(error) }
            defer { isInUse = false }
            return try body(root)
        }
    }

    /// Parses a slice's bytes; see the form that takes a raw buffer and `refuse`.
    package func withDocument<R, E: Error>(
        _ bytes: ArraySlice<UInt8>, refuse: (JSONError) -> E, _ body: (JSONValue) throws(E) -> R
    ) throws(E) -> R {
        try bytes.withUnsafeBufferPointer { buffer throws(E) in
            try withDocument(UnsafeRawBufferPointer(buffer), refuse: refuse, body)
        }
    }

    private func parse(_ bytes: UnsafeRawBufferPointer, isPadded: Bool = false) throws(JSONError) -> JSONValue {
        precondition(!isInUse, "a JSON parser reads one document at a time")
        guard bytes.count <= maximumBytes else { throw .tooLarge(bytes: bytes.count, limit: maximumBytes) }
        guard let base = bytes.baseAddress, !bytes.isEmpty else { throw .invalid(.empty) }
        let status = csimdjson_parser_parse(parser, base.assumingMemoryBound(to: UInt8.self), bytes.count, isPadded)
        guard status == CSIMDJSON_OK else { throw refusal(status, bytes) }
        guard let tape = csimdjson_parser_tape(parser), let strings = csimdjson_parser_strings(parser) else {
            preconditionFailure("a parsed document has a tape")
        }
        isInUse = true
        return JSONValue(tape: tape, strings: strings, index: 1)
    }

    private func refusal(_ status: csimdjson_status, _ bytes: UnsafeRawBufferPointer) -> JSONError {
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { return .invalid(.byteOrderMark) }
        switch status {
        case CSIMDJSON_TOO_LARGE: return .tooLarge(bytes: bytes.count, limit: maximumBytes)
        case CSIMDJSON_TOO_DEEP: return .tooDeep(limit: maximumDepth)
        case CSIMDJSON_OUT_OF_MEMORY: return .outOfMemory
        case CSIMDJSON_EMPTY: return .invalid(.empty)
        case CSIMDJSON_BAD_UTF8: return .invalid(.notUTF8)
        case CSIMDJSON_BAD_STRING: return .invalid(.string)
        case CSIMDJSON_BAD_NUMBER: return holdsLongInteger(bytes) ? .integerOutOfRange : .invalid(.number)
        case CSIMDJSON_BAD_LITERAL: return .invalid(.literal)
        default: return .invalid(.structure)
        }
    }
}

/// Whether a well-formed integer of 19 or more digits stands outside the strings: simdjson gives one error for those
/// and for numbers that are malformed, and the sender deserves to know which.
private func holdsLongInteger(_ bytes: UnsafeRawBufferPointer) -> Bool {
    let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
    var isInString = false
    var index = 0
    while index < bytes.count {
        let byte = bytes[index]
        index += 1
        if isInString {
            if byte == UInt8(ascii: "\\") { index += 1 }
            isInString = byte != UInt8(ascii: "\"")
        } else if byte == UInt8(ascii: "\"") {
            isInString = true
        } else if digits.contains(byte) {
            let start = index - 1
            while index < bytes.count, digits.contains(bytes[index]) { index += 1 }
            let goesOn =
                index < bytes.count && [UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E")].contains(bytes[index])
            if index - start >= 19, byte != UInt8(ascii: "0"), !goesOn { return true }
            while index < bytes.count, "+-.eE0123456789".utf8.contains(bytes[index]) { index += 1 }
        }
    }
    return false
}
