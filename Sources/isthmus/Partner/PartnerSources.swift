import ArgumentParser
import Domain
import JSON
import Registry

/// The operator's view of partners: what was offered, what is there, and the hand on the tap.
extension Partner {
    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show invitations and partner event sources.")
        @OptionGroup var gateway: ControlOption
        @Flag(help: "Print the gateway's JSON: a line of invitations, a line of sources.") var json = false

        func run() throws {
            let invitations = try gateway.ask(ControlRequests.invitations(of: nil)).answer()
            let sources = try gateway.ask(ControlRequests.partnerSources()).answer()
            if json {
                Output.line(invitations.bytes)
                Output.line(sources.bytes)
                return
            }
            for node in invitations.node["invitations"]?.array ?? [] {
                let text = { (key: String) in node[key]?.string ?? "" }
                let quota = node["quota"].flatMap { Quota($0) }.map { "  \($0)" } ?? ""
                Output.line(
                    Printable.line(
                        "invitation \(text("invitation"))  \(text("state"))  \(text("source"))  "
                            + "\(text("partnerAccount")) → \(text("account"))  until \(text("expiresAt"))\(quota)"))
            }
            for node in sources.node["sources"]?.array ?? [] {
                let text = { (key: String) in node[key]?.string ?? "" }
                let suspended = node["suspended"]?.string.map { "  suspended: \($0)" } ?? ""
                Output.line(
                    Printable.line(
                        "source \(text("name"))  \(text("state"))\(suspended)  "
                            + "\(text("partnerAccount")) → \(text("account"))"
                    ))
            }
        }
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show a partner's invitations, or one source, as the gateway's JSON.")
        @OptionGroup var gateway: ControlOption
        @Argument(help: "A partner, an invitation's id, or a source's full name.") var name: String

        func run() throws {
            let invitations = try gateway.ask(ControlRequests.invitations(of: name)).answer()
            for node in invitations.node["invitations"]?.array ?? [] { Output.line(node.bytes()) }
            if name.hasPrefix("aws.partner/") {
                Output.line(try gateway.ask(ControlRequests.partnerSource("partner.show", name)).answer().bytes)
            } else if invitations.node["invitations"]?.array?.isEmpty != false {
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

    struct Authorize: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Record that a customer agrees to sources of a partner, for accounts that insist on it.")
        @OptionGroup var gateway: ControlOption
        @Option(help: "The customer.") var account: String
        @Option(help: "The partner's name.") var partner: String
        @Option(help: "How long the partner may create sources for it.") var expires = Lifetime(seconds: 7 * 86_400)

        func run() throws {
            guard let id = AccountID(parsing: account) else {
                throw ProgramError("`\(account)` is not an account id: write exactly 12 digits")
            }
            let answer = try gateway.ask(
                ControlRequests.authorizePartner(account: id, partner: partner, seconds: expires.seconds)
            ).answer()
            Output.line(answer.bytes)
        }
    }
}

extension ControlRequests {
    /// Answered by `{"invitations": […]}`, all of them or those that `name` names.
    static func invitations(of name: String?) -> [UInt8] {
        line("partner.invitations") { writer in if let name { writer.member("of", name) } }
    }

    /// Answered by `{"sources": […]}`.
    static func partnerSources() -> [UInt8] { line("partner.list") { _ in } }

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
