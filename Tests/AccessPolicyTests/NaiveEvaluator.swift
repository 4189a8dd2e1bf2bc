/// A second evaluator, written from AWS's documents alone: strings, recursion, no care for speed.
///
/// Sources: docs.aws.amazon.com/IAM/latest/UserGuide/ reference_policies_evaluation-logic.html,
/// reference_policies_elements_condition_operators.html,
/// reference_policies_condition-single-vs-multi-valued-context-keys.html,
/// reference_policies_elements_principal.html, reference_policies_elements_notprincipal.html,
/// reference_policies_variables.html
struct NaivePolicy {
    struct Statement {
        var effect: String
        var principal: [(key: String, value: String)]?
        var isPrincipalNegated = false
        var actions: [String]
        var isActionNegated = false
        var resources: [String]
        var isResourceNegated = false
        var conditions: [Condition]
    }

    struct Condition {
        var name: String
        var key: String
        var values: [String]
    }

    var statements: [Statement]

    /// The document as a client would send it.
    var json: String {
        func list(_ texts: [String]) -> String { "[" + texts.map { "\"\($0)\"" }.joined(separator: ",") + "]" }
        let parts = statements.map { statement -> String in
            var members = ["\"Effect\":\"\(statement.effect)\""]
            if let principal = statement.principal {
                let name = statement.isPrincipalNegated ? "NotPrincipal" : "Principal"
                let keys = Set(principal.map(\.key)).sorted()
                let inner = keys.map { key in
                    "\"\(key)\":" + list(principal.filter { $0.key == key }.map(\.value))
                }
                members.append("\"\(name)\":{\(inner.joined(separator: ","))}")
            }
            members.append("\"\(statement.isActionNegated ? "NotAction" : "Action")\":\(list(statement.actions))")
            members.append(
                "\"\(statement.isResourceNegated ? "NotResource" : "Resource")\":\(list(statement.resources))")
            var operators: [String: [String]] = [:]
            for condition in statement.conditions {
                operators[condition.name, default: []].append("\"\(condition.key)\":\(list(condition.values))")
            }
            let blocks = operators.keys.sorted().map { "\"\($0)\":{\((operators[$0] ?? []).joined(separator: ","))}" }
            if !blocks.isEmpty { members.append("\"Condition\":{\(blocks.joined(separator: ","))}") }
            return "{" + members.joined(separator: ",") + "}"
        }
        return "{\"Version\":\"2012-10-17\",\"Statement\":[" + parts.joined(separator: ",") + "]}"
    }
}

struct NaiveRequest {
    enum Caller: String { case anonymous, user, session, service }

    var caller: Caller
    var arn: String
    var roleARN: String
    var account: String
    var action: String
    var resource: String
    var resourceAccount: String
    /// Lower-case keys.
    var context: [String: [String]]
}

enum NaiveEvaluator {
    static func matches(_ statement: NaivePolicy.Statement, _ request: NaiveRequest, hasBoundary: Bool) -> Bool {
        if let principal = statement.principal {
            let isNamed = named(statement, principal, request, hasBoundary: hasBoundary)
            if isNamed == statement.isPrincipalNegated { return false }
        }
        let isAction = statement.actions.contains { wild(Array($0.lowercased()), Array(request.action.lowercased())) }
        if isAction == statement.isActionNegated { return false }
        let isResource = statement.resources.contains { arn($0, request.resource, request, isResource: true) }
        if isResource == statement.isResourceNegated { return false }
        return statement.conditions.allSatisfy { holds($0, request, isDeny: statement.effect == "Deny") }
    }

    private static func named(
        _ statement: NaivePolicy.Statement, _ principal: [(key: String, value: String)], _ request: NaiveRequest,
        hasBoundary: Bool
    ) -> Bool {
        func isCaller(_ entry: (key: String, value: String)) -> Bool {
            switch entry.key {
            case "Service": request.caller == .service && entry.value == request.arn
            default:
                entry.value == "*"
                    || (request.caller != .service && request.caller != .anonymous
                        && (entry.value == request.arn
                            || (request.caller == .session && entry.value == request.roleARN)))
            }
        }
        func isAccount(_ entry: (key: String, value: String)) -> Bool {
            request.account != "" && entry.key == "AWS"
                && (entry.value == request.account || entry.value == "arn:aws:iam::\(request.account):root")
        }
        if !statement.isPrincipalNegated { return principal.contains { isCaller($0) || isAccount($0) } }
        if hasBoundary, statement.effect == "Deny" { return false }
        if principal.contains(where: isCaller) { return true }
        let siblings = principal.contains { $0.value.contains("::\(request.account):") && !isAccount($0) }
        return principal.contains(where: isAccount) && !siblings
    }

    // MARK: Conditions

    static func holds(_ condition: NaivePolicy.Condition, _ request: NaiveRequest, isDeny: Bool) -> Bool {
        var name = condition.name
        var set = ""
        for prefix in ["ForAllValues:", "ForAnyValue:"] where name.hasPrefix(prefix) {
            set = prefix
            name = String(name.dropFirst(prefix.count))
        }
        let present = request.context[condition.key.lowercased()] ?? []
        if name == "Null" { return condition.values.contains(present.isEmpty ? "true" : "false") }
        var ifExists = false
        if name.hasSuffix("IfExists") {
            ifExists = true
            name = String(name.dropLast(8))
        }
        let isNegated = name.contains("Not")
        if present.isEmpty {
            if ifExists { return true }
            return set == "ForAllValues:" ? true : set == "ForAnyValue:" ? false : isNegated
        }
        let base = name.replacing("Not", with: "")
        let matched = present.map { value -> Bool? in
            let each = condition.values.map { one(base, value, $0, request) }
            if each.contains(true) { return true }
            return each.contains(nil) ? nil : false
        }
        switch set {
        case "ForAllValues:":
            let each = matched.map { $0.map { $0 != isNegated } }
            return each.contains(false) ? false : each.contains(nil) ? isDeny : true
        case "ForAnyValue:":
            let each = matched.map { $0.map { $0 != isNegated } }
            return each.contains(true) ? true : each.contains(nil) ? isDeny : false
        default:
            if matched.contains(nil) { return isDeny }
            let any = matched.contains(true)
            if present.count == 1 { return any != isNegated }
            // Several values without a set operator: never the better for the caller.
            return isDeny ? isNegated || any : isNegated && !any
        }
    }

    /// `nil` when the value of the request is not of the operator's type.
    private static func one(_ base: String, _ value: String, _ wanted: String, _ request: NaiveRequest) -> Bool? {
        switch base {
        case "StringEquals":
            guard let filled = substitute(wanted, request) else { return false }
            return value == String(filled.map(\.character))
        case "StringEqualsIgnoreCase":
            guard let filled = substitute(wanted, request) else { return false }
            return value.lowercased() == String(filled.map(\.character)).lowercased()
        case "StringLike":
            guard let filled = substitute(wanted, request) else { return false }
            return wild(filled, Array(value))
        case "ArnEquals", "ArnLike":
            if value.split(separator: ":", omittingEmptySubsequences: false).count < 6 { return nil }
            return arn(wanted, value, request, isResource: false)
        case "Bool":
            guard ["true", "false"].contains(value.lowercased()) else { return nil }
            return value.lowercased() == wanted.lowercased()
        case "IpAddress":
            guard let address = bits(value) else { return nil }
            let parts = wanted.split(separator: "/")
            guard let network = bits(String(parts[0])) else { return false }
            let length = parts.count > 1 ? Int(parts[1]) ?? 0 : network.count
            return network.count == address.count && network.prefix(length) == address.prefix(length)
        case "BinaryEquals": return value == wanted
        default:
            guard let left = base.hasPrefix("Date") ? seconds(value) : Double(value) else { return nil }
            guard let right = base.hasPrefix("Date") ? seconds(wanted) : Double(wanted) else { return nil }
            switch base.replacing("Numeric", with: "").replacing("Date", with: "") {
            case "Equals": return left == right
            case "LessThan": return left < right
            case "LessThanEquals": return left <= right
            case "GreaterThan": return left > right
            default: return left >= right
            }
        }
    }

    /// Only `YYYY-MM-DDThh:mm:ssZ` of 2026 and epoch seconds, which is all the generator makes.
    private static func seconds(_ text: String) -> Double? {
        if let number = Double(text), text.count != 4 { return number }
        let digits = text.split { !$0.isNumber }.compactMap { Int($0) }
        guard digits.count == 6, digits[0] == 2026, (1...12).contains(digits[1]) else { return nil }
        let months = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        let days = months.prefix(digits[1] - 1).reduce(0, +) + digits[2] - 1
        return Double(1_767_225_600 + days * 86_400 + digits[3] * 3600 + digits[4] * 60 + digits[5])
    }

    private static func bits(_ text: String) -> [Bool]? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false).map { Int($0) }
        guard parts.count == 4, parts.allSatisfy({ $0.map { (0...255).contains($0) } ?? false }) else { return nil }
        return parts.flatMap { part in (0..<8).map { ((part ?? 0) >> (7 - $0)) & 1 == 1 } }
    }

    // MARK: Patterns and variables

    struct Token: Equatable {
        var character: Character
        var isWild: Bool
    }

    static func substitute(_ text: String, _ request: NaiveRequest) -> [Token]? {
        var tokens: [Token] = []
        var rest = Substring(text)
        while let first = rest.first {
            if rest.hasPrefix("${"), let end = rest.firstIndex(of: "}") {
                let inside = rest[rest.index(rest.startIndex, offsetBy: 2)..<end]
                rest = rest[rest.index(after: end)...]
                if ["*", "?", "$"].contains(inside) {
                    tokens.append(Token(character: Character(String(inside)), isWild: false))
                    continue
                }
                let parts = inside.split(separator: ",", maxSplits: 1)
                let values = request.context[parts[0].lowercased()] ?? []
                let fallback = parts.count > 1 ? parts[1].drop { $0 == " " }.dropFirst().dropLast() : nil
                guard values.count <= 1, let value = values.first ?? fallback.map({ String($0) }) else { return nil }
                tokens += value.map { Token(character: $0, isWild: false) }
                continue
            }
            tokens.append(Token(character: first, isWild: first == "*" || first == "?"))
            rest = rest.dropFirst()
        }
        return tokens
    }

    private static func wild(_ pattern: [Character], _ text: [Character]) -> Bool {
        wild(pattern.map { Token(character: $0, isWild: $0 == "*" || $0 == "?") }, text)
    }

    static func wild(_ pattern: [Token], _ text: [Character]) -> Bool {
        guard let first = pattern.first else { return text.isEmpty }
        let rest = Array(pattern.dropFirst())
        if first.isWild, first.character == "*" {
            return (0...text.count).contains { wild(rest, Array(text.dropFirst($0))) }
        }
        guard let character = text.first, first.isWild || first.character == character else { return false }
        return wild(rest, Array(text.dropFirst()))
    }

    static func arn(_ pattern: String, _ text: String, _ request: NaiveRequest, isResource: Bool) -> Bool {
        if pattern == "*" { return true }
        guard let tokens = substitute(pattern, request) else { return false }
        // A colon that came out of a variable is part of its value.
        var parts: [[Token]] = [[]]
        let raw = rawColons(pattern, request)
        for (index, token) in tokens.enumerated() {
            if raw.contains(index), parts.count < 6 { parts.append([]) } else { parts[parts.count - 1].append(token) }
        }
        let star = Token(character: "*", isWild: true)
        while isResource, parts.count < 6 { parts.append([star]) }
        let wanted = text.split(separator: ":", maxSplits: 5, omittingEmptySubsequences: false)
        guard parts.count == 6, wanted.count == 6 else { return false }
        return zip(parts, wanted).allSatisfy { wild($0, Array($1)) }
    }

    private static func rawColons(_ pattern: String, _ request: NaiveRequest) -> Set<Int> {
        var places: Set<Int> = []
        var prefix = ""
        var isInside = false
        for character in pattern {
            if character == "$" { isInside = true }
            if character == ":", !isInside { places.insert(substitute(prefix, request)?.count ?? 0) }
            prefix.append(character)
            if character == "}" { isInside = false }
        }
        return places
    }
}

extension NaiveEvaluator {
    struct Layers {
        var resource: NaivePolicy?
        var identity: [NaivePolicy] = []
        var boundaries: [NaivePolicy] = []
        var session: [NaivePolicy] = []
        var serviceControl: [[NaivePolicy]] = []
        var resourceControl: [[NaivePolicy]] = []
        var endpoint: [NaivePolicy] = []
    }

    /// `allow`, `explicitDeny` or `implicitDeny`.
    static func decide(_ layers: Layers, _ request: NaiveRequest) -> String {
        let hasBoundary = !layers.boundaries.isEmpty
        func any(
            _ policies: [NaivePolicy], _ effect: String, where keep: (NaivePolicy.Statement) -> Bool = { _ in true }
        )
            -> Bool
        {
            policies.contains {
                $0.statements.contains {
                    $0.effect == effect && keep($0) && matches($0, request, hasBoundary: hasBoundary)
                }
            }
        }
        let hasOwnSide = request.caller == .user || request.caller == .session
        let serviceControl = hasOwnSide ? layers.serviceControl : []
        let resource = layers.resource.map { [$0] } ?? []
        let everything =
            layers.resourceControl + serviceControl + [layers.endpoint, resource]
            + (hasOwnSide ? [layers.identity, layers.boundaries, layers.session] : [])
        if everything.contains(where: { any($0, "Deny") }) { return "explicitDeny" }
        for level in layers.resourceControl + serviceControl where !any(level, "Allow") { return "implicitDeny" }
        if !layers.endpoint.isEmpty, !any(layers.endpoint, "Allow") { return "implicitDeny" }
        let byResource = any(resource, "Allow")
        guard hasOwnSide else { return byResource ? "allow" : "implicitDeny" }
        let byIdentity = any(layers.identity, "Allow")
        let isWithin =
            (layers.boundaries.isEmpty || any(layers.boundaries, "Allow"))
            && (layers.session.isEmpty || any(layers.session, "Allow"))
        if request.account != request.resourceAccount {
            return byResource && byIdentity && isWithin ? "allow" : "implicitDeny"
        }
        if (byResource || byIdentity) && isWithin { return "allow" }
        // Named itself, not as its role, its account or everyone.
        let isDirect = any(resource, "Allow") { statement in
            !statement.isPrincipalNegated && (statement.principal ?? []).contains { $0.value == request.arn }
        }
        return isDirect ? "allow" : "implicitDeny"
    }
}
