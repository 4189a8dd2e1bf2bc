/// A policy ready to decide: flat arrays of numbers over one array of bytes, so that deciding walks memory in order and
/// allocates nothing.
///
/// Denies stand before allows. Patterns without wildcards compare whole; condition values are parsed once.
package final class CompiledPolicy: Sendable {
    /// What it was compiled from, for explanations.
    package let document: PolicyDocument
    /// What to call it in explanations: a bus policy, a managed policy's name.
    package let name: String
    let statements: [CompiledStatement]
    /// The first allow among `statements`.
    let firstAllow: Int
    let principals: [CompiledPrincipal]
    let patterns: [CompiledPattern]
    let conditions: [CompiledCondition]
    let values: [CompiledValue]
    let pieces: [CompiledPiece]
    let bytes: [UInt8]
    let index: StatementIndex

    /// Compiling never fails: the document was checked when it was read.
    package init(_ document: PolicyDocument, name: String = "") {
        self.document = document
        self.name = name
        var compiler = PolicyCompiler(readsVariables: document.version == .current)
        let indexed = Array(document.statements.enumerated())
        let ordered = indexed.filter { $0.element.effect == .deny } + indexed.filter { $0.element.effect == .allow }
        for (index, statement) in ordered { compiler.add(statement, source: index) }
        firstAllow = indexed.count { $0.element.effect == .deny }
        statements = compiler.statements
        principals = compiler.principals
        patterns = compiler.patterns
        conditions = compiler.conditions
        values = compiler.values
        pieces = compiler.pieces
        bytes = compiler.bytes
        index = StatementIndex(compiler)
    }

    /// Parses and compiles; see `PolicyDocument.init(parsing:kind:limits:)`.
    package convenience init(
        parsing text: String, kind: PolicyKind, limits: PolicyLimits = .default, name: String = ""
    ) throws(PolicyError) {
        self.init(try PolicyDocument(parsing: text, kind: kind, limits: limits), name: name)
    }

    /// Gives the flat arrays to `body` as pointers that end with the call.
    @inline(__always)
    func withView<Result>(_ body: (PolicyView) -> Result) -> Result {
        index.withView { index in withArrays(index, body) }
    }

    @inline(__always)
    private func withArrays<Result>(_ index: StatementIndexView, _ body: (PolicyView) -> Result) -> Result {
        statements.withUnsafeBufferPointer { statements in
            principals.withUnsafeBufferPointer { principals in
                patterns.withUnsafeBufferPointer { patterns in
                    conditions.withUnsafeBufferPointer { conditions in
                        values.withUnsafeBufferPointer { values in
                            pieces.withUnsafeBufferPointer { pieces in
                                bytes.withUnsafeBufferPointer { bytes in
                                    body(
                                        PolicyView(
                                            statements: statements, principals: principals, patterns: patterns,
                                            conditions: conditions, values: values, pieces: pieces, bytes: bytes,
                                            index: index))
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The arrays of a compiled policy for the time of one look.
struct PolicyView {
    let statements: UnsafeBufferPointer<CompiledStatement>
    let principals: UnsafeBufferPointer<CompiledPrincipal>
    let patterns: UnsafeBufferPointer<CompiledPattern>
    let conditions: UnsafeBufferPointer<CompiledCondition>
    let values: UnsafeBufferPointer<CompiledValue>
    let pieces: UnsafeBufferPointer<CompiledPiece>
    let bytes: UnsafeBufferPointer<UInt8>
    let index: StatementIndexView

    @inline(__always)
    func text(_ span: Span32) -> UnsafeBufferPointer<UInt8> {
        UnsafeBufferPointer(rebasing: bytes[Int(span.start)..<Int(span.start + span.count)])
    }
}

/// A run within one of the arrays.
struct Span32: Hashable, Sendable {
    var start: UInt32 = 0
    var count: UInt32 = 0

    init() {}

    init(_ range: Range<Int>) {
        start = UInt32(range.lowerBound)
        count = UInt32(range.count)
    }

    @inline(__always)
    var range: Range<Int> { Int(start)..<Int(start + count) }
}

struct CompiledStatement: Sendable {
    enum Principals: UInt8, Sendable {
        /// The kind of policy names none.
        case notNamed
        case listed
        case negated
    }

    var isDeny: Bool
    var principalMode: Principals
    var negatesAction: Bool
    var negatesResource: Bool
    var hasResource: Bool
    /// The statement's place in the document.
    var source: UInt32
    var principals = Span32()
    var actions = Span32()
    var resources = Span32()
    var conditions = Span32()
}

struct CompiledPrincipal: Sendable {
    enum Kind: UInt8, Sendable {
        case anyone, account, arn, service, anyService
        /// Federated and canonical users, which no caller of this gateway is.
        case never
    }

    var kind: Kind
    /// Of an account, or of the ARN.
    var account: UInt64
    var text = Span32()
    var head: UInt64 = 0
}

/// A text with wildcards or variables to compare with.
struct CompiledPattern: Sendable {
    enum Kind: UInt8, Sendable {
        /// Matches all.
        case any
        case literal
        /// Literal bytes and one `*` at the end, in an ARN's sixth part if it is one.
        case prefix
        case glob
        /// Has variables: `text` is a span of pieces.
        case template
    }

    var kind: Kind
    var text = Span32()
    var head: UInt64 = 0
    /// How many bytes stand before the first wildcard.
    var literalCount: UInt32 = 0
}

/// A part of a pattern with variables.
struct CompiledPiece: Sendable {
    var isVariable: Bool
    /// The literal bytes, or the default of a variable.
    var text: Span32
    var hasDefault = false
    var key = KeyReference()
}

/// Where a condition finds its key.
struct KeyReference: Equatable, Sendable {
    /// A `ContextKey`, or `named`.
    var slot: UInt8 = KeyReference.named
    var family = ContextFamily.other
    var name = Span32()
    var head: UInt64 = 0

    static let named = UInt8.max
}

struct CompiledCondition: Sendable {
    var comparison: ConditionOperator.Comparison
    var isNegated: Bool
    var quantifier: ConditionOperator.Quantifier
    var ifExists: Bool
    var key: KeyReference
    /// Into the patterns for texts, into the values for the rest.
    var values: Span32
    /// Whether it compares one known key with one literal text, which `literal` and `head` then hold: the commonest
    /// case.
    var isLiteral = false
    var literal = Span32()
    var head: UInt64 = 0
    /// The bit that keeps its verdict during a decision, for a condition that several statements have; `notShared`
    /// otherwise.
    var memo: UInt8 = CompiledCondition.notShared

    static let notShared = UInt8.max
    /// The most conditions of a policy that have a bit.
    static let mostShared = 64
}

/// A parsed value of a typed condition: a number, a moment, a truth, a network, bytes.
struct CompiledValue: Sendable {
    var number = 0.0
    var high: UInt64 = 0
    var low: UInt64 = 0
    var prefix: UInt8 = 0
    var flag = false
    var text = Span32()

    /// As a network.
    @inline(__always)
    var range: IPRange { IPRange(unchecked: high, low, prefix: prefix, isIPv4: flag) }
}
