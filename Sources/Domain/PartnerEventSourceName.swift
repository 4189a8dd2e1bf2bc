/// The name of a partner: `acme.example`, the second part of its sources' names.
package struct PartnerName: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The longest name: what leaves room for a namespace and a name. Source: botocore `EventSourceName`, 256.
    package static let maximumBytes = 256 - "aws.partner/".utf8.count - "/a/b".utf8.count

    package let description: String

    /// Reads 1 … `maximumBytes` of `. - _ A–Z a–z 0–9`.
    package init?(parsing text: String) {
        guard (1...Self.maximumBytes).contains(text.utf8.count), text.utf8.allSatisfy(Self.isAllowed) else {
            return nil
        }
        description = text
    }

    fileprivate init(unchecked text: String) { description = text }

    /// `aws.partner/acme.example`: what the names of its sources begin with.
    package var qualified: String { PartnerEventSourceName.prefix + description }

    fileprivate static func isAllowed(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x2D, 0x2E, 0x5F, 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        default: false
        }
    }

    package static func < (left: PartnerName, right: PartnerName) -> Bool { left.description < right.description }
}

/// The name of a partner event source: `aws.partner/PARTNER/NAMESPACE/NAME`, further parts allowed.
///
/// Source: botocore `events/2015-10-07` shape `EventSourceName`: `aws\.partner(/[\.\-_A-Za-z0-9]+){2,}`, 256 at most.
package struct PartnerEventSourceName: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The greatest length.
    package static let maximumBytes = 256
    /// What every name begins with.
    package static let prefix = "aws.partner/"
    private static let prefixBytes = Array(prefix.utf8)
    /// The pattern, for messages.
    package static let pattern = #"aws\.partner(/[\.\-_A-Za-z0-9]+){2,}"#

    package let description: String
    /// Whose it is.
    package let partner: PartnerName

    /// Reads a name byte by byte: what is not ASCII is no name, however alike it looks.
    package init?(parsing bytes: Bytes) {
        guard bytes.count <= Self.maximumBytes, Self.isClaimed(by: bytes) else { return nil }
        let parts = bytes[(bytes.startIndex + Self.prefixBytes.count)...]
        var slashes = 0
        var partnerEnd = parts.startIndex
        var last = UInt8(ascii: "/")
        for index in parts.indices {
            let byte = parts[index]
            if byte == UInt8(ascii: "/") {
                guard last != byte else { return nil }
                if slashes == 0 { partnerEnd = index }
                slashes += 1
            } else if !PartnerName.isAllowed(byte) {
                return nil
            }
            last = byte
        }
        guard slashes >= 1, last != UInt8(ascii: "/") else { return nil }
        description = String(decoding: bytes, as: UTF8.self)
        partner = PartnerName(unchecked: String(decoding: parts[..<partnerEnd], as: UTF8.self))
    }

    package init?(parsing text: String) { self.init(parsing: Array(text.utf8)[...]) }

    /// Whether the bytes claim to be a partner source, well-formed or not.
    package static func isClaimed(by bytes: Bytes) -> Bool { bytes.starts(with: prefixBytes) }

    /// `arn:aws:events:eu-central-1::event-source/aws.partner/…`: it belongs to no account.
    package func arn(partition: String, region: String) -> String {
        "arn:\(partition):events:\(region)::event-source/\(description)"
    }

    package static func < (left: PartnerEventSourceName, right: PartnerEventSourceName) -> Bool {
        left.description < right.description
    }
}
