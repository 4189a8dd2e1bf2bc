import ArgumentParser
import Domain
import JSON
import Registry

/// The operator's view of partners: what was offered, what is there, and the hand on the tap.
extension Partner {
    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show invitations, partner event sources, and the consents of customers.")
        @OptionGroup var gateway: ControlOption
        @Flag(help: "Print JSON: a line of invitations, a line of sources, a line of consents.") var json = false

        func run() throws {
            let lists = [
                ("invitations", Self.invitation, { ControlRequests.invitations(after: $0) }),
                ("sources", Self.source, { ControlRequests.partnerSources(after: $0) }),
                ("authorizations", Self.consent, { ControlRequests.consents(after: $0) }),
            ] as [(String, (JSONNode) -> String, (String?) -> [UInt8])]
            for (member, describe, request) in lists {
                let nodes = try gateway.all(member, request)
                if json {
                    Output.line(JSONNode.object([.init(key: member, value: .array(nodes))]).bytes())
                } else {
                    for node in nodes { Output.line(Printable.line(describe(node))) }
                }
            }
        }

        private static func invitation(_ node: JSONNode) -> String {
            let text = { (key: String) in node[key]?.string ?? "" }
            let quota = node["quota"].flatMap { Quota($0) }.map { "  \($0)" } ?? ""
            return "invitation \(text("invitation"))  \(text("state"))  \(text("source"))  "
                + "\(text("partnerAccount")) → \(text("account"))  until \(text("expiresAt"))\(quota)"
        }

        private static func source(_ node: JSONNode) -> String {
            let text = { (key: String) in node[key]?.string ?? "" }
            let suspended = node["suspended"]?.string.map { "  suspended: \($0)" } ?? ""
            return "source \(text("name"))  \(text("state"))\(suspended)  "
                + "\(text("partnerAccount")) → \(text("account"))"
        }

        private static func consent(_ node: JSONNode) -> String {
            let text = { (key: String) in node[key]?.string ?? "" }
            return "consent \(text("account")) takes sources of \(text("partner")) until \(text("expiresAt"))"
        }
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show a partner's invitations, or one source, as the gateway's JSON.")
        @OptionGroup var gateway: ControlOption
        @Argument(help: "A partner, an invitation's id, or a source's full name.") var name: String

        func run() throws {
            let invitations = try gateway.all("invitations") { ControlRequests.invitations(of: name, after: $0) }
            for node in invitations { Output.line(node.bytes()) }
            if name.hasPrefix("aws.partner/") {
                Output.line(try gateway.ask(ControlRequests.partnerSource("partner.show", name)).answer().bytes)
            } else if invitations.isEmpty {
                throw ProgramError("there is no invitation for `\(name)`: `isthmus partner list` shows them")
            }
        }
    }

    struct Suspend: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Refuse a source's events with the reason, or hold them, until `resume`.")
        @OptionGroup var gateway: ControlOption
        @Argument(help: "The source's full name.") var source: String
        @Flag(help: "Accept and keep the events, and let nobody read them before `resume`.") var hold = false

        func run() throws {
            let answer = try gateway.ask(
                ControlRequests.partnerSource("partner.suspend", source) { $0.member("hold", hold) }
            ).answer()
            Output.line(answer.bytes)
        }
    }

    struct Resume: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Let a source's events through again, held ones first.")
        @OptionGroup var gateway: ControlOption
        @Argument(help: "The source's full name.") var source: String

        func run() throws {
            Output.line(try gateway.ask(ControlRequests.partnerSource("partner.resume", source)).answer().bytes)
        }
    }

    /// A customer and a partner.
    struct Consent: ParsableArguments {
        @Option(help: "The customer.") var account: String
        @Option(help: "The partner's name.") var partner: String

        func customer() throws(ProgramError) -> AccountID {
            guard let id = AccountID(parsing: account) else {
                throw ProgramError("`\(account)` is not an account id: write exactly 12 digits")
            }
            return id
        }
    }

    struct Authorize: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Record that a customer agrees to sources of a partner, for accounts that insist on it.")
        @OptionGroup var gateway: ControlOption
        @OptionGroup var consent: Consent
        @Option(help: "How long the partner may create sources for it.") var expires = Lifetime(seconds: 7 * 86_400)

        func run() throws {
            let request = ControlRequests.authorizePartner(
                account: try consent.customer(), partner: consent.partner, seconds: expires.seconds)
            Output.line(try gateway.ask(request).answer().bytes)
        }
    }

    struct Withdraw: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Take a customer's consent back: the partner creates no more sources for it; those there stay.")
        @OptionGroup var gateway: ControlOption
        @OptionGroup var consent: Consent

        func run() throws {
            let request = ControlRequests.withdrawPartner(account: try consent.customer(), partner: consent.partner)
            Output.line(try gateway.ask(request).answer().bytes)
        }
    }
}

extension ControlRequests {
    /// Answered by a page of `{"invitations": […]}`, of all of them or of those that `name` names.
    static func invitations(of name: String? = nil, after id: String?) -> [UInt8] {
        line("partner.invitations") { writer in
            if let name { writer.member("of", name) }
            if let id { writer.member("after", id) }
        }
    }

    /// Answered by a page of `{"sources": […]}`.
    static func partnerSources(after name: String?) -> [UInt8] {
        line("partner.list") { writer in if let name { writer.member("after", name) } }
    }

    /// Answered by a page of `{"authorizations": […]}`.
    static func consents(after key: String?) -> [UInt8] {
        line("partner.authorizations") { writer in if let key { writer.member("after", key) } }
    }

    /// Answered by `{"account", "partner"}`.
    static func withdrawPartner(account: AccountID, partner: String) -> [UInt8] {
        line("partner.withdraw") { writer in
            writer.member("account", account.description)
            writer.member("partner", partner)
        }
    }

    /// A verb about one source, answered by the source.
    static func partnerSource(
        _ verb: String, _ source: String, _ more: (inout JSONWriter) -> Void = { _ in }
    ) -> [UInt8] {
        line(verb) { writer in
            writer.member("source", source)
            more(&writer)
        }
    }

    /// Answered by `{"account", "partner", "expiresAt"}`.
    static func authorizePartner(account: AccountID, partner: String, seconds: Int64) -> [UInt8] {
        line("partner.authorize") { writer in
            writer.member("account", account.description)
            writer.member("partner", partner)
            writer.member("expiresSeconds", seconds)
        }
    }
}
