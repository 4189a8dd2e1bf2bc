import Domain
import JSON

/// What an authority has done, one JSON line an act, only ever appended to: its founding, every certificate, every
/// revocation, every revocation list.
struct IssuanceIndex {
    /// A certificate that was issued.
    struct Issued: Equatable {
        let serial: String
        /// The URI of a principal, or the first name of a server.
        let name: String
        let notAfter: Int64
        /// The gateway it was issued for, which lets a partner in; nil for what an operator issued.
        var gateway: String?
        /// Seconds since 1970; nil while it is good.
        var revokedAt: Int64?
    }

    private(set) var trustDomain = ""
    /// In the order of issuance.
    private(set) var issued: [Issued] = []
    /// Serial numbers that were revoked without having been issued here, such as certificates of another tool.
    private(set) var revokedElsewhere: [(serial: String, at: Int64)] = []
    /// The number of the newest revocation list; 0 before the first.
    private(set) var listNumber: UInt64 = 0
    /// Where in `issued` a serial number stands, and those of `revokedElsewhere`: reading costs the same a line.
    private var places: [String: Int] = [:]
    private var elsewhere: Set<String> = []

    /// The largest index that is read: about half a million certificates.
    static let maximumBytes = 128 * 1024 * 1024
    /// The largest line.
    static let maximumLineBytes = 8 * 1024

    /// Reads the lines of `bytes`; a last line cut off by a power cut is passed over.
    init(reading bytes: [UInt8], file: String) throws(ProgramError) {
        let isCut = bytes.last.map { $0 != 0x0A } ?? false
        let lines = bytes.split(separator: 0x0A, omittingEmptySubsequences: true)
        for (index, line) in lines.enumerated() {
            do throws(JSONError) {
                apply(try JSONNode(parsing: Array(line), maximumBytes: Self.maximumLineBytes))
            } catch {
                if isCut && index == lines.count - 1 { return }
                throw ProgramError("`\(file)` line \(index + 1) cannot be read: \(error): restore it from a backup")
            }
        }
    }

    private mutating func apply(_ line: JSONNode) {
        if let name = line["trustDomain"]?.string { trustDomain = name }
        if let number = line["revocationList"]?.uint64 { listNumber = max(listNumber, number) }
        guard let serial = line["serial"]?.string, let at = line["at"]?.int64 else { return }
        if line["act"]?.string == "revoke" {
            revoke(serial, at: at)
        } else if let name = line["name"]?.string, let notAfter = line["notAfter"]?.int64 {
            places[serial] = places[serial] ?? issued.count
            issued.append(
                Issued(serial: serial, name: name, notAfter: notAfter, gateway: line["gateway"]?.string))
        }
    }

    private mutating func revoke(_ serial: String, at moment: Int64) {
        if let index = places[serial] {
            issued[index].revokedAt = issued[index].revokedAt ?? moment
        } else if elsewhere.insert(serial).inserted {
            revokedElsewhere.append((serial, moment))
        }
    }

    /// Every revoked serial number and when.
    var revoked: [(serial: String, at: Int64)] {
        issued.compactMap { item in item.revokedAt.map { (item.serial, $0) } } + revokedElsewhere
    }

    static func founded(trustDomain: String, at moment: Timestamp) -> [UInt8] {
        line {
            $0.member("act", "found"); $0.member("trustDomain", trustDomain); $0.member("at", moment.seconds)
        }
    }

    static func issued(
        serial: String, name: String, notAfter: Int64, at moment: Timestamp, gateway: String? = nil
    ) -> [UInt8] {
        line {
            $0.member("act", "issue")
            $0.member("serial", serial)
            $0.member("name", name)
            $0.member("notAfter", notAfter)
            $0.member("at", moment.seconds)
            if let gateway { $0.member("gateway", gateway) }
        }
    }

    static func revoked(serial: String, at moment: Timestamp) -> [UInt8] {
        line {
            $0.member("act", "revoke"); $0.member("serial", serial); $0.member("at", moment.seconds)
        }
    }

    static func listed(number: UInt64, at moment: Timestamp) -> [UInt8] {
        line {
            $0.member("act", "list"); $0.member("revocationList", number); $0.member("at", moment.seconds)
        }
    }

    private static func line(_ body: (inout JSONWriter) -> Void) -> [UInt8] {
        var writer = JSONWriter()
        writer.object { body(&$0) }
        return writer.bytes
    }
}
