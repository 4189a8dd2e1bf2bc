import COpenSSL
import Cryptography
import Foundation
import Glibc
import Synchronization
import Testing

/// A TLS server on loopback that answers every request with the bytes it was given, whatever they are. It speaks
/// HTTP/1.1, one connection after the other, each on the one thread of the server.
final class TLSAnswerer: Sendable {
    enum Behaviour: Sendable {
        case answers([UInt8])
        /// Reads the request and keeps silent.
        case keepsSilent
        /// Takes the connection and never begins the handshake.
        case takesNoHandshake
    }

    /// A request as it came, with the fingerprint of the certificate it came with.
    struct Received: Sendable {
        let text: String
        let certificate: Digest?
    }

    let port: Int
    private let listening: Int32
    private let seen: Seen

    private final class Seen: Sendable {
        let requests = Mutex<[Received]>([])
    }

    var received: [Received] { seen.requests.withLock { $0 } }
    var url: String { "https://localhost:\(port)/join" }

    init(_ certificate: Certificate, _ key: PrivateKey, asksForCertificate: Bool, _ behaviour: Behaviour) throws {
        // Whoever has enough of an answer closes; a write after that is an error to see, not an end of the tests.
        signal(SIGPIPE, SIG_IGN)
        (listening, port) = try Self.listen()
        let seen = Seen()
        self.seen = seen
        Thread.detachNewThread { [listening] in
            guard let context = Self.context(certificate, key, asksForCertificate) else { return }
            while true {
                let peer = accept(listening, nil, nil)
                guard peer >= 0 else { break }
                Self.converse(peer, context, behaviour) { received in seen.requests.withLock { $0.append(received) } }
                close(peer)
            }
            SSL_CTX_free(context)
            close(listening)
        }
    }

    /// Takes no more connections.
    func stop() { shutdown(listening, Int32(SHUT_RDWR)) }

    private static func listen() throws -> (socket: Int32, port: Int) {
        let listening = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = in_addr_t(UInt32(0x7F00_0001).bigEndian)
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isListening = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listening, $0, size) == 0 && Glibc.listen(listening, 8) == 0
                    && getsockname(listening, $0, &size) == 0
            }
        }
        try #require(isListening)
        return (listening, Int(UInt16(bigEndian: address.sin_port)))
    }

    private static func context(
        _ certificate: Certificate, _ key: PrivateKey, _ asksForCertificate: Bool
    ) -> OpaquePointer? {
        guard let context = SSL_CTX_new(TLS_server_method()),
            certificate.withOpenSSLCertificate({ SSL_CTX_use_certificate(context, $0) }) == 1,
            key.withOpenSSLKey({ SSL_CTX_use_PrivateKey(context, $0) }) == 1
        else { return nil }
        if asksForCertificate {
            SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nil)
            SSL_CTX_set_cert_verify_callback(context, { _, _ in 1 }, nil)
        }
        return context
    }

    private static func converse(
        _ peer: Int32, _ context: OpaquePointer, _ behaviour: Behaviour, _ onRequest: (Received) -> Void
    ) {
        var patience = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(peer, SOL_SOCKET, SO_SNDTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        var room = [UInt8](repeating: 0, count: 16_384)
        if case .takesNoHandshake = behaviour {
            while read(peer, &room, room.count) > 0 {}
            return
        }
        guard let ssl = SSL_new(context) else { return }
        defer { SSL_free(ssl) }
        guard SSL_set_fd(ssl, peer) == 1, SSL_accept(ssl) == 1 else { return }
        var request: [UInt8] = []
        while !isWhole(request) {
            let count = SSL_read(ssl, &room, Int32(room.count))
            guard count > 0 else { return }
            request += room[..<Int(count)]
        }
        onRequest(Received(text: String(decoding: request, as: UTF8.self), certificate: fingerprint(ssl)))
        if case .answers(let answer) = behaviour {
            guard SSL_write(ssl, answer, Int32(answer.count)) > 0 else { return }
            SSL_shutdown(ssl)
        }
        while SSL_read(ssl, &room, Int32(room.count)) > 0 {}
    }

    /// Whether the head is here and as many bytes after it as it says.
    private static func isWhole(_ request: [UInt8]) -> Bool {
        guard let end = request.firstRange(of: Array("\r\n\r\n".utf8)) else { return false }
        let head = String(decoding: request[..<end.lowerBound], as: UTF8.self).lowercased()
        let length = head.split(separator: "\r\n").first { $0.hasPrefix("content-length: ") }
            .flatMap { Int($0.dropFirst(16)) }
        return request.count - end.upperBound >= length ?? 0
    }

    private static func fingerprint(_ ssl: OpaquePointer) -> Digest? {
        guard let certificate = SSL_get1_peer_certificate(ssl) else { return nil }
        defer { X509_free(certificate) }
        var bytes = [UInt8](repeating: 0, count: Digest.byteCount)
        guard X509_digest(certificate, EVP_sha256(), &bytes, nil) == 1 else { return nil }
        return Digest(hexadecimal: Hexadecimal.text(bytes).utf8)
    }
}

/// An authority for servers, what goes with it in files, and the servers it vouches for; all end with it.
final class ServerFiles {
    static let now = Int64(time(nil))

    let authority: CertificateAuthority
    let key: PrivateKey
    private var servers: [TLSAnswerer] = []
    private let directory = FileManager.default.temporaryDirectory.appending(path: "isthmus-\(UUID().uuidString)")

    init() throws {
        key = try .generate(.ecdsaP256)
        authority = try .root(
            name: "servers", pathLength: 0, key: .generate(.ecdsaP256), validity: Self.validity(-3600, 3600),
            random: .system)
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    }

    deinit {
        stop()
        do { try FileManager.default.removeItem(at: directory) } catch { Issue.record("\(error)") }
    }

    static func validity(_ from: Int64, _ to: Int64) throws -> ValidityPeriod {
        try ValidityPeriod(notBefore: now + from, notAfter: now + to)
    }

    var pin: Digest { get throws { try key.publicKey().fingerprint } }
    var bundle: String { get throws { try file("bundle.pem", authority.certificate.pem()) } }

    func file(_ name: String, _ bytes: [UInt8]) throws -> String {
        let place = directory.appending(path: name)
        try Data(bytes).write(to: place)
        return place.path(percentEncoded: false)
    }

    func server(
        _ behaviour: TLSAnswerer.Behaviour, name: String = "localhost", from: Int64 = -3600, to: Int64 = 3600,
        asksForCertificate: Bool = false
    ) throws -> TLSAnswerer {
        let certificate = try authority.issueServer(
            dnsNames: [name], addresses: [], name: name, key: key.publicKey(), validity: Self.validity(from, to),
            random: .system)
        let server = try TLSAnswerer(certificate, key, asksForCertificate: asksForCertificate, behaviour)
        servers.append(server)
        return server
    }

    func stop() { for server in servers { server.stop() } }
}
