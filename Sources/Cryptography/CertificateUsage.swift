import COpenSSL

/// What a certificate says its key is for, and how strong its key and signature are.
package struct CertificateUsage: Hashable, Sendable {
    /// Bits of the key usage extension (RFC 5280 § 4.2.1.3).
    package struct KeyUsage: OptionSet, Hashable, Sendable {
        package let rawValue: UInt32
        package init(rawValue: UInt32) { self.rawValue = rawValue }

        package static let digitalSignature = KeyUsage(rawValue: UInt32(KU_DIGITAL_SIGNATURE))
        package static let keyCertSign = KeyUsage(rawValue: UInt32(KU_KEY_CERT_SIGN))
        package static let cRLSign = KeyUsage(rawValue: UInt32(KU_CRL_SIGN))
    }

    /// Purposes in the extended key usage extension (RFC 5280 § 4.2.1.12); others are not kept.
    package struct ExtendedKeyUsage: OptionSet, Hashable, Sendable {
        package let rawValue: UInt32
        package init(rawValue: UInt32) { self.rawValue = rawValue }

        package static let serverAuthentication = ExtendedKeyUsage(rawValue: UInt32(XKU_SSL_SERVER))
        package static let clientAuthentication = ExtendedKeyUsage(rawValue: UInt32(XKU_SSL_CLIENT))
        package static let any = ExtendedKeyUsage(rawValue: UInt32(XKU_ANYEKU))
    }

    /// Whether basic constraints say `CA:TRUE`.
    package let isAuthority: Bool
    /// The most intermediate authorities allowed below, nil when not limited.
    package let pathLength: Int?
    /// nil when the extension is absent.
    package let keyUsage: KeyUsage?
    /// nil when the extension is absent.
    package let extendedKeyUsage: ExtendedKeyUsage?
    /// Whether subject and issuer names are equal.
    package let isSelfIssued: Bool
    /// Whether a critical extension is there that no rule reads: anything but basic constraints, key usage, extended
    /// key usage and subject alternative name, and for an authority name constraints (RFC 5280 § 4.2). OpenSSL knows
    /// more than it processes, the policy extensions among them.
    package let hasUnprocessedCriticalExtension: Bool
    /// Whether an extension is malformed or appears twice.
    package let hasInvalidExtension: Bool
    /// The key's kind.
    package let keyKind: KeyKind
    /// Whether the issuer signed with SHA-256, SHA-384, SHA-512 or Ed25519. SHA-224, which OpenSSL counts as 112 bits,
    /// is too weak; so are SHA-1 and MD5.
    package let hasStrongSignature: Bool

    private static let strongDigests: Set<Int32> = [NID_sha256, NID_sha384, NID_sha512]
    private static let processedExtensions: Set<Int32> = [
        NID_basic_constraints, NID_key_usage, NID_ext_key_usage, NID_subject_alt_name,
    ]

    /// Reads `certificate`, an X509.
    init(certificate: OpaquePointer) {
        let flags = X509_get_extension_flags(certificate)
        func has(_ flag: Int32) -> Bool { flags & UInt32(flag) != 0 }
        isAuthority = has(EXFLAG_CA)
        let length = X509_get_pathlen(certificate)
        pathLength = length < 0 ? nil : Int(length)
        keyUsage = has(EXFLAG_KUSAGE) ? KeyUsage(rawValue: X509_get_key_usage(certificate)) : nil
        extendedKeyUsage =
            has(EXFLAG_XKUSAGE) ? ExtendedKeyUsage(rawValue: X509_get_extended_key_usage(certificate)) : nil
        isSelfIssued = has(EXFLAG_SI)
        hasUnprocessedCriticalExtension = Self.hasUnprocessedCritical(certificate, isAuthority: has(EXFLAG_CA))
        hasInvalidExtension = has(EXFLAG_INVALID)
        if let key = X509_get0_pubkey(certificate) {
            keyKind = KeyKind(key)
        } else {
            keyKind = .other("unreadable")
        }
        var digest: Int32 = 0
        var algorithm: Int32 = 0
        let isKnown = X509_get_signature_info(certificate, &digest, &algorithm, nil, nil) == 1
        hasStrongSignature = isKnown && (Self.strongDigests.contains(digest) || algorithm == NID_ED25519)
    }

    private static func hasUnprocessedCritical(_ certificate: OpaquePointer, isAuthority: Bool) -> Bool {
        for position in 0..<X509_get_ext_count(certificate) {
            let item = X509_get_ext(certificate, position)
            guard X509_EXTENSION_get_critical(item) == 1 else { continue }
            let nid = OBJ_obj2nid(X509_EXTENSION_get_object(item))
            let isProcessed = processedExtensions.contains(nid) || (isAuthority && nid == NID_name_constraints)
            if !isProcessed { return true }
        }
        return false
    }
}
