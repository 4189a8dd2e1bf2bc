import Domain
import JSON

/// Reads one statement of a policy.
///
/// Source: docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
struct StatementReader {
    let place: String
    let kind: PolicyKind
    let readsVariables: Bool

    private static let elements = [
        "Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition",
    ]

    func read(_ node: JSONNode) throws(PolicyError) -> Statement {
        let object = try PolicyObject(node, place: place, allowed: Self.elements)
        guard let word = try object.text("Effect") else { throw object.fault("", .missing(element: "Effect")) }
        guard let effect = Effect(rawValue: word) else {
            throw object.fault("Effect", .unknownValue(word, allowed: "`Allow` or `Deny`"))
        }
        return Statement(
            sid: try object.text("Sid"), effect: effect, principal: try principal(object), action: try action(object),
            resource: try resource(object), conditions: try conditions(object))
    }

    /// Which of an element and its negation is there; not both.
    private func choice(_ object: PolicyObject, _ name: String) throws(PolicyError) -> (name: String, isNegated: Bool)?
    {
        let negation = "Not" + name
        switch (object[name] != nil, object[negation] != nil) {
        case (true, true): throw object.fault(negation, .exclusive(first: name, second: negation))
        case (true, false): return (name, false)
        case (false, true): return (negation, true)
        case (false, false): return nil
        }
    }

    private func action(_ object: PolicyObject) throws(PolicyError) -> ActionElement {
        guard let choice = try choice(object, "Action"), let texts = try object.texts(choice.name) else {
            throw object.fault("", .missing(element: "Action"))
        }
        for text in texts where !Self.isAction(text) { throw object.fault(choice.name, .invalidAction(text)) }
        return ActionElement(isNegated: choice.isNegated, patterns: texts)
    }

    private func resource(_ object: PolicyObject) throws(PolicyError) -> ResourceElement? {
        guard let choice = try choice(object, "Resource"), let texts = try object.texts(choice.name) else {
            if kind == .trust { return nil }
            throw object.fault("", .missing(element: "Resource"))
        }
        if kind == .trust { throw object.fault(choice.name, .notAllowedHere(element: choice.name, kind: kind)) }
        for text in texts {
            guard let pattern = PatternText(text, wildcards: true, variables: readsVariables) else {
                throw object.fault(choice.name, .invalidVariable(text))
            }
            guard Self.isResource(text, pattern) else { throw object.fault(choice.name, .invalidResource(text)) }
        }
        return ResourceElement(isNegated: choice.isNegated, patterns: texts)
    }

    /// `*`, or `service:Name` with wildcards after the service (`*:*` too).
    static func isAction(_ text: String) -> Bool {
        if text == "*" { return true }
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty, text.utf8.count <= 256 else { return false }
        let isService =
            parts[0] == "*"
            || parts[0].utf8.allSatisfy { ConditionKeyText.isLetterOrDigit($0) || $0 == UInt8(ascii: "-") }
        return isService
            && parts[1].utf8.allSatisfy {
                ConditionKeyText.isLetterOrDigit($0) || $0 == UInt8(ascii: "*") || $0 == UInt8(ascii: "?")
            }
    }

    /// `*`, or what begins as an ARN, or with a wildcard or variable that can. An ARN of fewer parts stands for any
    /// rest; without `arn:` all six parts must be there, or the resource would match nothing and a deny of it be void.
    ///
    /// Source: docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
    static func isResource(_ text: String, _ pattern: PatternText) -> Bool {
        if text == "*" { return true }
        guard !pattern.plainBytes.contains(where: { $0 <= 0x20 || $0 == 0x7F }) else { return false }
        if text.hasPrefix("arn:") { return text.utf8.count > 4 }
        return pattern.literalPrefix.bytes.isEmpty && pattern.canMatchARN
    }
}

extension StatementReader {
    private func principal(_ object: PolicyObject) throws(PolicyError) -> PrincipalElement? {
        guard let choice = try choice(object, "Principal"), let node = object[choice.name] else {
            if kind.namesPrincipals { throw object.fault("", .missing(element: "Principal")) }
            return nil
        }
        guard kind.namesPrincipals else {
            throw object.fault(choice.name, .notAllowedHere(element: choice.name, kind: kind))
        }
        if let text = node.string {
            guard text == "*" else { throw object.fault(choice.name, .invalidPrincipal(text)) }
            return PrincipalElement(isNegated: choice.isNegated, patterns: [.anyone])
        }
        let inner = try PolicyObject(
            node, place: object.pointer(choice.name), allowed: ["AWS", "Service", "Federated", "CanonicalUser"])
        guard !inner.members.isEmpty else { throw object.fault(choice.name, .empty(element: choice.name)) }
        var patterns: [PrincipalElement.Pattern] = []
        for member in inner.members {
            for text in try inner.texts(member.key) ?? [] {
                guard let pattern = Self.principal(member.key, text) else {
                    throw inner.fault(member.key, .invalidPrincipal(text))
                }
                patterns.append(pattern)
            }
        }
        return PrincipalElement(isNegated: choice.isNegated, patterns: patterns)
    }

    /// Source: docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
    private static func principal(_ key: String, _ text: String) -> PrincipalElement.Pattern? {
        guard !text.isEmpty, !text.utf8.contains(where: { $0 <= 0x20 || $0 == 0x7F }) else { return nil }
        if text == "*", key == "AWS" { return .anyone }
        if text == "*", key == "Service" { return .service("*") }
        guard !text.contains("*"), !text.contains("?"), !text.contains("${") else { return nil }
        switch key {
        case "Service": return text.contains(".") ? .service(text) : nil
        case "Federated": return .federated(text)
        case "CanonicalUser": return .canonicalUser(text)
        default: break
        }
        if let account = AccountID(parsing: text) { return .account(account) }
        guard let arn = ARN(parsing: text), arn.region.isEmpty, let account = AccountID(parsing: arn.account) else {
            return nil
        }
        if arn.service == "iam", arn.resource == "root" { return .account(account) }
        let names =
            switch arn.service {
            case "iam": ["user/", "role/"]
            case "sts": ["assumed-role/", "federated-user/"]
            default: [String]()
            }
        guard names.contains(where: { arn.resource.hasPrefix($0) && arn.resource.utf8.count > $0.utf8.count }) else {
            return nil
        }
        return .arn(text)
    }
}

extension StatementReader {
    private func conditions(_ object: PolicyObject) throws(PolicyError) -> [Condition] {
        guard let node = object["Condition"] else { return [] }
        let block = try PolicyObject(node, place: object.pointer("Condition"), allowed: nil)
        var conditions: [Condition] = []
        for member in block.members {
            guard let comparison = ConditionOperator(parsing: member.key) else {
                throw block.fault(member.key, .unknownOperator(member.key))
            }
            let keys = try PolicyObject(member.value, place: block.pointer(member.key), allowed: nil)
            var seen: [String] = []
            for key in keys.members {
                guard ConditionKeyText.isValid(key.key) else { throw keys.fault(key.key, .invalidKey(key.key)) }
                let lower = lowercased(key.key)
                guard !seen.contains(lower) else { throw keys.fault(key.key, .duplicateConditionKey(key.key)) }
                seen.append(lower)
                let values = try values(key.value, comparison, place: keys.pointer(key.key))
                conditions.append(Condition(comparison: comparison, key: key.key, values: values))
            }
        }
        return conditions
    }

    private func values(
        _ node: JSONNode, _ comparison: ConditionOperator, place: String
    ) throws(PolicyError) -> [String] {
        var values: [String] = []
        for (index, element) in (node.array ?? [node]).enumerated() {
            let here = node.array == nil ? place : place + "/\(index)"
            let text: String
            switch element {
            case .string(let value): text = value
            case .bool(let value): text = value ? "true" : "false"
            case .integer(let value): text = String(value)
            case .unsigned(let value): text = String(value)
            case .double(let value): text = value.description
            case .object, .array, .null:
                throw .invalid(place: here, .wrongKind(found: element.kindName, wanted: "a string, number or boolean"))
            }
            try check(text, comparison, place: here)
            values.append(text)
        }
        return values
    }

    private func check(_ text: String, _ comparison: ConditionOperator, place: String) throws(PolicyError) {
        if comparison.readsVariables {
            if PatternText(text, wildcards: comparison.readsWildcards, variables: readsVariables) == nil {
                throw .invalid(place: place, .invalidVariable(text))
            }
            return
        }
        let wanted: String? = Array(text.utf8).withUnsafeBufferPointer { bytes in
            switch comparison.comparison {
            case .numericEquals, .numericLessThan, .numericLessThanEquals, .numericGreaterThan,
                .numericGreaterThanEquals:
                TypedText.number(bytes) == nil ? "a number" : nil
            case .dateEquals, .dateLessThan, .dateLessThanEquals, .dateGreaterThan, .dateGreaterThanEquals:
                TypedText.date(bytes) == nil ? "an ISO 8601 date with its zone, or epoch seconds" : nil
            case .bool, .null: TypedText.bool(bytes) == nil ? "`true` or `false`" : nil
            case .binaryEquals: TypedText.base64(bytes) == nil ? "base64" : nil
            case .ipAddress: IPRange(bytes) == nil ? "an IP address or a CIDR range" : nil
            case .stringEquals, .stringEqualsIgnoreCase, .stringLike, .arnEquals, .arnLike: nil
            }
        }
        if let wanted { throw .invalid(place: place, .invalidValue(text, wanted: wanted)) }
    }
}
