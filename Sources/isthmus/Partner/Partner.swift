import ArgumentParser
import Domain
import JSON

/// `isthmus partner`: letting partners in on the gateway's side, and joining on the partner's.
struct Partner: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "partner",
        abstract: "Invite partners, join as one, and keep track of both.",
        discussion: """
            The operator runs `invite` and hands the token over; the partner runs `join` with the token on standard \
            input, and `renew` by a timer. All other verbs are the operator's.
            """,
        subcommands: [
            Invite.self, Join.self, List.self, Show.self, Suspend.self, Resume.self, Revoke.self, Renew.self,
            Authorize.self,
        ])

    struct Invite: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make an invitation. Its token is printed this once: hand it over by a way you trust.")
        @OptionGroup var gateway: ControlOption
        @Argument(help: "The partner's name, such as acme.com.") var partner: String
        @Option(help: "The customer: the account whose bus receives.") var account: String
        @Option(help: "The partner's own account.") var partnerAccount: String
        @Option(help: "Which detail types it may send: `order.*`; may be given again.") var events: [String]
        @Option(help: "How long the token can be used: 30m, 72h, 7d; at most 30d.") var expires: Lifetime
        @Option(help: "The source's name; default aws.partner/PARTNER/CUSTOMER/events.") var source: String?

        func run() throws {
            let answer = try gateway.ask(
                ControlRequests.invite(
                    partner: partner, account: try Self.account(account),
                    partnerAccount: try Self.account(partnerAccount), events: events, seconds: expires.seconds,
                    source: source)
            ).answer()
            Output.line(try answer.text("token"))
            Output.complaint(
                Printable.line(
                    "invitation \(try answer.text("invitation")) for `\(try answer.text("source"))`, good until "
                        + "\(try answer.text("expiresAt")); the partner runs: isthmus partner join < TOKEN"))
        }

        private static func account(_ text: String) throws(ProgramError) -> AccountID {
            guard let id = AccountID(parsing: text) else {
                throw ProgramError("`\(text)` is not an account id: write exactly 12 digits")
            }
            return id
        }
    }

    struct Revoke: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "End a partner's rights, source, certificates and open connections, at once.")
        @OptionGroup var gateway: ControlOption
        @Argument(help: "The partner, its source, or the id of one invitation.") var name: String

        func run() throws {
            let answer = try gateway.ask(ControlRequests.revokePartner(name)).answer()
            for id in answer.node["revoked"]?.array ?? [] {
                Output.line(Printable.line("revoked invitation \(id.string ?? "")"))
            }
        }
    }
}
