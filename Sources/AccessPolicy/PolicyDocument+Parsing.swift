import Domain
package import JSON

extension PolicyDocument {
    /// Reads a policy strictly: unknown elements, repeated keys, malformed values and wrong places are errors.
    ///
    /// - Parameters:
    ///   - kind: where it will be attached; decides which elements must be there.
    ///   - limits: lengths are compared before memory is spent.
    /// - Throws: the first fault, with its place.
    package init(
        parsing bytes: [UInt8], kind: PolicyKind, limits: PolicyLimits = .default
    ) throws(PolicyError) {
        let characters = bytes.reduce(0) { $0 + ($1 & 0xC0 == 0x80 ? 0 : 1) }
        guard characters <= limits.characters else {
            throw .tooLong(characters: characters, limit: limits.characters)
        }
        let node: JSONNode
        do throws(JSONError) {
            node = try JSONNode(
                parsing: bytes, maximumBytes: max(4 * limits.characters, 1), maximumDepth: limits.depth)
        } catch {
            throw .json(error)
        }
        try self.init(node, kind: kind, limits: limits, characters: characters)
    }

    /// Reads the UTF-8 of `text`; see `init(parsing:kind:limits:)`.
    package init(parsing text: String, kind: PolicyKind, limits: PolicyLimits = .default) throws(PolicyError) {
        try self.init(parsing: Array(text.utf8), kind: kind, limits: limits)
    }

    /// Reads a policy that was a part of a larger document; its length is that of its compact form.
    package init(_ node: JSONNode, kind: PolicyKind, limits: PolicyLimits = .default) throws(PolicyError) {
        let characters = node.bytes().reduce(0) { $0 + ($1 & 0xC0 == 0x80 ? 0 : 1) }
        guard characters <= limits.characters else {
            throw .tooLong(characters: characters, limit: limits.characters)
        }
        try self.init(node, kind: kind, limits: limits, characters: characters)
    }

    private init(_ node: JSONNode, kind: PolicyKind, limits: PolicyLimits, characters: Int) throws(PolicyError) {
        let root = try PolicyObject(node, place: "", allowed: ["Version", "Id", "Statement"])
        var version = Version.original
        if let text = try root.text("Version") {
            guard let read = Version(rawValue: text) else {
                throw root.fault("Version", .unknownValue(text, allowed: "`2012-10-17`"))
            }
            version = read
        }
        guard let list = root["Statement"] else { throw root.fault("", .missing(element: "Statement")) }
        let nodes: [JSONNode]
        switch list {
        case .array(let elements): nodes = elements
        case .object: nodes = [list]
        default: throw root.fault("Statement", .wrongKind(found: list.kindName, wanted: "a list of statements"))
        }
        guard !nodes.isEmpty else { throw root.fault("Statement", .empty(element: "Statement")) }
        guard nodes.count <= limits.statements else {
            throw root.fault("Statement", .tooManyStatements(limit: limits.statements))
        }
        var statements: [Statement] = []
        for (index, element) in nodes.enumerated() {
            let place = list.array == nil ? "/Statement" : "/Statement/\(index)"
            let reader = StatementReader(place: place, kind: kind, readsVariables: version == .current)
            let statement = try reader.read(element)
            if let sid = statement.sid, !sid.isEmpty, statements.contains(where: { $0.sid == sid }) {
                throw .invalid(place: place + "/Sid", .duplicateStatementID(sid))
            }
            statements.append(statement)
        }
        guard statements.reduce(0, { $0 + $1.conditions.count }) <= limits.conditions else {
            throw root.fault("Statement", .tooManyConditions(limit: limits.conditions))
        }
        self.kind = kind
        self.version = version
        namesVersion = root["Version"] != nil
        id = try root.text("Id")
        self.statements = statements
        self.characters = characters
    }
}

/// One object of a policy with the pointer of where it is.
struct PolicyObject {
    let place: String
    let members: [JSONNode.Member]

    init(_ node: JSONNode, place: String, allowed: [String]?) throws(PolicyError) {
        guard let members = node.object else {
            throw .invalid(place: place, .wrongKind(found: node.kindName, wanted: "an object"))
        }
        self.place = place
        self.members = members
        guard let allowed else { return }
        for member in members where !allowed.contains(member.key) {
            throw fault(member.key, .unknownElement(member.key))
        }
    }

    subscript(name: String) -> JSONNode? { members.first { $0.key == name }?.value }

    func text(_ name: String) throws(PolicyError) -> String? {
        guard let node = self[name] else { return nil }
        guard let text = node.string else {
            throw fault(name, .wrongKind(found: node.kindName, wanted: "a string"))
        }
        return text
    }

    func pointer(_ name: String) -> String { name.isEmpty ? place : place + "/" + Self.escaped(name) }

    func fault(_ name: String, _ fault: PolicyFault) -> PolicyError { .invalid(place: pointer(name), fault) }

    /// The two characters RFC 6901 section 3 escapes.
    static func escaped(_ name: String) -> String {
        var escaped = ""
        for character in name.unicodeScalars {
            switch character {
            case "~": escaped += "~0"
            case "/": escaped += "~1"
            default: escaped.unicodeScalars.append(character)
            }
        }
        return escaped
    }

    /// A string, or a list of them that is not empty.
    func texts(_ name: String) throws(PolicyError) -> [String]? {
        guard let node = self[name] else { return nil }
        if let text = node.string { return [text] }
        guard let elements = node.array else {
            throw fault(name, .wrongKind(found: node.kindName, wanted: "a string or a list of strings"))
        }
        guard !elements.isEmpty else { throw fault(name, .empty(element: name)) }
        var texts: [String] = []
        for (index, element) in elements.enumerated() {
            guard let text = element.string else {
                throw .invalid(
                    place: pointer(name) + "/\(index)", .wrongKind(found: element.kindName, wanted: "a string"))
            }
            texts.append(text)
        }
        return texts
    }
}
