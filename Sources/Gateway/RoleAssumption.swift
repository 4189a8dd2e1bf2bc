import AccessPolicy
import Cryptography
import Domain
import Identity
import Registry

/// `sts:AssumeRole`: temporary credentials of a role, for a caller that its trust policy and its own side let in.
///
/// Nothing is stored: the session is what its token says. Source:
/// docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
struct RoleAssumption {
    let roleARN: String
    let sessionName: String
    let seconds: Int?
    let externalID: String?
    let sourceIdentity: String?
    /// Empty when none was given.
    let policyText: String
    let policy: CompiledPolicy?
    let tags: [Tag]
    /// In lower case.
    let transitiveKeys: Set<String>

    /// Who asks, when, and by what.
    struct Question {
        let caller: Caller
        let snapshot: Snapshot
        let now: Timestamp
        let userAgent: Bytes?
        let decisionID: UniqueID
        let decisions: DecisionRecorder
    }

    /// Credentials that were made.
    struct Granted {
        let session: RoleSession
        let accessKeyID: String
        let secret: SecretBytes
        let token: [UInt8]
        /// What session policy and tags take of what they may; `nil` when there are none.
        let packedPercent: Int?
    }

    /// Decides, and makes the credentials.
    func grant(_ question: Question, _ ring: SessionRing, _ random: RandomBytes) throws(Fault) -> Granted {
        guard let role = Principal(parsing: roleARN), role.kind == .role else {
            throw Fault(.validation, "\(roleARN.prefix(256)) is invalid: name a role, arn:aws:iam::ACCOUNT:role/NAME")
        }
        let parent = question.caller.session
        let inherited = parent?.transitiveTags ?? []
        let identity = parent?.sourceIdentity ?? sourceIdentity
        try authorize(role, question, inherited, identity)
        if let parent, let sourceIdentity, parent.sourceIdentity != sourceIdentity, parent.sourceIdentity != nil {
            throw Fault(.validation, "the session has a SourceIdentity already, which stays in every session after it")
        }
        for tag in tags where inherited.contains(where: { $0.key.lowercased() == tag.key.lowercased() }) {
            throw Fault(
                .validation, "the tag `\(tag.key.prefix(128))` is transitive in the calling session and stays as it is")
        }
        let lifetime = try lifetime(of: role, question)
        let allTags = tags + inherited
        let allKeys = transitiveKeys.union(inherited.map { $0.key.lowercased() })
        let packed = try packedPercent(allTags, allKeys)
        let issued = question.now
        let session = RoleSession(
            role: role, name: sessionName, policy: policy, policyText: Array(policyText.utf8), tags: allTags,
            transitiveKeys: allKeys, sourceIdentity: identity, issuedAt: issued,
            expiresAt: Timestamp(seconds: issued.seconds + Int64(lifetime)))
        do throws(CryptographyError) {
            let id = SessionRing.idPrefix + Base32.text(try random.bytes(10))
            let secret = SecretBytes(Array(Base32.text(try random.bytes(25)).utf8))
            return Granted(
                session: session, accessKeyID: id, secret: secret,
                token: try ring.token(of: session, secret: secret, for: id, random: random), packedPercent: packed)
        } catch {
            throw Fault(.serviceUnavailable, "no credentials could be made; retry later", retryAfterSeconds: 1)
        }
    }

    /// Asks the trust policy and the caller's own side: to assume the role, and for each part of the session that
    /// takes a permission of its own.
    private func authorize(
        _ role: Principal, _ question: Question, _ inherited: [Tag], _ identity: String?
    ) throws(Fault) {
        var actions = ["sts:AssumeRole"]
        if !tags.isEmpty || !inherited.isEmpty { actions.append("sts:TagSession") }
        if identity != nil { actions.append("sts:SetSourceIdentity") }
        let allTags = tags + inherited
        var keys = TagFacts(giving: allTags).keys
        keys.set(.stsRoleSessionName, sessionName)
        if let externalID { keys.set(.stsExternalID, externalID) }
        if let identity { keys.set(.stsSourceIdentity, identity) }
        let transitive = allTags.map(\.key).filter { key in
            transitiveKeys.contains(key.lowercased()) || inherited.contains { $0.key == key }
        }
        if !transitive.isEmpty { keys.set(.known(.stsTransitiveTagKeys), transitive) }
        let facts = CallerFacts(question.caller, question.snapshot)
        let authorization = Authorization()
        for action in actions {
            let decision = authorization.decide(
                facts, action: action, assuming: role, in: question.snapshot, keys: keys, now: question.now,
                userAgent: question.userAgent)
            if decision.isAllowed, action != actions[0] || !question.decisions.wantsAllow { continue }
            let message = decision.message(
                user: question.caller.principal.arn, action: action, resource: role.arn,
                resourcePolicy: "role trust policy")
            let answer = DecisionRecord.Answer(code: ErrorCode.accessDenied.rawValue, message: message)
            let isKept = question.decisions.keep(
                authorization.capture(decision, assuming: role, in: question.snapshot),
                decision.isAllowed ? nil : answer, id: question.decisionID, requestID: question.decisionID, entry: nil,
                caller: question.caller)
            if decision.isAllowed { continue }
            guard isKept else { throw DecisionRecorder.unrecorded }
            throw Fault(.accessDenied, "\(message) (decision id: \(question.decisionID))")
        }
    }

    /// How long the session lasts, in seconds. Source: STS API reference, AssumeRole, `DurationSeconds`.
    private func lifetime(of role: Principal, _ question: Question) throws(Fault) -> Int {
        guard let assumable = question.snapshot.assumableRole(role.arn) else {
            throw Fault(.accessDenied, "\(role.arn) cannot be assumed here")
        }
        let isChained = question.caller.session != nil
        let most =
            isChained
            ? min(assumable.maximumSessionSeconds, AssumableRole.chainedSessionSeconds)
            : assumable.maximumSessionSeconds
        guard let seconds else { return min(AssumableRole.defaultSessionSeconds, most) }
        guard seconds <= most else {
            throw Fault(
                .validation,
                isChained && seconds <= assumable.maximumSessionSeconds
                    ? "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role "
                        + "chaining"
                    : "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
        }
        return seconds
    }

    private func packedPercent(_ tags: [Tag], _ transitiveKeys: Set<String>) throws(Fault) -> Int? {
        guard policy != nil || !tags.isEmpty else { return nil }
        let bytes = SessionTokenCodec.packedBytes(
            policy: Array(policyText.utf8), tags: tags, transitiveKeys: transitiveKeys)
        let limit = SessionTokenCodec.packedBytesLimit
        guard bytes <= limit, tags.count <= Limits.tagsPerResource else {
            throw Fault(
                .packedPolicyTooLarge,
                "Packed size of session policy and session tags consumes \(bytes * 100 / limit)% of the allotted "
                    + "space.")
        }
        return (bytes * 100 + limit - 1) / limit
    }
}
