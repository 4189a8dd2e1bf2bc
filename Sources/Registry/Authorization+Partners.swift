package import AccessPolicy
package import Domain
import Identity

/// What policies say of a partner: the allow comes from the binding of its source, every deny still wins.
extension Authorization {
    /// `events:PutPartnerEvents`.
    package static let putPartnerEvents: StaticString = "events:PutPartnerEvents"

    /// Whether a partner's entry may stand on the bus its active source is bound to. Call after `begin` with
    /// `putPartnerEvents`.
    ///
    /// Where the partner's account is local its principal needs an identity policy that allows the action; a foreign
    /// one's own side is decided elsewhere. The bus policy cannot allow it, only deny.
    package func decidePartner(_ entry: Entry, on bus: EventBus) -> Decision {
        if let denial = denial(of: entry, by: bus) { return denial }
        return decide(bus.resource(at: now), layers(binding(on: bus.id.account), bus.placement), entry)
    }

    /// The denial of the bus policy alone; `nil` when it denies nothing.
    package func denial(of entry: Entry, by bus: EventBus) -> Decision? {
        guard let policy = bus.policy else { return nil }
        let decision = decide(bus.resource(at: now), PolicyLayers(resource: policy), entry)
        return decision.effect == .explicitDeny || decision.isBudgetExceeded ? decision : nil
    }

    /// A decision of `decidePartner`, for its record: with the bus policy where that denied, else with the binding.
    package func capturePartner(
        _ decision: Decision, of entry: Entry, on bus: EventBus, revision: UInt64
    ) -> DecisionCapture {
        context.setResource(bus.resource(at: now))
        let policy =
            decision.effect == .explicitDeny && decision.layer == .resource ? bus.policy : binding(on: bus.id.account)
        return capture(decision, question(of: entry), layers(policy, bus.placement), revision, exists: true)
    }

    /// Between accounts the binding stands where a resource policy would; within one, identity policies decide alone.
    func binding(on account: AccountID) -> CompiledPolicy? {
        caller.caller.account == account && caller.policies != nil ? nil : .partnerBinding
    }
}

extension CompiledPolicy {
    /// Allows what a binding between accounts allows: asked only after the binding is proven.
    package static let partnerBinding: CompiledPolicy = {
        let statement = #"{"Effect":"Allow","Principal":"*","Action":"events:*","Resource":"*"}"#
        let text = #"{"Version":"2012-10-17","Statement":["# + statement + "]}"
        do throws(PolicyError) {
            return CompiledPolicy(try PolicyDocument(parsing: text, kind: .resource), name: "partner binding")
        } catch {
            preconditionFailure("the policy of the binding is valid: \(error)")
        }
    }()
}
