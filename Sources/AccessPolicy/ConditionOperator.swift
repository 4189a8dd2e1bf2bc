/// A condition operator with its qualifiers: `ForAnyValue:StringLikeIfExists`.
///
/// Source: docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
package struct ConditionOperator: Hashable, Sendable, CustomStringConvertible {
    /// What two values are compared as.
    package enum Comparison: UInt8, CaseIterable, Sendable {
        case stringEquals, stringEqualsIgnoreCase, stringLike
        case numericEquals, numericLessThan, numericLessThanEquals, numericGreaterThan, numericGreaterThanEquals
        case dateEquals, dateLessThan, dateLessThanEquals, dateGreaterThan, dateGreaterThanEquals
        case bool, binaryEquals, ipAddress, arnEquals, arnLike, null
    }

    /// How several values of the request are joined.
    package enum Quantifier: UInt8, CaseIterable, Sendable {
        case single
        case forAllValues
        case forAnyValue
    }

    package var comparison: Comparison
    package var isNegated: Bool
    package var quantifier: Quantifier
    package var ifExists: Bool

    package init(
        _ comparison: Comparison, negated: Bool = false, quantifier: Quantifier = .single, ifExists: Bool = false
    ) {
        self.comparison = comparison
        isNegated = negated
        self.quantifier = quantifier
        self.ifExists = ifExists
    }

    /// Every operator without qualifiers, by the name AWS gives it.
    package static let names: [(name: String, comparison: Comparison, isNegated: Bool)] = [
        ("StringEquals", .stringEquals, false), ("StringNotEquals", .stringEquals, true),
        ("StringEqualsIgnoreCase", .stringEqualsIgnoreCase, false),
        ("StringNotEqualsIgnoreCase", .stringEqualsIgnoreCase, true),
        ("StringLike", .stringLike, false), ("StringNotLike", .stringLike, true),
        ("NumericEquals", .numericEquals, false), ("NumericNotEquals", .numericEquals, true),
        ("NumericLessThan", .numericLessThan, false), ("NumericLessThanEquals", .numericLessThanEquals, false),
        ("NumericGreaterThan", .numericGreaterThan, false),
        ("NumericGreaterThanEquals", .numericGreaterThanEquals, false),
        ("DateEquals", .dateEquals, false), ("DateNotEquals", .dateEquals, true),
        ("DateLessThan", .dateLessThan, false), ("DateLessThanEquals", .dateLessThanEquals, false),
        ("DateGreaterThan", .dateGreaterThan, false), ("DateGreaterThanEquals", .dateGreaterThanEquals, false),
        ("Bool", .bool, false), ("BinaryEquals", .binaryEquals, false),
        ("IpAddress", .ipAddress, false), ("NotIpAddress", .ipAddress, true),
        ("ArnEquals", .arnEquals, false), ("ArnNotEquals", .arnEquals, true),
        ("ArnLike", .arnLike, false), ("ArnNotLike", .arnLike, true),
        ("Null", .null, false),
    ]

    /// Reads an operator by AWS's exact spelling; `Null` takes no qualifier. Anything else is `nil`.
    package init?(parsing text: String) {
        var name = text[...]
        var quantifier = Quantifier.single
        for (prefix, value) in [("ForAllValues:", Quantifier.forAllValues), ("ForAnyValue:", .forAnyValue)]
        where name.hasPrefix(prefix) {
            name = name.dropFirst(prefix.count)
            quantifier = value
            break
        }
        let ifExists = name.hasSuffix("IfExists")
        if ifExists { name = name.dropLast(8) }
        guard let found = Self.names.first(where: { $0.name == name }) else { return nil }
        if found.comparison == .null, ifExists || quantifier != .single { return nil }
        self.init(found.comparison, negated: found.isNegated, quantifier: quantifier, ifExists: ifExists)
    }

    package var description: String {
        let name = Self.names.first { $0.comparison == comparison && $0.isNegated == isNegated }?.name ?? ""
        let prefix =
            switch quantifier {
            case .single: ""
            case .forAllValues: "ForAllValues:"
            case .forAnyValue: "ForAnyValue:"
            }
        return prefix + name + (ifExists ? "IfExists" : "")
    }

    /// Whether `*` and `?` in a value of the policy are wildcards.
    var readsWildcards: Bool {
        switch comparison {
        case .stringLike, .arnEquals, .arnLike: true
        default: false
        }
    }

    /// Whether `${…}` in a value of the policy is a variable. Source: reference_policies_variables.html.
    var readsVariables: Bool {
        switch comparison {
        case .stringEquals, .stringEqualsIgnoreCase, .stringLike, .arnEquals, .arnLike: true
        default: false
        }
    }
}
