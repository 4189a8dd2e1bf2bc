package import Domain

/// `spiffe://TRUST-DOMAIN/account/ACCOUNT/(role|user)/PATH`: the only name by which a certificate speaks for someone.
///
/// - Source: FEDERATION §2, THREATS §3.2; https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE-ID.md
package struct SpiffeID: Hashable, Sendable, CustomStringConvertible {
    /// `acme.example`.
    package let trustDomain: String
    package let account: AccountID
    /// `.role` or `.user`.
    package let kind: Principal.Kind
    /// What follows `role/` or `user/`: one or more segments.
    package let path: String

    /// The longest id. Source: SPIFFE-ID §2.3.
    package static let maximumBytes = 2048
    /// The longest trust domain. Source: SPIFFE-ID §2.1.
    package static let maximumTrustDomainBytes = 255

    /// Why bytes are no such id.
    package enum Refusal: String, Error, Sendable, CaseIterable {
        case empty
        case tooLong = "longer than 2,048 bytes"
        case byte = "a byte outside `!` to `~`"
        case reserved = "one of `%`, `?`, `#`"
        case scheme = "a scheme other than `spiffe`"
        case userInfo = "user information"
        case port = "a port"
        case trustDomain = "a malformed trust domain"
        case upperCase = "an upper-case trust domain"
        case emptySegment = "`//` or an end in `/`"
        case dotSegment = "a `.` or `..` segment"
        case segment = "a character outside `A-Z a-z 0-9 . - _` in its path"
        case shape = "a path other than `/account/ACCOUNT/role/…` or `/account/ACCOUNT/user/…`"
        case account = "an account that is not 12 digits"
    }

    /// Reads the raw bytes of a URI SAN, exactly as the certificate has them.
    package init(parsing bytes: some Collection<UInt8>) throws(Refusal) {
        guard !bytes.isEmpty else { throw .empty }
        guard bytes.count <= Self.maximumBytes else { throw .tooLong }
        for byte in bytes {
            guard (0x21...0x7E).contains(byte) else { throw .byte }
            if byte == UInt8(ascii: "%") || byte == UInt8(ascii: "?") || byte == UInt8(ascii: "#") { throw .reserved }
        }
        guard bytes.starts(with: "spiffe://".utf8) else { throw .scheme }
        let parts = Array(bytes.dropFirst(9)).split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        trustDomain = try Self.readTrustDomain(parts[0])
        let segments = parts.dropFirst()
        for segment in segments { try Self.check(segment) }
        guard segments.count >= 4, parts[1].equals("account") else { throw .shape }
        switch parts[3] {
        case let kind where kind.equals("role"): self.kind = .role
        case let kind where kind.equals("user"): self.kind = .user
        default: throw .shape
        }
        guard let account = AccountID(parsing: parts[2]) else { throw .account }
        self.account = account
        path = String(decoding: Array(parts[4...].joined(separator: [UInt8(ascii: "/")])), as: UTF8.self)
    }

    private static func readTrustDomain(_ name: Bytes) throws(Refusal) -> String {
        guard (1...maximumTrustDomainBytes).contains(name.count) else { throw .trustDomain }
        for byte in name {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."),
                UInt8(ascii: "-"), UInt8(ascii: "_"):
                continue
            case UInt8(ascii: "A")...UInt8(ascii: "Z"): throw .upperCase
            case UInt8(ascii: "@"): throw .userInfo
            case UInt8(ascii: ":"): throw name.contains(UInt8(ascii: "@")) ? .userInfo : .port
            default: throw .trustDomain
            }
        }
        return name.text
    }

    private static func check(_ segment: Bytes) throws(Refusal) {
        if segment.isEmpty { throw .emptySegment }
        if segment.equals(".") || segment.equals("..") { throw .dotSegment }
        for byte in segment {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"):
                continue
            default: throw .segment
            }
        }
    }

    /// The trust domain a certificate claims, which proves nothing: for choosing the store that verifies it.
    ///
    /// - Returns: what stands between `spiffe://` and the next `/`, when it could be a trust domain.
    package static func claimedTrustDomain(_ bytes: [UInt8]) -> String? {
        guard bytes.count <= maximumBytes, bytes.starts(with: "spiffe://".utf8) else { return nil }
        let name = bytes.dropFirst(9).prefix { $0 != UInt8(ascii: "/") }
        do throws(Refusal) { return try readTrustDomain(name) } catch { return nil }
    }

    /// The IAM principal it names.
    package func principal(partition: String) -> Principal {
        Principal(kind, path: path, account: account, partition: partition)
    }

    package var description: String { "spiffe://\(trustDomain)/account/\(account)/\(kind.rawValue)/\(path)" }
}
