import Domain

/// What a webhook's signature is computed over: literal text and the request's own parts, such as
/// `v0:{timestamp}:{body}`.
///
/// Two requests never give the same text: between two parts stands a literal that the first of them, and what the first
/// makes together with it, may not hold earlier; and the content comes last.
package struct WebhookTemplate: Equatable, Sendable, CustomStringConvertible {
    /// A piece of the text.
    package enum Part: Equatable, Sendable {
        case literal([UInt8])
        /// `{timestamp}`: the timestamp field as sent.
        case timestamp
        /// `{id}`: the id field as sent.
        case id
        /// `{method}`
        case method
        /// `{target}`: path and query as sent.
        case target
        /// `{header:NAME}`: the one field of that name, in lower case here.
        case header(String)
        /// `{body}`: the content as received.
        case body
    }

    /// Why text is no template.
    package enum Fault: Error, Equatable, Sendable {
        case tooLong
        /// A brace without its other, or a name that is none of the above.
        case unknownPart(String)
        /// Two parts without a literal between them: where one ends could be chosen by a forger.
        case adjacentParts
        /// `{body}` is not there, or does not stand last and once.
        case bodyNotLast

        package var description: String {
            switch self {
            case .tooLong: "the template is longer than \(WebhookTemplate.maximumBytes) bytes"
            case .unknownPart(let name):
                "`\(name)` is no part: write {timestamp}, {id}, {method}, {target}, {header:NAME} or {body}"
            case .adjacentParts: "two parts of the template stand side by side: put a literal between them"
            case .bodyNotLast: "{body} must stand in the template once, at its end"
            }
        }
    }

    package let parts: [Part]
    /// The text as given.
    package let description: String

    /// The longest template.
    package static let maximumBytes = 512

    /// Reads a template.
    package init(parsing text: String) throws(Fault) {
        guard text.utf8.count <= Self.maximumBytes else { throw .tooLong }
        var parts: [Part] = []
        var rest = Array(text.utf8)[...]
        while let first = rest.first {
            if first == UInt8(ascii: "{") {
                guard let end = rest.firstIndex(of: UInt8(ascii: "}")) else { throw .unknownPart(rest.text) }
                let part = try Self.part(rest[(rest.startIndex + 1)..<end].text)
                if let last = parts.last, !last.isLiteral { throw .adjacentParts }
                parts.append(part)
                rest = rest[(end + 1)...]
            } else {
                let end = rest.firstIndex(of: UInt8(ascii: "{")) ?? rest.endIndex
                guard !rest[..<end].contains(UInt8(ascii: "}")) else { throw .unknownPart(rest[..<end].text) }
                parts.append(.literal(Array(rest[..<end])))
                rest = rest[end...]
            }
        }
        guard parts.last == .body, !parts.dropLast().contains(.body) else { throw .bodyNotLast }
        self.parts = parts
        description = text
    }

    private static func part(_ name: String) throws(Fault) -> Part {
        switch name {
        case "timestamp": return .timestamp
        case "id": return .id
        case "method": return .method
        case "target": return .target
        case "body": return .body
        default:
            let prefix = "header:"
            guard name.hasPrefix(prefix), name.utf8.count > prefix.utf8.count,
                name.utf8.dropFirst(prefix.utf8.count).allSatisfy(isFieldNameCharacter)
            else { throw .unknownPart(name) }
            return .header(String(decoding: name.utf8.dropFirst(prefix.utf8.count).map(lowercased), as: UTF8.self))
        }
    }

    /// Whether the text depends on that part.
    func holds(_ part: Part) -> Bool { parts.contains(part) }

    /// The text to sign, up to the content.
    ///
    /// - Throws: `.missing`, `.repeated`, `.tooLong`; `.malformed` when the literal after a part begins before that
    ///   part's end.
    func head(
        of request: Request, timestamp: Bytes, id: Bytes
    ) throws(WebhookRefusal) -> [UInt8] {
        var text: [UInt8] = []
        for (index, part) in parts.enumerated() {
            let value: (bytes: Bytes, name: String)
            switch part {
            case .literal(let bytes):
                text.append(contentsOf: bytes)
                continue
            case .body: return text
            case .timestamp: value = (timestamp, "timestamp")
            case .id: value = (id, "id")
            case .method: value = (request.method, "method")
            case .target: value = (request.target, "target")
            case .header(let name): value = (try WebhookField.one(name, in: request), name)
            }
            // With the literal's own beginning: in `a.` before `..` the part could end a byte earlier as well.
            if case .literal(let next) = parts[index + 1], (value.bytes + next.dropLast()).holds(next) {
                throw .malformed(field: value.name)
            }
            text.append(contentsOf: value.bytes)
        }
        return text
    }
}

extension WebhookTemplate.Part {
    fileprivate var isLiteral: Bool {
        if case .literal = self { true } else { false }
    }
}

extension Bytes {
    /// Whether `part`, which is short, stands anywhere in these bytes.
    fileprivate func holds(_ part: [UInt8]) -> Bool {
        guard count >= part.count else { return false }
        return (startIndex...(endIndex - part.count)).contains { self[$0..<($0 + part.count)].elementsEqual(part) }
    }
}

/// Fields of a request that a scheme reads.
enum WebhookField {
    /// The longest field that a scheme reads: sixteen signatures of 64 bytes in base64 and room for the rest.
    static let maximumBytes = 4096

    /// The one field of that name (lower case), spaces around it removed.
    ///
    /// - Throws: `.missing`, also for an empty one; `.repeated`, `.tooLong`.
    static func one(_ name: String, in request: Request) throws(WebhookRefusal) -> Bytes {
        guard let index = request.fields.index(named: name) else { throw .missing(field: name) }
        let line = trimmed(request.fields.value(at: index))
        guard !line.isEmpty else { throw .missing(field: name) }
        guard request.fields.index(named: name, from: index + 1) == nil else { throw .repeated(field: name) }
        guard line.count <= maximumBytes else { throw .tooLong(field: name) }
        return line
    }
}
