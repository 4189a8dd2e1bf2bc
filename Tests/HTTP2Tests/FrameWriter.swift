import CNghttp2

/// Hand-made frames of a client, with nghttp2's HPACK encoder for the header blocks.
struct FrameWriter: ~Copyable {
    private let deflater: OpaquePointer
    var bytes: [UInt8] = []

    init() {
        var made: OpaquePointer?
        precondition(nghttp2_hd_deflate_new(&made, 4096) == 0)
        deflater = made.unsafelyUnwrapped
    }

    deinit {
        nghttp2_hd_deflate_del(deflater)
    }

    /// What was written since the last call.
    mutating func take() -> [UInt8] {
        defer { bytes.removeAll(keepingCapacity: true) }
        return bytes
    }

    mutating func preface(settings: [(id: UInt16, value: UInt32)] = []) {
        bytes += Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)
        self.settings(settings)
    }

    mutating func frame(type: UInt8, flags: UInt8 = 0, stream: UInt32 = 0, payload: [UInt8] = []) {
        let count = payload.count
        bytes += [UInt8(count >> 16), UInt8(count >> 8 & 0xFF), UInt8(count & 0xFF), type, flags]
        word(stream)
        bytes += payload
    }

    mutating func settings(_ entries: [(id: UInt16, value: UInt32)]) {
        var payload: [UInt8] = []
        for entry in entries {
            payload += [UInt8(entry.id >> 8), UInt8(entry.id & 0xFF)] + Self.bigEndian(entry.value)
        }
        frame(type: 4, payload: payload)
    }

    mutating func headers(stream: UInt32, block: [UInt8], ends: Bool = true, endsBlock: Bool = true) {
        frame(type: 1, flags: (ends ? 1 : 0) | (endsBlock ? 4 : 0), stream: stream, payload: block)
    }

    mutating func headers(stream: UInt32, _ fields: [(String, String)] = FrameWriter.get, ends: Bool = true) {
        headers(stream: stream, block: encode(fields), ends: ends)
    }

    mutating func data(stream: UInt32, _ payload: [UInt8], ends: Bool = true) {
        frame(type: 0, flags: ends ? 1 : 0, stream: stream, payload: payload)
    }

    mutating func resetStream(_ stream: UInt32, code: UInt32 = 8) {
        frame(type: 3, stream: stream, payload: Self.bigEndian(code))
    }

    mutating func windowUpdate(stream: UInt32, by increment: UInt32) {
        frame(type: 8, stream: stream, payload: Self.bigEndian(increment))
    }

    mutating func ping() {
        frame(type: 6, payload: [1, 2, 3, 4, 5, 6, 7, 8])
    }

    /// A POST with `body` as one request in as many DATA frames as it needs.
    mutating func post(stream: UInt32, body: [UInt8], more fields: [(String, String)] = []) {
        headers(stream: stream, Self.post + [("content-length", "\(body.count)")] + fields, ends: body.isEmpty)
        var start = 0
        while start < body.count {
            let end = min(start + 16_384, body.count)
            data(stream: stream, Array(body[start..<end]), ends: end == body.count)
            start = end
        }
    }

    /// The block of `fields`. The encoder's table lives as long as this writer.
    mutating func encode(_ fields: [(String, String)]) -> [UInt8] {
        let texts = fields.map { (Array($0.0.utf8), Array($0.1.utf8)) }
        var storage: [UInt8] = []
        var places: [(Int, Int, Int)] = []
        for (name, value) in texts {
            places.append((storage.count, name.count, value.count))
            storage += name + value
        }
        var block = [UInt8](repeating: 0, count: storage.count * 2 + 64 * fields.count + 64)
        let count = storage.withUnsafeMutableBufferPointer { storage in
            let base = storage.baseAddress
            var list = places.map { start, name, value in
                nghttp2_nv(
                    name: base.map { $0 + start }, value: base.map { $0 + start + name }, namelen: name,
                    valuelen: value, flags: 0)
            }
            return nghttp2_hd_deflate_hd(deflater, &block, block.count, &list, list.count)
        }
        precondition(count >= 0)
        return Array(block[..<count])
    }

    private mutating func word(_ value: UInt32) {
        bytes += Self.bigEndian(value)
    }

    static func bigEndian(_ value: UInt32) -> [UInt8] {
        [UInt8(value >> 24), UInt8(value >> 16 & 0xFF), UInt8(value >> 8 & 0xFF), UInt8(value & 0xFF)]
    }

    static let get = [(":method", "GET"), (":scheme", "https"), (":path", "/"), (":authority", "bus.example")]
    static let post = [(":method", "POST"), (":scheme", "https"), (":path", "/"), (":authority", "bus.example")]
}
