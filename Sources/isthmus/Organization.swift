import ArgumentParser
import Cryptography
import Domain
import Registry

/// `isthmus organization`: the signed manifest that says who is a member of an organization.
struct Organization: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Sign, verify and show the manifest of an organization.",
        discussion: """
            The organization's key is made with `openssl genpkey -algorithm ed25519 -out organization.key`, its public \
            half with `openssl pkey -in organization.key -pubout`. Who holds the key says who is a member.
            """,
        subcommands: [Sign.self, Verify.self, Show.self])

    struct Sign: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Check a draft and write manifest.json, canonical, and manifest.sig.",
            discussion: """
                A draft: {"organization": "o-…", "managementAccount": "12 digits", "sequence": 1, "issuedAt": \
                "2026-11-21T06:00:00Z", "expiresAt": "…", "accounts": [{"id", "path": "o-…/r-…/ou-…/", "name"?}], \
                "serviceControlPolicies"?: [{"name", "targets": ["o-…/r-…/" or an account], "policy": {…}}], \
                "resourceControlPolicies"?: […]}. Each manifest needs a higher sequence number than the one before.
                """)

        @Option(help: ArgumentHelp("The manifest to sign; it need not be canonical.", valueName: "file"))
        var draft: String
        @Option(help: ArgumentHelp("The organization's Ed25519 key, PEM, mode 0600.", valueName: "file"))
        var key: String
        @Option(name: .customLong("out"), help: ArgumentHelp("Where both files go.", valueName: "directory"))
        var directory = "."

        func run() throws {
            let signed = try OrganizationFiles.sign(
                try SourceFiles.system.whole(draft, OrganizationManifest.maximumBytes),
                key: try OrganizationFiles.privateKey(key))
            // The signature first: between the two renames the gateway refuses the pair and keeps the last good one.
            try DurableFile.write(signed.signature, to: directory + "/manifest.sig", mode: 0o644, replacing: true)
            try DurableFile.write(signed.bytes, to: directory + "/manifest.json", mode: 0o644, replacing: true)
            Output.line(OrganizationFiles.summary(signed.manifest))
            Output.line("\(directory)/manifest.json and \(directory)/manifest.sig")
        }
    }

    struct Verify: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Verify a manifest as the gateway does.",
            discussion: "Exit status 1 when it is refused, or has expired.")

        @Option(help: ArgumentHelp("The manifest.", valueName: "file")) var manifest: String
        @Option(help: ArgumentHelp("Its signature.", valueName: "file")) var signature: String
        @Option(help: ArgumentHelp("The organization's public key, PEM.", valueName: "file")) var publicKey: String

        func run() throws {
            let signed = try OrganizationFiles.verify(
                try SourceFiles.system.whole(manifest, OrganizationManifest.maximumBytes),
                signature: try SourceFiles.system.whole(signature, PublicKey.signatureBytes),
                key: try OrganizationFiles.publicKey(publicKey))
            guard signed.manifest.expiresAt > WallClock.system.now() else {
                throw ProgramError("the signature is good, but \(OrganizationFiles.summary(signed.manifest))")
            }
            Output.line("good: \(OrganizationFiles.summary(signed.manifest))")
        }
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print accounts, paths and control policies of a manifest or draft.",
            discussion: "The signature is not looked at: that is `isthmus organization verify`.")

        @Argument(help: "The manifest or draft.") var file: String

        func run() throws {
            let bytes = try SourceFiles.system.whole(file, OrganizationManifest.maximumBytes)
            let manifest: OrganizationManifest
            do throws(OrganizationRefusal) { manifest = try OrganizationManifest(parsing: bytes) } catch {
                throw ProgramError(Printable.line("`\(file)`: \(error)"))
            }
            for line in OrganizationFiles.lines(manifest) { Output.line(Printable.line(line)) }
        }
    }
}

/// Manifests, signatures and keys on their way from and to files.
enum OrganizationFiles {
    /// Checks and signs a draft.
    static func sign(_ draft: [UInt8], key: PrivateKey) throws(ProgramError) -> SignedOrganizationManifest {
        do throws(OrganizationRefusal) {
            return try SignedOrganizationManifest(signing: draft, key: key)
        } catch {
            throw ProgramError(Printable.line("\(error)"))
        }
    }

    static func verify(
        _ manifest: [UInt8], signature: [UInt8], key: PublicKey
    ) throws(ProgramError) -> SignedOrganizationManifest {
        do throws(OrganizationRefusal) {
            return try SignedOrganizationManifest(bytes: manifest, signature: signature, key: key)
        } catch {
            throw ProgramError(Printable.line("\(error)"))
        }
    }

    /// One line: which organization, which sequence number, how many accounts, until when.
    static func summary(_ manifest: OrganizationManifest) -> String {
        "organization \(manifest.organization), sequence \(manifest.sequence), accounts \(manifest.accounts.count), "
            + "expires \(manifest.expiresAt.iso8601)"
    }

    /// The summary, an account a line in the order of the manifest, then a control policy a line.
    static func lines(_ manifest: OrganizationManifest) -> [String] {
        var lines = [summary(manifest)]
        for account in manifest.accounts {
            let remark = account.id == manifest.managementAccount ? "  (management account)" : ""
            lines.append("\(account.id)  \(account.path)" + (account.name.map { "  \($0)" } ?? "") + remark)
        }
        for (kind, policies) in [
            ("service control policy", manifest.serviceControlPolicies),
            ("resource control policy", manifest.resourceControlPolicies),
        ] {
            for policy in policies {
                lines.append("\(kind) \(policy.name): \(policy.targets.map(place).joined(separator: ", "))")
            }
        }
        return lines
    }

    private static func place(_ target: OrganizationManifest.Target) -> String {
        switch target {
        case .level(let path): path.description
        case .account(let account): account.description
        }
    }

    static func publicKey(_ file: String) throws(ProgramError) -> PublicKey {
        let bytes = try SourceFiles.system.whole(file, PublicKey.encodedBytesLimit)
        do throws(CryptographyError) { return try PublicKey(pem: bytes) } catch {
            throw ProgramError("`\(file)` is no public key: \(error)")
        }
    }

    /// A private key that only its owner may read.
    static func privateKey(_ file: String) throws(ProgramError) -> PrivateKey {
        let content: SourceFiles.Content
        do throws(SourceFiles.Failure) {
            content = try SourceFiles.system.read(file, PublicKey.encodedBytesLimit)
        } catch {
            throw ProgramError("cannot read `\(file)`: \(error.cause)")
        }
        try content.requireSecret(file)
        do throws(CryptographyError) { return try PrivateKey(pem: content.bytes) } catch {
            throw ProgramError("`\(file)` is no usable private key: \(error)")
        }
    }
}
