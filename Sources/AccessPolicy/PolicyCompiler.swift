import Domain

/// Lays a checked document out flat.
struct PolicyCompiler {
    let readsVariables: Bool
    private(set) var statements: [CompiledStatement] = []
    private(set) var principals: [CompiledPrincipal] = []
    private(set) var patterns: [CompiledPattern] = []
    private(set) var conditions: [CompiledCondition] = []
    private(set) var values: [CompiledValue] = []
    private(set) var pieces: [CompiledPiece] = []
    private(set) var bytes: [UInt8] = []
    /// Lists that statements share are laid out once, so that one look at them serves all.
    private var principalLists: [[PrincipalElement.Pattern]: Span32] = [:]
    private var patternLists: [PatternList: Span32] = [:]
    private var conditionPlaces: [Condition: Int] = [:]
    private var sharedConditions = 0

    private struct PatternList: Hashable {
        var texts: [String]
        var isARN: Bool
    }

    init(readsVariables: Bool) { self.readsVariables = readsVariables }

    mutating func add(_ statement: Statement, source: Int) {
        let mode: CompiledStatement.Principals =
            switch statement.principal?.isNegated {
            case nil: .notNamed
            case false?: .listed
            case true?: .negated
            }
        var compiled = CompiledStatement(
            isDeny: statement.effect == .deny, principalMode: mode, negatesAction: statement.action.isNegated,
            negatesResource: statement.resource?.isNegated ?? false, hasResource: statement.resource != nil,
            source: UInt32(source))
        compiled.principals = sharedPrincipals(statement.principal?.patterns ?? [])
        compiled.actions = sharedPatterns(statement.action.patterns.map(lowercased), isARN: false)
        let resources = (statement.resource?.patterns ?? []).map(Self.completed)
        compiled.resources = sharedPatterns(resources, isARN: true)
        let first = conditions.count
        for condition in Self.cheapestFirst(statement.conditions) { add(condition) }
        compiled.conditions = Span32(first..<conditions.count)
        statements.append(compiled)
    }

    private mutating func sharedPrincipals(_ list: [PrincipalElement.Pattern]) -> Span32 {
        if let known = principalLists[list] { return known }
        let first = principals.count
        for pattern in list { add(pattern) }
        let span = Span32(first..<principals.count)
        principalLists[list] = span
        return span
    }

    private mutating func sharedPatterns(_ texts: [String], isARN: Bool) -> Span32 {
        let list = PatternList(texts: texts, isARN: isARN)
        if let known = patternLists[list] { return known }
        let span = addPatterns(texts, wildcards: true, variables: isARN && readsVariables, isARN: isARN)
        patternLists[list] = span
        return span
    }

    /// All conditions must hold, so the order is free: equality before wildcards before the rest.
    static func cheapestFirst(_ conditions: [Condition]) -> [Condition] {
        func cost(_ condition: Condition) -> Int {
            let isNamed = if case .known = ContextKeyName(condition.key) { 0 } else { 4 }
            switch condition.comparison.comparison {
            case .null, .stringEquals, .bool: return isNamed
            case .stringEqualsIgnoreCase, .arnEquals: return isNamed + 1
            default: return isNamed + 2
            }
        }
        return conditions.enumerated().sorted { (cost($0.element), $0.offset) < (cost($1.element), $1.offset) }
            .map(\.element)
    }

    /// An ARN of fewer than six parts stands for any rest, as `arn:aws:sqs` for `arn:aws:sqs:*:*:*`.
    /// Source: docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html
    private static func completed(_ resource: String) -> String {
        guard resource != "*", resource.hasPrefix("arn:") else { return resource }
        var isQuoted = 0
        var colons = 0
        for character in resource.utf8 {
            if character == UInt8(ascii: "{") { isQuoted += 1 }
            if character == UInt8(ascii: "}") { isQuoted -= 1 }
            if character == UInt8(ascii: ":"), isQuoted <= 0 { colons += 1 }
        }
        return colons >= 5 ? resource : resource + String(repeating: ":*", count: 5 - colons)
    }

    private mutating func keep(_ text: some Collection<UInt8>) -> Span32 {
        let start = bytes.count
        bytes.append(contentsOf: text)
        return Span32(start..<bytes.count)
    }

    private func head(_ span: Span32) -> UInt64 {
        bytes.withUnsafeBufferPointer { ContextText.head(of: UnsafeBufferPointer(rebasing: $0[span.range])) }
    }

    private mutating func add(_ pattern: PrincipalElement.Pattern) {
        var compiled: CompiledPrincipal
        switch pattern {
        case .anyone: compiled = CompiledPrincipal(kind: .anyone, account: 0)
        case .account(let account): compiled = CompiledPrincipal(kind: .account, account: account.value)
        case .arn(let text):
            let owner = ARN(parsing: text).flatMap { AccountID(parsing: $0.account) }
            compiled = CompiledPrincipal(kind: .arn, account: owner?.value ?? .max, text: keep(text.utf8))
        case .service(let name):
            compiled = CompiledPrincipal(kind: name == "*" ? .anyService : .service, account: 0, text: keep(name.utf8))
        case .federated, .canonicalUser: compiled = CompiledPrincipal(kind: .never, account: 0)
        }
        compiled.head = head(compiled.text)
        principals.append(compiled)
    }

    private mutating func addPatterns(
        _ texts: [String], wildcards: Bool, variables: Bool, isARN: Bool = false
    ) -> Span32 {
        let compiled = texts.map { pattern($0, wildcards: wildcards, variables: variables, isARN: isARN) }
        let first = patterns.count
        patterns.append(contentsOf: compiled)
        return Span32(first..<patterns.count)
    }

    private mutating func pattern(_ text: String, wildcards: Bool, variables: Bool, isARN: Bool) -> CompiledPattern {
        guard let parsed = PatternText(text, wildcards: wildcards, variables: variables) else {
            preconditionFailure("the document was checked")
        }
        if parsed.holdsVariables {
            let compiled = parsed.pieces.map { piece($0) }
            let first = pieces.count
            pieces.append(contentsOf: compiled)
            return CompiledPattern(kind: .template, text: Span32(first..<pieces.count))
        }
        let plain = parsed.plainBytes
        if wildcards, plain == [Glob.anyRun] { return CompiledPattern(kind: .any) }
        let literal = parsed.literalPrefix
        let colons = literal.bytes.count { $0 == UInt8(ascii: ":") }
        let endsWithRun = plain.count == literal.bytes.count + 1 && plain.last == Glob.anyRun
        let kind: CompiledPattern.Kind =
            literal.isWhole ? .literal : endsWithRun && (!isARN || colons >= 5) ? .prefix : .glob
        let span = keep(plain)
        let prefix = UInt32(literal.bytes.count)
        return CompiledPattern(
            kind: kind, text: span, head: head(Span32(span.range.prefix(Int(prefix)))), literalCount: prefix)
    }

    private mutating func piece(_ piece: PatternText.Piece) -> CompiledPiece {
        switch piece {
        case .bytes(let literal): return CompiledPiece(isVariable: false, text: keep(literal))
        case .variable(let name, let fallback):
            let text = keep((fallback ?? "").utf8)
            return CompiledPiece(
                isVariable: true, text: text, hasDefault: fallback != nil, key: reference(ContextKeyName(name)))
        }
    }

    private mutating func reference(_ name: ContextKeyName) -> KeyReference {
        switch name {
        case .known(let key): return KeyReference(slot: key.rawValue)
        case .named(let family, let text):
            let span = keep(text.utf8)
            return KeyReference(slot: KeyReference.named, family: family, name: span, head: head(span))
        }
    }

    /// A condition that stood before is laid out as it was then, and one look at it serves both.
    private mutating func add(_ condition: Condition) {
        guard let place = conditionPlaces[condition] else {
            conditionPlaces[condition] = conditions.count
            return compile(condition)
        }
        if conditions[place].memo == CompiledCondition.notShared, sharedConditions < CompiledCondition.mostShared,
            !conditions[place].isColumnar(patterns)
        {
            conditions[place].memo = UInt8(sharedConditions)
            sharedConditions += 1
        }
        conditions.append(conditions[place])
    }

    private mutating func compile(_ condition: Condition) {
        let comparison = condition.comparison
        let key = reference(ContextKeyName(condition.key))
        let span: Span32
        switch comparison.comparison {
        case .stringEquals, .stringEqualsIgnoreCase, .stringLike:
            span = addPatterns(condition.values, wildcards: comparison.readsWildcards, variables: readsVariables)
        case .arnEquals, .arnLike:
            span = addPatterns(condition.values, wildcards: true, variables: readsVariables, isARN: true)
        default:
            let first = values.count
            for text in condition.values { add(text, comparison.comparison) }
            span = Span32(first..<values.count)
        }
        var compiled = CompiledCondition(
            comparison: comparison.comparison, isNegated: comparison.isNegated, quantifier: comparison.quantifier,
            ifExists: comparison.ifExists, key: key, values: span)
        if comparison.comparison == .stringEquals, comparison.quantifier == .single, key.slot != KeyReference.named,
            span.count == 1, patterns[span.range.lowerBound].kind == .literal
        {
            let pattern = patterns[span.range.lowerBound]
            (compiled.isLiteral, compiled.literal, compiled.head) = (true, pattern.text, pattern.head)
        }
        conditions.append(compiled)
    }

    private mutating func add(_ text: String, _ comparison: ConditionOperator.Comparison) {
        var value = CompiledValue()
        Array(text.utf8).withUnsafeBufferPointer { buffer in
            switch comparison {
            case .numericEquals, .numericLessThan, .numericLessThanEquals, .numericGreaterThan,
                .numericGreaterThanEquals:
                value.number = TypedText.number(buffer) ?? .nan
            case .dateEquals, .dateLessThan, .dateLessThanEquals, .dateGreaterThan, .dateGreaterThanEquals:
                value.number = TypedText.date(buffer).map { Double($0) } ?? .nan
            case .bool, .null: value.flag = TypedText.bool(buffer) ?? false
            case .ipAddress:
                guard let range = IPRange(buffer) else { preconditionFailure("the document was checked") }
                (value.high, value.low, value.prefix, value.flag) = (range.high, range.low, range.prefix, range.isIPv4)
            case .binaryEquals: value.text = keep(TypedText.base64(buffer) ?? [])
            case .stringEquals, .stringEqualsIgnoreCase, .stringLike, .arnEquals, .arnLike: break
            }
        }
        values.append(value)
    }
}
