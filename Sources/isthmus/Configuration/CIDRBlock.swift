import Glibc

/// An address of either family as its bytes.
struct IPAddress: Equatable, Sendable, CustomStringConvertible {
    /// 4 or 16.
    let bytes: [UInt8]

    /// Reads `10.1.2.3` or `fd00::1`. An IPv4 address written inside IPv6 (`::ffff:10.1.2.3`) is the IPv4 address.
    init?(parsing text: String) {
        var buffer = [UInt8](repeating: 0, count: 16)
        if inet_pton(AF_INET, text, &buffer) == 1 {
            bytes = Array(buffer[0..<4])
        } else if inet_pton(AF_INET6, text, &buffer) == 1 {
            let isMapped = buffer[0..<10].allSatisfy { $0 == 0 } && buffer[10] == 0xFF && buffer[11] == 0xFF
            bytes = isMapped ? Array(buffer[12...]) : buffer
        } else {
            return nil
        }
    }

    /// Whether only this machine can reach it: 127.0.0.0/8, ::1. Source: RFC 1122 § 3.2.1.3, RFC 4291 § 2.5.3.
    var isLoopback: Bool {
        bytes.count == 4 ? bytes[0] == 127 : bytes.last == 1 && bytes.dropLast().allSatisfy { $0 == 0 }
    }

    var description: String {
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        guard inet_ntop(bytes.count == 4 ? AF_INET : AF_INET6, bytes, &text, socklen_t(text.count)) != nil else {
            return ""
        }
        return text.withUnsafeBufferPointer { pointer in
            pointer.baseAddress.map { String(cString: $0) } ?? ""
        }
    }
}

/// A network: an address and how many of its bits count. Source: RFC 4632.
struct CIDRBlock: Equatable, Sendable, CustomStringConvertible {
    let address: IPAddress
    /// 0 … 32 or 0 … 128.
    let prefixLength: Int

    /// Reads `10.0.0.0/8` or one address. Bits behind the prefix must be zero: `10.1.0.0/8` is a mistake and is nil.
    init?(parsing text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard let first = parts.first, parts.count <= 2, let address = IPAddress(parsing: String(first)) else {
            return nil
        }
        let bits = address.bytes.count * 8
        if parts.count == 2 {
            guard parts[1].utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }), let length = Int(parts[1]), length <= bits
            else {
                return nil
            }
            prefixLength = length
        } else {
            prefixLength = bits
        }
        self.address = address
        guard Self.masked(address.bytes, to: prefixLength) == address.bytes else { return nil }
    }

    /// Whether `other` lies in this network; never for an address of the other family.
    func contains(_ other: IPAddress) -> Bool {
        other.bytes.count == address.bytes.count && Self.masked(other.bytes, to: prefixLength) == address.bytes
    }

    private static func masked(_ bytes: [UInt8], to length: Int) -> [UInt8] {
        bytes.enumerated().map { index, byte in
            let bits = min(8, max(0, length - index * 8))
            return byte & UInt8(truncatingIfNeeded: 0xFF00 >> bits)
        }
    }

    var description: String { "\(address)/\(prefixLength)" }
}
