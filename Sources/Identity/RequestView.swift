import Domain
import Glibc

/// A request's bytes without reference counts: for the length of one verification.
struct RequestView {
    let method: UnsafeBufferPointer<UInt8>
    let target: UnsafeBufferPointer<UInt8>
    let authority: UnsafeBufferPointer<UInt8>
    private let buffer: UnsafeBufferPointer<UInt8>
    private let fields: UnsafeBufferPointer<HeaderFields.Field>

    /// Lends the view of `request` to `body`.
    static func with<Result, Failure: Error>(
        _ request: borrowing Request, _ body: (RequestView) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let method = request.method.indices
        let target = request.target.indices
        let authority = request.authority.indices
        return try request.fields.buffer.withUnsafeBufferPointer { (buffer) throws(Failure) in
            try request.fields.fields.withUnsafeBufferPointer { (fields) throws(Failure) in
                try body(
                    RequestView(
                        method: buffer.part(method), target: buffer.part(target), authority: buffer.part(authority),
                        buffer: buffer, fields: fields))
            }
        }
    }

    var fieldCount: Int { fields.count }

    func name(_ index: Int) -> UnsafeBufferPointer<UInt8> {
        let field = fields[index]
        return buffer.part(Int(field.nameStart)..<Int(field.nameStart + field.nameCount))
    }

    func value(_ index: Int) -> UnsafeBufferPointer<UInt8> {
        let field = fields[index]
        return buffer.part(Int(field.valueStart)..<Int(field.valueStart + field.valueCount))
    }

    /// Where the fields stand that decide something, found in one pass.
    func decidingFields() -> DecidingFields {
        var found = DecidingFields()
        for index in 0..<fields.count {
            let name = name(index)
            switch name.count {
            case 4 where name.isSame(as: "host"): found.note(.host, index)
            case 10 where name.isSame(as: "x-amz-date"): found.note(.date, index)
            case 12 where name.isSame(as: "x-amz-target"): found.note(.target, index)
            case 12 where name.isSame(as: "content-type"): found.note(.contentType, index)
            case 13 where name.isSame(as: "authorization"): found.note(.authorization, index)
            case 20 where name.isSame(as: "x-amz-security-token"): found.note(.token, index)
            case 20 where name.isSame(as: "x-amz-content-sha256"): found.note(.payloadHash, index)
            default: continue
            }
        }
        return found
    }

    /// Every `x-amz-*` field, `content-type`, every `ce-*` field and every field of this gateway's own must be signed:
    /// whoever stands between could otherwise make another CloudEvent of a request, or give two requests one
    /// idempotency key. Case is ignored: the HTTP layers send lower case, and should one forget, the field is still
    /// refused.
    func mustBeSigned(_ index: Int) -> Bool {
        let name = name(index)
        return name.beginsCaseless(with: "x-amz-") || name.beginsCaseless(with: "isthmus-")
            || name.beginsCaseless(with: "ce-")
            || (name.count == 12 && name.beginsCaseless(with: "content-type"))
    }
}

/// The places of the fields that may stand once only; nil where there is none.
struct DecidingFields {
    var authorization: Int?
    var host: Int?
    var date: Int?
    var token: Int?
    var payloadHash: Int?
    var target: Int?
    var contentType: Int?
    /// The first that stands a second time.
    private(set) var repeated: SigV4Refusal.StaticField?

    fileprivate mutating func note(_ field: SigV4Refusal.StaticField, _ index: Int) {
        let isFirst: Bool
        switch field {
        case .authorization: isFirst = place(index, &authorization)
        case .host: isFirst = place(index, &host)
        case .date: isFirst = place(index, &date)
        case .token: isFirst = place(index, &token)
        case .payloadHash: isFirst = place(index, &payloadHash)
        case .target: isFirst = place(index, &target)
        case .contentType: isFirst = place(index, &contentType)
        }
        if !isFirst, repeated == nil { repeated = field }
    }
}

/// Writes a place down; false when it was taken.
private func place(_ index: Int, _ slot: inout Int?) -> Bool {
    if slot != nil { return false }
    slot = index
    return true
}

extension UnsafeBufferPointer<UInt8> {
    /// The bytes of `range`, counted from the start.
    func part(_ range: Range<Int>) -> UnsafeBufferPointer<UInt8> {
        precondition(range.lowerBound >= 0 && range.upperBound <= count)
        return UnsafeBufferPointer(start: baseAddress.map { $0 + range.lowerBound }, count: range.count)
    }

    func isSame(as other: UnsafeBufferPointer<UInt8>) -> Bool {
        guard count == other.count else { return false }
        guard let left = baseAddress, let right = other.baseAddress else { return true }
        return memcmp(left, right, count) == 0
    }

    func isSame(as literal: StaticString) -> Bool {
        isSame(as: UnsafeBufferPointer(start: literal.utf8Start, count: literal.utf8CodeUnitCount))
    }

    func isSame(as bytes: [UInt8]) -> Bool {
        bytes.withUnsafeBufferPointer { isSame(as: $0) }
    }

    /// Whether these bytes come before `other` in ascending order.
    func precedes(_ other: UnsafeBufferPointer<UInt8>) -> Bool {
        guard let left = baseAddress, let right = other.baseAddress else { return count < other.count }
        let order = memcmp(left, right, Swift.min(count, other.count))
        return order < 0 || (order == 0 && count < other.count)
    }

    func begins(with literal: StaticString) -> Bool {
        count >= literal.utf8CodeUnitCount && part(0..<literal.utf8CodeUnitCount).isSame(as: literal)
    }

    /// Whether these bytes begin with the lower-case `literal` when ASCII capitals count as small letters.
    func beginsCaseless(with literal: StaticString) -> Bool {
        guard count >= literal.utf8CodeUnitCount else { return false }
        for index in 0..<literal.utf8CodeUnitCount where lowercased(self[index]) != literal.utf8Start[index] {
            return false
        }
        return true
    }

    var text: String { String(decoding: self, as: UTF8.self) }
}
