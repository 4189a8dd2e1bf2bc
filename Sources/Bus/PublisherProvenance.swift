package import Cryptography
package import Domain

/// Who published, as the gateway authenticated it: the part of an event's provenance that is the same for every event
/// of a caller. Encoded once a connection, copied into each frame. Two are equal when their encodings are.
package final class PublisherProvenance: Hashable, Sendable {
    package let principal: String
    package let account: AccountID
    /// `o-…/r-…/ou-…/`, of an account that belongs to an organization.
    package let organizationPath: String?
    /// The trust domain of the client certificate, where one was presented.
    package let trustDomain: String?
    /// SHA-256 of the client certificate.
    package let certificateFingerprint: Digest?
    /// The access key of the signature, where the request was signed.
    package let accessKeyID: String?
    /// The encoded form.
    let encoded: [UInt8]

    /// The most an encoding takes. Source: ARN 1,600, organization path 512, trust domain and key id 255 each, rounded
    /// up.
    package static let encodedBytesLimit = 4096

    /// - Returns: `nil` when the texts are longer than `encodedBytesLimit` together, which no authenticated caller's
    ///   are.
    package init?(
        principal: String, account: AccountID, organizationPath: String?, trustDomain: String?,
        certificateFingerprint: Digest?, accessKeyID: String?
    ) {
        let texts = [principal, organizationPath ?? "", trustDomain ?? "", accessKeyID ?? ""]
        let fixedBytes = 8 + 1 + Digest.byteCount + 2 * texts.count
        guard texts.reduce(fixedBytes, { $0 + $1.utf8.count }) <= Self.encodedBytesLimit else { return nil }
        var bytes: [UInt8] = []
        bytes.append(littleEndian: account.value)
        for text in texts { bytes.append(short: text.utf8) }
        bytes.append(certificateFingerprint == nil ? 0 : 1)
        certificateFingerprint?.append(to: &bytes)
        self.principal = principal
        self.account = account
        self.organizationPath = organizationPath
        self.trustDomain = trustDomain
        self.certificateFingerprint = certificateFingerprint
        self.accessKeyID = accessKeyID
        encoded = bytes
    }

    /// Reads an encoding; anything but exactly one is `nil`. An empty optional text reads as absent.
    init?(decoding bytes: Bytes) {
        var cursor = ByteCursor(bytes)
        guard bytes.count <= Self.encodedBytesLimit,
            let account = cursor.integer(UInt64.self), account < 1_000_000_000_000,
            let principal = cursor.shortSlice(), let path = cursor.shortSlice(), let domain = cursor.shortSlice(),
            let key = cursor.shortSlice(), let hasFingerprint = cursor.integer(UInt8.self), hasFingerprint <= 1
        else { return nil }
        var fingerprint: Digest?
        if hasFingerprint == 1 {
            guard let digest = cursor.digest() else { return nil }
            fingerprint = digest
        }
        guard cursor.isAtEnd else { return nil }
        self.principal = principal.text
        self.account = AccountID(unchecked: account)
        organizationPath = path.isEmpty ? nil : path.text
        trustDomain = domain.isEmpty ? nil : domain.text
        accessKeyID = key.isEmpty ? nil : key.text
        certificateFingerprint = fingerprint
        encoded = Array(bytes)
    }

    package static func == (left: PublisherProvenance, right: PublisherProvenance) -> Bool {
        left.encoded == right.encoded
    }

    package func hash(into hasher: inout Hasher) { hasher.combine(encoded) }
}
