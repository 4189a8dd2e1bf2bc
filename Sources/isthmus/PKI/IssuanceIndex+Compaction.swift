extension IssuanceIndex {
    /// So many serial numbers must be over before an index is written anew.
    static let leastOver = 1024

    /// The revoked serial numbers that the next list names: all but those that a list named which was made after the
    /// certificate had ended. Source: RFC 5280 § 3.3.
    ///
    /// - Parameters:
    ///   - list: the number and date of the list in force; nil when there is none that can be read.
    ///   - slack: how long after its end a certificate may still pass, by a clock that is behind.
    func listable(after list: (number: UInt64, thisUpdate: Int64)?, slack: Int64) -> [Revoked] {
        guard let list else { return revoked }
        return revoked.filter { item in
            guard let notAfter = item.notAfter else { return true }
            return notAfter >= list.thisUpdate - slack || item.after >= list.number
        }
    }

    /// The lines without the certificates that are past their end and on no list, and without lists; nil while too
    /// little is over.
    ///
    /// - Parameters:
    ///   - listed: the serial numbers of the newest list.
    ///   - moment: certificates that ended before it are over, seconds since 1970.
    func compacted(listed: Set<String>, endedBefore moment: Int64) -> [UInt8]? {
        var over = Set(issued.lazy.filter { $0.notAfter < moment }.map(\.serial))
        over.formUnion(revoked.lazy.filter { ($0.notAfter ?? .max) < moment }.map(\.serial))
        over.subtract(listed)
        guard over.count >= Self.leastOver, over.count >= issued.count / 2 else { return nil }
        let kept = acts.filter { act in act.list == nil && act.serial.map(over.contains) != true }
        return Array(kept.map { $0.line + [0x0A] }.joined())
    }
}
