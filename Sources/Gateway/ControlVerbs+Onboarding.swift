import Cryptography
import Domain
import JSON
import Registry

/// `partner.invite`, `partner.invitations`, `partner.revoke`: who may join, who did, who may no more.
extension ControlVerbs {
    /// Answered by `{"token", "invitation", "source", "expiresAt"}`; the token is shown this once.
    func invitePartner(_ request: JSONNode) async throws(Refusal) -> [UInt8] {
        guard let partner = request["partner"]?.string, let account = Self.account(request["account"]),
            let partnerAccount = Self.account(request["partnerAccount"]),
            let events = request["events"]?.array?.compactMap(\.string), let seconds = request["expiresSeconds"]?.int64
        else {
            throw Refusal(
                code: "InvalidRequest", message: "name partner, account, partnerAccount, events and expiresSeconds")
        }
        guard (1...InvitationTerms.lifetimeSecondsLimit).contains(seconds) else {
            throw Refusal(
                code: "InvalidRequest", message: "a token can be used for at most 30 days: let it expire sooner")
        }
        let quota = request["quota"].flatMap { Quota($0) }
        guard (quota == nil) == (request["quota"] == nil) else {
            throw Refusal(
                code: "InvalidRequest",
                message: "a quota has a perSecond of 1 to \(Quota.perSecondRange.upperBound) and a burst of 1 to "
                    + "\(Quota.burstRange.upperBound)")
        }
        let source = request["source"]?.string ?? "aws.partner/\(partner)/\(account)/events"
        let offer = ControlPlane.Offer(
            partner: partner, source: source, account: account, partnerAccount: partnerAccount, events: events,
            quota: quota, seconds: seconds)
        let token: InvitationToken
        do throws(Fault) { token = try await plane.invite(offer, random: services.random) } catch {
            throw Refusal(code: error.code.rawValue, message: error.message)
        }
        return Self.line { writer in
            writer.member("token", token.text)
            writer.member("invitation", token.terms.id)
            writer.member("source", token.terms.source)
            writer.member("expiresAt", token.terms.expiresAt.iso8601)
        }
    }

    /// Answered by `{"invitations": […]}`: all of them, oldest first, or those that `of` names by id, source or
    /// partner, with their trust bundles. They begin `after` the id that is given; `next` stands where the line would
    /// become too long.
    func listInvitations(_ request: JSONNode) -> [UInt8] {
        let snapshot = services.registry.snapshot
        let named = request["of"]?.string.map { snapshot.invitations(named: $0) }
        let all = (named ?? Array(snapshot.invitations.values)).sorted {
            ($0.terms.createdAt, $0.terms.id) < ($1.terms.createdAt, $1.terms.id)
        }
        let after = request["after"]?.string.flatMap { id in all.firstIndex { $0.terms.id == id } }
        let chosen = all.dropFirst(after.map { $0 + 1 } ?? 0)
        var last: Invitation?
        return Self.line { writer in
            writer.key("invitations")
            writer.array { writer in
                for invitation in chosen where writer.bytes.count < Self.listBytes {
                    Self.write(invitation, withBundle: named != nil, to: &writer)
                    last = invitation
                }
            }
            if let last, last.terms.id != chosen.last?.terms.id { writer.member("next", last.terms.id) }
        }
    }

    /// Answered by `{"revoked": [ID, …]}` once no connection of those partners is open.
    func revokePartner(_ request: JSONNode) async throws(Refusal) -> [UInt8] {
        guard let name = request["of"]?.string else {
            throw Refusal(code: "InvalidRequest", message: "name the partner, its source or its invitation")
        }
        let ids = services.registry.snapshot.invitations(named: name).map(\.terms.id)
        guard !ids.isEmpty else {
            throw Refusal(
                code: "ResourceNotFoundException",
                message: "no invitation is open for `\(name)`: `isthmus partner list` shows them")
        }
        do throws(Fault) { try await plane.revoke(ids) } catch {
            throw Refusal(code: error.code.rawValue, message: error.message)
        }
        return Self.line { writer in
            writer.key("revoked")
            writer.array { for id in ids { $0.string(id) } }
        }
    }

    private static func account(_ node: JSONNode?) -> AccountID? { node?.string.flatMap(AccountID.init(parsing:)) }

    private static func write(_ invitation: Invitation, withBundle: Bool, to writer: inout JSONWriter) {
        let terms = invitation.terms
        writer.object { writer in
            writer.member("invitation", terms.id)
            writer.member("state", invitation.stateName)
            writer.member("partner", terms.partner)
            writer.member("source", terms.source)
            writer.member("account", terms.account.description)
            writer.member("partnerAccount", terms.partnerAccount.description)
            writer.key("events")
            writer.array { for event in terms.events { $0.string(event) } }
            terms.quota?.writeMember(to: &writer)
            writer.member("createdAt", terms.createdAt.iso8601)
            writer.member("expiresAt", terms.expiresAt.iso8601)
            switch invitation.state {
            case .invited, .bound: break
            case .joined(_, let at, let event):
                writer.member("joinedAt", at.iso8601)
                writer.member("testEventId", event)
            case .ended(_, let at, _): writer.member("endedAt", at.iso8601)
            }
            guard let membership = invitation.membership else { return }
            writer.member("key", membership.key.hexadecimal)
            writer.key("certificates")
            writer.array { writer in
                for certificate in membership.certificates {
                    writer.object { writer in
                        writer.member("serial", certificate.serial)
                        writer.member("notAfter", certificate.notAfter.iso8601)
                    }
                }
            }
            if withBundle, !membership.trustBundle.isEmpty {
                writer.member("trustBundle", String(decoding: membership.trustBundle, as: UTF8.self))
            }
        }
    }
}
