import CNghttp2
import Domain

/// The header fields of a response as nghttp2 takes them, built on the stack.
///
/// Names are static; values are short and copied by nghttp2 in the one allocation that it makes for the block.
struct ResponseText {
    private static let mostFields = 6
    private static let flags = UInt8(NGHTTP2_NV_FLAG_NO_COPY_NAME.rawValue)
    /// A value that never repeats must not push others out of the peer's table. Source: RFC 7541 section 7.1.3.
    private static let unique = flags | UInt8(NGHTTP2_NV_FLAG_NO_INDEX.rawValue)
    private static let fixed = flags | UInt8(NGHTTP2_NV_FLAG_NO_COPY_VALUE.rawValue)

    private let response: Response
    private let idFlags: UInt8

    /// - Parameter isFirst: whether it is the first of its connection. Its request id enters the peer's table, value
    ///   and all, so that those after it name their field by one byte and not by sixteen letters.
    init(_ response: Response, isFirst: Bool) {
        self.response = response
        idFlags = isFirst ? Self.flags : Self.unique
    }

    /// Calls `body` with the fields; they are valid only during the call.
    func withFields<Value>(_ body: (UnsafeMutableBufferPointer<nghttp2_nv>) -> Value) -> Value {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 128) { scratch in
            withUnsafeTemporaryAllocation(of: nghttp2_nv.self, capacity: Self.mostFields) { fields in
                let base = scratch.baseAddress.unsafelyUnwrapped
                var writer = ScratchWriter(base: base)
                let status = writer.write(decimal: UInt64(response.status))
                fields.initializeElement(at: 0, to: Self.field(":status", status, Self.flags))
                fields.initializeElement(at: 1, to: Self.field("content-type", response.contentType.text))
                let length = writer.write(decimal: UInt64(response.body.count))
                fields.initializeElement(at: 2, to: Self.field("content-length", length, Self.flags))
                let id = writer.write(response.requestID)
                fields.initializeElement(at: 3, to: Self.field("x-amzn-requestid", id, idFlags))
                var count = 4
                if let seconds = response.retryAfterSeconds {
                    let value = writer.write(decimal: UInt64(max(0, seconds)))
                    fields.initializeElement(at: 4, to: Self.field("retry-after", value, Self.flags))
                    count = 5
                }
                if let method = response.allow {
                    fields.initializeElement(at: count, to: Self.field("allow", method.text))
                    count += 1
                }
                return body(UnsafeMutableBufferPointer(rebasing: fields[..<count]))
            }
        }
    }

    private static func field(_ name: StaticString, _ value: StaticString) -> nghttp2_nv {
        field(
            name,
            UnsafeMutableBufferPointer(
                start: UnsafeMutablePointer(mutating: value.utf8Start), count: value.utf8CodeUnitCount),
            fixed)
    }

    private static func field(
        _ name: StaticString, _ value: UnsafeMutableBufferPointer<UInt8>, _ flags: UInt8
    ) -> nghttp2_nv {
        nghttp2_nv(
            name: UnsafeMutablePointer(mutating: name.utf8Start), value: value.baseAddress,
            namelen: name.utf8CodeUnitCount, valuelen: value.count, flags: flags)
    }
}

/// Writes short texts one after another into borrowed memory: three numbers of at most 20 digits and one id of 36.
private struct ScratchWriter {
    private var next: UnsafeMutablePointer<UInt8>

    init(base: UnsafeMutablePointer<UInt8>) {
        next = base
    }

    mutating func write(decimal value: UInt64) -> UnsafeMutableBufferPointer<UInt8> {
        var digits = 1
        var rest = value
        while rest >= 10 {
            digits += 1
            rest /= 10
        }
        rest = value
        for index in stride(from: digits - 1, through: 0, by: -1) {
            next[index] = UInt8(ascii: "0") + UInt8(rest % 10)
            rest /= 10
        }
        return finish(digits)
    }

    mutating func write(_ id: UniqueID) -> UnsafeMutableBufferPointer<UInt8> {
        id.write(to: UnsafeMutableBufferPointer(start: next, count: UniqueID.textBytes))
        return finish(UniqueID.textBytes)
    }

    private mutating func finish(_ count: Int) -> UnsafeMutableBufferPointer<UInt8> {
        defer { next += count }
        return UnsafeMutableBufferPointer(start: next, count: count)
    }
}
