package import Cryptography
import Domain
import JSON

/// A manifest with the signature that makes it a fact: canonical JSON, and a detached Ed25519 signature over its bytes.
///
/// - Source: FEDERATION 1; RFC 8785; RFC 8032
package struct SignedOrganizationManifest: Equatable, Sendable {
    package let manifest: OrganizationManifest
    /// The canonical bytes, as signed.
    package let bytes: [UInt8]
    /// 64 bytes.
    package let signature: [UInt8]
    /// The fingerprint of the key that signed.
    let key: Digest

    /// Takes a manifest whose signature is `key`'s. Nothing of the content is looked at before.
    package init(bytes: [UInt8], signature: [UInt8], key: PublicKey) throws(OrganizationRefusal) {
        guard bytes.count <= OrganizationManifest.maximumBytes else {
            throw .tooLarge(bytes: bytes.count, limit: OrganizationManifest.maximumBytes)
        }
        guard try Self.isValid(signature, of: bytes, key) else { throw .badSignature }
        try self.init(unchecked: bytes, signature: signature, key: key.fingerprint)
    }

    /// Takes a manifest that was verified before it was stored.
    init(unchecked bytes: [UInt8], signature: [UInt8], key: Digest) throws(OrganizationRefusal) {
        let node = try OrganizationManifest.node(bytes)
        guard try Self.canonical(node) == bytes else { throw .notCanonical }
        manifest = try OrganizationManifest(node)
        self.bytes = bytes
        self.signature = signature
        self.key = key
    }

    /// Signs a draft, which need not be canonical.
    package init(signing draft: [UInt8], key: PrivateKey) throws(OrganizationRefusal) {
        guard key.kind == .ed25519 else { throw .wrongKey }
        let node = try OrganizationManifest.node(draft)
        manifest = try OrganizationManifest(node)
        bytes = try Self.canonical(node)
        guard bytes.count <= OrganizationManifest.maximumBytes else {
            throw .tooLarge(bytes: bytes.count, limit: OrganizationManifest.maximumBytes)
        }
        do throws(CryptographyError) {
            signature = try key.signature(for: bytes)
            self.key = try key.publicKey().fingerprint
        } catch {
            throw .cryptography(error)
        }
    }

    private static func canonical(_ node: JSONNode) throws(OrganizationRefusal) -> [UInt8] {
        do throws(JSONError) { return try CanonicalJSON.bytes(of: node) } catch { throw .json(error) }
    }

    private static func isValid(
        _ signature: [UInt8], of bytes: [UInt8], _ key: PublicKey
    ) throws(OrganizationRefusal) -> Bool {
        guard key.kind == .ed25519 else { throw .wrongKey }
        do throws(CryptographyError) {
            return try key.isValid(signature: signature, for: bytes)
        } catch {
            throw .cryptography(error)
        }
    }
}

extension SignedOrganizationManifest {
    /// How it is stored: 128 hexadecimal digits of signature, a line feed, 64 digits of the key's fingerprint, a line
    /// feed, the manifest; so that an operator can read it and no restart takes back what was once in force.
    var record: ControlRecord {
        let head = "\(Hexadecimal.text(signature))\n\(key.hexadecimal)\n"
        return ControlRecord(kind: .organization, key: manifest.organization, value: Array(head.utf8) + bytes)
    }

    /// Reads a stored manifest back.
    init(record: ControlRecord) throws(ControlStoreError) {
        let parts = record.value.split(separator: 0x0A, maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, let signature = Hexadecimal.bytes(parts[0]), let key = Digest(hexadecimal: parts[1]),
            signature.count == PublicKey.signatureBytes
        else { throw .unreadable(reason: "organization `\(record.key)`") }
        do throws(OrganizationRefusal) {
            try self.init(unchecked: Array(parts[2]), signature: signature, key: key)
        } catch {
            throw .unreadable(reason: "organization `\(record.key)`: \(error)")
        }
        guard manifest.organization == record.key else { throw .unreadable(reason: "organization `\(record.key)`") }
    }
}
