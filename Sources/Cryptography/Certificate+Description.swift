import COpenSSL

extension Certificate {
    /// The subject for people: RFC 2253 order reversed, every byte that is not printable ASCII escaped. Not an
    /// identity.
    package var subject: String { Self.text(of: X509_get_subject_name(pointer)) }

    /// The issuer for people, escaped the same way.
    package var issuer: String { Self.text(of: X509_get_issuer_name(pointer)) }

    /// The serial number in lower-case hexadecimal digits, as audit records and revocation commands write it.
    package var serialHexadecimal: String { Hexadecimal.text(serialNumber) }

    /// The DER of the whole certificate.
    package var der: [UInt8] { OpenSSLBuffer.der { i2d_X509(pointer, $0) } }

    /// PEM text, `BEGIN CERTIFICATE`.
    package func pem() throws(CryptographyError) -> [UInt8] {
        try OpenSSLBuffer.writing { PEM_write_bio_X509($0, pointer) }
    }

    /// The public key.
    ///
    /// - Throws: `.malformed(.publicKey)` when OpenSSL cannot use it.
    package func publicKey() throws(CryptographyError) -> PublicKey {
        OpenSSLErrorQueue.clear()
        guard let key = X509_get_pubkey(pointer) else { throw OpenSSLErrorQueue.malformed(.publicKey) }
        return PublicKey(adopting: key)
    }

    /// Whether subject and issuer are the same name and the key identifiers, if given, agree.
    package var isSelfIssued: Bool { usage.isSelfIssued }

    static func text(of name: OpaquePointer?) -> String {
        do throws(CryptographyError) {
            let bytes = try OpenSSLBuffer.writing { bio in
                X509_NAME_print_ex(bio, name, 0, isthmus_X509_name_flags()) >= 0 ? 1 : 0
            }
            return String(decoding: bytes, as: UTF8.self)
        } catch {
            return "(unreadable name)"
        }
    }
}
