import Cryptography
import Cryptography
import Domain
import JSON
import Registry
import Targets

/// The steps of a join. Each leaves a file, or changes the gateway in one commit, and may be taken again:
///
/// ```
/// key ─▶ POST /join bind ─▶ invitation, certificate ─▶ PutPartnerEvents ─▶ POST /join confirm ─▶ receipt
/// ```
struct Joining {
    let token: InvitationToken
    let directory: PartnerDirectory
    let trustBundle: [UInt8]

    private var terms: InvitationTerms { token.terms }
    private var trust: OutboundRequest.ServerTrust { .init(pin: terms.pin) }

    /// Goes on where the join stands.
    func run() throws(ProgramError) -> PartnerReceipt {
        try directory.requireFree(for: terms.id)
        if let receipt = try directory.receipt() { return receipt }
        let key = try directory.makeKey()
        let membership = try bind(key)
        try directory.dedicate(to: terms.id)
        try directory.keep(membership)
        let event = try sendTestEvent()
        let receipt = try confirm(key, event)
        try directory.keep(receipt)
        return receipt
    }

    private func bind(_ key: PrivateKey) throws(ProgramError) -> PartnerMembership {
        let request = JoinRequest(
            step: .bind, signingRequest: try directory.signingRequest(for: key), trustBundle: trustBundle)
        guard let membership = PartnerMembership(parsing: try ask(request), pin: terms.pin) else {
            throw Self.unreadable
        }
        guard membership.place.source == terms.source, membership.place.region == terms.region else {
            throw ProgramError(
                "the gateway gave `\(Printable.line(membership.place.source))` of `"
                    + "\(Printable.line(membership.place.region))`, the token promises `\(terms.source)` of "
                    + "`\(terms.region)`: ask its operator")
        }
        return membership
    }

    private func confirm(_ key: PrivateKey, _ event: String) throws(ProgramError) -> PartnerReceipt {
        let request = JoinRequest(
            step: .confirm, signingRequest: try directory.signingRequest(for: key), event: event)
        let answer = try GatewayAnswer.node(try ask(request))
        guard let decision = answer["decisionId"]?.string else { throw Self.unreadable }
        return PartnerReceipt(source: terms.source, eventID: event, decisionID: decision, quota: terms.quota)
    }

    /// Asks `/join`; the answer is one that only the maker of the token can give.
    private func ask(_ request: JoinRequest) throws(ProgramError) -> [UInt8] {
        let message = JoinMessage(request, with: token)
        let bytes = try GatewayAnswer.of(
            OutboundRequest(
                url: terms.endpoint + "/join", fields: [("Content-Type", "application/json")], body: message.bytes,
                trust: trust))
        guard let answer = JoinAnswer(parsing: bytes, to: message, with: token) else {
            throw ProgramError(
                "who answers at `\(terms.endpoint)` did not make this token: use the token as it was printed")
        }
        return answer.content
    }

    /// Sends the one test event; sent again, it is the same event.
    private func sendTestEvent() throws(ProgramError) -> String {
        var writer = JSONWriter()
        writer.object { writer in
            writer.key("Entries")
            writer.array { writer in
                writer.object { writer in
                    writer.member("Source", terms.source)
                    writer.member("DetailType", PartnerEventSource.testDetailType)
                    writer.member("Detail", "{\"invitation\":\"\(terms.id)\"}")
                }
            }
        }
        let bytes = try GatewayAnswer.of(
            OutboundRequest(
                url: terms.endpoint + "/",
                fields: [
                    ("Content-Type", "application/x-amz-json-1.1"), ("X-Amz-Target", "AWSEvents.PutPartnerEvents"),
                    ("Isthmus-Idempotency-Key", "join-\(terms.id)"),
                ], body: writer.bytes, trust: trust,
                client: .init(certificatePath: directory.certificatePath, keyPath: directory.keyPath)))
        let entry = try GatewayAnswer.node(bytes)["Entries"]?.array?.first
        if let id = entry?["EventId"]?.string { return id }
        let code = entry?["ErrorCode"]?.string ?? "Unknown"
        let message = entry?["ErrorMessage"]?.string ?? "no message"
        throw ProgramError(Printable.line("the test event was refused: \(code): \(message)"))
    }

    private static let unreadable = ProgramError(
        "the gateway's answer cannot be read: is it of the same version as this program?")
}

/// Reading what the gateway answers over HTTPS.
enum GatewayAnswer {
    /// Sends `request` and returns the content of a success.
    ///
    /// - Parameter advice: what to do when the server has another key, to add to that.
    /// - Throws: the gateway's refusal in its own words.
    static func of(_ request: OutboundRequest, onOtherKey advice: String = "") throws(ProgramError) -> [UInt8] {
        let answer: OutboundRequest.Answer
        do throws(OutboundError) { answer = try request.send() } catch {
            let isOtherKey = if case .wrongPin = error { true } else { false }
            throw ProgramError(error.description + (isOtherKey ? advice : ""), status: .unreachable)
        }
        if (200...299).contains(answer.status) { return answer.body }
        let node: JSONNode
        do throws(JSONError) { node = try JSONNode(parsing: answer.body) } catch {
            throw ProgramError("the gateway answered with status \(answer.status) and no reason")
        }
        let code = node["__type"]?.string ?? "\(answer.status)"
        throw ProgramError(Printable.line("\(code): \(node["message"]?.string ?? "no message")"))
    }

    static func node(_ bytes: [UInt8]) throws(ProgramError) -> JSONNode {
        do throws(JSONError) { return try JSONNode(parsing: bytes) } catch {
            throw ProgramError("the gateway's answer cannot be read: \(error)")
        }
    }
}

/// Replaces the certificate by one for the same key, by the certificate that is still good. The gateway must have the
/// key that is known, and the bundle it left must vouch for it.
struct Renewal {
    let directory: PartnerDirectory
    let clock: WallClock
    /// The gateway's new key, as its operator told it; nil when it is the one of before.
    let pin: Digest?

    /// Renews when half of the time is over, or when told to; what happened, for a person.
    func run(isForced: Bool) throws(ProgramError) -> String {
        let current = try directory.certificate()
        let place = try directory.place()
        let half = (current.notBefore + current.notAfter) / 2
        guard isForced || pin != nil || clock.now().seconds >= half else {
            return "nothing to do: good until \(Timestamp(seconds: current.notAfter).iso8601)"
        }
        guard let pin = pin ?? place.pin else {
            throw ProgramError(
                "`\(directory.path)` names no key of the gateway: ask its operator, and give it with `--pin`")
        }
        let request = try directory.signingRequest(for: try directory.key())
        let bytes = try GatewayAnswer.of(
            OutboundRequest(
                url: place.endpoint + "/renew", fields: [("Content-Type", "application/x-pem-file")], body: request,
                trust: .init(pin: pin, bundlePath: directory.bundlePath),
                client: .init(certificatePath: directory.certificatePath, keyPath: directory.keyPath)),
            onOtherKey: " for the new one, and give it with `--pin`")
        guard let membership = PartnerMembership(parsing: bytes, pin: pin) else {
            throw ProgramError("the gateway's answer cannot be read: is it of the same version as this program?")
        }
        try directory.keep(membership)
        return Printable.line("renewed: good until \(membership.notAfter)")
    }
}
