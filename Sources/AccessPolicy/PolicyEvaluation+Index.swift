extension PolicyEvaluation {
    /// The first statement of that effect which matches, or -1.
    ///
    /// - Parameter naming: whom the `Principal` of an allow that counts must name.
    mutating func firstMatch(_ policy: PolicyView, deny: Bool, firstAllow: Int, naming: Naming = .anyone) -> Int {
        forgetLists()
        let range = deny ? 0..<firstAllow : firstAllow..<policy.statements.count
        for block in policy.index.blocks {
            var live = block.bits(within: range)
            if naming != .anyone { live = named(live, block, policy, naming) }
            for index in block.groups.range where live != 0 {
                live = left(of: live, after: policy.index.groups[index], policy)
            }
            for index in block.columns.range where live != 0 {
                live = left(of: live, after: policy.index.columns[index], policy, isDeny: deny)
            }
            let first = Int(block.statements.start)
            while live != 0, steps >= 0 {
                let index = first + live.trailingZeroBitCount
                if restHolds(policy, index, isDeny: deny) { return steps < 0 ? -1 : index }
                live &= live - 1
            }
            if steps < 0 { return -1 }
        }
        return -1
    }

    private func named(_ live: UInt64, _ block: StatementBlock, _ policy: PolicyView, _ naming: Naming) -> UInt64 {
        var asked = live
        var result = live
        while asked != 0 {
            let place = asked.trailingZeroBitCount
            asked &= asked - 1
            let statement = policy.statements[Int(block.statements.start) + place]
            if !names(naming, policy, statement) { result &= ~(1 << UInt64(place)) }
        }
        return result
    }

    /// What is left of the statements when those of a group are asked for their element.
    @inline(__always)
    private mutating func left(of live: UInt64, after group: StatementGroup, _ policy: PolicyView) -> UInt64 {
        guard live & group.statements != 0 else { return live }
        let statement = policy.statements[Int(group.example)]
        let isMet =
            switch group.element {
            case .principal: principalMatches(policy, statement)
            case .action: actionMatches(policy, statement)
            case .resource: resourceHolds(policy, statement)
            }
        return isMet ? live : live & ~group.statements
    }

    /// What is left of the statements when those of a column are asked for their condition.
    @inline(__always)
    private mutating func left(
        of live: UInt64, after column: ConditionColumn, _ policy: PolicyView, isDeny: Bool
    ) -> UInt64 {
        let asked = live & column.statements
        guard asked != 0 else { return live }
        let slot = slots + Int(column.slot)
        let undecided = isDeny ? live : live & ~asked
        if slot.pointee.state == .unknown { return undecided }
        if column.comparison == .null {
            let isAbsent = slot.pointee.state == .absent
            return live & ~asked | listing(column, policy, asked) { $0.flag == isAbsent }
        }
        if slot.pointee.state == .absent { return column.ifExists || column.isNegated ? live : live & ~asked }
        if slot.pointee.list.count == 0 {
            guard let matching = matching(slot.pointee.first, column, policy, asked) else { return undecided }
            return column.isNegated ? live & ~matching : live & ~asked | matching
        }
        // Several values where the operator compares one: never the better for the caller, see `plain`.
        var some: UInt64 = 0
        for index in 0..<slot.pointee.count {
            guard let matching = matching(slot.pointee[index], column, policy, asked) else { return undecided }
            some |= matching
        }
        let decided = column.isNegated ? live & ~some : live & ~asked
        return isDeny ? decided | some : decided
    }

    /// Those of `asked` that list a value the text matches; `nil` when it cannot be read as the operator wants.
    @inline(__always)
    private mutating func matching(
        _ text: ContextText, _ column: ConditionColumn, _ policy: PolicyView, _ asked: UInt64
    ) -> UInt64? {
        switch column.comparison {
        case .stringEquals: return equal(text, column, policy) & asked
        case .stringLike: return like(text, column, policy, asked)
        case .bool:
            guard let flag = TypedText.bool(text.buffer) else { return nil }
            return listing(column, policy, asked) { $0.flag == flag }
        case .ipAddress:
            guard let address = IPRange(text.buffer) else { return nil }
            return listing(column, policy, asked) { $0.range.contains(address) }
        case .numericEquals, .numericLessThan, .numericLessThanEquals, .numericGreaterThan, .numericGreaterThanEquals:
            guard let number = TypedText.number(text.buffer) else { return nil }
            return listing(column, policy, asked) { column.comparison.holds(number, $0.number) }
        case .dateEquals, .dateLessThan, .dateLessThanEquals, .dateGreaterThan, .dateGreaterThanEquals:
            guard let moment = TypedText.date(text.buffer) else { return nil }
            return listing(column, policy, asked) { column.comparison.holds(Double(moment), $0.number) }
        case .null, .stringEqualsIgnoreCase, .binaryEquals, .arnEquals, .arnLike: return nil
        }
    }

    /// Those of `asked` that list a value for which `holds` is true. A value that can add none is not looked at.
    @inline(__always)
    private mutating func listing(
        _ column: ConditionColumn, _ policy: PolicyView, _ asked: UInt64, _ holds: (CompiledValue) -> Bool
    ) -> UInt64 {
        var found: UInt64 = 0
        for index in column.values.range {
            let value = policy.index.values[index]
            let more = value.statements & asked & ~found
            if more == 0 { continue }
            steps -= 1
            if holds(policy.values[Int(value.place)]) { found |= more }
            if steps < 0 { break }
        }
        return found
    }

    /// Those of `asked` that list a pattern which the text matches.
    @inline(__always)
    private mutating func like(
        _ text: ContextText, _ column: ConditionColumn, _ policy: PolicyView, _ asked: UInt64
    ) -> UInt64 {
        var found: UInt64 = 0
        for index in column.values.range {
            let value = policy.index.values[index]
            let more = value.statements & asked & ~found
            if more == 0 { continue }
            if matches(policy, policy.patterns[Int(value.place)], text) { found |= more }
            if steps < 0 { break }
        }
        return found
    }

    /// The statements of a column that list exactly this text.
    @inline(__always)
    private mutating func equal(_ text: ContextText, _ column: ConditionColumn, _ policy: PolicyView) -> UInt64 {
        let mask = Int(column.buckets.count) - 1
        let first = Int(column.buckets.start)
        var bucket = column.bucket(of: text, size: mask + 1)
        while true {
            steps -= 1
            let place = Int(policy.index.buckets[first + bucket])
            if place == 0 || steps < 0 { return 0 }
            let value = policy.index.values[Int(column.values.start) + place - 1]
            let pattern = policy.patterns[Int(value.place)]
            if Int(pattern.text.count) == text.count, pattern.head == text.head,
                text.count <= 8 || ByteRun.equal(policy.text(pattern.text), text.buffer)
            {
                return value.statements
            }
            bucket = (bucket + 1) & mask
        }
    }

    /// Whether the conditions of a statement that are in no column hold.
    @inline(__always)
    private mutating func restHolds(_ policy: PolicyView, _ index: Int, isDeny: Bool) -> Bool {
        let span = policy.index.rest[index]
        guard span.count > 0, let first = policy.conditions.baseAddress else { return true }
        for place in span.range {
            switch verdict(policy, first + Int(policy.index.direct[place]), isDeny: isDeny) {
            case .no: return false
            case .undecided: if !isDeny { return false }
            case .yes: break
            }
        }
        return true
    }
}
