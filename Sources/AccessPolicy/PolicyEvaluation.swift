/// One decision under way: what is asked, and how many steps are left. Looks at one policy at a time.
struct PolicyEvaluation {
    let slots: UnsafePointer<ContextSlot>
    let named: UnsafeBufferPointer<NamedSlot>
    let principal: PrincipalText
    let resource: ResourceText
    let action: ContextText
    let scratch: ContextScratch
    /// Whether the principal has a permissions boundary, which a `NotPrincipal` denies always.
    let hasBoundary: Bool
    /// Below zero: used up.
    var steps = PolicyLimits.stepsPerDecision
    /// A variable stood for a value that cannot be known now.
    var metUnknown = false
    /// The last lists looked at in this policy, which the next statement often shares.
    private var lastPrincipals = (span: Span32(), matched: false)
    private var lastActions = (span: Span32(), matched: false)
    private var lastResources = (span: Span32(), matched: false)
    /// Verdicts on the conditions that statements of this policy share, a bit each: looked at, held, undecided.
    private var shared = (known: UInt64(0), yes: UInt64(0), undecided: UInt64(0))

    init(
        _ context: RequestContext, named: UnsafeBufferPointer<NamedSlot>, hasBoundary: Bool
    ) {
        slots = UnsafePointer(context.slots)
        self.named = named
        principal = context.principal
        resource = context.resource
        action = context.loweredAction
        scratch = context.scratch
        self.hasBoundary = hasBoundary
    }

    var isExhausted: Bool { steps < 0 }

    /// Begins with another policy, whose lists are numbered anew.
    mutating func forgetLists() {
        lastPrincipals.span = Span32()
        lastActions.span = Span32()
        lastResources.span = Span32()
        shared.known = 0
    }

    /// Whether a statement applies, or the first of its elements that does not: for explanations, which ask each by
    /// itself.
    mutating func outcome(_ policy: PolicyView, _ index: Int) -> StatementOutcome {
        metUnknown = false
        let statement = policy.statements[index]
        if statement.principalMode != .notNamed, !principalMatches(policy, statement) {
            return StatementOutcome(.principal)
        }
        if !actionMatches(policy, statement) { return StatementOutcome(.action) }
        if statement.hasResource, !resourceHolds(policy, statement) { return StatementOutcome(.resource) }
        guard let first = policy.conditions.baseAddress else { return StatementOutcome(steps < 0 ? .budget : .matched) }
        for condition in statement.conditions.range {
            let verdict = verdict(policy, first + condition, isDeny: statement.isDeny)
            if verdict == .no || (verdict == .undecided && !statement.isDeny) {
                return StatementOutcome(.condition, condition: condition)
            }
        }
        return StatementOutcome(steps < 0 ? .budget : .matched)
    }
}

extension PolicyEvaluation {
    /// What a condition says of the request.
    @inline(__always)
    mutating func verdict(
        _ policy: PolicyView, _ condition: UnsafePointer<CompiledCondition>, isDeny: Bool
    ) -> ConditionVerdict {
        condition.pointee.memo == CompiledCondition.notShared
            ? ownVerdict(policy, condition, isDeny: isDeny) : sharedVerdict(policy, condition, isDeny: isDeny)
    }

    /// The verdict on a condition that other statements have too: found once in a decision, whatever their effect.
    @inline(__always)
    private mutating func sharedVerdict(
        _ policy: PolicyView, _ condition: UnsafePointer<CompiledCondition>, isDeny: Bool
    ) -> ConditionVerdict {
        let bit: UInt64 = 1 << UInt64(condition.pointee.memo)
        if shared.known & bit != 0 {
            steps -= 1
            return shared.yes & bit != 0 ? .yes : shared.undecided & bit != 0 ? .undecided : .no
        }
        let verdict = ownVerdict(policy, condition, isDeny: isDeny)
        shared.known |= bit
        shared.yes = verdict == .yes ? shared.yes | bit : shared.yes & ~bit
        shared.undecided = verdict == .undecided ? shared.undecided | bit : shared.undecided & ~bit
        return verdict
    }

    @inline(__always)
    private mutating func ownVerdict(
        _ policy: PolicyView, _ condition: UnsafePointer<CompiledCondition>, isDeny: Bool
    ) -> ConditionVerdict {
        if condition.pointee.isLiteral {
            let slot = slots + Int(condition.pointee.key.slot)
            if slot.pointee.state == .present, slot.pointee.list.count == 0 {
                steps -= 1
                return isEqual(policy, condition, slot) == condition.pointee.isNegated ? .no : .yes
            }
        }
        let verdict = evaluate(policy, condition.pointee, isDeny: isDeny)
        guard metUnknown else { return verdict }
        metUnknown = false
        return .undecided
    }

    @inline(__always)
    private func isEqual(
        _ policy: PolicyView, _ condition: UnsafePointer<CompiledCondition>, _ slot: UnsafePointer<ContextSlot>
    ) -> Bool {
        let count = slot.pointee.first.count
        guard count == Int(condition.pointee.literal.count), slot.pointee.first.head == condition.pointee.head else {
            return false
        }
        return count <= 8 || ByteRun.equal(policy.text(condition.pointee.literal), slot.pointee.first.buffer)
    }
}

/// What became of one statement.
struct StatementOutcome {
    enum Element: UInt8 {
        case matched, principal, action, resource, condition, budget
    }

    var element: Element
    /// The first condition that failed, in the compiled order.
    var condition: Int32

    init(_ element: Element, condition: Int = -1) {
        self.element = element
        self.condition = Int32(truncatingIfNeeded: condition)
    }
}

extension PolicyEvaluation {
    mutating func principalMatches(_ policy: PolicyView, _ statement: CompiledStatement) -> Bool {
        if statement.principalMode == .negated { return !isExempt(policy, statement) }
        steps -= 1
        if statement.principals == lastPrincipals.span { return lastPrincipals.matched }
        var matched = false
        for index in statement.principals.range {
            steps -= 1
            matched = matches(policy, policy.principals[index])
            if matched { break }
        }
        lastPrincipals = (statement.principals, matched)
        return matched
    }

    private func matches(_ policy: PolicyView, _ wanted: CompiledPrincipal) -> Bool {
        switch wanted.kind {
        case .anyone: true
        case .account: principal.account == wanted.account && principal.kind != .service
        case .arn: equals(policy, wanted, principal.arn) || equals(policy, wanted, principal.roleARN)
        case .service: principal.kind == .service && equals(policy, wanted, principal.service)
        case .anyService: principal.kind == .service
        case .never: false
        }
    }

    @inline(__always)
    private func equals(_ policy: PolicyView, _ wanted: CompiledPrincipal, _ text: ContextText) -> Bool {
        text.count > 0 && Int(wanted.text.count) == text.count && wanted.head == text.head
            && ByteRun.equal(policy.text(wanted.text), text.buffer)
    }

    /// Whether `NotPrincipal` lists the caller.
    ///
    /// An account exempts its principals only while no single principal of that account is listed beside it: AWS has
    /// the account listed next to the user that is meant. A caller with a permissions boundary is never exempt.
    /// Source: docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notprincipal.html
    private mutating func isExempt(_ policy: PolicyView, _ statement: CompiledStatement) -> Bool {
        if hasBoundary, statement.isDeny { return false }
        var listsAccount = false
        var listsOthers = false
        for index in statement.principals.range {
            steps -= 1
            let wanted = policy.principals[index]
            if wanted.kind == .account {
                listsAccount = listsAccount || matches(policy, wanted)
            } else if matches(policy, wanted) {
                return true
            } else if wanted.kind == .arn, wanted.account == principal.account {
                listsOthers = true
            }
        }
        return listsAccount && (!listsOthers || principal.kind == .root)
    }

    /// Whom an allow must name in its `Principal` to count.
    enum Naming: UInt8 {
        /// Whomever, as long as it matches.
        case anyone
        /// The caller, its role, or everyone: not only the account.
        case callerOrRole
        /// This user or this session itself, not its role, its account or everyone. A role that calls without a
        /// session is still a role.
        case caller
    }

    func names(_ naming: Naming, _ policy: PolicyView, _ statement: CompiledStatement) -> Bool {
        guard statement.principalMode == .listed else { return false }
        for index in statement.principals.range {
            let wanted = policy.principals[index]
            switch naming {
            case .anyone: return true
            case .callerOrRole: if wanted.kind != .account, matches(policy, wanted) { return true }
            case .caller:
                if wanted.kind == .arn, principal.kind != .role, equals(policy, wanted, principal.arn) { return true }
            }
        }
        return false
    }

    mutating func actionMatches(_ policy: PolicyView, _ statement: CompiledStatement) -> Bool {
        steps -= 1
        if statement.actions != lastActions.span {
            var matched = false
            for index in statement.actions.range {
                matched = matches(policy, policy.patterns[index], action)
                if matched { break }
            }
            lastActions = (statement.actions, matched)
        }
        return lastActions.matched != statement.negatesAction
    }

    /// Whether the resources of a statement leave it in the running: a variable that cannot be known now does so in a
    /// deny alone.
    mutating func resourceHolds(_ policy: PolicyView, _ statement: CompiledStatement) -> Bool {
        let matched = resourceMatches(policy, statement)
        defer { metUnknown = false }
        return metUnknown ? statement.isDeny : matched
    }

    private mutating func resourceMatches(_ policy: PolicyView, _ statement: CompiledStatement) -> Bool {
        steps -= 1
        if statement.resources != lastResources.span {
            var matched = false
            for index in statement.resources.range {
                matched = arnMatches(policy, policy.patterns[index], resource.arn, resource.parts)
                if matched { break }
            }
            // A list whose variable cannot be known now is looked at again, so that its statement is undecided too.
            lastResources = (metUnknown ? Span32() : statement.resources, matched)
        }
        return lastResources.matched != statement.negatesResource
    }
}

extension PolicyEvaluation {
    /// Compares a text with a pattern. A variable without a value matches nothing.
    @inline(__always)
    mutating func matches(_ policy: PolicyView, _ pattern: CompiledPattern, _ text: ContextText) -> Bool {
        steps -= 1
        switch pattern.kind {
        case .any: return true
        case .literal:
            return Int(pattern.text.count) == text.count && pattern.head == text.head
                && (text.count <= 8 || ByteRun.equal(policy.text(pattern.text), text.buffer))
        case .prefix, .glob: return globMatches(policy, pattern, text)
        case .template:
            var ends = ARNParts()
            guard let filled = fill(policy, pattern, &ends) else { return false }
            return Glob.matches(pattern: filled, text: text.buffer, steps: &steps)
        }
    }

    private mutating func globMatches(
        _ policy: PolicyView, _ pattern: CompiledPattern, _ text: ContextText
    ) -> Bool {
        let literal = Int(pattern.literalCount)
        guard text.count >= literal else { return false }
        let whole = policy.text(pattern.text)
        steps -= literal / 16
        guard ByteRun.equal(whole, text.buffer, count: literal) else { return false }
        if pattern.kind == .prefix { return true }
        return Glob.matches(
            pattern: UnsafeBufferPointer(rebasing: whole[literal...]),
            text: UnsafeBufferPointer(rebasing: text.buffer[literal...]), steps: &steps)
    }

    /// Compares an ARN with a pattern, part by part. What is no ARN matches only `*`.
    @inline(__always)
    mutating func arnMatches(
        _ policy: PolicyView, _ pattern: CompiledPattern, _ text: ContextText, _ parts: ARNParts
    ) -> Bool {
        steps -= 1
        switch pattern.kind {
        case .any: return true
        case .literal:
            return Int(pattern.text.count) == text.count && pattern.head == text.head && parts.count == 5
                && ByteRun.equal(policy.text(pattern.text), text.buffer)
        case .prefix:
            let literal = Int(pattern.literalCount)
            return parts.count == 5 && text.count >= literal
                && ByteRun.equal(policy.text(pattern.text), text.buffer, count: literal)
        case .glob, .template: return arnGlobMatches(policy, pattern, text, parts)
        }
    }

    private mutating func arnGlobMatches(
        _ policy: PolicyView, _ pattern: CompiledPattern, _ text: ContextText, _ parts: ARNParts
    ) -> Bool {
        if pattern.kind == .template {
            var ends = ARNParts()
            guard let filled = fill(policy, pattern, &ends) else { return false }
            return Glob.matchesARN(pattern: filled, ends: ends, text: text.buffer, parts: parts, steps: &steps)
        }
        let whole = policy.text(pattern.text)
        let literal = Int(pattern.literalCount)
        guard text.count >= literal, ByteRun.equal(whole, text.buffer, count: literal) else { return false }
        let ends = ARNParts(whole, steps: &steps)
        return Glob.matchesARN(pattern: whole, ends: ends, text: text.buffer, parts: parts, steps: &steps)
    }

    /// Fills in the variables. What comes from the request is literal: its `*` is no wildcard and its `:` parts no ARN.
    ///
    /// - Returns: `nil` when a variable has no single value and no default.
    /// - Source: docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
    mutating func fill(
        _ policy: PolicyView, _ pattern: CompiledPattern, _ ends: inout ARNParts
    ) -> UnsafeBufferPointer<UInt8>? {
        var total = 0
        for index in pattern.text.range {
            guard let text = text(policy, policy.pieces[index]) else { return nil }
            total += text.count
        }
        steps -= total
        if steps < 0 { return nil }
        scratch.reserve(total)
        var place = 0
        for index in pattern.text.range {
            let piece = policy.pieces[index]
            guard let text = text(policy, piece) else { return nil }
            for byte in text {
                if piece.isVariable, byte >= Glob.anyOne { return nil }
                if !piece.isVariable, byte == UInt8(ascii: ":") { ends.append(place) }
                scratch.bytes[place] = byte
                place += 1
            }
        }
        return UnsafeBufferPointer(start: scratch.bytes, count: total)
    }

    private mutating func text(_ policy: PolicyView, _ piece: CompiledPiece) -> UnsafeBufferPointer<UInt8>? {
        guard piece.isVariable else { return policy.text(piece.text) }
        let slot = slot(policy, piece.key)
        if slot.state == .present, slot.count == 1 { return slot.first.buffer }
        if slot.state == .unknown { metUnknown = true }
        return slot.state == .absent && piece.hasDefault ? policy.text(piece.text) : nil
    }

    /// What the request says under a key.
    @inline(__always)
    mutating func slot(_ policy: PolicyView, _ key: KeyReference) -> ContextSlot {
        if key.slot != KeyReference.named { return slots[Int(key.slot)] }
        for entry in named where entry.family == key.family {
            steps -= 1
            if entry.name.count == Int(key.name.count), entry.name.head == key.head,
                ByteRun.equal(policy.text(key.name), entry.name.buffer)
            {
                return entry.slot
            }
        }
        return ContextSlot()
    }
}
