package import Cryptography

/// The Merkle tree of RFC 6962: what lets one root stand for many leaves.
///
/// Source: RFC 6962 § 2.1 (the same hashing as RFC 9162 § 2.1).
package enum MerkleTree {
    /// The root of the tree without leaves: SHA-256 of nothing.
    package static var emptyRoot: Digest { SHA256().finalize() }

    /// The hash of a leaf: SHA-256(0x00 ‖ `leaf`).
    package static func leafHash(_ leaf: UnsafeRawBufferPointer) -> Digest {
        var hasher = SHA256()
        hasher.update(byte: 0x00)
        hasher.update(leaf)
        return hasher.finalize()
    }

    /// The hash of an inner node: SHA-256(0x01 ‖ `left` ‖ `right`).
    package static func nodeHash(_ left: Digest, _ right: Digest) -> Digest {
        var hasher = SHA256()
        hasher.update(byte: 0x01)
        hasher.update(left)
        hasher.update(right)
        return hasher.finalize()
    }

    /// The root over leaves that have been hashed. One hash a leaf; 64 digests of stack, no allocation for the tree.
    ///
    /// - Parameter leaves: leaf hashes in order, as `leafHash` makes them.
    package static func root(ofLeafHashes leaves: UnsafeBufferPointer<Digest>) -> Digest {
        guard leaves.count > 0 else { return emptyRoot }
        var builder = MerkleRootBuilder()
        for leaf in leaves { builder.append(leafHash: leaf) }
        return builder.root()
    }

    /// The root over leaves that have been hashed.
    package static func root(ofLeafHashes leaves: [Digest]) -> Digest {
        leaves.withUnsafeBufferPointer { root(ofLeafHashes: $0) }
    }
}

/// Builds a root leaf by leaf, keeping one digest for each set bit of the count.
package struct MerkleRootBuilder {
    /// Enough for 2^48 leaves, the most a bus can hold.
    private static let depthLimit = 48

    private var peaks = InlineArray<48, Digest>(repeating: .zero)
    private var depth = 0
    /// How many leaves there are.
    package private(set) var count = 0

    package init() {}

    /// Adds one leaf at the end.
    package mutating func append(leafHash: Digest) {
        var hash = leafHash
        var pending = count
        while pending & 1 == 1 {
            depth -= 1
            hash = MerkleTree.nodeHash(peaks[depth], hash)
            pending >>= 1
        }
        precondition(depth < Self.depthLimit)
        peaks[depth] = hash
        depth += 1
        count += 1
    }

    /// The root over what was added so far.
    package func root() -> Digest {
        guard depth > 0 else { return MerkleTree.emptyRoot }
        var hash = peaks[depth - 1]
        for index in stride(from: depth - 2, through: 0, by: -1) { hash = MerkleTree.nodeHash(peaks[index], hash) }
        return hash
    }
}
