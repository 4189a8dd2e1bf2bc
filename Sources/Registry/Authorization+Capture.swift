package import AccessPolicy
package import Domain

/// Decisions with all they were made of, for those that are recorded. Each is asked after its `decide`, within the same
/// request.
extension Authorization {
    /// A decision about `entry` on `bus`.
    package func capture(
        _ decision: Decision, of entry: Entry, on bus: EventBus, revision: UInt64
    ) -> DecisionCapture {
        context.setResource(bus.resource(at: now))
        return capture(decision, question(of: entry), layers(bus.policy, bus.placement), revision, exists: true)
    }

    /// The same about a resource of `account` that does not exist.
    package func capture(
        _ decision: Decision, of entry: Entry, onMissing arn: String, of account: AccountID, revision: UInt64
    ) -> DecisionCapture {
        let placement = caller.organizations.placement(of: account)
        context.setResource(ResourceFacts(arn: arn, account: account, organization: placement.fact(at: now)))
        return capture(decision, question(of: entry), layers(nil, placement), revision, exists: false)
    }

    /// A refusal of `entry` on `resource`, an ARN, that no policy was asked about.
    package func capture(
        _ side: Decision.Side, of entry: Entry, on resource: String, revision: UInt64
    ) -> DecisionCapture {
        context.setResource(ResourceFacts(arn: resource))
        return DecisionCapture(
            question(of: entry), nil, effect: .explicitDeny, side: side, revision: revision, time: now,
            resourceExists: true)
    }

    /// A request of `facts` refused as a whole before anything of it was decided, on no resource in particular.
    package func capture(
        _ side: Decision.Side, of facts: CallerFacts, action: String, revision: UInt64, now: Timestamp
    ) -> DecisionCapture {
        prepare(facts, now)
        context.beginRequest(action: action)
        context.setTime(now)
        context.setResource(ResourceFacts(arn: "*"))
        return DecisionCapture(
            context.question, nil, effect: .explicitDeny, side: side, revision: revision, time: now,
            resourceExists: true)
    }

    /// The call of the control plane that was decided last.
    ///
    /// - Parameter exists: whether the resource was there.
    package func capture(
        _ decision: Decision, onCallTo resource: ResourceFacts, policy: CompiledPolicy?, exists: Bool, revision: UInt64
    ) -> DecisionCapture {
        let placement = resource.account.map { caller.organizations.placement(of: $0) } ?? caller.placement
        return capture(decision, context.question, layers(policy, placement), revision, exists: exists)
    }

    /// The question about `role` that was decided last.
    package func capture(_ decision: Decision, assuming role: Principal, in snapshot: Snapshot) -> DecisionCapture {
        capture(
            decision, context.question, layers(assuming: role, in: snapshot), snapshot.revision,
            exists: snapshot.assumableRole(role.arn) != nil)
    }

    func capture(
        _ decision: Decision, _ question: DecisionQuestion, _ layers: PolicyLayers, _ revision: UInt64, exists: Bool
    ) -> DecisionCapture {
        DecisionCapture(
            question, layers, effect: decision.effect, side: decision.side, revision: revision, time: now,
            resourceExists: exists, isBudgetExceeded: decision.isBudgetExceeded)
    }

    func question(of entry: Entry) -> DecisionQuestion {
        entry.source.withUnsafeBufferPointer { source in
            entry.detailType.withUnsafeBufferPointer { detailType in
                context.set(.eventsSource, borrowing: source)
                context.set(.eventsDetailType, borrowing: detailType)
                defer {
                    context.clear(.eventsSource)
                    context.clear(.eventsDetailType)
                }
                return context.question
            }
        }
    }
}
