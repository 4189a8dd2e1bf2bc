package import Domain

/// A decision as it is kept and shown: who asked for what, what was answered, and each statement that was looked at.
///
/// Source: POLICY 4
package struct DecisionRecord: Equatable, Sendable {
    /// Who asked, as the gateway authenticated it.
    package struct Caller: Equatable, Sendable {
        package var principal: String
        package var account: String
        package var organizationPath: String?
        package var trustDomain: String?
        package var accessKeyID: String?
        /// The listener.
        package var endpoint: String
        package var sourceAddress: String

        package init(
            principal: String, account: String, organizationPath: String?, trustDomain: String?, accessKeyID: String?,
            endpoint: String, sourceAddress: String
        ) {
            self.principal = principal
            self.account = account
            self.organizationPath = organizationPath
            self.trustDomain = trustDomain
            self.accessKeyID = accessKeyID
            self.endpoint = endpoint
            self.sourceAddress = sourceAddress
        }
    }

    /// What the sender was told; a decision that allows has none.
    package struct Answer: Equatable, Sendable {
        /// `AccessDeniedException`.
        package var code: String
        /// Without the decision id.
        package var message: String
        /// What only the owner of the resource is told.
        package var detail: String?

        package init(code: String, message: String, detail: String? = nil) {
            self.code = code
            self.message = message
            self.detail = detail
        }
    }

    /// Statements with what became of them; none where no policy was asked.
    package struct Reasons: Equatable, Sendable {
        /// The layer that decided.
        package var layer: Decision.Layer
        package var isOwnSideElsewhere: Bool
        package var isBudgetExceeded: Bool
        package var looks: [Explanation.Look]
        /// Looks that were left out for their number.
        package var looksLeftOut: Int
        package var nearestMiss: Explanation.Look?
        package var verdicts: LayerVerdicts
    }

    package var id: UniqueID
    package var time: Timestamp
    package var requestID: UniqueID
    /// The entry's place in its request, from 0; `nil` for a call that has no entries.
    package var entry: Int?
    package var caller: Caller
    package var question: DecisionQuestion
    package var resourceExists: Bool
    package var revision: UInt64
    package var effect: Decision.Effect
    package var side: Decision.Side
    package var answer: Answer?
    package var reasons: Reasons?
    /// Keys whose values are not here in full.
    package var cutKeys: [String]

    /// Bytes of a value that are kept; longer ones are cut and their key is named in `cutKeys`.
    package static let valueBytesLimit = 1024
    /// Context keys that are kept. Source: tags of principal, session, resource and request, 50 each, and all others.
    package static let keysLimit = 300
    /// Values of one key that are kept.
    package static let valuesLimit = 64
    /// Statements that are kept; those that decided come first when there are more.
    package static let looksLimit = 256
    /// Wanted values of one statement's element that are kept.
    package static let wantedLimit = 16

    /// Asks the policies of a capture again and writes down what each statement said.
    ///
    /// Cost: tens of microseconds; not for an event loop.
    package init(
        id: UniqueID, requestID: UniqueID, entry: Int?, caller: Caller, answer: Answer?, capture: DecisionCapture
    ) {
        self.id = id
        self.requestID = requestID
        self.entry = entry
        self.caller = caller
        self.answer = answer
        time = capture.time
        resourceExists = capture.resourceExists
        revision = capture.revision
        effect = capture.effect
        side = capture.side
        reasons = capture.layers.map { Reasons(capture.question, $0) }
        question = capture.question
        // As they are written: by where they come from.
        question.keys = RequestContext.Region.allCases.flatMap { region in
            capture.question.keys.filter { $0.origin == region }
        }
        cutKeys = []
        shorten()
    }

    init(
        id: UniqueID, time: Timestamp, requestID: UniqueID, entry: Int?, caller: Caller, question: DecisionQuestion,
        resourceExists: Bool, revision: UInt64, effect: Decision.Effect, side: Decision.Side, answer: Answer?,
        reasons: Reasons?, cutKeys: [String]
    ) {
        self.id = id
        self.time = time
        self.requestID = requestID
        self.entry = entry
        self.caller = caller
        self.question = question
        self.resourceExists = resourceExists
        self.revision = revision
        self.effect = effect
        self.side = side
        self.answer = answer
        self.reasons = reasons
        self.cutKeys = cutKeys
    }

    /// Keeps a record small whatever a sender or a policy's writer put into it.
    private mutating func shorten() {
        for key in question.keys.dropFirst(Self.keysLimit) { cutKeys.append(Self.cut(key.name)) }
        question.keys = Array(question.keys.prefix(Self.keysLimit))
        for index in question.keys.indices {
            let values = question.keys[index].values
            let kept = values.prefix(Self.valuesLimit).map(Self.cut)
            guard kept != values else { continue }
            question.keys[index].values = kept
            cutKeys.append(question.keys[index].name)
        }
        cutKeys = Array(cutKeys.prefix(Self.keysLimit))
        if let message = answer?.message { answer?.message = Self.cut(message, to: 4 * Self.valueBytesLimit) }
        if let detail = answer?.detail { answer?.detail = Self.cut(detail) }
        reasons?.shorten()
    }

    /// The text, or as many whole characters of it as fit.
    static func cut(_ text: String) -> String { cut(text, to: valueBytesLimit) }

    private static func cut(_ text: String, to bytes: Int) -> String {
        guard text.utf8.count > bytes else { return text }
        var end = text.utf8.index(text.utf8.startIndex, offsetBy: bytes)
        while end.samePosition(in: text.unicodeScalars) == nil { end = text.utf8.index(before: end) }
        return String(text[..<end])
    }
}

extension DecisionRecord.Reasons {
    fileprivate init(_ question: DecisionQuestion, _ layers: PolicyLayers) {
        let explanation = Authorizer.explain(RequestContext(question), layers)
        layer = explanation.decision.layer
        isOwnSideElsewhere = explanation.decision.isOwnSideElsewhere
        isBudgetExceeded = explanation.decision.isBudgetExceeded
        looks = explanation.looks
        looksLeftOut = 0
        nearestMiss = explanation.nearestMiss
        verdicts = LayerVerdicts(layers, explanation.looks, isRoot: question.principalKind == .root)
    }

    fileprivate mutating func shorten() {
        let limit = DecisionRecord.looksLimit
        if looks.count > limit {
            let matched = looks.filter { $0.outcome == .matched }.prefix(limit)
            let others = looks.filter { $0.outcome != .matched && $0.layer == layer }.prefix(limit - matched.count)
            looksLeftOut = looks.count - matched.count - others.count
            looks = Array(matched) + others
        }
        looks = looks.map(Self.shortened)
        nearestMiss = nearestMiss.map(Self.shortened)
    }

    private static func shortened(_ look: Explanation.Look) -> Explanation.Look {
        guard case .failed(let element, let comparison, let key, let wanted, let got) = look.outcome else {
            return look
        }
        var look = look
        var kept = wanted.prefix(DecisionRecord.wantedLimit).map(DecisionRecord.cut)
        if wanted.count > kept.count { kept.append("and \(wanted.count - kept.count) more") }
        look.outcome = .failed(
            element: element, comparison: comparison, key: key.map(DecisionRecord.cut), wanted: kept,
            got: got.map { $0.prefix(DecisionRecord.wantedLimit).map(DecisionRecord.cut) })
        return look
    }
}
