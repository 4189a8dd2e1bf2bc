import COpenSSL

/// What a certificate to be signed should say.
struct CertificateProfile {
    enum Constraint {
        case leaf
        case authority(pathLength: Int)
        /// No basic constraints extension.
        case absent
    }

    /// Values of the key usage and extended key usage extensions, in the words of x509v3_config(5).
    enum KeyUsage: String {
        case authority = "critical,keyCertSign,cRLSign"
        case signing = "critical,digitalSignature"
        case agreement = "critical,keyAgreement"
        case signingAndCertificates = "critical,digitalSignature,keyCertSign"
        case absent = ""
    }

    enum ExtendedKeyUsage: String {
        case client = "clientAuth"
        case server = "serverAuth"
        case any = "clientAuth,anyExtendedKeyUsage"
        case absent = ""
    }

    var commonName: String
    var constraint: Constraint
    var keyUsage: KeyUsage
    var extendedKeyUsage = ExtendedKeyUsage.absent
    var names = SubjectAlternativeNames()
    /// Extensions added as they are: object identifier, criticality, DER.
    var rawExtensions: [(identifier: String, isCritical: Bool, der: [UInt8])] = []
}

/// Builds and signs X.509 certificates.
enum CertificateBuilder {
    /// Longest common name, in bytes (X.520 ub-common-name).
    static let commonNameLimit = 64
    /// Bytes of a serial number: 128 random bits, positive (CA/Browser Forum baseline asks for 64).
    static let serialBytes = 16

    /// Signs `profile`; `issuer` nil makes it self-signed.
    static func sign(
        _ profile: CertificateProfile, subject: PublicKey, validity: ValidityPeriod, issuer: Certificate?,
        key: PrivateKey, random: RandomBytes
    ) throws(CryptographyError) -> Certificate {
        OpenSSLErrorQueue.clear()
        guard let pointer = X509_new() else { throw OpenSSLErrorQueue.failure(.allocate) }
        var isOwned = true
        defer { if isOwned { X509_free(pointer) } }
        var serial = try random.bytes(serialBytes)
        serial[0] = serial[0] & 0x7f | 0x40
        let name = try name(profile.commonName)
        defer { X509_NAME_free(name) }
        let issuerPointer = issuer?.pointer ?? pointer
        let isFilled =
            X509_set_version(pointer, 2) == 1 && setSerial(pointer, serial)
            && isthmus_ASN1_TIME_set(X509_getm_notBefore(pointer), validity.notBefore) == 1
            && isthmus_ASN1_TIME_set(X509_getm_notAfter(pointer), validity.notAfter) == 1
            && X509_set_subject_name(pointer, name) == 1
            && X509_set_issuer_name(pointer, issuer.map { X509_get_subject_name($0.pointer) } ?? name) == 1
            && X509_set_pubkey(pointer, subject.key) == 1
        guard isFilled else { throw OpenSSLErrorQueue.failure(.encode) }
        try addExtensions(profile, to: pointer, issuer: issuerPointer)
        let digest = key.kind == .ed25519 ? nil : EVP_sha256()
        guard X509_sign(pointer, key.key, digest) > 0 else { throw OpenSSLErrorQueue.failure(.sign) }
        isOwned = false
        // Read back from DER: a certificate just built holds state that a parsed one does not.
        let der = OpenSSLBuffer.der { i2d_X509(pointer, $0) }
        X509_free(pointer)
        return try Certificate(der: der)
    }

    static func name(_ commonName: String) throws(CryptographyError) -> OpaquePointer {
        let bytes = Array(commonName.utf8)
        guard (1...commonNameLimit).contains(bytes.count), let name = X509_NAME_new() else {
            throw .malformed(.subjectName)
        }
        let isAdded = X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8, bytes, Int32(bytes.count), -1, 0)
        if isAdded == 1 { return name }
        X509_NAME_free(name)
        throw OpenSSLErrorQueue.malformed(.subjectName)
    }

    private static func setSerial(_ pointer: OpaquePointer, _ serial: [UInt8]) -> Bool {
        guard let integer = SerialNumber.make(serial) else { return false }
        defer { ASN1_INTEGER_free(integer) }
        return X509_set_serialNumber(pointer, integer) == 1
    }

    private static func addExtensions(
        _ profile: CertificateProfile, to pointer: OpaquePointer, issuer: OpaquePointer
    ) throws(CryptographyError) {
        func add(_ nid: Int32, _ value: String) -> Bool {
            value.isEmpty || isthmus_X509_add_extension(pointer, issuer, nid, value) == 1
        }
        let constraint =
            switch profile.constraint {
            case .leaf: "critical,CA:FALSE"
            case .authority(let pathLength): "critical,CA:TRUE,pathlen:\(pathLength)"
            case .absent: ""
            }
        let isAdded =
            add(NID_basic_constraints, constraint) && add(NID_key_usage, profile.keyUsage.rawValue)
            && add(NID_ext_key_usage, profile.extendedKeyUsage.rawValue) && add(NID_subject_key_identifier, "hash")
            && add(NID_authority_key_identifier, issuer == pointer ? "" : "keyid:always")
        guard isAdded else { throw OpenSSLErrorQueue.failure(.encode) }
        try addNames(profile.names, to: pointer)
        for item in profile.rawExtensions {
            guard addRaw(item.identifier, item.isCritical, item.der, to: pointer) else {
                throw OpenSSLErrorQueue.failure(.encode)
            }
        }
    }

    private static func addNames(
        _ names: SubjectAlternativeNames, to pointer: OpaquePointer
    ) throws(CryptographyError) {
        let texts = names.uris.map { (GEN_URI, $0) } + names.dnsNames.map { (GEN_DNS, $0) }
        let all = texts + names.addresses.map { (GEN_IPADD, $0) }
        if all.isEmpty { return }
        guard let list = GENERAL_NAMES_new() else { throw OpenSSLErrorQueue.failure(.allocate) }
        defer { GENERAL_NAMES_free(list) }
        for (kind, value) in all {
            let isAddress = kind == GEN_IPADD
            guard isAddress ? value.count == 4 || value.count == 16 : value.allSatisfy({ $0 < 0x80 }) && !value.isEmpty,
                appendName(kind, value, to: list)
            else { throw .malformed(.alternativeName) }
        }
        let flag = names.isCritical ? Int32(1) : 0
        guard X509_add1_ext_i2d(pointer, NID_subject_alt_name, UnsafeMutableRawPointer(list), flag, 0) == 1 else {
            throw OpenSSLErrorQueue.failure(.encode)
        }
    }

    private static func appendName(_ kind: Int32, _ value: [UInt8], to list: OpaquePointer) -> Bool {
        guard let name = GENERAL_NAME_new() else { return false }
        let type = kind == GEN_IPADD ? V_ASN1_OCTET_STRING : V_ASN1_IA5STRING
        guard let string = ASN1_STRING_type_new(type), ASN1_STRING_set(string, value, Int32(value.count)) == 1 else {
            GENERAL_NAME_free(name)
            return false
        }
        GENERAL_NAME_set0_value(name, kind, string)
        if isthmus_sk_GENERAL_NAME_push(list, name) > 0 { return true }
        GENERAL_NAME_free(name)
        return false
    }

    private static func addRaw(
        _ identifier: String, _ isCritical: Bool, _ der: [UInt8], to pointer: OpaquePointer
    ) -> Bool {
        guard let object = OBJ_txt2obj(identifier, 1) else { return false }
        defer { ASN1_OBJECT_free(object) }
        guard let value = ASN1_OCTET_STRING_new() else { return false }
        defer { ASN1_OCTET_STRING_free(value) }
        guard ASN1_OCTET_STRING_set(value, der, Int32(der.count)) == 1,
            let item = X509_EXTENSION_create_by_OBJ(nil, object, isCritical ? 1 : 0, value)
        else { return false }
        defer { X509_EXTENSION_free(item) }
        return X509_add_ext(pointer, item, -1) == 1
    }
}

/// Serial numbers as OpenSSL holds them.
enum SerialNumber {
    /// A new ASN1_INTEGER of big-endian magnitude `bytes`; the caller frees it.
    static func make(_ bytes: [UInt8]) -> UnsafeMutablePointer<ASN1_INTEGER>? {
        guard let number = BN_bin2bn(bytes, Int32(bytes.count), nil) else { return nil }
        defer { BN_free(number) }
        return BN_to_ASN1_INTEGER(number, nil)
    }
}

/// Builds and signs revocation lists.
enum RevocationListBuilder {
    static func sign(
        _ revoked: [(serialNumber: [UInt8], at: Int64)], number: UInt64, validity: ValidityPeriod,
        issuer: Certificate, key: PrivateKey
    ) throws(CryptographyError) -> CertificateRevocationList {
        OpenSSLErrorQueue.clear()
        guard let pointer = X509_CRL_new() else { throw OpenSSLErrorQueue.failure(.allocate) }
        defer { X509_CRL_free(pointer) }
        let isFilled =
            X509_CRL_set_version(pointer, 1) == 1
            && X509_CRL_set_issuer_name(pointer, X509_get_subject_name(issuer.pointer)) == 1
            && setDates(pointer, validity)
            && revoked.allSatisfy { add($0.serialNumber, at: $0.at, to: pointer) }
            && isthmus_X509_CRL_add_authority_key(pointer, issuer.pointer) == 1
            && addNumber(number, to: pointer) && X509_CRL_sort(pointer) == 1
            && X509_CRL_sign(pointer, key.key, key.kind == .ed25519 ? nil : EVP_sha256()) > 0
        guard isFilled else { throw OpenSSLErrorQueue.failure(.sign) }
        let der = OpenSSLBuffer.der { i2d_X509_CRL(pointer, $0) }
        guard let list = try CertificateRevocationList.lists(der).first else { throw .malformed(.revocationList) }
        return list
    }

    private static func setDates(_ pointer: OpaquePointer, _ validity: ValidityPeriod) -> Bool {
        guard let time = ASN1_TIME_new() else { return false }
        defer { ASN1_TIME_free(time) }
        return isthmus_ASN1_TIME_set(time, validity.notBefore) == 1 && X509_CRL_set1_lastUpdate(pointer, time) == 1
            && isthmus_ASN1_TIME_set(time, validity.notAfter) == 1 && X509_CRL_set1_nextUpdate(pointer, time) == 1
    }

    private static func add(_ serial: [UInt8], at moment: Int64, to pointer: OpaquePointer) -> Bool {
        guard let entry = X509_REVOKED_new() else { return false }
        let integer = SerialNumber.make(serial)
        let time = ASN1_TIME_new()
        defer {
            ASN1_INTEGER_free(integer)
            ASN1_TIME_free(time)
        }
        let isAdded =
            isthmus_ASN1_TIME_set(time, moment) == 1 && X509_REVOKED_set_serialNumber(entry, integer) == 1
            && X509_REVOKED_set_revocationDate(entry, time) == 1 && X509_CRL_add0_revoked(pointer, entry) == 1
        if !isAdded { X509_REVOKED_free(entry) }
        return isAdded
    }

    private static func addNumber(_ number: UInt64, to pointer: OpaquePointer) -> Bool {
        guard let integer = ASN1_INTEGER_new() else { return false }
        defer { ASN1_INTEGER_free(integer) }
        return ASN1_INTEGER_set_uint64(integer, number) == 1
            && X509_CRL_add1_ext_i2d(pointer, NID_crl_number, integer, 0, 0) == 1
    }
}
