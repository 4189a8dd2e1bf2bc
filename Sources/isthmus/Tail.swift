import ArgumentParser
import Domain
import JSON

/// `isthmus tail`: admitted events of one bus, as they come.
struct Tail: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show the admitted events of a bus as they come, one JSON object a line.",
        discussion: """
            Standard error says `tailing ARN from SEQUENCE` once nothing can be missed any more; then events follow on \
            standard output until the limit, the end of the gateway, or an interrupt.
            """)

    @OptionGroup var gateway: ControlOption
    @Option(help: "The bus's name.") var bus: String
    @Option(help: "The bus's account; needed when several accounts have a bus of that name.") var account: String?
    @Option(help: ArgumentHelp("The first sequence to show; absent: what comes from now on.", valueName: "sequence"))
    var from: UInt64?
    @Option(help: ArgumentHelp("End after so many events.", valueName: "count")) var limit: Int?
    @Flag(name: .customLong("no-follow"), help: "End at the newest event instead of waiting for more.")
    var endsAtNewest = false

    func run() throws {
        let request = ControlRequests.tail(
            account: try accountID(), bus: try busName(), from: from, following: !endsAtNewest)
        if let limit, limit < 1 { throw ProgramError("`--limit` is \(limit): write a count from 1 on") }
        let conversation = try gateway.ask(request)
        let first = try conversation.answer()
        let next = first.node["next"]?.uint64 ?? 0
        Output.complaint("tailing \(Printable.line(try first.text("tailing"))) from \(next)")
        var shown = 0
        while shown < limit ?? .max, let event = try conversation.nextEvent() {
            Output.line(event)
            shown += 1
        }
        if let limit, shown < limit, !endsAtNewest {
            throw ProgramError("the gateway closed the connection after \(shown) events", status: .unreachable)
        }
    }

    private func accountID() throws(ProgramError) -> AccountID? {
        guard let account else { return nil }
        guard let id = AccountID(parsing: account) else {
            throw ProgramError("`\(account)` is not an account id: write exactly 12 digits")
        }
        return id
    }

    private func busName() throws(ProgramError) -> EventBusName {
        guard let name = EventBusName(parsing: bus) else {
            throw ProgramError("`\(bus)` is not a bus name: write 1 to 256 of letters, digits and `/._-`")
        }
        return name
    }
}
