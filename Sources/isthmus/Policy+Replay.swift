import AccessPolicy
import ArgumentParser
import Domain
import JSON

extension Policy {
    /// `isthmus policy replay`: recorded decisions against a changed bus policy.
    struct Replay: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Ask recorded decisions again with a changed bus policy, before it is put in force.",
            discussion: """
                Each decision that would change is one line: DENY→ALLOW, ALLOW→DENY, or undecidable with the reason; \
                then the counts. Everything but the policy of the bus is taken as it was recorded. Denials are always \
                recorded; allows are as `decisions.allows` of the configuration says, so without them no ALLOW→DENY \
                can be found. Exit status 0 whatever would change.
                """)

        @OptionGroup var gateway: ControlOption
        @Option(help: ArgumentHelp("The policy that would replace the one in force.", valueName: "file"))
        var candidate: String
        @Option(help: ArgumentHelp("How far back: 90s, 15m, 12h, 7d.", valueName: "time")) var since: Lifetime
        @Option(help: ArgumentHelp("The bus; absent: the one bus that the candidate names.", valueName: "arn"))
        var resource: String?
        @Flag(help: "One JSON object a line, the counts last; unchanged decisions too.") var json = false

        func run() throws {
            let replay = try makeReplay()
            let start = WallClock.system.now().advanced(bySeconds: -since.seconds)
            let conversation = try gateway.ask(ControlRequests.decisions(since: start, resource: replay.resource))
            var counts = ReplayCounts()
            while true {
                let answer = try conversation.answer()
                if let total = answer.node["records"]?.int {
                    guard total == counts.total else {
                        throw ProgramError("the gateway sent \(counts.total) of \(total) records: ask again")
                    }
                    break
                }
                let line = ReplayLine(answer.node, replay)
                counts.add(line.outcome)
                if json { Output.line(line.json) } else if let text = line.text { Output.line(Printable.line(text)) }
            }
            if json { Output.line(counts.json) } else { for line in counts.lines { Output.line(line) } }
        }

        private func makeReplay() throws(ProgramError) -> PolicyReplay {
            let bytes = try PolicyReading.read(candidate, maximumBytes: JSONNode.defaultMaximumBytes)
            let document: PolicyDocument
            do throws(PolicyError) {
                document = try PolicyDocument(parsing: bytes, kind: .resource)
            } catch {
                throw ProgramError(Printable.line("`\(candidate)`: \(error)"))
            }
            for refusal in PolicyReview(document, compatibility: .strict).refusals {
                Output.complaint(Printable.line("\(candidate): would not be saved: \(refusal)"))
            }
            guard let resource = resource ?? PolicyReplay.resource(of: document) else {
                throw ProgramError("`\(candidate)` does not name exactly one resource: say which with `--resource ARN`")
            }
            return PolicyReplay(
                CompiledPolicy(document), text: String(decoding: bytes, as: UTF8.self), resource: resource)
        }
    }
}

/// One recorded decision with what the candidate would make of it.
struct ReplayLine {
    let outcome: PolicyReplay.Outcome
    private let id: String
    private let record: DecisionRecord?

    /// Reads one line of the gateway's answer.
    init(_ node: JSONNode, _ replay: PolicyReplay) {
        guard let member = node["record"] else {
            id = node["unreadable"]?.string ?? ""
            record = nil
            outcome = .undecidable("the record cannot be read: \(node["reason"]?.string ?? "no reason given")")
            return
        }
        id = member["decisionId"]?.string ?? ""
        do throws(DecisionRecordError) {
            let record = try DecisionRecord(member)
            self.record = record
            outcome = replay.outcome(of: record)
        } catch {
            record = nil
            outcome = .undecidable("\(error)")
        }
    }

    /// `nil` for a decision that stays as it is.
    var text: String? {
        let what =
            record.map { record in
                let source = record.question.keys.first { $0.name == "events:source" }?.values.first
                return "\(record.time.iso8601) \(record.question.action) by \(record.caller.principal)"
                    + (source.map { " with source `\($0)`" } ?? "")
            } ?? ""
        switch outcome {
        case .unchanged: return nil
        case .allowedNow, .deniedNow: return "\(outcome.name) \(id) \(what)"
        case .undecidable(let reason): return "\(outcome.name) \(id) \(what): \(reason)"
        }
    }

    var json: [UInt8] {
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("decisionId", id)
            writer.member("outcome", outcome.name)
            if case .undecidable(let reason) = outcome { writer.member("reason", reason) }
            guard let record else { return }
            writer.member("time", record.time.iso8601)
            writer.member("principal", record.caller.principal)
            writer.member("action", record.question.action)
            writer.member("was", record.effect.rawValue)
        }
        return writer.bytes
    }
}

/// How many decisions would become what.
struct ReplayCounts {
    private var allowedNow = 0
    private var deniedNow = 0
    private var unchanged = 0
    private var undecidable = 0

    var total: Int { allowedNow + deniedNow + unchanged + undecidable }

    mutating func add(_ outcome: PolicyReplay.Outcome) {
        switch outcome {
        case .allowedNow: allowedNow += 1
        case .deniedNow: deniedNow += 1
        case .unchanged: unchanged += 1
        case .undecidable: undecidable += 1
        }
    }

    var lines: [String] {
        [
            "\(total) recorded decisions: DENY→ALLOW \(allowedNow), ALLOW→DENY \(deniedNow), unchanged \(unchanged), "
                + "undecidable \(undecidable)"
        ]
    }

    var json: [UInt8] {
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("records", total)
            writer.member("denyToAllow", allowedNow)
            writer.member("allowToDeny", deniedNow)
            writer.member("unchanged", unchanged)
            writer.member("undecidable", undecidable)
        }
        return writer.bytes
    }
}

extension PolicyReplay.Outcome {
    fileprivate var name: String {
        switch self {
        case .allowedNow: "DENY→ALLOW"
        case .deniedNow: "ALLOW→DENY"
        case .unchanged: "unchanged"
        case .undecidable: "undecidable"
        }
    }
}
