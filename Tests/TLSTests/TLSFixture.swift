@testable import Cryptography
import Glibc
@testable import TLS
import Testing

/// A domain's authority, a server and a client, valid now by this machine's clock, since OpenSSL reads that one.
struct TLSFixture {
    static let uri = "spiffe://acme.example/account/111122223333/role/sender"
    static let now = Int64(time(nil))

    let clients: CertificateAuthority
    let servers: CertificateAuthority
    let clientKey: PrivateKey
    let serverKey: PrivateKey

    init(serverKey: PrivateKey? = nil) throws {
        clientKey = try .generate(.ecdsaP256)
        self.serverKey = try serverKey ?? .generate(.ecdsaP256)
        clients = try Self.root("acme.example root")
        servers = try Self.root("gateway root")
    }

    static func root(_ name: String) throws -> CertificateAuthority {
        try CertificateAuthority.root(
            name: name, pathLength: 1, key: .generate(.ecdsaP256), validity: validity(), random: .system)
    }

    static func validity(_ from: Int64 = -3600, _ to: Int64 = 3600) throws -> ValidityPeriod {
        try ValidityPeriod(notBefore: now + from, notAfter: now + to)
    }

    func leaf(_ validity: ValidityPeriod? = nil, by authority: CertificateAuthority? = nil) throws -> Certificate {
        try (authority ?? clients).issueClient(
            uri: Self.uri, name: "sender", key: clientKey.publicKey(), validity: validity ?? Self.validity(),
            random: .system)
    }

    func clientStore(
        revoked: [Certificate] = [], listValidity: ValidityPeriod? = nil, withList: Bool = true
    ) throws -> CertificateStore {
        let list = try clients.revocationList(
            revoked: revoked.map { ($0.serialNumber, Self.now - 60) }, number: 1,
            validity: listValidity ?? Self.validity())
        return try CertificateStore(authorities: [clients.certificate], revocationLists: withList ? [list] : [])
    }

    func server(
        _ wanted: ServerContext.ClientCertificates = .required, store: CertificateStore? = nil,
        select: ServerContext.StoreSelection? = nil
    ) throws -> TLSSession {
        let store = try store ?? clientStore()
        let certificate = try servers.issueServer(
            dnsNames: ["localhost"], addresses: [], name: "localhost", key: serverKey.publicKey(),
            validity: Self.validity(), random: .system)
        let context = try ServerContext(
            chain: [certificate], key: serverKey, clientCertificates: wanted, selectStore: select ?? { _ in store })
        return try TLSSession(server: context)
    }

    func client(
        _ leaf: Certificate?, key: PrivateKey? = nil, protocols: [ApplicationProtocol] = [.http2, .http11],
        name: String = "localhost"
    ) throws -> TLSSession {
        var configuration = CertificateStore.Configuration()
        configuration.purpose = .server
        configuration.requiresRevocationLists = false
        let store = try CertificateStore(
            authorities: [servers.certificate], revocationLists: [], configuration: configuration)
        let own = leaf == nil ? nil : key ?? clientKey
        let context = try ClientContext(
            store: store, chain: leaf.map { [$0] } ?? [], key: own, protocols: protocols)
        return try TLSSession(client: context, serverName: name)
    }
}

extension TLSSession {
    /// All pending ciphertext, taken.
    func takeAll() -> [UInt8] {
        var all: [UInt8] = []
        takeCiphertext {
            all = [UInt8]($0)
            return $0.count
        }
        return all
    }

    /// Feeds `ciphertext` in pieces of `size` and returns the plaintext it came to.
    func feed(_ ciphertext: [UInt8], size: Int = .max) throws(TLSError) -> [UInt8] {
        var plaintext: [UInt8] = []
        var position = 0
        while position < ciphertext.count {
            let end = size < ciphertext.count - position ? position + size : ciphertext.count
            plaintext += try feedPiece(Array(ciphertext[position..<end]))
            position = end
        }
        return plaintext
    }

    private func feedPiece(_ piece: [UInt8]) throws(TLSError) -> [UInt8] {
        var plaintext: [UInt8] = []
        var failure: TLSError?
        piece.withUnsafeBytes { bytes in
            var rest = bytes
            do throws(TLSError) {
                while let more = try readOnce(&rest) { plaintext += more }
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        return plaintext
    }

    private func readOnce(_ rest: inout UnsafeRawBufferPointer) throws(TLSError) -> [UInt8]? {
        let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 16_384, alignment: 16)
        defer { room.deallocate() }
        switch try read(from: &rest, into: room) {
        case .plaintext(let count): return [UInt8](room[..<count])
        case .needsMore:
            #expect(rest.isEmpty)
            return nil
        case .closed: return nil
        }
    }

    func send(_ plaintext: [UInt8]) throws(TLSError) {
        var failure: TLSError?
        plaintext.withUnsafeBytes { bytes in
            do throws(TLSError) { try write(bytes) } catch { failure = error }
        }
        if let failure { throw failure }
    }

    var handshake: Handshake? {
        if case .established(let handshake) = state { return handshake }
        return nil
    }

    var failure: TLSError? {
        if case .failed(let error) = state { return error }
        return nil
    }
}

/// Carries ciphertext between two sessions until neither has any; errors stay in their states.
func converse(_ client: TLSSession, _ server: TLSSession, size: Int = .max) {
    for _ in 0..<10 {
        let toServer = client.takeAll()
        let toClient = server.takeAll()
        if toServer.isEmpty && toClient.isEmpty { return }
        do throws(TLSError) { _ = try server.feed(toServer, size: size) } catch { #expect(server.failure == error) }
        do throws(TLSError) { _ = try client.feed(toClient, size: size) } catch { #expect(client.failure == error) }
    }
}
