import AccessPolicy
import ArgumentParser
import Domain
import JSON

/// `isthmus explain`: why a decision fell as it did.
struct Explain: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Explain a recorded decision: who asked for what, which statement missed, and what to change.",
        discussion: """
            The id stands in the message of every denial and in the log line `entry-denied`. Every denial is recorded; \
            allows are as `decisions.allows` of the configuration says. Exit status 1 when there is no such record.
            """)

    @OptionGroup var gateway: ControlOption
    @Argument(help: ArgumentHelp("The id of the decision, a UUID.", valueName: "decision-id")) var id: String
    @Flag(help: "The record as one JSON object, the text among its members as `explanation`.") var json = false
    @Option(help: "owner: everything; sender: what the sender's account may read.") var view = DecisionView.owner

    func run() throws {
        guard let id = UniqueID(parsing: id.utf8) else {
            throw ProgramError("`\(id)` is not a decision id: write the UUID of the message or the log line")
        }
        let answer = try gateway.ask(ControlRequests.explain(id, view)).answer()
        if json { return Output.line(answer.bytes) }
        for line in answer.node["explanation"]?.array ?? [] { Output.line(Printable.line(line.string ?? "")) }
    }
}

extension DecisionView: ExpressibleByArgument {}
