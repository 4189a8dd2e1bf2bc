package import AccessPolicy
package import Domain
import Identity

/// What policies say of a partner: the allow comes from the binding of its source, every deny still wins.
extension Authorization {
    /// Whether a partner's entry may stand on the bus its active source is bound to. Call after `begin` with
    /// `events:PutPartnerEvents`.
    ///
    /// Where the partner's account is local its principal needs an identity policy that allows the action; a foreign
    /// one's own side is decided elsewhere. A deny of the bus policy wins, whether it names `events:PutPartnerEvents`
    /// or `events:PutEvents`.
    package func decidePartner(_ entry: Entry, on bus: EventBus) -> Decision {
        let resource = bus.resource(at: now)
        if let policy = bus.policy {
            let alone = PolicyLayers(resource: policy)
            context.beginRequest(action: "events:PutEvents")
            context.setTime(now)
            let published = decide(resource, alone, entry)
            context.beginRequest(action: Self.putPartnerEvents)
            context.setTime(now)
            if published.effect == .explicitDeny || published.isBudgetExceeded { return published }
            let decision = decide(resource, alone, entry)
            if decision.effect == .explicitDeny || decision.isBudgetExceeded { return decision }
        }
        return decide(resource, layers(binding(on: bus.id.account), bus.placement), entry)
    }

    /// `events:PutPartnerEvents`.
    package static let putPartnerEvents: StaticString = "events:PutPartnerEvents"

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
