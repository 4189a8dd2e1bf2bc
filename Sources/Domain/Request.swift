/// The header fields of one message, kept exactly as received in one buffer: names in lower case, values untouched.
///
/// The pseudo-header fields of HTTP/2 and the request line of HTTP/1.1 stand beside them, not among them.
package struct HeaderFields: Sendable {
    /// One field as offsets into the buffer.
    package struct Field: Sendable {
        package let nameStart: UInt32
        package let nameCount: UInt32
        package let valueStart: UInt32
        package let valueCount: UInt32
    }

    package private(set) var buffer: [UInt8] = []
    package private(set) var fields: [Field] = []

    package init() {}

    package init(reservingBytes bytes: Int, fields count: Int) {
        buffer.reserveCapacity(bytes)
        fields.reserveCapacity(count)
    }

    package var count: Int { fields.count }

    /// Adds a field at the end. `name` must already be lower case; the caller has counted both against the limits.
    package mutating func append(name: UnsafeBufferPointer<UInt8>, value: UnsafeBufferPointer<UInt8>) {
        let start = UInt32(buffer.count)
        buffer.append(contentsOf: name)
        buffer.append(contentsOf: value)
        fields.append(
            Field(
                nameStart: start, nameCount: UInt32(name.count), valueStart: start + UInt32(name.count),
                valueCount: UInt32(value.count)))
    }

    package mutating func append(name: String, value: String) {
        var name = name
        var value = value
        name.withUTF8 { name in value.withUTF8 { append(name: name, value: $0) } }
    }

    /// Keeps bytes that are not a field (method, target, authority) in the same buffer.
    package mutating func keep(_ bytes: UnsafeBufferPointer<UInt8>) -> Range<Int> {
        let start = buffer.count
        buffer.append(contentsOf: bytes)
        return start..<buffer.count
    }

    package func name(at index: Int) -> Bytes {
        let field = fields[index]
        return buffer[Int(field.nameStart)..<Int(field.nameStart + field.nameCount)]
    }

    package func value(at index: Int) -> Bytes {
        let field = fields[index]
        return buffer[Int(field.valueStart)..<Int(field.valueStart + field.valueCount)]
    }

    /// The place of the first field called `name` (lower case), searching from `start`.
    package func index(of name: StaticString, from start: Int = 0) -> Int? {
        let wanted = name.utf8CodeUnitCount
        return buffer.withUnsafeBufferPointer { bytes in
            search: for index in start..<fields.count where Int(fields[index].nameCount) == wanted {
                let base = Int(fields[index].nameStart)
                for offset in 0..<wanted where bytes[base + offset] != name.utf8Start[offset] { continue search }
                return index
            }
            return nil
        }
    }

    /// The place of the first field called `name` (lower case), searching from `start`.
    package func index(named name: String, from start: Int = 0) -> Int? {
        var name = name
        return name.withUTF8 { wanted in
            buffer.withUnsafeBufferPointer { bytes in
                for index in start..<fields.count where Int(fields[index].nameCount) == wanted.count {
                    let base = Int(fields[index].nameStart)
                    let own = UnsafeBufferPointer(rebasing: bytes[base..<base + wanted.count])
                    if own.hasSameBytes(as: wanted) { return index }
                }
                return nil
            }
        }
    }

    /// The value of the first field called `name`, or `nil`.
    package func value(of name: StaticString) -> Bytes? {
        index(of: name).map { value(at: $0) }
    }

    /// Whether the value of the field at `index` is exactly the ASCII `text`; nothing is copied.
    package func isValue(at index: Int, _ text: StaticString) -> Bool {
        let field = fields[index]
        return buffer.holds(text, at: Int(field.valueStart), count: Int(field.valueCount))
    }

    /// Whether more than one field is called `name`.
    package func repeats(_ name: StaticString) -> Bool {
        guard let first = index(of: name) else { return false }
        return index(of: name, from: first + 1) != nil
    }
}

/// One request as received, whichever version of HTTP carried it.
///
/// Nothing here has been interpreted: the signature verifier hashes these bytes.
package struct Request: Sendable {
    package enum Version: Sendable {
        case http11
        case http2
    }

    package var version: Version
    package var fields: HeaderFields
    private let methodRange: Range<Int>
    private let targetRange: Range<Int>
    private let authorityRange: Range<Int>
    /// The content, whole: 0 … `Limits.wireBodyBytes`.
    package var body: [UInt8]
    /// Room that a body gets beyond its bytes: a reader that looks ahead in blocks of 64 then reads it where it lies.
    package static let bodySlackBytes = 64

    /// `authority` is `:authority`, or the one `Host` field of HTTP/1.1 (which also stays among the fields).
    package init(
        version: Version, method: UnsafeBufferPointer<UInt8>, target: UnsafeBufferPointer<UInt8>,
        authority: UnsafeBufferPointer<UInt8>, fields: HeaderFields, body: [UInt8]
    ) {
        self.version = version
        self.fields = fields
        methodRange = self.fields.keep(method)
        targetRange = self.fields.keep(target)
        authorityRange = self.fields.keep(authority)
        self.body = body
    }

    /// A request out of text, for the command line and for tests. `host` is added as a field for HTTP/1.1 only by the
    /// caller.
    package init(
        version: Version = .http2, method: String, target: String, authority: String,
        fields: [(name: String, value: String)], body: [UInt8]
    ) {
        var kept = HeaderFields()
        for field in fields { kept.append(name: field.name, value: field.value) }
        let method = Array(method.utf8)
        let target = Array(target.utf8)
        let authority = Array(authority.utf8)
        self = method.withUnsafeBufferPointer { method in
            target.withUnsafeBufferPointer { target in
                authority.withUnsafeBufferPointer { authority in
                    Request(
                        version: version, method: method, target: target, authority: authority, fields: kept, body: body
                    )
                }
            }
        }
    }

    /// `POST`, as sent.
    package var method: Bytes { fields.buffer[methodRange] }
    /// Path and query as sent: `/`, `/a%20b?c=d`.
    package var target: Bytes { fields.buffer[targetRange] }
    /// Whether the method is `text`; nothing is copied.
    package func isMethod(_ text: StaticString) -> Bool {
        fields.buffer.holds(text, at: methodRange.lowerBound, count: methodRange.count)
    }
    /// `gateway.example:8443`, as sent; empty when the peer sent none (which the HTTP layer refuses).
    package var authority: Bytes { fields.buffer[authorityRange] }
}

/// One answer. The HTTP layer adds `content-length`, `content-type` and `x-amzn-requestid`.
package struct Response: Sendable {
    package enum ContentType: Sendable {
        case amzJSON
        case json
        case xml
        case text
        case openMetrics

        /// The value of `content-type`.
        package var text: StaticString {
            switch self {
            case .amzJSON: "application/x-amz-json-1.1"
            case .json: "application/json"
            case .xml: "text/xml"
            case .text: "text/plain; charset=utf-8"
            case .openMetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8"
            }
        }
    }

    /// The one method that a path takes. Source: RFC 9110 section 9.1.
    package enum AllowedMethod: Sendable {
        case get
        case post

        /// The value of `allow`, and the method as it is sent.
        package var text: StaticString {
            switch self {
            case .get: "GET"
            case .post: "POST"
            }
        }
    }

    /// 200 … 599.
    package var status: UInt16
    package var contentType: ContentType
    package var requestID: UniqueID
    /// Seconds for `Retry-After`, absent when `nil`.
    package var retryAfterSeconds: Int?
    /// The method for `Allow`, absent when `nil`: a 405 has it, no other answer does. Source: RFC 9110 section 15.5.6.
    package var allow: AllowedMethod?
    package var body: [UInt8]

    package init(
        status: UInt16, contentType: ContentType, requestID: UniqueID, retryAfterSeconds: Int? = nil,
        allow: AllowedMethod? = nil, body: [UInt8]
    ) {
        self.status = status
        self.contentType = contentType
        self.requestID = requestID
        self.retryAfterSeconds = retryAfterSeconds
        self.allow = allow
        self.body = body
    }
}

extension [UInt8] {
    /// Whether the `count` bytes from `start` are exactly the ASCII `text`.
    fileprivate func holds(_ text: StaticString, at start: Int, count: Int) -> Bool {
        guard count == text.utf8CodeUnitCount else { return false }
        return withUnsafeBufferPointer { bytes in
            for offset in 0..<count where bytes[start + offset] != text.utf8Start[offset] { return false }
            return true
        }
    }
}
