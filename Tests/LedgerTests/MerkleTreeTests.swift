import Cryptography
import TestKit
import Testing

@testable import Ledger

/// Vectors: github.com/google/certificate-transparency `cpp/merkletree/merkle_tree_test.cc` (the reference tree of RFC
/// 6962).
@Suite struct MerkleTreeTests {
    private static let inputs = [
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
    ]
    private static let roots = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ]

    private var leaves: [Digest] {
        Self.inputs.map { text in
            (Hexadecimal.bytes(Array(text.utf8)) ?? []).withUnsafeBytes { MerkleTree.leafHash($0) }
        }
    }

    @Test("the root of nothing is the hash of nothing")
    func emptyRoot() {
        let expected = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        #expect(MerkleTree.root(ofLeafHashes: [Digest]()).hexadecimal == expected)
    }

    @Test("the roots of one to eight leaves are those of the reference tree", arguments: 1...8)
    func referenceRoots(count: Int) {
        #expect(MerkleTree.root(ofLeafHashes: Array(leaves.prefix(count))).hexadecimal == Self.roots[count - 1])
    }

    @Test("the audit paths of the reference tree are made")
    func referencePaths() {
        let path = MerkleTree.inclusionProof(of: 5, amongLeafHashes: leaves).map(\.hexadecimal)
        #expect(
            path == [
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ])
    }

    @Test("every leaf of trees up to 70 leaves is proven, and nothing else is", arguments: 1...70)
    func proofsOfEveryLeaf(count: Int) {
        let hashes = (0..<count).map { SHA256.hash([UInt8($0)]) }
        let root = MerkleTree.root(ofLeafHashes: hashes)
        for index in 0..<count {
            let proof = MerkleTree.inclusionProof(of: index, amongLeafHashes: hashes)
            func isIncluded(_ leaf: Digest, _ place: Int, _ total: Int, _ proof: [Digest]) -> Bool {
                MerkleTree.isIncluded(leafHash: leaf, at: place, of: total, proof: proof, root: root)
            }
            #expect(isIncluded(hashes[index], index, count, proof))
            #expect(!isIncluded(SHA256.hash([0xFF, 0xFF]), index, count, proof))
            #expect(!isIncluded(hashes[index], index, count, proof + [root]))
            #expect(!isIncluded(hashes[index], count, count, proof))
            #expect(!isIncluded(hashes[index], -1, count, proof))
            if !proof.isEmpty {
                #expect(!isIncluded(hashes[index], index, count, Array(proof.dropLast())))
                #expect(!isIncluded(hashes[index], index ^ 1, count, proof))
            }
        }
    }
}
