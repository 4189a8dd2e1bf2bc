import Glibc

/// The header of the PROXY protocol, version 2, that a load balancer sends before the first byte of a connection.
///
/// Read strictly: what is not exactly such a header is refused, for only configured networks may send one and they can
/// do it right. Version 1, the text, is refused.
/// Source: haproxy.org/download/3.0/doc/proxy-protocol.txt, section 2.2.
struct ProxyHeader: Equatable, Sendable {
    /// Whom the proxy speaks of.
    enum Origin: Equatable, Sendable {
        /// The proxy itself: a health check. The socket's own address stands.
        case local
        /// The client's address as the system prints it, without its port.
        case client(address: String)
    }

    let origin: Origin
    /// How many bytes the header has.
    let byteCount: Int

    /// `\r\n\r\n\0\r\nQUIT\n`.
    static let signature: [UInt8] = [0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A]
    /// Bytes before the addresses: signature, version and command, family and protocol, length.
    static let fixedBytes = 16
    /// The longest header with its addresses and additions. Source: the specification asks proxies to stay within one
    /// segment and allows 65,551; a client certificate in an addition fits.
    static let maximumBytes = 4096
    /// The type of the addition with a checksum over the header. Source: section 2.2.3.
    private static let checksumType: UInt8 = 0x03
}

/// What a header of the PROXY protocol is refused for.
package enum ProxyHeaderRefusal: String, Error, Equatable, Sendable {
    case signature = "it does not begin with the signature of version 2"
    case version = "its version is not 2"
    case command = "its command is neither LOCAL nor PROXY"
    case family = "its addresses are not those of TCP over IPv4 or IPv6"
    case tooLong = "it is longer than 4096 bytes"
    case tooShort = "its length leaves no room for the addresses"
    case addition = "an addition does not end where the header does"
    case checksum = "its checksum is wrong"
}

extension ProxyHeader {
    /// Reads the header at the start of `bytes`.
    ///
    /// - Returns: `nil` when more bytes are needed; what follows the header is not looked at.
    /// - Throws: what is wrong, as soon as it shows.
    static func read(_ bytes: [UInt8]) throws(ProxyHeaderRefusal) -> ProxyHeader? {
        for (byte, expected) in zip(bytes, signature) where byte != expected { throw .signature }
        guard bytes.count > 12 else { return nil }
        guard bytes[12] >> 4 == 2 else { throw .version }
        guard let command = Command(rawValue: bytes[12] & 0x0F) else { throw .command }
        guard bytes.count > 13 else { return nil }
        let addressBytes = try addressBytes(command, family: bytes[13])
        guard bytes.count >= fixedBytes else { return nil }
        let length = Int(bytes[14]) << 8 | Int(bytes[15])
        guard fixedBytes + length <= maximumBytes else { throw .tooLong }
        guard length >= addressBytes else { throw .tooShort }
        guard bytes.count >= fixedBytes + length else { return nil }
        let whole = Array(bytes[..<(fixedBytes + length)])
        // What follows the family of a LOCAL header is not looked at: the specification has it ignored.
        guard command == .proxy else { return ProxyHeader(origin: .local, byteCount: whole.count) }
        try checkAdditions(whole, from: fixedBytes + addressBytes)
        let source = whole[fixedBytes..<(fixedBytes + (addressBytes == 12 ? 4 : 16))]
        return ProxyHeader(
            origin: .client(address: SourceSlot.unmapped(AddressBlock.text(of: Array(source)))),
            byteCount: whole.count)
    }

    private enum Command: UInt8 {
        case local = 0
        case proxy = 1
    }

    /// The bytes that source, destination and ports take: none that count for LOCAL.
    private static func addressBytes(_ command: Command, family: UInt8) throws(ProxyHeaderRefusal) -> Int {
        switch (command, family) {
        case (.local, _): 0
        case (.proxy, 0x11): 12
        case (.proxy, 0x21): 36
        case (.proxy, _): throw .family
        }
    }

    /// Walks over the additions; each must end within the header, and a checksum among them must be right.
    private static func checkAdditions(_ header: [UInt8], from start: Int) throws(ProxyHeaderRefusal) {
        var place = start
        var checksum: Int?
        while place < header.count {
            guard header.count - place >= 3 else { throw .addition }
            let length = Int(header[place + 1]) << 8 | Int(header[place + 2])
            guard header.count - place - 3 >= length else { throw .addition }
            if header[place] == checksumType {
                guard length == 4, checksum == nil else { throw .checksum }
                checksum = place + 3
            }
            place += 3 + length
        }
        guard let checksum else { return }
        let stated = header[checksum..<(checksum + 4)].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        // The checksum is made over the header with zeros in its own place.
        var copy = header
        for index in checksum..<(checksum + 4) { copy[index] = 0 }
        guard CRC32C.checksum(copy) == stated else { throw .checksum }
    }
}

/// The checksum of Castagnoli. Source: RFC 9260, appendix A.
enum CRC32C {
    private static let table: [UInt32] = (0..<256).map { index in
        (0..<8).reduce(UInt32(index)) { value, _ in value & 1 == 1 ? value >> 1 ^ 0x82F6_3B78 : value >> 1 }
    }

    static func checksum(_ bytes: [UInt8]) -> UInt32 {
        ~bytes.reduce(~UInt32(0)) { $0 >> 8 ^ table[Int(($0 ^ UInt32($1)) & 0xFF)] }
    }
}
