import ArgumentParser
import JSON

/// How a verb finds the running gateway: by its configuration, or by its data directory.
struct ControlOption: ParsableArguments {
    @Option(name: .customLong("config"), help: ArgumentHelp("The running gateway's configuration.", valueName: "file"))
    var file: String?

    @Option(
        help: ArgumentHelp(
            "The running gateway's data directory, instead of its configuration.", valueName: "directory"))
    var dataDirectory: String?

    func validate() throws {
        if (file == nil) == (dataDirectory == nil) {
            throw ValidationError("name the gateway: `--config FILE` or `--data-directory DIRECTORY`")
        }
    }

    /// Asks the gateway.
    func ask(_ request: [UInt8]) throws(ProgramError) -> ControlConversation {
        try ControlConversation(path: ControlSocket.path(in: try directory()), request: request)
    }

    /// Every element of a list that the gateway gives in pages: `request` asks for the one that begins after a name.
    func all(_ member: String, _ request: (_ after: String?) -> [UInt8]) throws(ProgramError) -> [JSONNode] {
        var found: [JSONNode] = []
        var after: String?
        repeat {
            let page = try ask(request(after)).answer().node
            found += page[member]?.array ?? []
            after = page["next"]?.string
        } while after != nil
        return found
    }

    private func directory() throws(ProgramError) -> String {
        let here = Path.workingDirectory()
        if let dataDirectory { return Path.absolute(dataDirectory, workingDirectory: here) }
        do throws(ConfigurationErrors) {
            return try ConfigurationLoader.dataDirectory(of: file ?? "", from: .system, workingDirectory: here)
        } catch {
            throw ProgramError(error.description, status: .configuration)
        }
    }
}
