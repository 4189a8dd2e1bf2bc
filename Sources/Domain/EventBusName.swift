/// The name of an event bus: 1 … 256 of `/ . - _ A–Z a–z 0–9`.
///
/// Source: botocore `events/2015-10-07` shape `EventBusName`.
package struct EventBusName: Hashable, Sendable, Comparable, CustomStringConvertible {
    package let description: String
    package static let maximumBytes = 256
    /// The bus every account has.
    package static let `default` = EventBusName(unchecked: "default")

    package init?(parsing text: some Collection<UInt8>) {
        guard (1...Self.maximumBytes).contains(text.count), text.allSatisfy(Self.isAllowed) else { return nil }
        description = String(decoding: text, as: UTF8.self)
    }

    package init?(parsing text: String) { self.init(parsing: Array(text.utf8)) }

    private init(unchecked text: String) { description = text }

    /// The bus of a partner event source: it has the source's name.
    package init(_ source: PartnerEventSourceName) { description = source.description }

    /// Whether only a partner event source may have this name.
    package var isPartner: Bool { description.hasPrefix(PartnerEventSourceName.prefix) }

    private static func isAllowed(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x2F, 0x2E, 0x2D, 0x5F, 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        default: false
        }
    }

    package static func < (left: EventBusName, right: EventBusName) -> Bool { left.description < right.description }
}

/// A bus by its owner and name; the ARN follows from the gateway's partition and region.
package struct EventBusID: Hashable, Sendable {
    package let account: AccountID
    package let name: EventBusName

    package init(account: AccountID, name: EventBusName) {
        self.account = account
        self.name = name
    }

    /// `arn:aws:events:REGION:ACCOUNT:event-bus/NAME`.
    package func arn(partition: String, region: String) -> String {
        "arn:\(partition):events:\(region):\(account):event-bus/\(name)"
    }
}

/// The gateway's own number of a bus, given at creation and never used again: 1 … 16,777,215.
package struct BusNumber: Hashable, Comparable, Sendable {
    package let value: UInt32
    package static let maximum: UInt32 = 0xFF_FFFF

    package init(_ value: UInt32) {
        precondition(value >= 1 && value <= Self.maximum)
        self.value = value
    }

    package static func < (left: BusNumber, right: BusNumber) -> Bool { left.value < right.value }
}

/// The place of an event on its bus: dense, ascending, 1 … 2^48 - 1.
package struct Sequence: Hashable, Comparable, Sendable {
    package let value: UInt64
    package static let maximum: UInt64 = (1 << 48) - 1

    package init(_ value: UInt64) {
        precondition(value >= 1 && value <= Self.maximum)
        self.value = value
    }

    package static func < (left: Sequence, right: Sequence) -> Bool { left.value < right.value }
}

/// Where an event is: its bus and its sequence there.
package struct Position: Hashable, Sendable {
    package let bus: BusNumber
    package let sequence: Sequence

    package init(bus: BusNumber, sequence: Sequence) {
        self.bus = bus
        self.sequence = sequence
    }
}
