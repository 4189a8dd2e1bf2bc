/// One entry of a signature's covered components: a field or a derived component, with its parameters.
///
/// - Source: RFC 9421 §§ 2.1, 2.2
package struct MessageComponent: Equatable, Sendable {
    /// What the message says about itself outside its fields. No other name may begin with `@`.
    package enum Derived: String, Sendable, CaseIterable {
        case method = "@method"
        case targetURI = "@target-uri"
        case authority = "@authority"
        case scheme = "@scheme"
        case requestTarget = "@request-target"
        case path = "@path"
        case query = "@query"
        case queryParameter = "@query-param"
        case status = "@status"
    }

    /// In lower case.
    package let name: String
    /// Nil for a field.
    let derived: Derived?
    /// In ascending order of their keys, so that two spellings of one component are equal.
    private let parameters: [String]
    /// `"name";key="x"`, as it stands in the signature base.
    package let identifier: [UInt8]
    /// `sf` (RFC 9421 § 2.1.1).
    let isSerialized: Bool
    /// `key` (§ 2.1.2).
    let dictionaryKey: String?
    /// `bs` (§ 2.1.3).
    let isWrapped: Bool
    /// `req` (§ 2.4).
    let isOfRequest: Bool
    /// `name` of `@query-param` (§ 2.2.8), encoded.
    let queryName: String?

    /// The longest name; the gateway's longest field name is far below.
    package static let maximumNameBytes = 128

    /// Whether it is a bare name.
    package var hasParameters: Bool { !parameters.isEmpty && derived != .queryParameter || parameters.count > 1 }

    package static func == (left: MessageComponent, right: MessageComponent) -> Bool {
        left.name == right.name && left.parameters == right.parameters
    }

    /// Reads an item of `Signature-Input`'s inner list.
    package init(_ item: StructuredFieldItem) throws(MessageSignatureRefusal) {
        guard case .string(let name) = item.value, (1...Self.maximumNameBytes).contains(name.utf8.count) else {
            throw .componentMalformed(name: "")
        }
        self.name = name
        if name.utf8.first == UInt8(ascii: "@") {
            guard let known = Derived(rawValue: name) else { throw .componentMalformed(name: name) }
            derived = known
        } else {
            derived = nil
            for byte in name.utf8
            where !isFieldNameCharacter(byte) || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) {
                throw .componentMalformed(name: name)
            }
        }
        var found = Parameters()
        for parameter in item.parameters.all {
            try found.note(parameter, of: name, isField: derived == nil, isQuery: derived == .queryParameter)
        }
        if found.isWrapped, found.isSerialized || found.key != nil { throw .componentParameter(name: name) }
        if derived == .queryParameter, found.queryName == nil { throw .componentMalformed(name: name) }
        isSerialized = found.isSerialized
        dictionaryKey = found.key
        isWrapped = found.isWrapped
        isOfRequest = found.isOfRequest
        queryName = found.queryName
        parameters = item.parameters.all.map { parameter in
            var text = Array(parameter.key.utf8) + [UInt8(ascii: "=")]
            parameter.value.append(to: &text)
            return String(decoding: text, as: UTF8.self)
        }.sorted()
        var text: [UInt8] = []
        item.append(to: &text)
        identifier = text
    }

    /// Reads a component as an operator writes it: `@method`, `content-digest`, `"@query-param";name="a"`.
    package init(parsing text: String) throws(MessageSignatureRefusal) {
        let bytes: [UInt8]
        if text.utf8.first == UInt8(ascii: "\"") {
            bytes = Array(text.utf8)
        } else {
            let parts = text.utf8.split(separator: UInt8(ascii: ";"), maxSplits: 1, omittingEmptySubsequences: false)
            let rest = parts.count == 2 ? [UInt8(ascii: ";")] + parts[1] : []
            bytes = [UInt8(ascii: "\"")] + (parts.first.map { Array($0) } ?? []) + [UInt8(ascii: "\"")] + rest
        }
        let item: StructuredFieldItem
        do throws(StructuredFieldFault) {
            item = try StructuredFieldParser.item(bytes, limits: MessageSignatureInput.limits)
        } catch {
            throw .componentMalformed(name: text)
        }
        try self.init(item)
    }
}

/// The parameters of one component while they are read.
private struct Parameters {
    var isSerialized = false
    var isWrapped = false
    var isOfRequest = false
    var key: String?
    var queryName: String?

    mutating func note(
        _ parameter: StructuredFieldParameters.Parameter, of name: String, isField: Bool, isQuery: Bool
    ) throws(MessageSignatureRefusal) {
        switch (parameter.key, parameter.value) {
        case ("sf", .boolean(true)) where isField: isSerialized = true
        case ("bs", .boolean(true)) where isField: isWrapped = true
        case ("key", .string(let text)) where isField: key = text
        case ("req", .boolean(true)): isOfRequest = true
        case ("name", .string(let text)) where isQuery: queryName = text
        // `tr` among them: trailers are refused before a request gets here.
        default: throw .componentParameter(name: name)
        }
    }
}
