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
    private var generation: UInt64
    /// The first second at which the verification stands no more, because a revocation list is past its time.
    private var usableUntil: Int64

    /// Reads the identity out of a chain that the handshake has verified.
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
        generation = snapshot.generation
        usableUntil = domain.store.usableUntil ?? .max
    }

    /// The identity, after what may have changed since the last request was looked at again.
    func current(_ snapshot: Snapshot, now: Timestamp) throws(AuthenticationRefusal) -> CertificateIdentity {
        guard generation != snapshot.generation || now.seconds >= usableUntil else { return identity }
        let domain = try Self.domain(of: chain.leaf, snapshot)
        switch domain.store.verify(chain.certificates, at: now.seconds) {
        case .success: break
        case .failure(let refusal):
            throw .certificate(refusal.reason == .revoked ? .revoked : .notVerified(reason: "\(refusal)"))
        }
        generation = snapshot.generation
        usableUntil = domain.store.usableUntil ?? .max
        return identity
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
            _ = try ConnectionIdentity(chain, snapshot, now: now)
            let store = try domain(of: chain.leaf, snapshot).store
            if case .success = store.verify(chain.certificates, at: now.seconds) { return true }
            return false
        } catch {
            return false
        }
    }
}
