/// The statements of a policy, arranged by what they ask for, so that one look at a part of the request decides for all
/// that ask the same.
///
/// Statements are taken in blocks of 64, a bit each. Within a block those with the same principals, actions or
/// resources are a group, and conditions with the same operator on the same key are a column: its values are compared
/// once each, whoever lists them. What is in no column is looked at statement by statement.
struct StatementIndex: Sendable {
    private(set) var blocks: [StatementBlock] = []
    private(set) var groups: [StatementGroup] = []
    private(set) var columns: [ConditionColumn] = []
    private(set) var values: [ColumnValue] = []
    /// For texts that are compared whole: places among the values of their column, plus one, found by a hash.
    private(set) var buckets: [UInt32] = []
    /// For each statement its conditions that are in no column, a span of `direct`.
    private(set) var rest: [Span32] = []
    /// Places among the conditions.
    private(set) var direct: [UInt32] = []

    static let statementsPerBlock = 64
    /// Looks for a free bucket, for each value, past which the values of a column are hashed with a key: texts that
    /// are not written to fall together need less than one.
    static let mostLooks = 8

    init(_ compiler: PolicyCompiler) {
        let count = compiler.statements.count
        for first in stride(from: 0, to: count, by: Self.statementsPerBlock) {
            add(first..<min(count, first + Self.statementsPerBlock), compiler)
        }
    }

    private mutating func add(_ range: Range<Int>, _ compiler: PolicyCompiler) {
        let firstGroup = groups.count
        let firstColumn = columns.count
        for element in [StatementGroup.Element.principal, .action, .resource] {
            addGroups(of: element, range, compiler.statements)
        }
        var places: [ColumnKey: [(statement: Int, condition: Int)]] = [:]
        for statement in range {
            for condition in compiler.statements[statement].conditions.range {
                guard let key = ColumnKey(compiler.conditions[condition], compiler) else { continue }
                places[key, default: []].append((statement, condition))
            }
        }
        // A column of one statement saves nothing.
        places = places.filter { $0.value.count > 1 }
        for (key, members) in places.sorted(by: { $0.key.order < $1.key.order }) {
            addColumn(key, members, first: range.lowerBound, compiler)
        }
        for statement in range {
            let start = direct.count
            for condition in compiler.statements[statement].conditions.range {
                let key = ColumnKey(compiler.conditions[condition], compiler)
                if key.map({ places[$0] == nil }) ?? true { direct.append(UInt32(condition)) }
            }
            rest.append(Span32(start..<direct.count))
        }
        blocks.append(
            StatementBlock(
                statements: Span32(range), groups: Span32(firstGroup..<groups.count),
                columns: Span32(firstColumn..<columns.count)))
    }

    private mutating func addGroups(
        of element: StatementGroup.Element, _ range: Range<Int>, _ statements: [CompiledStatement]
    ) {
        var known: [GroupKey: Int] = [:]
        for index in range {
            guard let key = GroupKey(statements[index], element) else { continue }
            let bit: UInt64 = 1 << UInt64(index - range.lowerBound)
            if let place = known[key] {
                groups[place].statements |= bit
            } else {
                known[key] = groups.count
                groups.append(StatementGroup(element: element, example: UInt32(index), statements: bit))
            }
        }
    }

    private mutating func addColumn(
        _ key: ColumnKey, _ members: [(statement: Int, condition: Int)], first: Int, _ compiler: PolicyCompiler
    ) {
        let start = values.count
        var column = ConditionColumn(
            slot: key.slot, comparison: key.comparison, isNegated: key.isNegated, ifExists: key.ifExists)
        var known: [ValueKey: Int] = [:]
        for member in members {
            let bit: UInt64 = 1 << UInt64(member.statement - first)
            column.statements |= bit
            for place in compiler.conditions[member.condition].values.range {
                let value = ValueKey(place, of: key, compiler)
                if let index = known[value] {
                    values[index].statements |= bit
                } else {
                    known[value] = values.count
                    values.append(ColumnValue(statements: bit, place: UInt32(place)))
                }
            }
        }
        column.values = Span32(start..<values.count)
        if key.comparison == .stringEquals { addBuckets(to: &column, compiler) }
        columns.append(column)
    }

    /// Twice as many buckets as values, a power of two, so that a text is found at the first look or near it.
    private mutating func addBuckets(to column: inout ConditionColumn, _ compiler: PolicyCompiler) {
        var size = 2
        while size < 2 * Int(column.values.count) { size *= 2 }
        column.buckets = Span32(buckets.count..<(buckets.count + size))
        buckets.append(contentsOf: repeatElement(0, count: size))
        if fill(column, compiler, mostLooks: Self.mostLooks * Int(column.values.count)) { return }
        // Whoever wrote these values wants them to fall together; nobody knows the key of the other hash.
        column.isKeyed = true
        for place in column.buckets.range { buckets[place] = 0 }
        _ = fill(column, compiler, mostLooks: .max)
    }

    /// Puts every value of a column into its bucket, or the next that is free.
    ///
    /// - Returns: `false` when that took more looks than allowed.
    private mutating func fill(
        _ column: ConditionColumn, _ compiler: PolicyCompiler, mostLooks: Int
    ) -> Bool {
        let (start, size) = (Int(column.buckets.start), Int(column.buckets.count))
        var looks = 0
        for (place, value) in values[column.values.range].enumerated() {
            let text = compiler.patterns[Int(value.place)].text
            var bucket = compiler.bytes[text.range].withUnsafeBufferPointer {
                column.bucket(of: ContextText($0), size: size)
            }
            while buckets[start + bucket] != 0 {
                bucket = (bucket + 1) & (size - 1)
                looks += 1
                if looks > mostLooks { return false }
            }
            buckets[start + bucket] = UInt32(place + 1)
        }
        return true
    }
}

extension StatementIndex {
    /// Gives the arrays to `body` as pointers that end with the call.
    @inline(__always)
    func withView<Result>(_ body: (StatementIndexView) -> Result) -> Result {
        blocks.withUnsafeBufferPointer { blocks in
            groups.withUnsafeBufferPointer { groups in
                columns.withUnsafeBufferPointer { columns in
                    values.withUnsafeBufferPointer { values in
                        buckets.withUnsafeBufferPointer { buckets in
                            rest.withUnsafeBufferPointer { rest in
                                direct.withUnsafeBufferPointer { direct in
                                    body(
                                        StatementIndexView(
                                            blocks: blocks, groups: groups, columns: columns, values: values,
                                            buckets: buckets, rest: rest, direct: direct))
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The arrays of an index for the time of one look.
struct StatementIndexView {
    let blocks: UnsafeBufferPointer<StatementBlock>
    let groups: UnsafeBufferPointer<StatementGroup>
    let columns: UnsafeBufferPointer<ConditionColumn>
    let values: UnsafeBufferPointer<ColumnValue>
    let buckets: UnsafeBufferPointer<UInt32>
    let rest: UnsafeBufferPointer<Span32>
    let direct: UnsafeBufferPointer<UInt32>
}

/// Up to 64 statements that follow each other.
struct StatementBlock: Sendable {
    var statements: Span32
    var groups: Span32
    var columns: Span32

    /// The bits of the statements of this block that lie within `range`.
    @inline(__always)
    func bits(within range: Range<Int>) -> UInt64 {
        let own = statements.range
        let start = max(own.lowerBound, range.lowerBound) - own.lowerBound
        let end = min(own.upperBound, range.upperBound) - own.lowerBound
        guard start < end else { return 0 }
        return (UInt64.max >> UInt64(64 - end)) & (UInt64.max << UInt64(start))
    }
}

/// Statements of a block that name the same principals, actions or resources.
struct StatementGroup: Sendable {
    enum Element: UInt8, Sendable { case principal, action, resource }

    var element: Element
    /// One of them, which stands for all.
    var example: UInt32
    var statements: UInt64
}

/// Conditions of a block with the same operator on the same key.
struct ConditionColumn: Sendable {
    var slot: UInt8
    var comparison: ConditionOperator.Comparison
    var isNegated: Bool
    var ifExists: Bool
    /// Those that have it.
    var statements: UInt64 = 0
    var values = Span32()
    var buckets = Span32()
    /// Whether its texts are hashed whole and with the process's own key.
    var isKeyed = false

    /// Where to begin to look for a text among `size` buckets: its two ends and its length tell it from most others.
    @inline(__always)
    func bucket(of text: ContextText, size: Int) -> Int {
        if isKeyed { return Self.keyed(text) & (size - 1) }
        var tail = text.head
        if text.count > 8, let base = text.base {
            tail = UnsafeRawPointer(base).loadUnaligned(fromByteOffset: text.count - 8, as: UInt64.self)
        }
        let mixed = (text.head ^ (tail &* 0x9E37_79B9_7F4A_7C15) &+ UInt64(text.count)) &* 0xD6E8_FEB8_6659_FD93
        return Int(truncatingIfNeeded: mixed >> 32) & (size - 1)
    }

    private static func keyed(_ text: ContextText) -> Int {
        var hasher = Hasher()
        hasher.combine(bytes: UnsafeRawBufferPointer(text.buffer))
        return hasher.finalize()
    }
}

/// A value that conditions of a column list.
struct ColumnValue: Sendable {
    /// Those that list it.
    var statements: UInt64
    /// Among the patterns, or the values, of the policy.
    var place: UInt32
}

/// What makes conditions one column; `nil` for those that are looked at one by one: with a set operator, a variable, a
/// tag's key, or an operator that is rare.
private struct ColumnKey: Hashable {
    let slot: UInt8
    let comparison: ConditionOperator.Comparison
    let isNegated: Bool
    let ifExists: Bool

    init?(_ condition: CompiledCondition, _ compiler: PolicyCompiler) {
        guard condition.isColumnar(compiler.patterns) else { return nil }
        slot = condition.key.slot
        comparison = condition.comparison
        isNegated = condition.isNegated
        ifExists = condition.ifExists
    }

    /// What costs least comes first; the rest only makes the order a fixed one.
    var order: (Int, UInt8, UInt8, Int) {
        let cost =
            switch comparison {
            case .null, .bool, .stringEquals: 0
            case .stringLike: 2
            default: 1
            }
        return (cost, slot, comparison.rawValue, (isNegated ? 2 : 0) + (ifExists ? 1 : 0))
    }
}

extension CompiledCondition {
    /// Whether a column may hold it.
    func isColumnar(_ patterns: [CompiledPattern]) -> Bool {
        guard quantifier == .single, key.slot != KeyReference.named else { return false }
        switch comparison {
        case .stringEquals, .stringLike: return patterns[values.range].allSatisfy { $0.kind != .template }
        case .null, .bool, .ipAddress, .numericEquals, .numericLessThan, .numericLessThanEquals, .numericGreaterThan,
            .numericGreaterThanEquals, .dateEquals, .dateLessThan, .dateLessThanEquals, .dateGreaterThan,
            .dateGreaterThanEquals:
            return true
        case .stringEqualsIgnoreCase, .binaryEquals, .arnEquals, .arnLike: return false
        }
    }
}

/// What makes values of a column one.
private struct ValueKey: Hashable {
    var bytes: [UInt8] = []
    var number: UInt64 = 0
    var words: [UInt64] = []

    init(_ place: Int, of key: ColumnKey, _ compiler: PolicyCompiler) {
        if key.comparison == .stringEquals || key.comparison == .stringLike {
            let pattern = compiler.patterns[place]
            bytes = pattern.kind == .any ? [Glob.anyRun] : Array(compiler.bytes[pattern.text.range])
        } else {
            let value = compiler.values[place]
            number = value.number.bitPattern
            words = [value.high, value.low, UInt64(value.prefix), value.flag ? 1 : 0]
        }
    }
}

/// What makes statements one group; `nil` for those that have no such element.
private struct GroupKey: Hashable {
    let list: Span32
    let isNegated: Bool
    /// `NotPrincipal` of a deny is read in another way than that of an allow.
    let isDeny: Bool

    init?(_ statement: CompiledStatement, _ element: StatementGroup.Element) {
        switch element {
        case .principal:
            guard statement.principalMode != .notNamed else { return nil }
            (list, isNegated) = (statement.principals, statement.principalMode == .negated)
        case .action: (list, isNegated) = (statement.actions, statement.negatesAction)
        case .resource:
            guard statement.hasResource else { return nil }
            (list, isNegated) = (statement.resources, statement.negatesResource)
        }
        isDeny = statement.isDeny
    }
}
