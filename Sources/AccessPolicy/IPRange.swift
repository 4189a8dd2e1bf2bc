/// A network in CIDR form, or one address as the network of itself. IPv4-mapped IPv6 addresses are IPv4.
///
/// Source:
/// docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html#Conditions_IPAddress;
/// RFC 4291 section 2.2 for the texts of IPv6
struct IPRange: Equatable, Sendable {
    var high: UInt64
    var low: UInt64
    /// 0 … 128; IPv4 lies at `::ffff:0:0/96`, so its prefix has 96 added.
    var prefix: UInt8
    var isIPv4: Bool

    static let longestText = 64

    /// Reads `192.0.2.0/24`, `2001:db8::/32` or an address without a prefix; anything else is `nil`.
    init?(_ text: UnsafeBufferPointer<UInt8>) {
        guard text.count >= 2, text.count <= Self.longestText else { return nil }
        var end = text.count
        var bits: Int?
        if let slash = text.lastIndex(of: UInt8(ascii: "/")) {
            end = slash
            guard let read = Self.decimal(text, slash + 1, text.count, limit: 128) else { return nil }
            bits = read
        }
        if let address = Self.ipv4(text, 0, end) {
            guard (bits ?? 32) <= 32 else { return nil }
            self.init(high: 0, low: 0xFFFF_0000_0000 | UInt64(address), prefix: UInt8(96 + (bits ?? 32)), isIPv4: true)
        } else if let (high, low) = Self.ipv6(text, end) {
            let isMapped = high == 0 && low >> 32 == 0xFFFF && (bits ?? 128) >= 96
            self.init(high: high, low: low, prefix: UInt8(bits ?? 128), isIPv4: isMapped)
        } else {
            return nil
        }
    }

    private init(high: UInt64, low: UInt64, prefix: UInt8, isIPv4: Bool) {
        self.prefix = prefix
        self.isIPv4 = isIPv4
        self.high = high & Self.mask(Int(prefix))
        self.low = low & Self.mask(Int(prefix) - 64)
    }

    init(unchecked high: UInt64, _ low: UInt64, prefix: UInt8, isIPv4: Bool) {
        self.high = high
        self.low = low
        self.prefix = prefix
        self.isIPv4 = isIPv4
    }

    /// Whether `other` lies wholly within this network.
    func contains(_ other: IPRange) -> Bool {
        isIPv4 == other.isIPv4 && other.prefix >= prefix
            && other.high & Self.mask(Int(prefix)) == high && other.low & Self.mask(Int(prefix) - 64) == low
    }

    private static func mask(_ bits: Int) -> UInt64 {
        bits <= 0 ? 0 : bits >= 64 ? .max : .max << UInt64(64 - bits)
    }

    private static func decimal(_ text: UnsafeBufferPointer<UInt8>, _ start: Int, _ end: Int, limit: Int) -> Int? {
        guard start < end, end - start <= 3 else { return nil }
        if text[start] == UInt8(ascii: "0"), end - start > 1 { return nil }
        var value = 0
        for index in start..<end {
            guard text[index] >= 0x30, text[index] <= 0x39 else { return nil }
            value = value * 10 + Int(text[index] - 0x30)
        }
        return value <= limit ? value : nil
    }

    private static func ipv4(_ text: UnsafeBufferPointer<UInt8>, _ start: Int, _ end: Int) -> UInt32? {
        var address: UInt32 = 0
        var from = start
        for part in 0..<4 {
            var to = from
            while to < end, text[to] != UInt8(ascii: ".") { to += 1 }
            guard (part == 3) == (to == end), let value = decimal(text, from, to, limit: 255) else { return nil }
            address = address << 8 | UInt32(value)
            from = to + 1
        }
        return address
    }

    private static func ipv6(_ text: UnsafeBufferPointer<UInt8>, _ end: Int) -> (UInt64, UInt64)? {
        var groups = InlineArray<8, UInt16>(repeating: 0)
        var count = 0
        var gap = -1
        var index = 0
        if end >= 2, text[0] == UInt8(ascii: ":") {
            guard text[1] == UInt8(ascii: ":") else { return nil }
            gap = 0
            index = 2
        }
        while index < end {
            guard count < 8 else { return nil }
            var to = index
            var value = 0
            while to < end, to - index < 5, let digit = hexadecimal(text[to]) {
                value = value << 4 | digit
                to += 1
            }
            if to < end, text[to] == UInt8(ascii: "."), count <= 6, let address = ipv4(text, index, end) {
                groups[count] = UInt16(address >> 16)
                groups[count + 1] = UInt16(truncatingIfNeeded: address)
                count += 2
                index = end
                break
            }
            guard to > index, to - index <= 4 else { return nil }
            groups[count] = UInt16(value)
            count += 1
            index = to
            guard index < end else { break }
            guard text[index] == UInt8(ascii: ":"), index + 1 < end else { return nil }
            index += 1
            if text[index] == UInt8(ascii: ":") {
                guard gap < 0 else { return nil }
                gap = count
                index += 1
            }
        }
        guard gap >= 0 ? count < 8 : count == 8 else { return nil }
        return assemble(groups, count: count, gap: gap)
    }

    private static func assemble(_ groups: InlineArray<8, UInt16>, count: Int, gap: Int) -> (UInt64, UInt64) {
        var words: (UInt64, UInt64) = (0, 0)
        for place in 0..<8 {
            let zeros = 8 - count
            let source = gap < 0 || place < gap ? place : place < gap + zeros ? -1 : place - zeros
            let value = source < 0 ? 0 : UInt64(groups[source])
            if place < 4 { words.0 = words.0 << 16 | value } else { words.1 = words.1 << 16 | value }
        }
        return words
    }

    private static func hexadecimal(_ byte: UInt8) -> Int? {
        switch byte {
        case 0x30...0x39: Int(byte) - 0x30
        case 0x61...0x66: Int(byte) - 0x61 + 10
        case 0x41...0x46: Int(byte) - 0x41 + 10
        default: nil
        }
    }
}
