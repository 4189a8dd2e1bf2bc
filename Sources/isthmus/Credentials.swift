import ArgumentParser
import Domain
import JSON

/// `isthmus credentials`: access keys of a running gateway.
struct Credentials: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Create, list and disable access keys of a running gateway.",
        subcommands: [Create.self, List.self, Disable.self])

    enum Format: String, ExpressibleByArgument, CaseIterable {
        case text
        case json
        /// `export AWS_ACCESS_KEY_ID=…`, for a shell.
        case env
    }

    struct Create: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract:
                "Make an access key for a principal. The secret is shown this once; send it to a file of mode 0600.")
        @OptionGroup var gateway: ControlOption
        @Option(help: "The principal: arn:aws:iam::ACCOUNT:role/NAME or …:user/NAME.") var principal: String
        @Option(help: "text, json or env.") var format = Format.text

        func run() throws {
            guard Principal(parsing: principal) != nil else {
                throw ProgramError(
                    "`\(principal)` is not a principal: write arn:aws:iam::ACCOUNT:role/NAME or …:user/NAME")
            }
            let answer = try gateway.ask(ControlRequests.createCredentials(principal: principal)).answer()
            let id = try answer.text("accessKeyId")
            let secret = try answer.text("secretAccessKey")
            switch format {
            case .json: Output.line(answer.bytes)
            case .text: Output.line("accessKeyId      \(id)\nsecretAccessKey  \(secret)")
            case .env: Output.line("export AWS_ACCESS_KEY_ID=\(id)\nexport AWS_SECRET_ACCESS_KEY=\(secret)")
            }
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show the access keys, never their secrets.")
        @OptionGroup var gateway: ControlOption
        @Flag(help: "Print the gateway's JSON.") var json = false

        func run() throws {
            let answer = try gateway.ask(ControlRequests.listCredentials()).answer()
            if json {
                Output.line(answer.bytes)
                return
            }
            for key in answer.node["accessKeys"]?.array ?? [] {
                let state = key["enabled"]?.bool == true ? "enabled " : "disabled"
                Output.line(
                    Printable.line("\(key["accessKeyId"]?.string ?? "")  \(state)  \(key["principal"]?.string ?? "")"))
            }
        }
    }

    struct Disable: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Disable an access key; requests signed with it are refused.")
        @OptionGroup var gateway: ControlOption
        @Option(name: .customLong("access-key-id"), help: "The access key id.") var accessKeyID: String

        func run() throws {
            let answer = try gateway.ask(ControlRequests.disableCredentials(accessKeyID: accessKeyID)).answer()
            Output.line("disabled \(Printable.line(try answer.text("accessKeyId")))")
        }
    }
}
