package import Domain

/// One labelled signature of a message, read and not yet verified.
///
/// - Source: RFC 9421 §§ 2.3, 4
package struct MessageSignatureInput: Sendable {
    package let label: String
    /// What it covers, in its order.
    package let components: [MessageComponent]
    /// Seconds since 1970.
    package let created: Int64?
    package let expires: Int64?
    package let nonce: String?
    package let algorithm: String?
    package let keyID: String?
    package let tag: String?
    package let signature: [UInt8]
    /// The value of `@signature-params`: the inner list written strictly, in the order received.
    let parameters: [UInt8]

    /// The most labels, components and parameters; an RSA signature of 8192 bits is 1.4 KB of text.
    package static let limits = StructuredFieldLimits(
        bytes: 8192, members: 64, parameters: 16, refusesRepetition: true)
    /// The most signatures on one message: each may cost a public-key operation.
    package static let maximumLabels = 8

    /// Reads the two fields.
    ///
    /// - Throws: `.missing`, `.tooLarge`, `.malformed`, `.repeated`, `.unpairedLabel`, `.component…`,
    ///   `.parameterMalformed`.
    package static func all(in fields: HeaderFields) throws(MessageSignatureRefusal) -> [MessageSignatureInput] {
        let inputs = try dictionary(.signatureInput, in: fields)
        let signatures = try dictionary(.signature, in: fields)
        guard inputs.entries.count == signatures.entries.count else { throw .unpairedLabel }
        guard !inputs.entries.isEmpty else { throw .missing(.signatureInput) }
        var all: [MessageSignatureInput] = []
        for entry in inputs.entries {
            guard let member = signatures[entry.key] else { throw .unpairedLabel }
            guard case .item(let item) = member, case .bytes(let signature) = item.value else {
                throw .malformed(.signature)
            }
            guard case .innerList(let list) = entry.member else { throw .malformed(.signatureInput) }
            all.append(try MessageSignatureInput(label: entry.key, list, signature: signature))
        }
        return all
    }

    private static func dictionary(
        _ field: MessageSignatureRefusal.Field, in fields: HeaderFields
    ) throws(MessageSignatureRefusal) -> StructuredFieldDictionary {
        guard let text = fields.combined(field.rawValue.utf8) else { throw .missing(field) }
        let dictionary: StructuredFieldDictionary
        do throws(StructuredFieldFault) {
            dictionary = try StructuredFieldParser.dictionary(text, limits: limits)
        } catch {
            switch error {
            case .malformed: throw .malformed(field)
            case .tooLong, .tooMany: throw .tooLarge(field)
            case .repeatedKey: throw .repeated(field)
            }
        }
        guard dictionary.entries.count <= maximumLabels else { throw .tooLarge(field) }
        return dictionary
    }

    private init(
        label: String, _ list: StructuredFieldInnerList, signature: [UInt8]
    ) throws(MessageSignatureRefusal) {
        self.label = label
        self.signature = signature
        var components: [MessageComponent] = []
        for item in list.items {
            let component = try MessageComponent(item)
            if components.contains(component) { throw .componentRepeated(name: component.name) }
            components.append(component)
        }
        self.components = components
        created = try Self.seconds(.created, in: list.parameters)
        expires = try Self.seconds(.expires, in: list.parameters)
        nonce = try Self.text(.nonce, in: list.parameters)
        algorithm = try Self.text(.alg, in: list.parameters)
        keyID = try Self.text(.keyid, in: list.parameters)
        tag = try Self.text(.tag, in: list.parameters)
        var text: [UInt8] = []
        list.append(to: &text)
        parameters = text
    }

    private static func seconds(
        _ name: MessageSignatureRefusal.Parameter, in parameters: StructuredFieldParameters
    ) throws(MessageSignatureRefusal) -> Int64? {
        guard let value = parameters[name.rawValue] else { return nil }
        guard case .integer(let seconds) = value, (0...maximumSeconds).contains(seconds) else {
            throw .parameterMalformed(name)
        }
        return seconds
    }

    /// The year 5138: beyond it, a time is a mistake, and below it no sum here can overflow.
    private static let maximumSeconds: Int64 = 100_000_000_000

    private static func text(
        _ name: MessageSignatureRefusal.Parameter, in parameters: StructuredFieldParameters
    ) throws(MessageSignatureRefusal) -> String? {
        guard let value = parameters[name.rawValue] else { return nil }
        guard case .string(let text) = value, text.utf8.count <= maximumTextBytes else {
            throw .parameterMalformed(name)
        }
        return text
    }

    /// The longest nonce, tag or key id.
    package static let maximumTextBytes = 256

    /// The signature base (RFC 9421 § 2.5).
    ///
    /// - Throws: what a component's value throws; `.baseTooLong`.
    package func base(of message: SignedMessage) throws(MessageSignatureRefusal) -> [UInt8] {
        var base: [UInt8] = []
        for component in components {
            base.append(contentsOf: component.identifier)
            base.append(contentsOf: ": ".utf8)
            base.append(contentsOf: try component.value(in: message))
            base.append(UInt8(ascii: "\n"))
            guard base.count <= Self.maximumBaseBytes else { throw .baseTooLong }
        }
        base.append(contentsOf: "\"@signature-params\": ".utf8)
        base.append(contentsOf: parameters)
        return base
    }

    /// The longest signature base: the gateway's 16 KiB of fields several times over, for a field may be covered as it
    /// is and by its members.
    package static let maximumBaseBytes = 65_536
}
