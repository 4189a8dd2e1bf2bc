import AccessPolicy
import ArgumentParser
import Glibc
import JSON

/// `isthmus policy`: the gateway's own reader and evaluator of policies, without a gateway.
struct Policy: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check policies and ask what they would decide.",
        subcommands: [Check.self, Simulate.self, Replay.self])

    enum Compatibility: String, ExpressibleByArgument, CaseIterable {
        case strict
        case aws

        var review: PolicyReview.Compatibility { self == .strict ? .strict : .aws }
    }

    struct Check: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Read policy documents, refuse what would not be saved, warn of what is worth a look.",
            discussion:
                "A finding is one line, FILE: FINDING, on standard output. Exit status 1 when a document is refused.")

        @Argument(help: "JSON files with one policy document each.") var files: [String]
        @Option(
            help: ArgumentHelp(
                "Where the policies are attached; absent: trust for those that name principals and no resource, "
                    + "resource for others that name principals, else identity.",
                valueName: "kind"))
        var kind: PolicyKind?
        @Option(help: "strict, or aws: save what AWS saves.") var compat = Compatibility.strict

        func run() throws {
            var refused = 0
            for file in files {
                let lines = try PolicyReading.findings(file, kind: kind, compatibility: compat.review)
                for line in lines.refusals + lines.warnings + [lines.hint].compactMap(\.self) {
                    Output.line(Printable.line("\(file): \(line)"))
                }
                if lines.refusals.isEmpty { Output.line("\(file): valid") } else { refused += 1 }
            }
            if refused > 0 { throw ProgramError("\(refused) of \(files.count) policies are refused") }
        }
    }

    struct Simulate: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Ask what the gateway would decide.",
            discussion: """
                A request is a JSON object: {"id", "principal": {"arn", …} or null, "action", "resource": {"arn", \
                "policy"?}, "context": {}, "identityPolicies": []}; the answer {"id", "decision", "side", "reasons"} \
                or {"id", "error"}. Exit status 0 whatever is decided.
                """)

        @Option(help: ArgumentHelp("A file with one request.", valueName: "file")) var request: String?
        @Flag(help: "Read JSON lines from standard input, answer with JSON lines.") var batch = false
        @Flag(help: "With --request: one line a statement that was looked at, instead of JSON.") var explain = false
        @Option(help: "strict, or aws: take what AWS would save.") var compat = Compatibility.strict

        func validate() throws {
            if (request == nil) != batch { throw ValidationError("give `--request FILE` or `--batch`") }
            if batch && explain { throw ValidationError("`--explain` goes with `--request`") }
        }

        func run() throws {
            let simulation = Simulation(compatibility: compat.review)
            guard let request else { return try answerLines(simulation) }
            let bytes = try PolicyReading.read(request, maximumBytes: Simulation.longestLine)
            if explain { try show(simulation, bytes) } else { Output.line(simulation.answer(bytes)) }
        }

        private func answerLines(_ simulation: Simulation) throws(ProgramError) {
            var lines = LineReader(STDIN_FILENO, maximumLineBytes: Simulation.longestLine)
            while let line = try lines.next() {
                switch line {
                case .whole(let bytes): Output.line(simulation.answer(bytes))
                case .tooLong:
                    let message = "the line is longer than \(Simulation.longestLine) bytes"
                    Output.line(#"{"id":null,"error":{"code":"InvalidRequest","message":"\#(message)"}}"#)
                }
            }
        }

        private func show(_ simulation: Simulation, _ bytes: [UInt8]) throws(ProgramError) {
            let node: JSONNode
            do throws(JSONError) {
                node = try JSONNode(parsing: bytes, maximumBytes: Simulation.longestLine)
            } catch {
                throw ProgramError("the request is not JSON: \(error)")
            }
            do throws(SimulationError) {
                let explanation = try simulation.explain(node)
                Output.line("\(explanation.decision.effect.rawValue) (\(explanation.decision.side.rawValue))")
                if let message = explanation.message { Output.line(Printable.line(message)) }
                for look in explanation.looks { Output.line(Printable.line("  " + look.description)) }
            } catch {
                throw ProgramError(Printable.line("\(error.code): \(error.description)"))
            }
        }
    }
}

extension PolicyKind: ExpressibleByArgument {}

/// Policy documents on their way in from files.
enum PolicyReading {
    /// What is wrong with a policy, in the order it stands there.
    struct Findings: Equatable {
        var refusals: [String] = []
        var warnings: [String] = []
        /// As what a refused document was read, when nobody had said what it is, and what to write where it is another.
        var hint: String?
    }

    /// Reviews the document in a file.
    ///
    /// - Throws: when the file cannot be read at all.
    static func findings(
        _ file: String, kind: PolicyKind?, compatibility: PolicyReview.Compatibility
    ) throws(ProgramError) -> Findings {
        findings(try read(file, maximumBytes: JSONNode.defaultMaximumBytes), kind: kind, compatibility: compatibility)
    }

    /// Reviews a document; without a `kind` it is a role's trust when it names principals and no resource, a resource's
    /// when it names both, else an identity's.
    ///
    /// Control policies are not recognised: what they may say, everything to everybody, a resource's may not.
    static func findings(
        _ json: [UInt8], kind: PolicyKind?, compatibility: PolicyReview.Compatibility = .strict,
        limits: PolicyLimits = .default
    ) -> Findings {
        let read = kind ?? guess(json)
        var findings: Findings
        do throws(PolicyError) {
            let document = try PolicyDocument(parsing: json, kind: read, limits: limits)
            let review = PolicyReview(document, compatibility: compatibility, limits: limits)
            findings = Findings(
                refusals: review.refusals.map(\.description), warnings: review.warnings.map(\.description))
        } catch {
            findings = Findings(refusals: ["refused: \(error)"])
        }
        if kind == nil, !findings.refusals.isEmpty { findings.hint = readAs(read) }
        return findings
    }

    /// What to write when a document was meant for another place.
    private static func readAs(_ kind: PolicyKind) -> String {
        let others = PolicyKind.allCases.filter { $0 != kind && $0.namesPrincipals == kind.namesPrincipals }
        let written = others.map { "`--kind \($0.rawValue)`" }.joined(separator: ", ")
        return "read as \(kind.article): if it is another, write \(written)"
    }

    static func read(_ file: String, maximumBytes: Int) throws(ProgramError) -> [UInt8] {
        try SourceFiles.system.whole(file, maximumBytes)
    }

    private static func guess(_ json: [UInt8]) -> PolicyKind {
        do throws(JSONError) {
            let node = try JSONNode(parsing: json)
            let statements = node["Statement"]?.array ?? node["Statement"].map { [$0] } ?? []
            guard statements.contains(where: { $0["Principal"] != nil || $0["NotPrincipal"] != nil }) else {
                return .identity
            }
            let namesResources = statements.contains { $0["Resource"] != nil || $0["NotResource"] != nil }
            return namesResources ? .resource : .trust
        } catch {
            return .identity
        }
    }
}
