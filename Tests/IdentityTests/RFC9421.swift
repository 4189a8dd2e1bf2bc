import Cryptography
import Domain
import Identity

/// The messages and keys of RFC 9421.
///
/// Source: https://www.rfc-editor.org/rfc/rfc9421.html#appendix-B
enum RFC9421 {
    // B.1

    static let rsaPEM = """
        -----BEGIN RSA PUBLIC KEY-----
        MIIBCgKCAQEAhAKYdtoeoy8zcAcR874L8cnZxKzAGwd7v36APp7Pv6Q2jdsPBRrw
        WEBnez6d0UDKDwGbc6nxfEXAy5mbhgajzrw3MOEt8uA5txSKobBpKDeBLOsdJKFq
        MGmXCQvEG7YemcxDTRPxAleIAgYYRjTSd/QBwVW9OwNFhekro3RtlinV0a75jfZg
        kne/YiktSvLG34lw2zqXBDTC5NHROUqGTlML4PlNZS5Ri2U4aCNx2rUPRcKIlE0P
        uKxI4T+HIaFpv8+rdV6eUgOrB2xeI1dSFFn/nnv5OoZJEIB+VmuKn3DCUcCZSFlQ
        PSXSfBDiUGhwOw76WuSSsf1D4b/vLoJ10wIDAQAB
        -----END RSA PUBLIC KEY-----
        """
    static let rsa = key("test-key-rsa", .rsaV15SHA256, rsaPEM)
    static let rsaPSS = key(
        "test-key-rsa-pss", .rsaPSSSHA512,
        """
        -----BEGIN PUBLIC KEY-----
        MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAr4tmm3r20Wd/PbqvP1s2
        +QEtvpuRaV8Yq40gjUR8y2Rjxa6dpG2GXHbPfvMs8ct+Lh1GH45x28Rw3Ry53mm+
        oAXjyQ86OnDkZ5N8lYbggD4O3w6M6pAvLkhk95AndTrifbIFPNU8PPMO7OyrFAHq
        gDsznjPFmTOtCEcN2Z1FpWgchwuYLPL+Wokqltd11nqqzi+bJ9cvSKADYdUAAN5W
        Utzdpiy6LbTgSxP7ociU4Tn0g5I6aDZJ7A8Lzo0KSyZYoA485mqcO0GVAdVw9lq4
        aOT9v6d+nb4bnNkQVklLQ3fVAvJm+xdDOp9LCNCN48V2pnDOkFV6+U9nV5oyc6XI
        2wIDAQAB
        -----END PUBLIC KEY-----
        """)
    static let p256 = key(
        "test-key-ecc-p256", .ecdsaP256SHA256,
        """
        -----BEGIN PUBLIC KEY-----
        MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqIVYZVLCrPZHGHjP17CTW0/+D9Lf
        w0EkjqF7xB4FivAxzic30tMM4GF+hR6Dxh71Z50VGGdldkkDXZCnTNnoXQ==
        -----END PUBLIC KEY-----
        """)
    static let ed25519 = key(
        "test-key-ed25519", .ed25519,
        """
        -----BEGIN PUBLIC KEY-----
        MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=
        -----END PUBLIC KEY-----
        """)
    static let secretBase64 =
        "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ=="
    static let secret: MessageSignatureKey = {
        let bytes = RFC9421.bytes(base64: secretBase64)
        guard let key = MessageSignatureKey(id: "test-shared-secret", secret: SecretBytes(bytes)) else {
            preconditionFailure("the RFC's secret is refused")
        }
        return key
    }()

    private static func key(_ id: String, _ algorithm: SignatureAlgorithm, _ pem: String) -> MessageSignatureKey {
        do throws(CryptographyError) {
            let key = try VerificationKey(pem: Array(pem.utf8))
            guard let made = MessageSignatureKey(id: id, key: key, algorithm: algorithm) else {
                preconditionFailure("`\(id)` is not for its algorithm")
            }
            return made
        } catch {
            preconditionFailure("`\(id)`: \(error)")
        }
    }

    /// What standard base64 writes; for tests, by the reader of structured fields.
    static func bytes(base64 text: String) -> [UInt8] {
        do throws(StructuredFieldFault) {
            guard case .bytes(let bytes) = try StructuredFieldParser.item(Array(":\(text):".utf8)).value else {
                preconditionFailure("no byte sequence")
            }
            return bytes
        } catch {
            preconditionFailure("`\(text)`: \(error)")
        }
    }

    // B.2

    static let requestDigest =
        "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:"
    static let responseDigest =
        "sha-512=:mEWXIS7MaLRuGgxOBdODa3xqM1XdEvxoYhvlCFJ41QJgJc4GTsPp29l5oGX69wWdXymyU0rjJuahq4l5aGgfLQ==:"

    static func plainRequest(_ more: [(String, String)]) -> Request {
        Request(
            version: .http11, method: "POST", target: "/foo?param=Value&Pet=dog", authority: "example.com",
            fields: [
                ("host", "example.com"), ("date", "Tue, 20 Apr 2021 02:07:55 GMT"),
                ("content-type", "application/json"), ("content-digest", requestDigest), ("content-length", "18"),
            ] + more, body: Array(#"{"hello": "world"}"#.utf8))
    }

    static let signedByEd25519 = SignedMessage(
        plainRequest([
            (
                "signature-input",
                #"sig-b26=("date" "@method" "@path" "@authority" "content-type" "content-length");"#
                    + #"created=1618884473;keyid="test-key-ed25519""#
            ),
            (
                "signature",
                "sig-b26=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==:"
            ),
        ]))

    static let signedResponse: SignedMessage = {
        var fields = HeaderFields()
        for (name, value) in [
            ("date", "Tue, 20 Apr 2021 02:07:56 GMT"), ("content-type", "application/json"),
            ("content-digest", responseDigest), ("content-length", "23"),
            (
                "signature-input",
                #"sig-b24=("@status" "content-type" "content-digest" "content-length");"#
                    + #"created=1618884473;keyid="test-key-ecc-p256""#
            ),
            (
                "signature",
                "sig-b24=:wNmSUAhwb5LxtOtOpNa6W5xj067m5hFrj0XQ4fvpaCLx0NKocgPquLgyahnzDnDAUy5eCdlYUEkLIj+32oiasw==:"
            ),
        ] { fields.append(name: name, value: value) }
        return SignedMessage(status: 200, fields: fields, body: Array(#"{"message": "good dog"}"#.utf8), to: nil)
    }()

    // 4.3

    static let proxied = SignedMessage(
        Request(
            version: .http11, method: "POST", target: "/foo?param=Value&Pet=dog",
            authority: "origin.host.internal.example",
            fields: [
                ("host", "origin.host.internal.example"), ("date", "Tue, 20 Apr 2021 02:07:56 GMT"),
                ("content-type", "application/json"), ("content-length", "18"),
                ("forwarded", "for=192.0.2.123;host=example.com;proto=https"), ("content-digest", requestDigest),
                (
                    "signature-input",
                    #"sig1=("@method" "@authority" "@path" "content-digest" "content-type" "content-length");"#
                        + #"created=1618884475;keyid="test-key-ecc-p256""#
                ),
                (
                    "signature-input",
                    #"proxy_sig=("@method" "@authority" "@path" "content-digest" "content-type" "content-length" "#
                        + #""forwarded");created=1618884480;keyid="test-key-rsa";alg="rsa-v1_5-sha256";expir"#
                        + #"es=1618884540"#
                ),
                (
                    "signature",
                    "sig1=:X5spyd6CFnAG5QnDyHfqoSNICd+BUP4LYMz2Q0JXlb//4Ijpzp+kve2w4NIyqeAuM7jTDX+sNalzA8ESSaHD3A==:"
                ),
                (
                    "signature",
                    "proxy_sig=:S6ZzPXSdAMOPjN/6KXfXWNO/f7V6cHm7BXYUh3YD/fRad4BCaRZxP+JH+8XY1I6+8Cy+C"
                        + "M5g92iHgxtRPz+MjniO"
                        + "aYmdkDcnL9cCpXJleXsOckpURl49GwiyUpZ10KHgOEe11sx3G2gxI8S0jnxQB+Pu68U9vVcasqOWAEOb"
                        + "tNKKZd8tSFu7LB5Y"
                        + "Av0RAGhB8tmpv7sFnIm9y+7X5kXQfi8NMaZaA8i2ZHwpBdg7a6CMfwnnrtflzvZdXAsD3LH2TwevU+/P"
                        + "BPv0B6NMNk93wUs/"
                        + "vfJvye+YuI87HU38lZHowtznbLVdp770I6VHR6WfgS9ddzirrswsE1w5o0LV/g==:"
                ),
            ], body: Array(#"{"hello": "world"}"#.utf8)))

    // B.3

    static let clientCertificate =
        ":MIIBqDCCAU6gAwIBAgIBBzAKBggqhkjOPQQDAjA6MRswGQYDVQQKDBJMZXQncyBBdXRoZW50aWNhdGUxGzAZBgNVBAMMEkxBIEludGVy"
        + "bWVkaWF0ZSBDQTAeFw0yMDAxMTQyMjU1MzNaFw0yMTAxMjMyMjU1MzNaMA0xCzAJBgNVBAMMAkJDMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcD"
        + "QgAE8YnXXfaUgmnMtOXU/IncWalRhebrXmckC8vdgJ1p5Be5F/3YC8OthxM4+k1M6aEAEFcGzkJiNy6J84y7uzo9M6NyMHAwCQYDVR0TBAIw"
        + "ADAfBgNVHSMEGDAWgBRm3WjLa38lbEYCuiCPct0ZaSED2DAOBgNVHQ8BAf8EBAMCBsAwEwYDVR0lBAwwCgYIKwYBBQUHAwIwHQYDVR0RAQH/"
        + "BBMwEYEPYmRjQGV4YW1wbGUuY29tMAoGCCqGSM49BAMCA0gAMEUCIBHda/r1vaL6G3VliL4/Di6YK0Q6bMjeSkC3dFCOOB8TAiEAx/kHSB4u"
        + "rmiZ0NX5r5XarmPk0wmuydBVoU4hBVZ1yhk=:"

    static let terminated = SignedMessage(
        Request(
            version: .http11, method: "POST", target: "/foo?param=Value&Pet=dog", authority: "service.internal.example",
            fields: [
                ("host", "service.internal.example"), ("date", "Tue, 20 Apr 2021 02:07:55 GMT"),
                ("content-type", "application/json"), ("content-length", "18"), ("client-cert", clientCertificate),
                (
                    "signature-input",
                    #"ttrp=("@path" "@query" "@method" "@authority" "client-cert");created=1618884473;"#
                        + #"keyid="test-key-ecc-p256""#
                ),
                (
                    "signature",
                    "ttrp=:xVMHVpawaAC/0SbHrKRs9i8I3eOs5RtTMGCWXm/9nvZzoHsIg6Mce9315T6xoklyy0yzhD9ah4JHRwMLOgmizw==:"
                ),
            ], body: Array(#"{"hello": "world"}"#.utf8)))

    // B.4

    static func transformed(
        method: String = "GET", target: String = "/demo?name1=Value1&Name2=value2", authority: String = "example.org",
        fields: [(String, String)]
    ) -> SignedMessage {
        SignedMessage(
            Request(
                version: .http11, method: method, target: target, authority: authority,
                fields: [
                    ("host", authority), ("date", "Fri, 15 Jul 2022 14:24:55 GMT"),
                    (
                        "signature-input",
                        #"transform=("@method" "@path" "@authority" "accept");created=1618884473;keyid="te"#
                            + #"st-key-ed25519""#
                    ),
                    (
                        "signature",
                        "transform=:ZT1kooQsEHpZ0I1IjCqtQppOmIqlJPeo7DHR3SoMn0s5JZ1eRGS0A+vyYP9t/LXlh5QMF"
                            + "FQ6cpLt2m0pmj3NDA==:"
                    ),
                ] + fields, body: []))
    }
}
