import ArgumentParser
import Cryptography
import Domain
import Glibc

/// The program: one verb, then its arguments. Secrets never stand among them, for every user of the machine sees those.
@main
struct Isthmus: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "isthmus",
        abstract: "An event bus gateway between accounts: signed events in over mutual TLS, durable, by policy.",
        discussion:
            """
            Exit status: 0 done, 1 not done, 3 the configuration is wrong, 4 no gateway answers, 5 the disk failed and \
            serve stopped, 64 wrong usage.
            """,
        subcommands: [
            Serve.self, Check.self, PKI.self, Credentials.self, WebhookCommand.self, Tail.self, Explain.self,
            Policy.self, Organization.self, Signature.self, Region.self, Partner.self,
        ])

    static func main() async {
        do {
            var command = try parseAsRoot()
            try requireOpenSSL()
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch let error as ProgramError {
            Output.complaint("isthmus: \(error.description)")
            Glibc.exit(error.status.rawValue)
        } catch {
            exit(withError: error)
        }
    }

    /// What an operator asked of OpenSSL and it cannot give is no matter to go on without.
    private static func requireOpenSSL() throws(ProgramError) {
        do throws(CryptographyError) { try OpenSSLEnvironment.require() } catch {
            throw ProgramError(Printable.line("\(error)"))
        }
    }
}
