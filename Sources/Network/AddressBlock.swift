import Glibc

/// What limits of an address count together: one IPv4 address, or the /64 of an IPv6 address.
///
/// Whoever has one machine on an IPv6 network has 2^64 addresses: the subnet prefix is 64 bits long and each host picks
/// what follows itself. Source: RFC 4291 section 2.5.4; RFC 6177 section 2, for /64 as the least a site is given;
/// RFC 8981 for hosts that change theirs.
enum AddressBlock {
    /// Bytes of an IPv6 address that count.
    private static let prefixBytes = 8
    /// What stands before an IPv4 address that IPv6 speaks of: mapped (RFC 4291 section 2.5.5.2), or translated by the
    /// well-known prefix (RFC 6052 section 2.1), where a /64 would be all of IPv4.
    private static let embedding: [[UInt8]] = [
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF], [0, 0x64, 0xFF, 0x9B, 0, 0, 0, 0, 0, 0, 0, 0],
    ]

    /// The block of `address`, as the system prints it: `192.0.2.7`, `2001:db8:1:2::/64`. What is no address, such as
    /// the empty one of a peer that is gone, is its own block.
    static func name(of address: String) -> String {
        guard address.utf8.contains(UInt8(ascii: ":")) else { return address }
        var bytes = [UInt8](repeating: 0, count: 16)
        // A link-local address may name its interface behind `%` (RFC 4007 section 11).
        let text = address.prefix { $0 != "%" }
        guard inet_pton(AF_INET6, String(text), &bytes) == 1 else { return address }
        if embedding.contains(where: { bytes.starts(with: $0) }) { return self.text(of: Array(bytes[12...])) }
        for index in prefixBytes..<bytes.count { bytes[index] = 0 }
        return self.text(of: bytes) + "/64"
    }

    /// - Parameter address: 4 or 16 bytes.
    static func text(of address: [UInt8]) -> String {
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        guard inet_ntop(address.count == 4 ? AF_INET : AF_INET6, address, &text, socklen_t(text.count)) != nil else {
            preconditionFailure("4 or 16 bytes are an address")
        }
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
