import COpenSSL
import Synchronization

/// The chains one store found good, so that a peer that comes back is not verified from the beginning: its signature
/// over the handshake is checked as ever, its authority's over the certificate is not checked twice.
///
/// INVARIANT: what a store says of a chain follows from the store, the bytes it is given and the moment. The store is
/// immutable and the memory its own, so a reload begins with none; all bytes given are in the key; the moment is
/// compared with every date the verification compared it with. Only what was accepted, by lists that were not stale,
/// is kept.
final class VerifiedChainMemory: Sendable {
    /// The most chains kept; the oldest makes room. With `chainBytesLimit` 1 MiB of DER for each trust domain.
    static let chainsLimit = 256
    /// The most bytes of certificates, DER, in a chain that is kept: a leaf of P-256 and two intermediates are 2 KiB.
    static let chainBytesLimit = 4096

    private struct Entry {
        let chain: VerifiedChain
        let moments: ClosedRange<Int64>
    }

    private let entries = Mutex(RecentValues<Entry>(limit: chainsLimit))

    /// The chain that was accepted for `key`, when it is as good at `moment`; nil to verify it.
    func chain(_ key: Digest, at moment: Int64) -> VerifiedChain? {
        guard let entry = entries.withLock({ $0[key] }), entry.moments.contains(moment) else { return nil }
        return entry.chain
    }

    /// Keeps `chain`, which was accepted and is as good at each of `moments`, both ends included.
    func remember(_ chain: VerifiedChain, for key: Digest, through moments: ClosedRange<Int64>) {
        entries.withLock { $0.add(Entry(chain: chain, moments: moments), for: key) }
    }

    /// How many chains are kept.
    var count: Int { entries.withLock { $0.count } }

    /// The digest of everything a peer sent: its leaf's, then that of each certificate with it, in their order.
    ///
    /// - Parameter untrusted: STACK_OF(X509), borrowed; nil for none.
    /// - Returns: nil for more than is kept.
    static func key(_ leaf: Certificate, _ untrusted: OpaquePointer?) -> Digest? {
        var bytes = Int(i2d_X509(leaf.pointer, nil))
        var hasher = SHA256()
        hasher.update(leaf.fingerprint)
        for index in 0..<isthmus_sk_X509_num(untrusted) {
            guard let pointer = isthmus_sk_X509_value(untrusted, index) else { return nil }
            var digest = leaf.fingerprint
            if pointer != leaf.pointer {
                let der = OpenSSLBuffer.der { i2d_X509(pointer, $0) }
                if der.isEmpty { return nil }
                digest = SHA256.hash(der)
                // In a handshake the leaf is the first of them.
                if digest != leaf.fingerprint { bytes += der.count }
                if bytes > chainBytesLimit { return nil }
            }
            hasher.update(digest)
        }
        return bytes > 0 && bytes <= chainBytesLimit ? hasher.finalize() : nil
    }
}
