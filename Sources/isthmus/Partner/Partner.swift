import ArgumentParser
import Domain
import JSON
import Registry

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
            Authorize.self, Withdraw.self,
        ])

    struct Invite: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make an invitation. Its token is printed this once: hand it over by a way you trust.")
        @OptionGroup var gateway: ControlOption
        @Argument(help: "The partner's name, such as acme.com.") var partner: String
        @Option(help: "The customer: the account whose bus receives.") var account: String
        @Option(help: "The partner's own account.") var partnerAccount: String
        @Option(help: "Which detail types it may send: `order.*`; may be given again.") var events: [String]
        @Option(help: ArgumentHelp("Its quota, with --burst: units a second, as in `quotas`.", valueName: "units"))
        var rate: Int?
        @Option(help: ArgumentHelp("Its quota, with --rate: units that may be saved up.", valueName: "units"))
        var burst: Int?
        @Option(help: "How long the token can be used: 30m, 72h, 7d; at most 30d.") var expires: Lifetime
        @Option(help: "The source's name; default aws.partner/PARTNER/CUSTOMER/events.") var source: String?

        func run() throws {
            let answer = try gateway.ask(
                ControlRequests.invite(
                    partner: partner, account: try Self.account(account),
                    partnerAccount: try Self.account(partnerAccount), events: events,
                    quota: try Self.quota(rate, burst), seconds: expires.seconds, source: source)
            ).answer()
            Output.line(try answer.text("token"))
            Output.complaint(
                Printable.line(
                    "invitation \(try answer.text("invitation")) for `\(try answer.text("source"))`, good until "
                        + "\(try answer.text("expiresAt")); the partner runs: isthmus partner join < TOKEN"))
        }

        static func quota(_ rate: Int?, _ burst: Int?) throws(ProgramError) -> Quota? {
            switch (rate, burst) {
            case (nil, nil): return nil
            case (let rate?, let burst?):
                if let quota = Quota(checking: rate, burst: burst) { return quota }
                throw ProgramError(
                    "`--rate \(rate) --burst \(burst)` is no quota: a rate is 1 to \(Quota.perSecondRange.upperBound) "
                        + "units a second, a burst 1 to \(Quota.burstRange.upperBound) units")
            case (nil, _), (_, nil): throw ProgramError("a quota has both: give `--rate` and `--burst`, or neither")
            }
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
