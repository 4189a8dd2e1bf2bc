package import Cryptography

/// The Merkle tree of RFC 6962: what lets one root stand for many leaves, and a short proof for each of them.
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

    /// The audit path of one leaf, from its neighbour up to the children of the root (RFC 6962 § 2.1.1).
    ///
    /// - Parameter index: 0 ..< `leaves.count`.
    package static func inclusionProof(of index: Int, amongLeafHashes leaves: [Digest]) -> [Digest] {
        precondition(leaves.indices.contains(index))
        var path: [Digest] = []
        var range = 0..<leaves.count
        while range.count > 1 {
            let middle = range.lowerBound + largestPowerOfTwo(below: range.count)
            if index < middle {
                path.append(root(ofLeafHashes: Array(leaves[middle..<range.upperBound])))
                range = range.lowerBound..<middle
            } else {
                path.append(root(ofLeafHashes: Array(leaves[range.lowerBound..<middle])))
                range = middle..<range.upperBound
            }
        }
        return path.reversed()
    }

    /// Whether `proof` shows that `leafHash` is leaf `index` of the tree of `count` leaves whose root is `root`.
    ///
    /// Takes hostile input: a proof that is too short, too long or for another place is `false`.
    /// Source: RFC 9162 § 2.1.3.2.
    package static func isIncluded(
        leafHash: Digest, at index: Int, of count: Int, proof: [Digest], root: Digest
    ) -> Bool {
        guard index >= 0, index < count else { return false }
        var node = index
        var last = count - 1
        var hash = leafHash
        for sibling in proof {
            guard last > 0 else { return false }
            if node & 1 == 1 || node == last {
                hash = nodeHash(sibling, hash)
                while node & 1 == 0 && node != 0 {
                    node >>= 1
                    last >>= 1
                }
            } else {
                hash = nodeHash(hash, sibling)
            }
            node >>= 1
            last >>= 1
        }
        return last == 0 && hash == root
    }

    /// The largest power of two below `count`, which is 2 or more: where RFC 6962 splits a list.
    private static func largestPowerOfTwo(below count: Int) -> Int {
        1 << (Int.bitWidth - 1 - (count - 1).leadingZeroBitCount)
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
