import AccessPolicy
import Cryptography
import Domain
import Registry

extension ConfigurationLoader {
    /// Organizations of one gateway.
    static let maximumOrganizations = 1000

    func readOrganizations(_ value: YAMLValue?) -> [Configuration.Organization] {
        guard let value, let elements = value.list() else { return [] }
        if elements.count > Self.maximumOrganizations {
            value.error("`organizations` has \(elements.count) elements", "keep at most \(Self.maximumOrganizations)")
            return []
        }
        var keys: Set<Digest> = []
        return elements.compactMap { element in
            guard let organization = readOrganization(element) else { return nil }
            if !keys.insert(organization.publicKey.fingerprint).inserted {
                element.error(
                    "`\(organization.publicKeyPath)` is the key of another organization, too",
                    "give each organization its own key")
            }
            return organization
        }
    }

    func readPolicyCompatibility(_ value: YAMLValue?) -> PolicyReview.Compatibility {
        guard let compat = value?.mapping(["compat"])?["compat"] else { return .strict }
        return compat.choice(Compatibility.self)?.review ?? .strict
    }

    private enum Compatibility: String, CaseIterable {
        case strict
        case aws

        var review: PolicyReview.Compatibility { self == .strict ? .strict : .aws }
    }

    private func readOrganization(_ value: YAMLValue) -> Configuration.Organization? {
        guard let mapping = value.mapping(["manifest", "signature", "publicKey"]) else { return nil }
        let manifest = mapping.required("manifest", "manifest.json").flatMap {
            readFile($0, maximumBytes: OrganizationManifest.maximumBytes, "a manifest of `isthmus organization sign`")
        }
        let signature = mapping.required("signature", "manifest.sig").flatMap {
            readFile($0, maximumBytes: PublicKey.signatureBytes, "the 64 bytes of `isthmus organization sign`")
        }
        let key = mapping.required("publicKey", "public.pem").flatMap { readPublicKey($0) }
        guard let manifest, let signature, let key else { return nil }
        check(manifest, signature, key.key, at: mapping)
        return Configuration.Organization(
            manifest: manifest, signature: signature, publicKeyPath: key.path, publicKey: key.key)
    }

    private func readPublicKey(_ value: YAMLValue) -> (path: String, key: PublicKey)? {
        let purpose = "a PEM file with an Ed25519 public key"
        guard let file = readFile(value, maximumBytes: PublicKey.encodedBytesLimit, purpose) else { return nil }
        do throws(CryptographyError) {
            let key = try PublicKey(pem: file.bytes)
            if key.kind == .ed25519 { return (file.path, key) }
            value.error("`\(file.path)` is not a key for Ed25519", "name \(purpose)")
        } catch {
            value.error("`\(file.path)` is no public key: \(error)", "name \(purpose)")
        }
        return nil
    }

    /// Says what is wrong with a manifest. It is no error: a running gateway keeps the last good one and takes over the
    /// rest of the configuration.
    private func check(_ manifest: LoadedFile, _ signature: LoadedFile, _ key: PublicKey, at mapping: YAMLMapping) {
        guard let place = mapping["manifest"] else { return }
        do throws(OrganizationRefusal) {
            let read = try SignedOrganizationManifest(bytes: manifest.bytes, signature: signature.bytes, key: key)
            if read.manifest.expiresAt <= now {
                place.warning(
                    "`\(manifest.path)` expired at \(read.manifest.expiresAt.iso8601): nobody is known to be a member",
                    "sign a newer one: `isthmus organization sign`")
            }
        } catch {
            place.warning(
                "`\(manifest.path)` is refused: \(error)",
                "a gateway keeps the last good manifest; one that never had a good one does not start")
        }
    }
}
