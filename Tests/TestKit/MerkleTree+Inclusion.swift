package import Cryptography
package import Ledger

/// What a root is for: the proof that a leaf is under it, made and checked.
extension MerkleTree {
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
