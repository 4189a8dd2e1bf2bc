import Synchronization

/// Which addresses may connect to a listener: its security group. A reload puts another rule in.
package final class SourceSlot: Sendable {
    /// A function in a struct of its own: one that stands directly under a lock is wrapped once more at each access.
    private struct Rule {
        let admits: @Sendable (_ sourceAddress: String) -> Bool
    }

    private let rule: Mutex<Rule>

    /// - Parameter admits: told the peer's address without its port; an IPv4 address that came inside IPv6 is told as
    ///   the IPv4 address, one that is not known any more as the empty string.
    package init(admits: @escaping @Sendable (_ sourceAddress: String) -> Bool = { _ in true }) {
        rule = Mutex(Rule(admits: admits))
    }

    /// Whether `sourceAddress` may connect.
    package func admits(_ sourceAddress: String) -> Bool {
        let rule = rule.withLock { $0 }
        return rule.admits(sourceAddress)
    }

    /// Puts another rule in force for the connections that come from now on.
    package func replace(with admits: @escaping @Sendable (_ sourceAddress: String) -> Bool) {
        rule.withLock { $0 = Rule(admits: admits) }
    }

    /// `address` as the system prints it; an IPv4 address inside IPv6 becomes the IPv4 address.
    /// Source: RFC 4291 section 2.5.5.2.
    static func unmapped(_ address: String) -> String {
        let prefix = "::ffff:"
        return address.hasPrefix(prefix) && address.contains(".") ? String(address.dropFirst(prefix.count)) : address
    }
}
