import AccessPolicy
import Domain
import Registry

/// Reads the parameters of `AssumeRole` with the ranges and patterns of the model.
///
/// Source: botocore `sts/2011-06-15`, `AssumeRoleRequest`
extension RoleAssumption {
    /// Characters of a session policy. Source: STS API reference, AssumeRole, `Policy`.
    static let policyCharacters = 2048
    /// Parameters of the model that are not here: forgetting one would make another session than was asked for.
    private static let absent = ["PolicyArns", "SerialNumber", "TokenCode", "ProvidedContexts"]
    private static let namePattern = #"[\w+=,.@-]*"#

    init(_ form: QueryForm, compatibility: PolicyReview.Compatibility) throws(Fault) {
        var reader = Reader(form: form)
        roleARN = try reader.required("RoleArn", 20...ARN.maximumBytes, #"[\u0020-\u007E]+"#) { $0.isASCII }
        sessionName = try reader.required("RoleSessionName", 2...64, Self.namePattern, Self.isName)
        seconds = try reader.integer("DurationSeconds", in: AssumableRole.sessionSeconds)
        externalID = try reader.text("ExternalId", 2...1224, #"[\w+=,.@:\/-]*"#) {
            Self.isName($0) || $0 == ":" || $0 == "/"
        }
        sourceIdentity = try reader.text("SourceIdentity", 2...64, Self.namePattern, Self.isName)
        policyText =
            try reader.text("Policy", 1...Self.policyCharacters, #"[\u0009\u000A\u000D\u0020-\u00FF]+"#) {
                (0x20...0xFF).contains($0.value) || [9, 10, 13].contains($0.value)
            } ?? ""
        tags = try Self.tags(&reader)
        transitiveKeys = try Self.transitiveKeys(&reader, tags)
        for name in form.names where !reader.read.contains(name) {
            let isAbsent = Self.absent.contains { name == $0 || name.hasPrefix($0 + ".") }
            if isAbsent, form[name] == nil { continue }
            let reason = isAbsent ? "is not available on this gateway" : "is no parameter of AssumeRole"
            throw Fault(.validation, "Parameter \(name.prefix(64)) is not valid. Reason: it \(reason).")
        }
        policy = policyText.isEmpty ? nil : try Self.compile(policyText, compatibility)
    }

    private static func compile(
        _ text: String, _ compatibility: PolicyReview.Compatibility
    ) throws(Fault) -> CompiledPolicy {
        let document: PolicyDocument
        do throws(PolicyError) {
            document = try PolicyDocument(parsing: text, kind: .session)
        } catch {
            throw Fault(.malformedPolicyDocument, "Parameter Policy is not valid. Reason: \(error).")
        }
        let reasons = PolicyReview(document, compatibility: compatibility).reasons
        guard reasons.isEmpty else {
            throw Fault(.malformedPolicyDocument, "Parameter Policy is not valid. Reason: \(reasons).")
        }
        return CompiledPolicy(document, name: "session policy")
    }

    /// `Tags.member.1.Key`, `Tags.member.1.Value`, and so on without a gap.
    private static func tags(_ reader: inout Reader) throws(Fault) -> [Tag] {
        var tags: [Tag] = []
        reader.skip("Tags")
        while reader.form.has("Tags.member.\(tags.count + 1).Key") {
            let place = "Tags.member.\(tags.count + 1)"
            guard tags.count < Limits.tagsPerResource else {
                throw Parameters.constraint(
                    "Tags", "'…'", "Member must have length less than or equal to \(Limits.tagsPerResource)")
            }
            let key = try reader.required(place + ".Key", 1...128, tagPattern + "+", isTagText)
            let value = try reader.text(place + ".Value", 0...256, tagPattern + "*", isTagText) ?? ""
            guard !key.lowercased().hasPrefix("aws:") else {
                throw Fault(.validation, "Tag keys that begin with aws: are reserved.")
            }
            tags.append(Tag(key: key, value: value))
        }
        guard Set(tags.map { $0.key.lowercased() }).count == tags.count else {
            throw Fault(
                .validation,
                "Duplicate tag keys found. Please note that Tag keys are case insensitive.")
        }
        return tags
    }

    private static func transitiveKeys(_ reader: inout Reader, _ tags: [Tag]) throws(Fault) -> Set<String> {
        var keys: Set<String> = []
        reader.skip("TransitiveTagKeys")
        var number = 1
        while reader.form.has("TransitiveTagKeys.member.\(number)") {
            let key = try reader.required(
                "TransitiveTagKeys.member.\(number)", 1...128, tagPattern + "+", isTagText)
            guard tags.contains(where: { $0.key.lowercased() == key.lowercased() }) else {
                throw Fault(.validation, "The specified transitive tag key must be included in the requested tags.")
            }
            keys.insert(key.lowercased())
            number += 1
        }
        return keys
    }

    private static let tagPattern = #"[\p{L}\p{Z}\p{N}_.:/=+\-@]"#

    private static func isName(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "A"..."Z", "a"..."z", "0"..."9", "_", "+", "=", ",", ".", "@", "-": true
        default: false
        }
    }

    private static func isTagText(_ scalar: Unicode.Scalar) -> Bool {
        if "_.:/=+-@".unicodeScalars.contains(scalar) { return true }
        switch scalar.properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter, .decimalNumber,
            .letterNumber, .otherNumber, .spaceSeparator, .lineSeparator, .paragraphSeparator:
            return true
        default: return false
        }
    }
}

/// Takes parameters out of a form and remembers which.
private struct Reader {
    let form: QueryForm
    private(set) var read: Set<String> = ["Action", "Version"]

    init(form: QueryForm) { self.form = form }

    /// A list that is empty stands there by its name alone.
    mutating func skip(_ name: String) {
        if form[name] == nil { read.insert(name) }
    }

    mutating func text(
        _ name: String, _ lengths: ClosedRange<Int>, _ pattern: String, _ admits: (Unicode.Scalar) -> Bool
    ) throws(Fault) -> String? {
        read.insert(name)
        guard let text = form[name] else { return nil }
        let shown = "'\(String(String.UnicodeScalarView(text.unicodeScalars.prefix(64))))'"
        let count = text.unicodeScalars.count
        guard count <= lengths.upperBound else {
            throw Parameters.constraint(
                name, shown, "Member must have length less than or equal to \(lengths.upperBound)")
        }
        guard count >= lengths.lowerBound else {
            throw Parameters.constraint(
                name, shown, "Member must have length greater than or equal to \(lengths.lowerBound)")
        }
        guard text.unicodeScalars.allSatisfy(admits) else {
            throw Parameters.constraint(name, shown, "Member must satisfy regular expression pattern: \(pattern)")
        }
        return text
    }

    mutating func required(
        _ name: String, _ lengths: ClosedRange<Int>, _ pattern: String, _ admits: (Unicode.Scalar) -> Bool
    ) throws(Fault) -> String {
        guard let text = try text(name, lengths, pattern, admits) else {
            throw Parameters.constraint(name, "null", "Member must not be null")
        }
        return text
    }

    mutating func integer(_ name: String, in range: ClosedRange<Int>) throws(Fault) -> Int? {
        guard let text = try text(name, 1...20, "[0-9]+", { ("0"..."9").contains($0) }) else { return nil }
        let number = Int(text) ?? .max
        guard number >= range.lowerBound else {
            throw Parameters.constraint(
                name, "'\(text)'", "Member must have value greater than or equal to \(range.lowerBound)")
        }
        guard number <= range.upperBound else {
            throw Parameters.constraint(
                name, "'\(text)'", "Member must have value less than or equal to \(range.upperBound)")
        }
        return number
    }
}
