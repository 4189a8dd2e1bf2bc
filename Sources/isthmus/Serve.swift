import ArgumentParser
import Domain
import Telemetry
import UnixSignals

/// `isthmus serve`: runs the gateway until SIGTERM or SIGINT; SIGHUP reads the configuration again.
struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run the gateway.",
        discussion: """
            SIGHUP reads the configuration again: certificates, revocation lists, trust domains, accounts and their \
            principals. What is wrong is logged and the configuration in force stays. SIGTERM lets requests in flight \
            finish, then ends with status 0. After a failed commit it ends with status 5: start it again, what the \
            disk then holds is what counts.
            """)

    @OptionGroup var source: ConfigurationOption

    func run() async throws {
        try CoreDump.forbid()
        let signals = await UnixSignalsSequence(trapping: .sighup, .sigterm, .sigint)
        let lines = LogLines(write: Output.logLines)
        defer { lines.flush(withinSeconds: 1) }
        let process = try GatewayProcess(try source.load().configuration, lines)
        try await process.listen()
        for await signal in signals {
            guard signal == .sighup else { break }
            await process.reload(source.file)
        }
        await process.drain()
    }
}
