/// What a condition says of a request.
enum ConditionVerdict {
    case no
    case yes
    /// The value cannot be read as the operator wants, is not known now, or several values stand where the operator
    /// compares one: an allow does not apply, a deny does.
    case undecided
}

extension PolicyEvaluation {
    /// Source: docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html and
    /// reference_policies_condition-single-vs-multi-valued-context-keys.html
    @inline(__always)
    mutating func evaluate(
        _ policy: PolicyView, _ condition: CompiledCondition, isDeny: Bool
    ) -> ConditionVerdict {
        let slot = slot(policy, condition.key)
        if slot.state == .present, slot.list.count == 0, condition.quantifier == .single, condition.comparison != .null
        {
            let verdict = matchesAny(policy, condition, slot.first)
            if verdict == .undecided || !condition.isNegated { return verdict }
            return verdict == .yes ? .no : .yes
        }
        return evaluateRest(policy, condition, slot, isDeny: isDeny)
    }

    private mutating func evaluateRest(
        _ policy: PolicyView, _ condition: CompiledCondition, _ slot: ContextSlot, isDeny: Bool
    ) -> ConditionVerdict {
        if slot.state == .unknown { return .undecided }
        if condition.comparison == .null { return isNull(policy, condition, slot) }
        if slot.state == .absent {
            if condition.ifExists { return .yes }
            switch condition.quantifier {
            case .single: return condition.isNegated ? .yes : .no
            case .forAllValues: return .yes
            case .forAnyValue: return .no
            }
        }
        switch condition.quantifier {
        case .single: return plain(policy, condition, slot, isDeny: isDeny)
        case .forAllValues, .forAnyValue: return quantified(policy, condition, slot)
        }
    }

    /// `Null`: `true` wants the key absent, `false` wants it there.
    private mutating func isNull(
        _ policy: PolicyView, _ condition: CompiledCondition, _ slot: ContextSlot
    ) -> ConditionVerdict {
        let isAbsent = slot.state == .absent
        for index in condition.values.range {
            steps -= 1
            if policy.values[index].flag == isAbsent { return .yes }
        }
        return .no
    }

    /// An operator without quantifier over several values. AWS asks for a quantifier here and EventBridge's rule
    /// conditions
    /// admit a pattern with one of the allowed sources but not with two: so an allow is never the better for a second
    /// value, and a deny never the worse.
    ///
    /// Source: docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-conditions.html
    private mutating func plain(
        _ policy: PolicyView, _ condition: CompiledCondition, _ slot: ContextSlot, isDeny: Bool
    ) -> ConditionVerdict {
        var some = ConditionVerdict.no
        for index in 0..<slot.count {
            let verdict = matchesAny(policy, condition, slot[index])
            if verdict == .undecided { return .undecided }
            if verdict == .yes { some = .yes }
        }
        if condition.isNegated { return some == .yes ? .undecided : .yes }
        return some == .yes ? .undecided : .no
    }

    private mutating func quantified(
        _ policy: PolicyView, _ condition: CompiledCondition, _ slot: ContextSlot
    ) -> ConditionVerdict {
        let isForAll = condition.quantifier == .forAllValues
        var isUndecided = false
        for index in 0..<slot.count {
            let verdict = matchesAny(policy, condition, slot[index])
            if verdict == .undecided {
                isUndecided = true
                continue
            }
            let holds = (verdict == .yes) != condition.isNegated
            if holds != isForAll { return isForAll ? .no : .yes }
            if steps < 0 { return .undecided }
        }
        return isUndecided ? .undecided : isForAll ? .yes : .no
    }

    /// Whether one value of the request matches one of the policy's, leaving negation aside.
    @inline(__always)
    private mutating func matchesAny(
        _ policy: PolicyView, _ condition: CompiledCondition, _ text: ContextText
    ) -> ConditionVerdict {
        switch condition.comparison {
        case .stringEquals, .stringLike:
            for index in condition.values.range where matches(policy, policy.patterns[index], text) { return .yes }
            return .no
        case .stringEqualsIgnoreCase: return ignoringCase(policy, condition, text)
        case .arnEquals, .arnLike: return arn(policy, condition, text)
        case .bool: return bool(policy, condition, text)
        case .ipAddress: return address(policy, condition, text)
        case .binaryEquals: return binary(policy, condition, text)
        case .numericEquals, .numericLessThan, .numericLessThanEquals, .numericGreaterThan, .numericGreaterThanEquals:
            guard let number = TypedText.number(text.buffer) else { return .undecided }
            return compare(policy, condition, number)
        case .dateEquals, .dateLessThan, .dateLessThanEquals, .dateGreaterThan, .dateGreaterThanEquals:
            guard let moment = TypedText.date(text.buffer) else { return .undecided }
            return compare(policy, condition, Double(moment))
        case .null: return .undecided
        }
    }

    private mutating func arn(
        _ policy: PolicyView, _ condition: CompiledCondition, _ text: ContextText
    ) -> ConditionVerdict {
        let parts = ARNParts(text.buffer, steps: &steps)
        guard parts.count == 5 else { return .undecided }
        for index in condition.values.range where arnMatches(policy, policy.patterns[index], text, parts) {
            return .yes
        }
        return .no
    }

    private mutating func compare(
        _ policy: PolicyView, _ condition: CompiledCondition, _ number: Double
    ) -> ConditionVerdict {
        for index in condition.values.range {
            steps -= 1
            if condition.comparison.holds(number, policy.values[index].number) { return .yes }
        }
        return .no
    }

    private mutating func bool(
        _ policy: PolicyView, _ condition: CompiledCondition, _ text: ContextText
    ) -> ConditionVerdict {
        guard let value = TypedText.bool(text.buffer) else { return .undecided }
        for index in condition.values.range {
            steps -= 1
            if policy.values[index].flag == value { return .yes }
        }
        return .no
    }

    private mutating func address(
        _ policy: PolicyView, _ condition: CompiledCondition, _ text: ContextText
    ) -> ConditionVerdict {
        guard let address = IPRange(text.buffer) else { return .undecided }
        for index in condition.values.range {
            steps -= 1
            if policy.values[index].range.contains(address) { return .yes }
        }
        return .no
    }

    private mutating func binary(
        _ policy: PolicyView, _ condition: CompiledCondition, _ text: ContextText
    ) -> ConditionVerdict {
        for index in condition.values.range {
            steps -= 1 + text.count
            if steps < 0 { return .undecided }
            let wanted = policy.text(policy.values[index].text)
            guard let isEqual = TypedText.base64(text.buffer, equals: wanted) else { return .undecided }
            if isEqual { return .yes }
        }
        return .no
    }

    /// Letters of ASCII are compared here; a text with others falls back to Unicode's lower case, which allocates.
    private mutating func ignoringCase(
        _ policy: PolicyView, _ condition: CompiledCondition, _ text: ContextText
    ) -> ConditionVerdict {
        for index in condition.values.range {
            steps -= 1
            if steps < 0 { return .undecided }
            let pattern = policy.patterns[index]
            var wanted = policy.text(Span32())
            if pattern.kind == .template {
                var ends = ARNParts()
                guard let filled = fill(policy, pattern, &ends) else { continue }
                wanted = filled
            } else {
                wanted = policy.text(pattern.text)
            }
            if CaseFolding.equal(wanted, text.buffer, steps: &steps) { return .yes }
        }
        return .no
    }
}

extension ConditionOperator.Comparison {
    /// Whether a number, or a moment, of the request stands to the policy's as a numeric or date operator wants.
    @inline(__always)
    func holds(_ number: Double, _ wanted: Double) -> Bool {
        switch self {
        case .numericLessThan, .dateLessThan: number < wanted
        case .numericLessThanEquals, .dateLessThanEquals: number <= wanted
        case .numericGreaterThan, .dateGreaterThan: number > wanted
        case .numericGreaterThanEquals, .dateGreaterThanEquals: number >= wanted
        default: number == wanted
        }
    }
}

/// Equality without regard to case.
enum CaseFolding {
    /// How much longer the lower case of a text may be than the text, in bytes, or shorter: the Kelvin sign of three
    /// bytes becomes `k`. Source: unicode.org/Public/UCD/latest/ucd/UnicodeData.txt and SpecialCasing.txt.
    static let longestRatio = 3

    /// Spends a step for two bytes of ASCII, sixteen for a byte of other texts, for which Unicode's tables are asked;
    /// not equal when they are used up.
    static func equal(
        _ left: UnsafeBufferPointer<UInt8>, _ right: UnsafeBufferPointer<UInt8>, steps: inout Int
    ) -> Bool {
        let (shorter, longer) = (min(left.count, right.count), max(left.count, right.count))
        guard longer <= longestRatio * shorter else { return false }
        steps -= shorter / 2
        var isASCII = true
        var isEqual = left.count == right.count
        for index in 0..<min(left.count, right.count) {
            if left[index] | right[index] >= 0x80 {
                isASCII = false
                break
            }
            if lower(left[index]) != lower(right[index]) { isEqual = false }
        }
        if isASCII { return isEqual }
        steps -= 16 * (shorter + longer)
        if steps < 0 { return false }
        return String(decoding: left, as: UTF8.self).lowercased() == String(decoding: right, as: UTF8.self).lowercased()
    }

    private static func lower(_ byte: UInt8) -> UInt8 { byte >= 0x41 && byte <= 0x5A ? byte | 0x20 : byte }
}
