import Domain

extension DecisionRecord {
    /// The record in sentences, a line each, for somebody who has never seen the gateway's code: what was asked, what
    /// was answered, which statement missed and by what, and what to change. May hold control characters of a sender.
    package func explanation(for view: DecisionView) -> [String] {
        var lines = heading + [""] + why(for: view)
        let advice = advice(for: view)
        if !advice.isEmpty { lines += ["", "What to change:"] + advice.map { "  " + $0 } }
        let looks = (reasons?.looks ?? []).filter { view == .owner || $0.isSendersOwn }
        if !looks.isEmpty {
            lines += ["", view == .owner ? "Every statement looked at:" : "Statements of the sender's own side:"]
            lines += looks.map { "  " + (view == .owner ? $0 : $0.withoutResource).description }
            if view == .owner, let rest = reasons?.looksLeftOut, rest > 0 {
                lines.append("  and \(rest) more that missed")
            }
        }
        let keys = question.keys.filter { view == .owner || $0.origin != .resource }
        if !keys.isEmpty {
            lines += ["", "What the request said (context keys):"]
            lines += keys.map { key in
                let known = key.values.map { "`\($0)`" }.joined(separator: ", ")
                let values = key.isUnknown ? "not known at that time" : known
                return "  \(key.name) = \(values)" + (cutKeys.contains(key.name) ? " (cut)" : "")
            }
        }
        return lines
    }

    private var heading: [String] {
        var who = "  who:      \(caller.principal)"
        if let domain = caller.trustDomain { who += ", by a certificate of trust domain \(domain)" }
        if let key = caller.accessKeyID { who += ", signed with access key \(key)" }
        let place = entry.map { ", entry \($0)" } ?? ""
        let standing = caller.organizationPath.map { ", in \($0)" } ?? ", in no organization known here"
        var lines = [
            "\(effect == .allow ? "Allowed" : "Denied"), \(time.iso8601), decision \(id)",
            who,
            "  account:  \(caller.account)\(standing)",
            "  wanted:   \(question.action)",
            "  on:       \(question.resource)",
            "  came by:  endpoint \(caller.endpoint) from \(caller.sourceAddress), request \(requestID)\(place)",
        ]
        if let answer { lines.append("  was told: \(answer.code): \(answer.message)") }
        return lines
    }

    /// Whether the layer that decided is on the sender's own side.
    private var isSendersOwn: Bool {
        switch reasons?.layer {
        case .identity, .permissionsBoundary, .session, .serviceControl: true
        case .resourceControl, .endpoint, .resource, nil: false
        }
    }

    private func why(for view: DecisionView) -> [String] {
        guard let reasons else { return ["Why: \(nonPolicy)"] + detailLines(view) }
        guard view == .owner || isSendersOwn || effect == .allow else {
            return [
                "Why: the sender's own side did not refuse this; the \(reasons.layer.text) did. Its statements belong "
                    + "to the other side."
            ]
        }
        if reasons.isBudgetExceeded {
            return ["Why: the policies took more steps than one decision may, so the answer was no."]
        }
        switch effect {
        case .allow: return ["Why: " + allowed(reasons, view)]
        case .explicitDeny: return ["Why: " + explicitlyDenied(reasons)]
        case .implicitDeny: return silent(reasons) + detailLines(view)
        }
    }

    private func detailLines(_ view: DecisionView) -> [String] {
        guard view == .owner, let detail = answer?.detail, !detail.isEmpty else { return [] }
        return ["Only the owner of the resource is told: \(detail)."]
    }

    private var nonPolicy: String {
        switch side {
        case .region:
            "the resource is in a region this gateway does not serve. No policy was asked, and none overrides it."
        case .binding: "the source is bound to another sender. No policy was asked, and none overrides it."
        case .quota: "the sender used up its quota. No policy was asked."
        case .contract: "the event does not keep the contract of its bus. No policy was asked."
        case .senderIdentity, .busPolicy, .controlPolicy, .endpoint: "no policy was asked."
        }
    }

    private func allowed(_ reasons: Reasons, _ view: DecisionView) -> String {
        let look = reasons.looks.first {
            $0.layer == reasons.layer && $0.effect == .allow && $0.outcome == .matched
                && (view == .owner || $0.isSendersOwn)
        }
        let elsewhere =
            reasons.isOwnSideElsewhere ? " The sender's own side is its account's business: not evaluated here." : ""
        return (look.map { "\($0.place) allows it." } ?? "the \(reasons.layer.text) allows it.") + elsewhere
    }

    private func explicitlyDenied(_ reasons: Reasons) -> String {
        let look = reasons.looks.first {
            $0.layer == reasons.layer && $0.effect == .deny && $0.outcome == .matched
        }
        let place = look?.place ?? "a statement of the \(reasons.layer.text)"
        return "\(place) denies it, and a deny wins over every allow."
    }

    private func silent(_ reasons: Reasons) -> [String] {
        guard let miss = reasons.nearestMiss else { return ["Why: " + nothingThere(reasons.layer)] }
        return [
            "Why: nothing in the \(reasons.layer.text) allows it. The statement that came closest:",
            "  \(miss.place) (\(miss.effect.rawValue)) missed:", "  " + miss.sentence,
        ]
    }

    private func nothingThere(_ layer: Decision.Layer) -> String {
        switch layer {
        case .resource where !resourceExists: "there is no such resource, and nothing said so to the sender."
        case .resource: "the resource has no policy that allows anything, and another account needs one."
        case .identity: "neither an identity policy of the principal nor a policy of the resource allows anything."
        case .resourceControl, .serviceControl, .endpoint, .permissionsBoundary, .session:
            "the \(layer.text) has no statement that allows anything, and it has to allow as well."
        }
    }
}

extension DecisionRecord {
    /// What would let the request pass.
    private func advice(for view: DecisionView) -> [String] {
        guard effect != .allow else { return [] }
        guard let reasons, view == .owner || isSendersOwn else {
            if reasons == nil { return [nonPolicyAdvice] }
            let owner = question.resourceAccount.map { "account \($0)" } ?? "the owner of the resource"
            return ["ask \(owner) and tell it the decision id \(id): it reads the reasons with it"]
        }
        if reasons.isBudgetExceeded { return ["write the wildcards of the policies simpler, or split the statements"] }
        if effect == .explicitDeny {
            let look = reasons.looks.first {
                $0.layer == reasons.layer && $0.effect == .deny && $0.outcome == .matched
            }
            return [
                "if this should pass, narrow or remove \(look?.place ?? "that statement"): "
                    + "no allow anywhere else can override it"
            ]
        }
        guard let miss = reasons.nearestMiss else { return [missingAdvice(reasons.layer)] }
        return miss.advice(caller: caller.principal, account: caller.account)
    }

    private var nonPolicyAdvice: String {
        switch side {
        case .region: "send to a gateway of the resource's region"
        case .binding: "publish under a source that is yours; one that begins with `aws.` never is"
        case .quota: "send more slowly, or raise the sender's quota in the configuration"
        case .contract: "send what the contract asks for"
        case .senderIdentity, .busPolicy, .controlPolicy, .endpoint: "the message says what"
        }
    }

    private func missingAdvice(_ layer: Decision.Layer) -> String {
        switch layer {
        case .resource where !resourceExists: "create the resource, or let the sender correct the name"
        case .resource:
            "give the resource a statement that allows \(question.action) to `\(caller.principal)` (PutPermission)"
        case .identity:
            "give the principal an identity policy that allows \(question.action) on `\(question.resource)` "
                + "(its account's file; reload)"
        case .resourceControl, .serviceControl, .endpoint, .permissionsBoundary, .session:
            "add a statement to the \(layer.text) that allows \(question.action)"
        }
    }
}
