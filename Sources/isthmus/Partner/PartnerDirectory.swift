import Cryptography
import Domain
import Glibc
import JSON
import Registry

/// What a partner keeps of one membership: `partner.key` (mode 0600), `partner.pem`, `gateway-ca.pem`,
/// `membership.json`, and `receipt.json` when the join is complete. Each file is whole or not there.
struct PartnerDirectory {
    let path: String

    var keyPath: String { path + "/partner.key" }
    var certificatePath: String { path + "/partner.pem" }
    var bundlePath: String { path + "/gateway-ca.pem" }
    private var invitationPath: String { path + "/invitation" }
    private var membershipPath: String { path + "/membership.json" }
    private var receiptPath: String { path + "/receipt.json" }

    /// Runs `body` while no other process does anything with the directory, which may be `isNew`: then it is made.
    func locked<Result>(
        isNew: Bool = false, _ body: () throws(ProgramError) -> Result
    ) throws(ProgramError) -> Result {
        if isNew {
            try DurableFile.makeDirectory(path)
        } else if access(certificatePath, F_OK) != 0 {
            throw ProgramError("`\(path)` holds no membership: run `isthmus partner join` first")
        }
        return try DurableFile.locked(path + "/.lock") { () throws(ProgramError) in
            DurableFile.removeLeftover(besides: keyPath)
            return try body()
        }
    }

    /// Refuses a directory that belongs to another invitation.
    func requireFree(for invitation: String) throws(ProgramError) {
        guard let other = try text(invitationPath), other != invitation else { return }
        throw ProgramError(
            "`\(path)` belongs to invitation \(Printable.line(other)), the token is of \(invitation): "
                + "give another `--directory`")
    }

    /// Dedicates the directory to an invitation, once the gateway knew its token.
    func dedicate(to invitation: String) throws(ProgramError) {
        try DurableFile.write(Array(invitation.utf8), to: invitationPath, mode: 0o600, replacing: true)
    }

    /// The key, made when there is none yet.
    func makeKey() throws(ProgramError) -> PrivateKey {
        if access(keyPath, F_OK) == 0 { return try key() }
        let made = try cryptographic { () throws(CryptographyError) in
            let key = try PrivateKey.generate(.ecdsaP256)
            return (key: key, pem: try key.pem())
        }
        try DurableFile.write(made.pem, to: keyPath, mode: 0o600, replacing: false)
        return made.key
    }

    func key() throws(ProgramError) -> PrivateKey {
        let pem = try read(keyPath, PublicKey.encodedBytesLimit, isSecret: true)
        return try cryptographic { () throws(CryptographyError) in try PrivateKey(pem: pem) }
    }

    func signingRequest(for key: PrivateKey) throws(ProgramError) -> [UInt8] {
        try cryptographic { () throws(CryptographyError) in
            try CertificateSigningRequest(name: "isthmus partner", key: key).pem
        }
    }

    /// The newest certificate.
    func certificate() throws(ProgramError) -> Certificate {
        let pem = try read(certificatePath, Certificate.pemBytesLimit)
        return try cryptographic { () throws(CryptographyError) in try Certificate.certificates(pem: pem)[0] }
    }

    /// Keeps what the gateway answered to a join or a renewal. The certificate comes last: it makes the rest count.
    func keep(_ membership: PartnerMembership) throws(ProgramError) {
        try DurableFile.write(membership.bundle, to: bundlePath, mode: 0o644, replacing: true)
        try DurableFile.write(membership.bytes, to: membershipPath, mode: 0o644, replacing: true)
        try DurableFile.write(
            membership.certificate + membership.authority, to: certificatePath, mode: 0o644, replacing: true)
    }

    /// Where the gateway is and which source is ours.
    func place() throws(ProgramError) -> PartnerMembership.Place {
        let bytes = try read(membershipPath, PartnerMembership.bytesLimit)
        guard let place = PartnerMembership.Place(parsing: bytes) else {
            throw ProgramError("`\(membershipPath)` cannot be read: run `isthmus partner join` again")
        }
        return place
    }

    func receipt() throws(ProgramError) -> PartnerReceipt? {
        guard let text = try text(receiptPath) else { return nil }
        guard let receipt = PartnerReceipt(parsing: Array(text.utf8)) else {
            throw ProgramError("`\(receiptPath)` cannot be read: move it away and run `isthmus partner join` again")
        }
        return receipt
    }

    func keep(_ receipt: PartnerReceipt) throws(ProgramError) {
        try DurableFile.write(receipt.bytes, to: receiptPath, mode: 0o644, replacing: true)
    }

    private func text(_ file: String) throws(ProgramError) -> String? {
        guard access(file, F_OK) == 0 else { return nil }
        return String(decoding: try read(file, 16 * 1024), as: UTF8.self)
    }

    private func read(_ file: String, _ maximumBytes: Int, isSecret: Bool = false) throws(ProgramError) -> [UInt8] {
        let content: SourceFiles.Content
        do throws(SourceFiles.Failure) { content = try SourceFiles.system.read(file, maximumBytes) } catch {
            throw ProgramError("cannot read `\(file)`: \(error.cause): run `isthmus partner join` first")
        }
        if isSecret { try content.requireSecret(file) }
        return content.bytes
    }

    private func cryptographic<Result>(
        _ body: () throws(CryptographyError) -> Result
    ) throws(ProgramError) -> Result {
        do throws(CryptographyError) { return try body() } catch { throw ProgramError("\(path): \(error)") }
    }
}

/// What the gateway gave: a certificate and all that is needed to use it.
struct PartnerMembership {
    /// The longest answer that is kept.
    static let bytesLimit = 256 * 1024

    /// Where the gateway is and which source is ours.
    struct Place: Equatable {
        let endpoint: String
        let region: String
        let source: String
        /// SHA-256 of the SubjectPublicKeyInfo of the gateway's key; never taken from an answer of the gateway.
        let pin: Digest?

        init?(parsing bytes: [UInt8]) {
            guard let node = PartnerMembership.node(bytes) else { return nil }
            self.init(node, pin: node["pin"]?.string.flatMap { Digest(hexadecimal: $0.utf8) })
        }

        init?(_ node: JSONNode, pin: Digest?) {
            guard let endpoint = node["endpoint"]?.string, let region = node["region"]?.string,
                let source = node["source"]?.string
            else { return nil }
            self.endpoint = endpoint
            self.region = region
            self.source = source
            self.pin = pin
        }
    }

    let place: Place
    let certificate: [UInt8]
    let authority: [UInt8]
    let bundle: [UInt8]
    let notAfter: String

    /// Reads the answer of the gateway that has the key of `pin`.
    init?(parsing bytes: [UInt8], pin: Digest) {
        guard let node = Self.node(bytes), let place = Place(node, pin: pin),
            let certificate = node["certificate"]?.string, let authority = node["authority"]?.string,
            let bundle = node["bundle"]?.string, let notAfter = node["notAfter"]?.string
        else { return nil }
        self.place = place
        self.certificate = Array(certificate.utf8)
        self.authority = Array(authority.utf8)
        self.bundle = Array(bundle.utf8)
        self.notAfter = notAfter
    }

    /// What `membership.json` holds.
    var bytes: [UInt8] {
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("endpoint", place.endpoint)
            writer.member("region", place.region)
            writer.member("source", place.source)
            if let pin = place.pin { writer.member("pin", pin.hexadecimal) }
        }
        return writer.bytes
    }

    fileprivate static func node(_ bytes: [UInt8]) -> JSONNode? {
        do throws(JSONError) { return try JSONNode(parsing: bytes, maximumBytes: bytesLimit) } catch { return nil }
    }
}

/// What a join ended in.
struct PartnerReceipt: Equatable {
    let source: String
    let eventID: String
    let decisionID: String
    /// What the invitation holds the partner to.
    let quota: Quota?

    init(source: String, eventID: String, decisionID: String, quota: Quota?) {
        self.source = source
        self.eventID = eventID
        self.decisionID = decisionID
        self.quota = quota
    }

    init?(parsing bytes: [UInt8]) {
        guard let node = PartnerMembership.node(bytes), let source = node["source"]?.string,
            let event = node["eventId"]?.string, let decision = node["decisionId"]?.string
        else { return nil }
        self.init(source: source, eventID: event, decisionID: decision, quota: node["quota"].flatMap { Quota($0) })
    }

    var bytes: [UInt8] {
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("source", source)
            writer.member("eventId", eventID)
            writer.member("decisionId", decisionID)
            quota?.writeMember(to: &writer)
        }
        return writer.bytes
    }

    /// For a person.
    var text: String {
        Printable.line("joined: source \(source)") + "\n" + Printable.line("test event  \(eventID)") + "\n"
            + Printable.line("decision    \(decisionID)") + (quota.map { "\nquota       \($0)" } ?? "")
    }
}
