import Bus
import Cryptography
import Domain
import Foundation
import Identity
import JSON
import Registry
import Synchronization
import Telemetry
import TestKit
import Testing

@testable import Gateway

/// A control plane on fakes that lets partners in: the authority is in memory, the clock stands until it is moved.
struct PartnerDoor {
    static let tokens = HMACSHA256(key: [UInt8](repeating: 7, count: 32))
    static let tokenSeconds: Int64 = 3600
    static let certificateSeconds: Int64 = 86_400
    static let source = "aws.partner/acme.com/shop/orders"
    static let testEvent = UniqueID(high: 5, low: 1)
    static let eventOfOtherSource = UniqueID(high: 5, low: 2)
    static let eventOfOtherAccount = UniqueID(high: 5, low: 3)
    static let unknownEvent = UniqueID(high: 5, low: 4)

    let store = InMemoryControlStore()
    let clock = SettableClock()
    let authority: Authority
    let registry: Registry
    let plane: ControlPlane
    let onboarding: Onboarding

    /// What a request may leave behind.
    struct Traces: Equatable {
        let commits: Int
        let issued: Int
        let sources: Int
    }

    var traces: Traces {
        Traces(
            commits: store.commits, issued: authority.issued, sources: registry.snapshot.partners.sources.count)
    }

    init() async throws {
        let authority = try Authority()
        self.authority = authority
        registry = Registry(try Self.snapshot(authority))
        let metrics = Metrics()
        let logger = Logger(level: .error, clock: clock.clock, metrics: metrics, sink: { _ in })
        plane = ControlPlane(
            registry: registry, store: store, logger: logger, metrics: metrics, clock: clock.clock,
            decisions: DecisionRecorder(
                archive: InMemoryDecisionArchive().archive, allows: .none, metrics: metrics, logger: logger),
            onFatal: { _ in })
        let anchor = try authority.anchor()
        onboarding = Onboarding(
            endpoint: "https://gateway.example:8444", pin: SHA256.hash([1]), bundle: Array("BUNDLE".utf8),
            authority: authority.pem, tokens: Self.tokens,
            issue: { [clock] (uri, key) throws(AuthorityFault) in try authority.issue(uri, key, at: clock.now) },
            standing: { () throws(AuthorityFault) in authority.standing },
            withdraw: { (serials) throws(AuthorityFault) in try authority.withdraw(serials) },
            anchor: { () throws(AuthorityFault) in anchor }, event: { Self.event($0) }, closeUntrusted: {})
        await plane.employ(onboarding)
    }

    /// The usual accounts, and an authority for partners.
    static func snapshot(_ authority: Authority) throws -> Snapshot {
        let plain = try Scene.declaration()
        return try Scene.snapshot(
            Declaration(
                partition: plain.partition, region: plain.region, accounts: plain.accounts, trustDomains: [], seeds: [],
                endpoints: plain.endpoints, quotas: plain.quotas, partnerTrust: try authority.anchor()))
    }

    /// Terms of the invitation with that number.
    static func terms(_ number: Int) -> InvitationTerms {
        let digit = String(number, radix: 16)
        return InvitationTerms(
            id: String(repeating: digit, count: 32), partner: "acme.com", source: "\(source)\(digit)",
            account: Scene.owner, partnerAccount: Scene.foreign, events: ["*"], region: Scene.region,
            endpoint: "https://gateway.example:8444", pin: SHA256.hash([1]), createdAt: SettableClock.start,
            expiresAt: SettableClock.start.advanced(bySeconds: tokenSeconds))
    }

    /// A request to join by each of so many invitations.
    static func messages(ofInvitations count: Int) throws -> [JoinMessage] {
        let request = JoinRequest(step: .bind, signingRequest: try self.request(.generate(.ecdsaP256)))
        return (0..<count).map { JoinMessage(request, with: InvitationToken(terms($0), key: tokens)) }
    }

    /// The token of an invitation of `Scene.foreign` to `source`.
    func invite(source: String = Self.source) async throws -> InvitationToken {
        try await plane.invite(
            ControlPlane.Offer(
                partner: "acme.com", source: source, account: Scene.owner, partnerAccount: Scene.foreign,
                events: ["order.*"], quota: nil, seconds: Self.tokenSeconds), random: .system)
    }

    func ask(_ kind: JoinCall.Kind, _ content: [UInt8] = []) async -> Response {
        await plane.answer(
            JoinCall(
                kind: kind, content: content, requestID: UniqueID(high: 1, low: 2), token: 0,
                answers: AnswerQueue(wake: {})))
    }

    /// What the gateway says to a join, proven to be the maker's of the token; nil when it refuses.
    func answer(_ request: JoinRequest, _ token: InvitationToken) async throws -> JSONNode? {
        let message = JoinMessage(request, with: token)
        let response = await ask(.join(message))
        guard response.status == 200 else { return nil }
        return try JSONNode(
            parsing: try #require(JoinAnswer(parsing: response.body, to: message, with: token)).content)
    }

    private static func event(_ id: UniqueID) -> StoredEvent? {
        let (source, account): (String, AccountID)
        switch id {
        case testEvent: (source, account) = (Self.source, Scene.foreign)
        case eventOfOtherSource: (source, account) = (Self.source + "2", Scene.foreign)
        case eventOfOtherAccount: (source, account) = (Self.source, Scene.sender)
        default: return nil
        }
        let publisher = PublisherProvenance(
            principal: "arn:aws:iam::\(account):role/partner", account: account, organizationPath: nil,
            trustDomain: "partners.example", certificateFingerprint: nil, accessKeyID: nil)
        guard let publisher else { return nil }
        var bytes: [UInt8] = []
        EventFrame.append(
            Entry(source: source), publisher: publisher, receivedAt: SettableClock.start,
            decisionID: UniqueID(high: 6, low: 6), requestID: UniqueID(high: 7, low: 7), to: &bytes)
        return EventFrame(decodingPrefixOf: bytes[...]).map {
            StoredEvent(position: Position(bus: BusNumber(1), sequence: Domain.Sequence(1)), frame: $0)
        }
    }
}

extension PartnerDoor {
    /// The partners' authority, which can be told to fail.
    final class Authority: Sendable {
        /// For the operator's log alone.
        static let secretReason = "/etc/isthmus/partners: no space left"

        private struct State {
            var issued: [String] = []
            var withdrawn: Set<String> = []
            var isBroken = false
        }

        private let root: CertificateAuthority
        private let state = Mutex(State())
        let pem: [UInt8]

        init() throws {
            let now = SettableClock.start.seconds
            root = try .root(
                name: "partners.example", pathLength: 0, key: .generate(.ecdsaP256),
                validity: ValidityPeriod(notBefore: now - 3600, notAfter: now + 30 * 86_400), random: .system)
            pem = try root.certificate.pem()
        }

        var issued: Int { state.withLock { $0.issued.count } }
        /// Serial numbers, the oldest first.
        var serials: [String] { state.withLock { $0.issued } }
        var withdrawn: Set<String> { state.withLock { $0.withdrawn } }
        var standing: Set<String> { state.withLock { Set($0.issued).subtracting($0.withdrawn) } }
        var isBroken: Bool {
            get { state.withLock { $0.isBroken } }
            set { state.withLock { $0.isBroken = newValue } }
        }

        func anchor() throws -> Declaration.TrustAnchor {
            .init(
                facts: TrustDomain(
                    name: "partners.example", accounts: [], issuerPins: [root.certificate.publicKeyFingerprint]),
                store: try CertificateStore(authorities: [root.certificate], revocationLists: []))
        }

        func withdraw(_ serials: [String]) throws(AuthorityFault) -> Bool {
            guard !isBroken else { throw AuthorityFault(Self.secretReason) }
            return state.withLock { state in
                let before = state.withdrawn.count
                state.withdrawn.formUnion(serials)
                return state.withdrawn.count > before
            }
        }

        func issue(
            _ uri: String, _ key: PublicKey, at now: Timestamp
        ) throws(AuthorityFault) -> Invitation.IssuedCertificate {
            guard !isBroken else { throw AuthorityFault(Self.secretReason) }
            do throws(CryptographyError) {
                let validity = try ValidityPeriod(
                    notBefore: now.seconds, notAfter: now.seconds + PartnerDoor.certificateSeconds)
                let certificate = try root.issueClient(
                    uri: uri, name: "partner", key: key, validity: validity, random: .system)
                state.withLock { $0.issued.append(certificate.serialHexadecimal) }
                return Invitation.IssuedCertificate(
                    serial: certificate.serialHexadecimal, fingerprint: certificate.fingerprint,
                    notAfter: Timestamp(seconds: certificate.notAfter), pem: try certificate.pem())
            } catch {
                throw AuthorityFault("\(error)")
            }
        }
    }

    static func request(_ key: PrivateKey) throws -> [UInt8] {
        try CertificateSigningRequest(name: "isthmus partner", key: key).pem
    }

    /// A signing request whose last byte, of its signature, is another.
    static func tampered(_ pem: [UInt8]) throws -> [UInt8] {
        let lines = String(decoding: pem, as: UTF8.self).split(separator: "\n")
        var bytes = try #require(Data(base64Encoded: lines.dropFirst().dropLast().joined()))
        bytes[bytes.count - 1] ^= 1
        let text = bytes.base64EncodedString(options: [.lineLength64Characters, .endLineWithLineFeed])
        return Array("\(lines[0])\n\(text)\n\(lines[lines.count - 1])\n".utf8)
    }

    /// The same request, with line feeds in front of it until it has `count` bytes.
    static func padded(_ pem: [UInt8], to count: Int) -> [UInt8] {
        [UInt8](repeating: UInt8(ascii: "\n"), count: count - pem.count) + pem
    }

    /// Made by `openssl req -new` for a key on P-384.
    static let requestOfP384 = """
        -----BEGIN CERTIFICATE REQUEST-----
        MIIBBDCBiwIBADAMMQowCAYDVQQDDAFwMHYwEAYHKoZIzj0CAQYFK4EEACIDYgAE
        Cb850YjpZFpDzfTtEhkd5svEzY4yIf5fhk9k1S7Mm0vPayHD6FsPeZY9qc+36A6a
        7h8RS0pMSMINFu148qZFnehiDR+NTL8IZ1hllR0NebY/3EjtP/oUdWG7ue1ZaMOS
        oAAwCgYIKoZIzj0EAwIDaAAwZQIxAI1T0xVRse4haOYt4miETVQPX0ISkjzeui5R
        7KbruBSrH4NHHZNeE012CVARI3wIgAIwA4duobdR5TtcXlxM4DKu16m3hBMatXik
        zdoLdOmkSOOqrkyyKxs79q6oC3PqWgG5
        -----END CERTIFICATE REQUEST-----

        """
}

extension InvitationTerms {
    /// The same offer for other events, or of another id: what a partner might wish for.
    func changed(id: String? = nil, events: [String]? = nil) -> InvitationTerms {
        InvitationTerms(
            id: id ?? self.id, partner: partner, source: source, account: account, partnerAccount: partnerAccount,
            events: events ?? self.events, quota: quota, region: region, endpoint: endpoint, pin: pin,
            createdAt: createdAt, expiresAt: expiresAt)
    }
}
