import ArgumentParser
import Domain
import Glibc
import JSON

/// `isthmus webhook`: the secrets of partners' webhooks on a running gateway.
struct WebhookCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "webhook", abstract: "Secrets of the webhooks of a running gateway.", subcommands: [Secret.self])

    struct Secret: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Create, rotate, list and remove secrets and public keys of webhooks.",
            subcommands: [Create.self, Rotate.self, List.self, Remove.self])
    }

    /// Where a key comes from.
    struct KeyOptions: ParsableArguments {
        @Option(help: "The partner event source: aws.partner/PARTNER/NAMESPACE/NAME.") var source: String
        @Option(
            help: ArgumentHelp(
                "Take the secret as the vendor shows it, or a public key in PEM, from this file; - is standard input.",
                valueName: "file"))
        var from: String?
        @Option(help: "What `keyid` of a message signature must say; for rfc9421 only.") var keyID: String?

        /// The key, nil when the gateway shall make a secret.
        func key() throws(ProgramError) -> String? {
            guard let from else { return nil }
            let bytes: [UInt8]
            if from == "-" {
                bytes = try SecretInput.read(STDIN_FILENO)
            } else {
                bytes = try SourceFiles.system.whole(from, SecretInput.maximumBytes)
            }
            guard let text = String(validating: bytes, as: UTF8.self) else {
                throw ProgramError("the key is not text in UTF-8: give it as the vendor shows it, or in PEM")
            }
            return text.hasPrefix("-----BEGIN") ? text : SecretInput.trimmed(text)
        }

        func ask(_ verb: String, _ gateway: ControlOption) throws {
            let key = try key()
            let answer = try gateway.ask(
                ControlRequests.webhookSecret(verb, source: source, key: key, keyID: keyID)
            ).answer()
            Output.line("id      \(Printable.line(try answer.text("id")))")
            if let secret = answer.node["secret"]?.string { Output.line("secret  \(secret)") }
        }
    }

    struct Create: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make the first secret of a webhook. It is shown this once.")
        @OptionGroup var gateway: ControlOption
        @OptionGroup var key: KeyOptions

        func run() throws { try key.ask("create", gateway) }
    }

    struct Rotate: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a second secret; both are taken until one is removed.")
        @OptionGroup var gateway: ControlOption
        @OptionGroup var key: KeyOptions

        func run() throws { try key.ask("rotate", gateway) }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show webhooks, their secrets' ids and when each verified a request last; never the secrets.")
        @OptionGroup var gateway: ControlOption
        @Option(help: "Only this partner event source.") var source: String?
        @Flag(help: "Print the gateway's JSON.") var json = false

        func run() throws {
            let answer = try gateway.ask(ControlRequests.webhookSecrets(source: source)).answer()
            if json {
                Output.line(answer.bytes)
                return
            }
            for webhook in answer.node["webhooks"]?.array ?? [] {
                let remark = webhook["replayable"]?.bool == true ? "  replayable" : ""
                Output.line(
                    Printable.line(
                        "\(webhook["source"]?.string ?? "")  \(webhook["scheme"]?.string ?? "")  "
                            + "\(webhook["mode"]?.string ?? "")\(remark)"))
                for secret in webhook["secrets"]?.array ?? [] {
                    let last = secret["lastVerifiedAt"]?.string ?? "not since the start"
                    Output.line(
                        Printable.line(
                            "  \(secret["id"]?.string ?? "")  created \(secret["createdAt"]?.string ?? "")  "
                                + "last verified \(last)"))
                }
            }
        }
    }

    struct Remove: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Remove a secret; what is signed with it is refused from now on.")
        @OptionGroup var gateway: ControlOption
        @Option(help: "The partner event source.") var source: String
        @Option(help: "The secret's id, as `list` shows it.") var id: String

        func run() throws {
            let answer = try gateway.ask(ControlRequests.removeWebhookSecret(source: source, id: id)).answer()
            Output.line("removed \(Printable.line(try answer.text("id")))")
        }
    }
}

/// Reads a secret to its end, bounded.
private enum SecretInput {
    /// The longest key: a public key of 8,192 bits in PEM.
    static let maximumBytes = 4096

    static func read(_ descriptor: Int32) throws(ProgramError) -> [UInt8] {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1024)
        while true {
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            if count == 0 { return bytes }
            if count < 0 {
                if errno == EINTR { continue }
                throw ProgramError("the key cannot be read: \(String(cString: strerror(errno)))")
            }
            bytes += chunk[..<count]
            guard bytes.count <= maximumBytes else {
                throw ProgramError("the key is longer than \(maximumBytes) bytes: give one secret or public key")
            }
        }
    }

    /// Without the line's end that an editor or `echo` leaves.
    static func trimmed(_ text: String) -> String {
        var text = text[...]
        while text.last?.isNewline == true { text.removeLast() }
        return String(text)
    }
}
