import ArgumentParser
import Domain
import Registry

/// `isthmus check`: everything the gateway would refuse at start, found without starting.
struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Validate a configuration and print what is in effect.",
        discussion: "Errors and warnings go to standard error, one a line: FILE:LINE: MESSAGE: WHAT TO WRITE INSTEAD.")

    @OptionGroup var source: ConfigurationOption

    func run() throws {
        let loaded = try source.load()
        Output.line(loaded.configuration.effective)
        for line in try Self.routes(loaded.configuration) { Output.line("# \(Printable.line(line))") }
    }

    /// What the policies of these files say of the ways out of the region; those of buses that exist already belong to
    /// the data directory, which `isthmus region report` reads.
    static func routes(_ configuration: Configuration) throws(ProgramError) -> [String] {
        guard !configuration.crossRegionRoutes.isEmpty else { return [] }
        let declaration = try Assembly(configuration).declaration
        let now = WallClock.system.now()
        let snapshot: Snapshot
        do {
            snapshot = try Snapshot.loading([], declaration: declaration).adopting(declaration, at: now).snapshot
        } catch {
            throw ProgramError("the configuration cannot be put in force: \(error)", status: .configuration)
        }
        return configuration.crossRegionRoutes.map { route in
            let verdict = snapshot.decide(route, at: now)
            let reason = if case .denied(let reason) = verdict { ": \(reason)" } else { "" }
            return "crossRegionRoutes: \(route.bus.account) \(route.bus.name) to \(route.region): "
                + "\(verdict.name)\(reason)"
        } + [CrossRegionRoute.nothingCrosses]
    }
}

/// `--config FILE`, for the verbs that read the configuration.
struct ConfigurationOption: ParsableArguments {
    @Option(name: .customLong("config"), help: ArgumentHelp("The configuration file.", valueName: "file"))
    var file: String

    /// Reads the file and all it names; warnings are shown.
    func load() throws(ProgramError) -> LoadedConfiguration {
        do throws(ConfigurationErrors) {
            let loaded = try ConfigurationLoader.load(
                file, from: .system, now: WallClock.system.now(), workingDirectory: Path.workingDirectory())
            for warning in loaded.warnings { Output.complaint(warning.description) }
            return loaded
        } catch {
            for diagnostic in error.diagnostics { Output.complaint(diagnostic.description) }
            throw ProgramError(error.count, status: .configuration)
        }
    }
}
