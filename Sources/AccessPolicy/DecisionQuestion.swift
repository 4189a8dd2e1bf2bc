package import Domain

/// What one decision looked at, copied out of a `RequestContext` so that it can be asked again later or elsewhere.
///
/// Cost: a string for each value; made for decisions that are recorded.
package struct DecisionQuestion: Equatable, Sendable {
    /// One context key with its values.
    package struct Key: Equatable, Sendable {
        /// `aws:PrincipalArn`, `aws:PrincipalTag/team`: as `ContextKeyName` reads it.
        package var name: String
        package var values: [String]
        /// There was a value and the gateway could not know it.
        package var isUnknown: Bool
        package var origin: RequestContext.Region

        package init(_ name: String, _ values: [String], isUnknown: Bool = false, origin: RequestContext.Region) {
            self.name = name
            self.values = values
            self.isUnknown = isUnknown
            self.origin = origin
        }
    }

    package var principalKind: PrincipalFacts.Kind
    /// Empty for the anonymous and for services.
    package var principal: String
    /// The role behind a session; empty otherwise.
    package var role: String
    /// The service principal's name; empty otherwise.
    package var service: String
    package var principalAccount: AccountID?
    /// `events:PutEvents`.
    package var action: String
    /// An ARN, or `*`.
    package var resource: String
    /// The owner of the resource; `nil` for `*`.
    package var resourceAccount: AccountID?
    package var keys: [Key]

    package init(
        principalKind: PrincipalFacts.Kind, principal: String, role: String = "", service: String = "",
        principalAccount: AccountID?, action: String, resource: String, resourceAccount: AccountID?, keys: [Key]
    ) {
        self.principalKind = principalKind
        self.principal = principal
        self.role = role
        self.service = service
        self.principalAccount = principalAccount
        self.action = action
        self.resource = resource
        self.resourceAccount = resourceAccount
        self.keys = keys
    }
}

extension RequestContext {
    /// Copies what the context holds now, the keys by the part that stated them: as a record writes and reads them.
    package var question: DecisionQuestion {
        func text(_ text: ContextText) -> String { String(decoding: text.buffer, as: UTF8.self) }
        func key(_ name: String, _ slot: ContextSlot, _ region: Region) -> DecisionQuestion.Key {
            .init(
                name, (0..<slot.count).map { text(slot[$0]) }, isUnknown: slot.state == .unknown, origin: region)
        }
        var keys: [DecisionQuestion.Key] = []
        for known in ContextKey.allCases {
            let place = Int(known.rawValue)
            guard slots[place].state != .absent, let region = owner(of: place) else { continue }
            keys.append(key(known.name, slots[place], region))
        }
        for entry in named where entry.slot.state != .absent {
            keys.append(key(entry.family.prefix + text(entry.name), entry.slot, entry.region))
        }
        func account(_ value: UInt64) -> AccountID? { value == .max ? nil : AccountID(unchecked: value) }
        return DecisionQuestion(
            principalKind: principal.kind, principal: text(principal.arn), role: text(principal.roleARN),
            service: text(principal.service), principalAccount: account(principal.account), action: text(action),
            resource: text(resource.arn), resourceAccount: account(resource.account),
            keys: Region.allCases.flatMap { region in keys.filter { $0.origin == region } })
    }

    /// A context that holds what `question` says, and nothing else.
    package convenience init(_ question: DecisionQuestion) {
        self.init()
        var facts = ContextFacts()
        for key in question.keys {
            let name = ContextKeyName(key.name)
            if key.isUnknown, case .known(let known) = name {
                facts.setUnknown(known)
            } else {
                facts.set(name, key.values)
            }
        }
        setPrincipal(
            PrincipalFacts(
                kind: question.principalKind, arn: question.principal, account: question.principalAccount,
                roleARN: question.role, service: question.service, more: facts))
        setResource(ResourceFacts(arn: question.resource, account: question.resourceAccount))
        beginRequest(action: question.action)
    }
}

/// A decision with everything it was made of, on its way to a record. The explanation is made from it later.
package struct DecisionCapture: Sendable {
    package var question: DecisionQuestion
    /// `nil` when it was decided before any policy was asked: region, binding, quota, contract.
    package var layers: PolicyLayers?
    package var effect: Decision.Effect
    package var side: Decision.Side
    /// The revision of the snapshot that decided.
    package var revision: UInt64
    package var time: Timestamp
    /// Whether the resource was there.
    package var resourceExists: Bool
    /// Whether the answer was no because deciding took more steps than one decision may.
    package var isBudgetExceeded: Bool

    package init(
        _ question: DecisionQuestion, _ layers: PolicyLayers?, effect: Decision.Effect, side: Decision.Side,
        revision: UInt64, time: Timestamp, resourceExists: Bool, isBudgetExceeded: Bool = false
    ) {
        self.question = question
        self.layers = layers
        self.effect = effect
        self.side = side
        self.revision = revision
        self.time = time
        self.resourceExists = resourceExists
        self.isBudgetExceeded = isBudgetExceeded
    }
}
