import COpenSSL

/// What a certificate says in its subject alternative name extension (RFC 5280 § 4.2.1.6), as bytes: nothing is
/// trimmed, joined, unescaped or cut at a NUL.
package struct SubjectAlternativeNames: Hashable, Sendable {
    /// How many such extensions there are; more than one breaks RFC 5280 § 4.2.
    package var extensions = 0
    /// Whether an extension could not be decoded or is not DER; the lists then hold what was readable.
    package var isMalformed = false
    /// Whether any of the extensions is marked critical.
    package var isCritical = false
    /// The URI names, in order.
    package var uris: [[UInt8]] = []
    /// The DNS names, in order.
    package var dnsNames: [[UInt8]] = []
    /// The IP addresses, in order: 4 or 16 bytes each when well formed.
    package var addresses: [[UInt8]] = []
    /// How many names are e-mail addresses.
    package var emailNames = 0
    /// How many names are of the other five kinds.
    package var otherNames = 0

    /// No extension at all.
    package init() {}

    /// Reads every subject alternative name extension of `certificate`, an X509.
    init(certificate: OpaquePointer) {
        var position = X509_get_ext_by_NID(certificate, NID_subject_alt_name, -1)
        while position >= 0 {
            read(X509_get_ext(certificate, position))
            position = X509_get_ext_by_NID(certificate, NID_subject_alt_name, position)
        }
    }

    private mutating func read(_ item: OpaquePointer?) {
        extensions += 1
        isCritical = isCritical || X509_EXTENSION_get_critical(item) == 1
        let value = X509_EXTENSION_get_data(item)
        let bytes = UnsafeBufferPointer(start: ASN1_STRING_get0_data(value), count: Int(ASN1_STRING_length(value)))
        if !DistinguishedEncoding.isGeneralNames(bytes) { isMalformed = true }
        guard let decoded = X509V3_EXT_d2i(item) else {
            isMalformed = true
            return
        }
        let names = OpaquePointer(decoded)
        defer { GENERAL_NAMES_free(names) }
        append(names)
    }

    mutating func append(_ names: OpaquePointer) {
        for index in 0..<isthmus_sk_GENERAL_NAME_num(names) {
            guard let name = isthmus_sk_GENERAL_NAME_value(names, index) else { continue }
            switch isthmus_GENERAL_NAME_kind(name) {
            case GEN_URI: uris.append(Self.text(name))
            case GEN_DNS: dnsNames.append(Self.text(name))
            case GEN_EMAIL: emailNames += 1
            case GEN_IPADD: addresses.append(Self.address(name))
            default: otherNames += 1
            }
        }
    }

    private static func text(_ name: UnsafePointer<GENERAL_NAME>) -> [UInt8] {
        var count: Int32 = 0
        let start = isthmus_GENERAL_NAME_text(name, &count)
        return [UInt8](UnsafeBufferPointer(start: start, count: Int(count)))
    }

    private static func address(_ name: UnsafePointer<GENERAL_NAME>) -> [UInt8] {
        var count: Int32 = 0
        let start = isthmus_GENERAL_NAME_address(name, &count)
        return [UInt8](UnsafeBufferPointer(start: start, count: Int(count)))
    }
}
