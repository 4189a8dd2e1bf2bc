import CNghttp2
import Domain

/// What the fields of one block may come to.
struct HeaderLimits {
    let bytes: Int
    let fields: Int
}

/// The header fields of the request whose block is being decoded. Bytes past the limits are counted, never kept.
struct HeaderBlock {
    /// What to do after a field.
    enum Verdict {
        case taken
        /// So far over the limits that decoding on would be work for an attacker.
        case hopeless
    }

    /// Over the limit by this factor the stream is reset without an answer.
    private static let hopelessFactor = 4
    private static let host: StaticString = "host"
    private static let contentLength: StaticString = "content-length"

    /// The stream's place, -1 while the block is to be ignored.
    var place = -1
    private(set) var refusal: HTTP2Refusal?
    private(set) var declaredBytes = -1
    private(set) var isHead = false
    private(set) var fields = HeaderFields()
    private var bytes = 0
    private var count = 0
    /// Method, path and authority, one after another; used for block after block.
    private(set) var pseudo: [UInt8] = []
    private var method = 0..<0
    private var target = 0..<0
    private var authority = 0..<0
    private var host = -1
    /// What the last request needed: the next of a connection is like it.
    private var usualBytes = 256
    private var usualFields = 8

    mutating func begin(place: Int) {
        self.place = place
        refusal = nil
        declaredBytes = -1
        isHead = false
        fields = HeaderFields(reservingBytes: usualBytes, fields: usualFields)
        bytes = 0
        count = 0
        pseudo.removeAll(keepingCapacity: true)
        method = 0..<0
        target = 0..<0
        authority = 0..<0
        host = -1
    }

    mutating func append(
        _ name: UnsafeBufferPointer<UInt8>, _ value: UnsafeBufferPointer<UInt8>, limits: HeaderLimits
    ) -> Verdict {
        bytes += name.count + value.count
        count += 1
        if bytes > limits.bytes || count > limits.fields {
            if refusal == nil {
                refusal = .headersTooLarge
                fields = HeaderFields()
            }
            let isHopeless =
                bytes > limits.bytes * Self.hopelessFactor || count > limits.fields * Self.hopelessFactor
            return isHopeless ? .hopeless : .taken
        }
        if refusal != nil { return .taken }
        if name.first == UInt8(ascii: ":") {
            keepPseudo(name, value)
        } else {
            keepField(name, value)
        }
        return .taken
    }

    /// The request without its content, or why there is none.
    mutating func finish() -> Result<Request, HTTP2RefusedRequest> {
        defer { place = -1 }
        if let refusal { return .failure(HTTP2RefusedRequest(refusal)) }
        if target.isEmpty { return .failure(HTTP2RefusedRequest(.noTarget)) }
        usualBytes = max(64, fields.buffer.count + pseudo.count)
        usualFields = max(4, fields.count)
        if host >= 0 {
            let hostValue = fields.value(at: host)
            if authority.isEmpty {
                let start = pseudo.count
                pseudo.append(contentsOf: hostValue)
                authority = start..<pseudo.count
            } else if !hostValue.elementsEqual(pseudo[authority]) {
                return .failure(HTTP2RefusedRequest(.authorityMismatch))
            }
        }
        if authority.isEmpty { return .failure(HTTP2RefusedRequest(.noTarget)) }
        let kept = fields
        fields = HeaderFields()
        return .success(
            pseudo.withUnsafeBufferPointer { pseudo in
                Request(
                    version: .http2, method: UnsafeBufferPointer(rebasing: pseudo[method]),
                    target: UnsafeBufferPointer(rebasing: pseudo[target]),
                    authority: UnsafeBufferPointer(rebasing: pseudo[authority]), fields: kept, body: [])
            })
    }

    /// Gives back what a large request made grow.
    mutating func shrink() {
        pseudo = []
    }

    private mutating func keepPseudo(_ name: UnsafeBufferPointer<UInt8>, _ value: UnsafeBufferPointer<UInt8>) {
        let start = pseudo.count
        // nghttp2 lets only the five pseudo-header fields of requests through, each at most once.
        switch (name.count, name[1]) {
        case (7, UInt8(ascii: "m")):
            pseudo.append(contentsOf: value)
            method = start..<pseudo.count
            isHead = pseudo[method].equals("HEAD" as StaticString)
        case (5, _):
            pseudo.append(contentsOf: value)
            target = start..<pseudo.count
        case (10, _):
            pseudo.append(contentsOf: value)
            authority = start..<pseudo.count
        default: break
        }
    }

    private mutating func keepField(_ name: UnsafeBufferPointer<UInt8>, _ value: UnsafeBufferPointer<UInt8>) {
        guard let start = name.baseAddress else { return }
        if memchr(start, Int32(UInt8(ascii: "_")), name.count) != nil {
            refusal = .underscoreInFieldName
            return
        }
        if name.count == 4, memcmp(start, Self.host.utf8Start, 4) == 0 { host = fields.count }
        if name.count == 14, memcmp(start, Self.contentLength.utf8Start, 14) == 0 { declaredBytes = Self.length(value) }
        fields.append(name: name, value: value)
    }

    /// nghttp2 has seen to it that these are digits, once. More of them than any limit has digits is as good as
    /// infinity.
    private static func length(_ digits: UnsafeBufferPointer<UInt8>) -> Int {
        guard digits.count <= 18 else { return .max }
        return digits.reduce(0) { $0 * 10 + Int($1 &- UInt8(ascii: "0")) }
    }
}

/// A refusal as an error, for `Result`.
struct HTTP2RefusedRequest: Error {
    let refusal: HTTP2Refusal

    init(_ refusal: HTTP2Refusal) {
        self.refusal = refusal
    }
}
