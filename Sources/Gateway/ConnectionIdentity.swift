import Bus
import Cryptography
import Domain
import Identity
import Network
import Registry

/// Whom a connection's certificate speaks for, kept on the connection: read once, verified again when trust changed.
final class ConnectionIdentity {
    private let chain: VerifiedChain
    private let identity: CertificateIdentity
    /// Whose trust the chain was verified by; nil when the trust changed before the handshake was over.
    private var generation: UInt64?
    /// The first second at which the verification stands no more, because a revocation list or a certificate of the
    /// chain is past its time.
    private var usableUntil: Int64
    /// The last second of the chain as it was verified last.
    private var notAfter: Int64

    /// Reads the identity out of a chain that the handshake has verified, by the trust in force when the certificate
    /// came: that is longer ago than the client took to finish. `current` says whether it stands.
    init(_ chain: VerifiedChain, _ snapshot: Snapshot, now: Timestamp) throws(AuthenticationRefusal) {
        self.chain = chain
        let domain = try Self.domain(of: chain.leaf, snapshot)
        do throws(CertificateRefusal) {
            identity = try CertificateIdentity(
                chain: chain, verifiedFor: domain.facts,
                at: .init(partition: snapshot.partition, region: snapshot.region), now: now)
        } catch {
            throw .certificate(error)
        }
        generation = chain.isVerified(by: domain.store) ? snapshot.generation : nil
        notAfter = chain.notAfter
        usableUntil = Self.usableUntil(chain, domain.store)
    }

    /// The identity, after what may have changed since the last request was looked at again.
    func current(_ snapshot: Snapshot, now: Timestamp) throws(AuthenticationRefusal) -> CertificateIdentity {
        guard generation != snapshot.generation || now.seconds >= usableUntil else { return identity }
        let domain = try Self.domain(of: chain.leaf, snapshot)
        switch domain.store.verify(chain.certificates, at: now.seconds) {
        case .success(let verified):
            generation = snapshot.generation
            notAfter = verified.notAfter
            usableUntil = Self.usableUntil(verified, domain.store)
            return identity
        case .failure(let refusal): throw .certificate(certificateRefusal(refusal, now: now))
        }
    }

    private func certificateRefusal(_ refusal: ChainRefusal, now: Timestamp) -> CertificateRefusal {
        if refusal.reason == .revoked { return .revoked }
        if refusal.reason == .expired, notAfter < now.seconds {
            return .expired(notAfter: Timestamp(seconds: notAfter).iso8601)
        }
        return .notVerified(reason: "\(refusal)")
    }

    private static func usableUntil(_ chain: VerifiedChain, _ store: CertificateStore) -> Int64 {
        min(store.usableUntil ?? .max, chain.notAfter + 1)
    }

    private static func domain(
        of leaf: Certificate, _ snapshot: Snapshot
    ) throws(AuthenticationRefusal) -> Declaration.TrustAnchor {
        let name: String
        do throws(CertificateRefusal) {
            name = try CertificateIdentity.readName(leaf.names).trustDomain
        } catch {
            throw .certificate(error)
        }
        guard let domain = snapshot.trustDomains[name] else { throw .certificate(.unknownTrustDomain(name: name)) }
        return domain
    }

    /// Whether a chain verified earlier still stands on trust that is in force.
    static func stands(_ chain: VerifiedChain, _ snapshot: Snapshot, now: Timestamp) -> Bool {
        do throws(AuthenticationRefusal) {
            _ = try ConnectionIdentity(chain, snapshot, now: now).current(snapshot, now: now)
            return true
        } catch {
            return false
        }
    }
}
