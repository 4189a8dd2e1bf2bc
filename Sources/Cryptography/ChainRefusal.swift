import COpenSSL

/// Why a certificate chain was not accepted: the reason an audit record keeps and an alarm counts.
package struct ChainRefusal: Error, Hashable, Sendable {
    /// What was wrong, in the order a chain is checked.
    package enum Reason: String, Hashable, Sendable, CaseIterable {
        /// The peer sent no certificate, or one that cannot be read.
        case noCertificate = "no certificate"
        /// No trust domain is known for what the certificate claims to be.
        case unknownTrustDomain = "unknown trust domain"
        /// No path to an authority of the trust domain.
        case untrustedAuthority = "untrusted authority"
        /// The leaf is self-signed, or an authority stands in place of a leaf.
        case selfSigned = "self-signed"
        /// More than `CertificateStore.depthLimit` intermediates.
        case chainTooLong = "chain too long"
        /// An extension breaks RFC 5280, or a critical one is not processed.
        case invalidExtension = "invalid extension"
        /// The usages do not allow this end of a TLS connection.
        case wrongPurpose = "wrong purpose"
        /// Path length or authority bit broken.
        case invalidAuthority = "invalid authority"
        /// A key below 112 bits, or a signature over another digest than SHA-256, SHA-384 or SHA-512.
        case weak = "weak key or digest"
        case revoked
        /// No usable revocation list of that authority: it is refused as if it had revoked everything.
        case revocationListMissing = "revocation list missing"
        /// The revocation list is past its next update and the grace after it.
        case revocationListStale = "revocation list stale"
        /// The revocation list is dated in the future.
        case revocationListNotYetValid = "revocation list not yet valid"
        case badSignature = "bad signature"
        case notYetValid = "not yet valid"
        case expired
        /// The issuing authority's key is not one the trust domain pins.
        case authorityNotPinned = "authority not pinned"
        /// The server's certificate does not hold the name that was asked for.
        case wrongName = "wrong name"
        /// OpenSSL could not finish, or gave a code this list does not know.
        case unverifiable
    }

    /// What was wrong.
    package let reason: Reason
    /// Which certificate, 0 for the leaf.
    package let depth: Int
    /// OpenSSL's code (X509_V_ERR_…), 0 when the reason is ours.
    package let code: Int32

    /// A refusal for a reason of ours.
    package init(_ reason: Reason, depth: Int = 0) {
        self.reason = reason
        self.depth = depth
        code = 0
    }

    init(code: Int32, depth: Int) {
        self.code = code
        self.depth = depth
        reason = Self.reason(code)
    }

    /// OpenSSL's own words for `code`, for the audit record.
    package var explanation: String {
        code == 0 ? reason.rawValue : String(cString: X509_verify_cert_error_string(Int(code)))
    }

    private static func reason(_ code: Int32) -> Reason {
        switch code {
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
            X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN,
            X509_V_ERR_CERT_UNTRUSTED, X509_V_ERR_CERT_REJECTED:
            .untrustedAuthority
        case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT: .selfSigned
        case X509_V_ERR_CERT_CHAIN_TOO_LONG: .chainTooLong
        case X509_V_ERR_INVALID_PURPOSE: .wrongPurpose
        case X509_V_ERR_INVALID_CA, X509_V_ERR_PATH_LENGTH_EXCEEDED, X509_V_ERR_KEYUSAGE_NO_CERTSIGN,
            X509_V_ERR_PATHLEN_WITHOUT_KU_KEY_CERT_SIGN, X509_V_ERR_PATHLEN_INVALID_FOR_NON_CA:
            .invalidAuthority
        case X509_V_ERR_EE_KEY_TOO_SMALL, X509_V_ERR_CA_KEY_TOO_SMALL, X509_V_ERR_CA_MD_TOO_WEAK: .weak
        case X509_V_ERR_CERT_REVOKED: .revoked
        case X509_V_ERR_UNABLE_TO_GET_CRL: .revocationListMissing
        case X509_V_ERR_CRL_HAS_EXPIRED: .revocationListStale
        case X509_V_ERR_CRL_NOT_YET_VALID: .revocationListNotYetValid
        case X509_V_ERR_CERT_SIGNATURE_FAILURE, X509_V_ERR_UNABLE_TO_DECRYPT_CERT_SIGNATURE: .badSignature
        case X509_V_ERR_CERT_NOT_YET_VALID: .notYetValid
        case X509_V_ERR_CERT_HAS_EXPIRED: .expired
        case X509_V_ERR_UNSPECIFIED, X509_V_ERR_OUT_OF_MEM, X509_V_ERR_INVALID_CALL, X509_V_ERR_STORE_LOOKUP:
            .unverifiable
        default: .invalidExtension
        }
    }
}

extension ChainRefusal: CustomStringConvertible {
    /// One line for a log.
    package var description: String { "\(reason.rawValue) at depth \(depth): \(explanation)" }
}
