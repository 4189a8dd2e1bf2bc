import ArgumentParser
import Cryptography
import Domain
import Glibc
import Registry

extension Partner {
    /// Where a partner keeps what `join` made.
    struct Place: ParsableArguments {
        @Option(
            help: ArgumentHelp(
                "Where key, certificate and the rest are kept; made when missing.", valueName: "directory"))
        var directory = "isthmus-partner"

        var files: PartnerDirectory {
            PartnerDirectory(path: Path.absolute(directory, workingDirectory: Path.workingDirectory()))
        }
    }

    struct Join: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Join with the token on standard input: isthmus partner join < TOKEN",
            discussion: """
                Makes a key, proves the token, gets a certificate, sends one test event and prints its id. Whatever \
                interrupted it, run it again with the same token and directory: it goes on where it stood.
                """)
        @OptionGroup var place: Place
        @Option(
            help: ArgumentHelp(
                "PEM authorities of your own endpoints, for the gateway to keep.", valueName: "file"))
        var trustBundle: String?

        func run() throws {
            let token = try Self.token()
            let bundle =
                try trustBundle.map { file throws(ProgramError) in
                    try SourceFiles.system.whole(file, JoinRequest.trustBundleBytesLimit)
                } ?? []
            let receipt = try place.files.locked(isNew: true) { () throws(ProgramError) in
                try Joining(token: token, directory: place.files, trustBundle: bundle).run()
            }
            Output.line(receipt.text)
        }

        /// The token; read, never an argument, for every user of the machine sees those.
        private static func token() throws(ProgramError) -> InvitationToken {
            guard isatty(STDIN_FILENO) == 0 else {
                throw ProgramError("the token is read from standard input: isthmus partner join < TOKEN")
            }
            var lines = LineReader(STDIN_FILENO, maximumLineBytes: InvitationToken.bytesLimit)
            guard case .whole(let line)? = try lines.next(),
                let token = InvitationToken(parsing: line.drop(while: Self.isBlank).trimmed(Self.isBlank))
            else {
                throw ProgramError(
                    "standard input holds no token: give what `isthmus partner invite` printed, whole and unchanged")
            }
            return token
        }

        private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0D }
    }

    struct Renew: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Replace the certificate by a new one for the same key; run it by a timer.",
            discussion: "Does nothing while more than half of the certificate's time is left. The old one stays good.")
        @OptionGroup var place: Place
        @Flag(help: "Renew now, however much time is left.") var force = false
        @Option(
            help: ArgumentHelp(
                "The gateway's new key, as its operator told you: 64 hexadecimal digits. Renews now.",
                valueName: "SHA-256"))
        var pin: String?

        func run() throws {
            let pin = try pin.map { try Self.digest($0) }
            let outcome = try place.files.locked { () throws(ProgramError) in
                try Renewal(directory: place.files, clock: .system, pin: pin).run(isForced: force)
            }
            Output.line(outcome)
        }

        private static func digest(_ text: String) throws(ProgramError) -> Digest {
            guard let digest = Digest(hexadecimal: text.utf8) else {
                throw ProgramError("`\(text)` is no key's SHA-256: `isthmus check` on the gateway's side prints it")
            }
            return digest
        }
    }
}

extension ArraySlice<UInt8> {
    /// Without what `isBlank` at its end.
    fileprivate func trimmed(_ isBlank: (UInt8) -> Bool) -> ArraySlice<UInt8> {
        var rest = self
        while let last = rest.last, isBlank(last) { rest = rest.dropLast() }
        return rest
    }
}
