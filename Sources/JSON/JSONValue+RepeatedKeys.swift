#if canImport(Glibc)
    import Glibc
#endif

extension JSONObject {
    /// Up to this many members are compared pair by pair, without memory; more are sorted.
    static let pairwiseMembers = 16

    /// The first key that stands in this object twice (keys are compared unescaped, byte for byte), or nil.
    ///
    /// - Cost: no allocation up to 16 members, then n log n whatever the keys are.
    package func repeatedKey() -> UnsafeBufferPointer<UInt8>? {
        var members = makeIterator()
        var count = 0
        while let member = members.next() {
            count += 1
            if count > Self.pairwiseMembers { return repeatedKeyBySorting() }
            var earlier = makeIterator()
            for _ in 1..<count {
                guard let other = earlier.next() else { break }
                if isEqual(other.key, member.key) { return member.key }
            }
        }
        return nil
    }

    private func repeatedKeyBySorting() -> UnsafeBufferPointer<UInt8>? {
        let keys = map(\.key).sorted { left, right in
            if left.count != right.count { return left.count < right.count }
            return left.count > 0 && memcmp(left.baseAddress!, right.baseAddress!, left.count) < 0
        }
        for index in keys.indices.dropFirst() where isEqual(keys[index - 1], keys[index]) { return keys[index] }
        return nil
    }

    private func isEqual(_ left: UnsafeBufferPointer<UInt8>, _ right: UnsafeBufferPointer<UInt8>) -> Bool {
        left.count == right.count && (left.isEmpty || memcmp(left.baseAddress!, right.baseAddress!, left.count) == 0)
    }
}

extension JSONValue {
    /// The JSON pointer (RFC 6901) of a key that repeats in this value or anything inside it, or nil.
    ///
    /// Recursion is as deep as the document, which the parser's `maximumDepth` bounds.
    package func repeatedKeyPath() -> String? {
        if let object {
            if let key = object.repeatedKey() { return "/" + pointerToken(key) }
            for member in object {
                if let path = member.value.repeatedKeyPath() { return "/" + pointerToken(member.key) + path }
            }
        } else if let array {
            var index = 0
            for element in array {
                if let path = element.repeatedKeyPath() { return "/\(index)" + path }
                index += 1
            }
        }
        return nil
    }

    /// Whether any object in this value names a key twice. Allocates nothing while objects have at most 16 members.
    package func holdsRepeatedKey() -> Bool {
        if let object {
            if object.repeatedKey() != nil { return true }
            for member in object where member.value.holdsRepeatedKey() { return true }
        } else if let array {
            for element in array where element.holdsRepeatedKey() { return true }
        }
        return false
    }
}

/// A key as a JSON pointer's reference token: `~` is `~0` and `/` is `~1` (RFC 6901 §3).
func pointerToken(_ key: some Sequence<UInt8>) -> String {
    var token: [UInt8] = []
    for byte in key {
        switch byte {
        case UInt8(ascii: "~"): token += "~0".utf8
        case UInt8(ascii: "/"): token += "~1".utf8
        default: token.append(byte)
        }
    }
    return String(decoding: token, as: UTF8.self)
}
