import ArgumentParser
import Cryptography
import Domain

/// `isthmus pki`: a small authority in a directory, for a trust domain that has none.
struct PKI: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pki",
        abstract: "Run a trust domain's certificate authority in a directory.",
        subcommands: [
            Initialize.self, IssuePrincipal.self, IssueServer.self, Revoke.self, RevocationList.self, List.self,
        ])

    /// The option every verb takes.
    struct Place: ParsableArguments {
        @Option(help: ArgumentHelp("The authority's directory.", valueName: "directory"))
        var directory: String

        var authority: AuthorityDirectory {
            AuthorityDirectory(path: directory, files: .system, clock: .system, random: .system)
        }
    }

    /// How long a revocation list is good.
    struct ListLife: ParsableArguments {
        @Option(
            name: .customLong("next-update"),
            help: "When the next revocation list is due, such as 7d; past it the trust domain is refused.")
        var lifetime = Lifetime(seconds: 7 * 86_400)
    }

    /// Where a certificate goes.
    struct Output: ParsableArguments {
        @Option(
            name: .customLong("out"), help: "Write PREFIX.pem and PREFIX.key; default: issued/NAME in the directory.")
        var prefix: String?

        @Option(name: .customLong("csr"), help: "Certify the key of this PKCS #10 request, which stays with its owner.")
        var request: String?

        @Flag(help: "Replace a certificate and key that are there.")
        var replace = false

        var place: OutputPlace { OutputPlace(prefix: prefix, request: request, replacing: replace) }
    }

    struct Initialize: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "init", abstract: "Make the authority: ca.key (mode 0600), ca.pem, crl.pem.")
        @OptionGroup var place: Place
        @Option(help: "The trust domain's name, such as acme.example.") var trustDomain: String
        @Option(help: "How long the authority is good, such as 365d.") var validFor = Lifetime(seconds: 3650 * 86_400)
        @OptionGroup var list: ListLife

        func run() throws {
            let pin = try place.authority.found(
                trustDomain: trustDomain, lifetime: validFor, listLifetime: list.lifetime)
            isthmus.Output.line("trust domain \(trustDomain): \(place.directory)/ca.pem and \(place.directory)/crl.pem")
            isthmus.Output.line("issuerPins: [\"\(pin.hexadecimal)\"]")
        }
    }

    struct IssuePrincipal: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "issue-principal", abstract: "Issue a client certificate for a principal of an account.")
        @OptionGroup var place: Place
        @Option(help: "The account, 12 digits.") var account: String
        @Option(help: "role/NAME or user/NAME.") var principal: String
        @Option(help: "How long it is good, such as 24h or 30m.")
        var validFor = Lifetime(seconds: CertificateAuthority.clientLifetimeDefault)
        @OptionGroup var output: Output

        func run() throws {
            guard let id = AccountID(parsing: account) else {
                throw ProgramError("`\(account)` is not an account id: write exactly 12 digits")
            }
            let issued = try place.authority.issuePrincipal(
                principal, account: id, lifetime: validFor, to: output.place)
            PKI.report(issued)
        }
    }

    struct IssueServer: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "issue-server", abstract: "Issue a certificate for a listener.")
        @OptionGroup var place: Place
        @Option(name: .customLong("name"), help: "A host name; may be given again.") var names: [String] = []
        @Option(name: .customLong("address"), help: "An IP address; may be given again.") var addresses: [String] = []
        @Option(help: "How long it is good, at most 89d.") var validFor = Lifetime(seconds: 30 * 86_400)
        @OptionGroup var output: Output

        func run() throws {
            let parsed = try addresses.map { text throws(ProgramError) in
                guard let address = IPAddress(parsing: text) else {
                    throw ProgramError("`\(text)` is not an IP address: write one such as 192.0.2.1 or ::1")
                }
                return address
            }
            let issued = try place.authority.issueServer(
                names: names, addresses: parsed, lifetime: validFor, to: output.place)
            PKI.report(issued)
        }
    }

    struct Revoke: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Revoke a certificate and write a new crl.pem; send the gateway SIGHUP to take it over.")
        @OptionGroup var place: Place
        @Option(help: "The serial number in hexadecimal digits.") var serial: String?
        @Option(help: "The certificate's PEM file, instead of its serial number.") var certificate: String?
        @OptionGroup var list: ListLife

        func validate() throws {
            if (serial == nil) == (certificate == nil) {
                throw ValidationError("name the certificate: `--serial HEX` or `--certificate FILE`")
            }
        }

        func run() throws {
            let certificate = try certificate.map { file throws(ProgramError) in
                try place.authority.certificate(toRevoke: file)
            }
            let serial = certificate?.serialHexadecimal ?? serial ?? ""
            let isKnown = try place.authority.revoke(
                serial: serial, notAfter: certificate?.notAfter, listLifetime: list.lifetime)
            isthmus.Output.line("revoked \(serial); new list: \(place.directory)/crl.pem")
            if !isKnown {
                isthmus.Output.line("the index knows no such certificate: was `\(serial)` the right number?")
            }
        }
    }

    struct RevocationList: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "crl", abstract: "Write a fresh crl.pem; run it by a timer before the old one is due.")
        @OptionGroup var place: Place
        @OptionGroup var list: ListLife

        func run() throws {
            try place.authority.renewList(lifetime: list.lifetime)
            isthmus.Output.line("new list: \(place.directory)/crl.pem")
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show what was issued, and the authority's pin.")
        @OptionGroup var place: Place

        func run() throws {
            let index = try place.authority.index()
            let now = WallClock.system.now()
            isthmus.Output.line("trust domain \(index.trustDomain), pin \(try place.authority.pin().hexadecimal)")
            for item in index.issued {
                let end = Timestamp(seconds: item.notAfter).iso8601
                let standing = item.notAfter < now.seconds ? "expired \(end)" : "good until \(end)"
                let state = item.revokedAt.map { "revoked \(Timestamp(seconds: $0).iso8601)" } ?? standing
                isthmus.Output.line("\(item.serial)  \(state)  \(Printable.line(item.name))")
            }
        }
    }

    private static func report(_ issued: AuthorityDirectory.Issued) {
        isthmus.Output.line("serial \(issued.serial), good until \(issued.notAfter.iso8601)")
        isthmus.Output.line(issued.certificatePath)
        if let key = issued.keyPath { isthmus.Output.line(key) }
    }
}
