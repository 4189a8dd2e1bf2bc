import Cryptography
import Domain

extension MessageComponent {
    /// The component's value in `message`, one line without its name.
    ///
    /// - Throws: `.componentAbsent`, `.componentValue`, `.componentParameter`, `.authority`.
    func value(in message: SignedMessage) throws(MessageSignatureRefusal) -> [UInt8] {
        let value = try unchecked(in: message)
        for byte in value where !(0x20...0x7E).contains(byte) && byte != UInt8(ascii: "\t") {
            throw .componentValue(name: name)
        }
        return value
    }

    private func unchecked(in message: SignedMessage) throws(MessageSignatureRefusal) -> [UInt8] {
        switch message.role {
        case .request(let head):
            // A request has no request it answers (RFC 9421 § 2.4).
            if isOfRequest { throw .componentParameter(name: name) }
            guard let derived else { return try field(in: message.fields) }
            return try self.derived(derived, from: head)
        case .response(let status, let head):
            if isOfRequest {
                guard let head else { throw .componentAbsent(name: name) }
                guard let derived else { return try field(in: head.fields) }
                return try self.derived(derived, from: head)
            }
            guard let derived else { return try field(in: message.fields) }
            guard derived == .status else { throw .componentAbsent(name: name) }
            return Array(String(status).utf8)
        }
    }

    // Fields (RFC 9421 § 2.1)

    private func field(in fields: HeaderFields) throws(MessageSignatureRefusal) -> [UInt8] {
        let lines = fields.lines(of: name.utf8)
        if lines.isEmpty { throw .componentAbsent(name: name) }
        if isWrapped {
            var output: [UInt8] = []
            for (index, line) in lines.enumerated() {
                if index > 0 { output.append(contentsOf: ", ".utf8) }
                StructuredFieldValue.bytes(Array(line)).append(to: &output)
            }
            return output
        }
        let combined = Array(lines.joined(separator: ", ".utf8))
        if let dictionaryKey { return try member(dictionaryKey, of: combined) }
        return isSerialized ? try serialized(combined) : combined
    }

    private func member(_ key: String, of combined: [UInt8]) throws(MessageSignatureRefusal) -> [UInt8] {
        let dictionary: StructuredFieldDictionary
        do throws(StructuredFieldFault) {
            dictionary = try StructuredFieldParser.dictionary(combined)
        } catch {
            throw .componentValue(name: name)
        }
        guard let member = dictionary[key] else { throw .componentAbsent(name: name) }
        var output: [UInt8] = []
        member.append(to: &output)
        return output
    }

    /// The field written strictly. Its type is not known here: it is taken when every type that can read the field
    /// writes it the same way, and refused otherwise.
    private func serialized(_ combined: [UInt8]) throws(MessageSignatureRefusal) -> [UInt8] {
        var spellings: [[UInt8]] = []
        do throws(StructuredFieldFault) {
            var output: [UInt8] = []
            try StructuredFieldParser.item(combined).append(to: &output)
            spellings.append(output)
        } catch {}
        do throws(StructuredFieldFault) {
            var output: [UInt8] = []
            StructuredFieldMember.append(list: try StructuredFieldParser.list(combined), to: &output)
            spellings.append(output)
        } catch {}
        do throws(StructuredFieldFault) {
            var output: [UInt8] = []
            try StructuredFieldParser.dictionary(combined).append(to: &output)
            spellings.append(output)
        } catch {}
        guard let first = spellings.first, spellings.allSatisfy({ $0 == first }) else {
            throw .componentValue(name: name)
        }
        return first
    }

    // Derived components (RFC 9421 § 2.2)

    private func derived(
        _ component: Derived, from head: SignedMessage.RequestHead
    ) throws(MessageSignatureRefusal) -> [UInt8] {
        switch component {
        case .method: return head.method
        case .requestTarget: return head.target
        case .status: throw .componentAbsent(name: name)
        case .targetURI, .authority, .scheme, .path, .query, .queryParameter: break
        }
        let target = try RequestTarget(head)
        switch component {
        case .authority: return target.normalizedAuthority
        case .scheme: return target.scheme
        case .path: return target.path.isEmpty ? [UInt8(ascii: "/")] : target.path
        case .query: return [UInt8(ascii: "?")] + (target.query ?? [])
        case .targetURI:
            let query = target.query.map { [UInt8(ascii: "?")] + $0 } ?? []
            return target.scheme + Array("://".utf8) + target.authority + target.path + query
        case .queryParameter: return try queryValue(target.query ?? [])
        case .method, .requestTarget, .status: throw .componentAbsent(name: name)
        }
    }

    /// The one parameter of that name, decoded as a form and encoded again.
    private func queryValue(_ query: [UInt8]) throws(MessageSignatureRefusal) -> [UInt8] {
        guard let queryName else { throw .componentMalformed(name: name) }
        var found: [UInt8]?
        for pair in query.split(separator: UInt8(ascii: "&")) {
            let parts = pair.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            guard encodedAgain(parts[0]).elementsEqual(queryName.utf8) else { continue }
            // A name that repeats cannot be told apart (§ 2.2.8).
            if found != nil { throw .componentAbsent(name: name) }
            found = parts.count == 2 ? encodedAgain(parts[1]) : []
        }
        guard let found else { throw .componentAbsent(name: name) }
        return found
    }
}

/// The parts of a request's target URI.
private struct RequestTarget {
    let scheme: [UInt8]
    let authority: [UInt8]
    let path: [UInt8]
    /// Without the question mark; nil when there is none.
    let query: [UInt8]?

    init(_ head: SignedMessage.RequestHead) throws(MessageSignatureRefusal) {
        guard head.fields.lines(of: "host".utf8).count <= 1 else { throw .authority }
        let target = head.target
        if target.first == UInt8(ascii: "/") || target == [UInt8(ascii: "*")] || target.isEmpty {
            scheme = Array(head.scheme.utf8)
            authority = head.authority
            (path, query) = Self.split(target == [UInt8(ascii: "*")] ? [] : target[...])
            return
        }
        guard let mark = target.firstIndex(of: UInt8(ascii: ":")), target[mark...].starts(with: "://".utf8) else {
            throw .authority
        }
        scheme = target[..<mark].map(lowercased)
        let rest = target[(mark + 3)...]
        let end = rest.firstIndex { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "?") } ?? rest.endIndex
        authority = Array(rest[..<end])
        (path, query) = Self.split(rest[end...])
        // RFC 9112 § 3.2.2 lets the target win; a `Host` that says otherwise is refused instead.
        guard head.authority.isEmpty || head.authority.map(lowercased) == authority.map(lowercased) else {
            throw .authority
        }
    }

    /// In lower case, without the scheme's own port (RFC 9421 § 2.2.3).
    var normalizedAuthority: [UInt8] {
        let lower = authority.map(lowercased)
        let port: String
        if scheme.elementsEqual("https".utf8) {
            port = ":443"
        } else if scheme.elementsEqual("http".utf8) {
            port = ":80"
        } else {
            return lower
        }
        return lower.suffix(port.utf8.count).elementsEqual(port.utf8) ? lower.dropLast(port.utf8.count) : lower
    }

    private static func split(_ text: ArraySlice<UInt8>) -> ([UInt8], [UInt8]?) {
        guard let mark = text.firstIndex(of: UInt8(ascii: "?")) else { return (Array(text), nil) }
        return (Array(text[..<mark]), Array(text[(mark + 1)...]))
    }
}

/// Decodes `application/x-www-form-urlencoded` text and percent-encodes it again (RFC 9421 § 2.2.8; the sets are those
/// of https://url.spec.whatwg.org/#urlencoded-parsing and its component percent-encode set).
private func encodedAgain(_ text: some Collection<UInt8>) -> [UInt8] {
    var output: [UInt8] = []
    var rest = text[...]
    while let byte = rest.popFirst() {
        var value = byte == UInt8(ascii: "+") ? UInt8(ascii: " ") : byte
        if byte == UInt8(ascii: "%"), let high = rest.first.flatMap(Hexadecimal.value),
            let low = rest.dropFirst().first.flatMap(Hexadecimal.value)
        {
            value = high << 4 | low
            rest = rest.dropFirst(2)
        }
        if isUnreserved(value) {
            output.append(value)
        } else {
            output.append(UInt8(ascii: "%"))
            output.append(upperDigit(value >> 4))
            output.append(upperDigit(value & 15))
        }
    }
    return output
}

private func upperDigit(_ nibble: UInt8) -> UInt8 {
    nibble < 10 ? UInt8(ascii: "0") + nibble : UInt8(ascii: "A") + nibble - 10
}

/// What the component percent-encode set leaves as it is: letters, digits and `!'()*-._~`.
private func isUnreserved(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
        UInt8(ascii: "~"), UInt8(ascii: "!"), UInt8(ascii: "'"), UInt8(ascii: "("), UInt8(ascii: ")"),
        UInt8(ascii: "*"):
        true
    default: false
    }
}
