import AccessPolicy
import Domain
import JSON
import Network
import Registry

/// What the command line asks a running gateway, as one JSON line each. The answers stand beside the requests.
enum ControlRequests {
    /// Answered by `{"accessKeyId", "secretAccessKey", "principal"}`; the secret is shown this once.
    static func createCredentials(principal: String) -> [UInt8] {
        line("credentials.create") { $0.member("principal", principal) }
    }

    /// Answered by `{"accessKeys": [{"accessKeyId", "principal", "enabled"}, …]}`.
    static func listCredentials() -> [UInt8] {
        line("credentials.list") { _ in }
    }

    /// Answered by `{"accessKeyId", "enabled": false}`.
    static func disableCredentials(accessKeyID: String) -> [UInt8] {
        line("credentials.disable") { $0.member("accessKeyId", accessKeyID) }
    }

    /// Answered by `{"region", "crossings", "routes": [{"account", "bus", "to", …, "decision", "crossings"}, …]}`.
    static func regionReport() -> [UInt8] {
        line("region.report") { _ in }
    }

    /// Answered by `{"tailing": ARN, "next": SEQUENCE}` once nothing can be missed, then by one object an event.
    static func tail(
        account: AccountID?, bus: EventBusName, from sequence: UInt64?, following isFollowing: Bool = true
    ) -> [UInt8] {
        line("tail") { writer in
            if let account { writer.member("account", account.description) }
            writer.member("bus", bus.description)
            if let sequence { writer.member("from", sequence) } else { writer.member("from", "now") }
            if !isFollowing { writer.member("follow", false) }
        }
    }

    /// Answered by the record with its `explanation`.
    static func explain(_ id: UniqueID, _ view: DecisionView) -> [UInt8] {
        line("explain") { writer in
            writer.member("id", id.description)
            writer.member("view", view.rawValue)
        }
    }

    /// Answered by a line a record, `{"record"}` or `{"unreadable", "reason"}`, and `{"records": COUNT}` at the end.
    static func decisions(since: Timestamp, resource: String) -> [UInt8] {
        line("decisions") { writer in
            writer.member("since", since.milliseconds)
            writer.member("resource", resource)
        }
    }

    /// Answered by `{"token", "invitation", "source", "expiresAt"}`; the token is shown this once.
    static func invite(
        partner: String, account: AccountID, partnerAccount: AccountID, events: [String], quota: Quota?,
        seconds: Int64, source: String?
    ) -> [UInt8] {
        line("partner.invite") { writer in
            writer.member("partner", partner)
            writer.member("account", account.description)
            writer.member("partnerAccount", partnerAccount.description)
            writer.key("events")
            writer.array { for event in events { $0.string(event) } }
            quota?.writeMember(to: &writer)
            writer.member("expiresSeconds", seconds)
            if let source { writer.member("source", source) }
        }
    }

    /// Answered by `{"revoked": [ID, …]}`.
    static func revokePartner(_ name: String) -> [UInt8] {
        line("partner.revoke") { $0.member("of", name) }
    }

    static func line(_ verb: String, _ body: (inout JSONWriter) -> Void) -> [UInt8] {
        var writer = JSONWriter()
        writer.object {
            $0.member("verb", verb)
            body(&$0)
        }
        return writer.bytes
    }
}

/// One line of the gateway's answer.
struct ControlAnswer {
    let node: JSONNode
    let bytes: [UInt8]

    /// The longest line of an answer.
    static let maximumBytes = ControlClient.lineBytesLimit

    /// Reads a line.
    ///
    /// - Throws: what the gateway refused, in its own words.
    init(_ bytes: [UInt8]) throws(ProgramError) {
        do throws(JSONError) {
            node = try JSONNode(parsing: bytes, maximumBytes: Self.maximumBytes)
        } catch {
            throw ProgramError(
                "the gateway's answer cannot be read: \(error): is it of the same version as this program?")
        }
        self.bytes = bytes
        if let fault = node["error"] {
            let code = fault["code"]?.string ?? "Unknown"
            throw ProgramError(Printable.line("\(code): \(fault["message"]?.string ?? "no message")"))
        }
    }

    /// The text of a member that must be there.
    func text(_ key: String) throws(ProgramError) -> String {
        guard let text = node[key]?.string else {
            throw ProgramError("the gateway's answer lacks `\(key)`: is it of the same version as this program?")
        }
        return text
    }
}
