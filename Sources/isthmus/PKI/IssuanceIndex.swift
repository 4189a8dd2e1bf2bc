import Domain
import JSON

/// What an authority has done, one JSON line an act, in the order of the acts: its founding, every certificate, every
/// revocation, every revocation list. Lines are appended; what is over is left out when most of it is.
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

    /// A serial number that was taken back.
    struct Revoked: Equatable {
        let serial: String
        let at: Int64
        /// When the certificate ends by itself; nil when nobody said.
        fileprivate(set) var notAfter: Int64?
        /// The number of the newest revocation list then: the ones after it name the serial number.
        fileprivate(set) var after: UInt64
    }

    /// A line, and what it is about.
    struct Act {
        let line: ArraySlice<UInt8>
        let serial: String?
        let list: UInt64?
    }

    private(set) var acts: [Act] = []
    private(set) var trustDomain = ""
    /// In the order of issuance.
    private(set) var issued: [Issued] = []
    /// Each serial number once, those too that were not issued here, such as certificates of another tool.
    private(set) var revoked: [Revoked] = []
    /// The number of the newest revocation list; 0 before the first.
    private(set) var listNumber: UInt64 = 0
    /// Where in `issued` and in `revoked` a serial number stands: reading costs the same a line.
    private var places: [String: Int] = [:]
    private var taken: [String: Int] = [:]

    /// The largest index that is read: about half a million certificates.
    static let maximumBytes = 128 * 1024 * 1024
    /// The largest line.
    static let maximumLineBytes = 8 * 1024

    /// Reads the lines of `bytes`. What a power cut left of a last line never counted and is passed over; a whole one
    /// counts, for an editor may have left out its line feed.
    init(reading bytes: [UInt8], file: String) throws(ProgramError) {
        let end = bytes.lastIndex(of: 0x0A).map { $0 + 1 } ?? 0
        for line in bytes[..<end].split(separator: 0x0A, omittingEmptySubsequences: true) {
            do throws(JSONError) {
                apply(try JSONNode(parsing: Array(line), maximumBytes: Self.maximumLineBytes), line)
            } catch {
                throw ProgramError(
                    "`\(file)` line \(acts.count + 1) cannot be read: \(error): restore it from a backup")
            }
        }
        if let act = Self.act(bytes[end...]) { apply(act, bytes[end...]) }
    }

    /// Whether `line`, which no line feed ends, is a whole act all the same.
    static func isWhole(_ line: [UInt8]) -> Bool { act(line[...]) != nil }

    private static func act(_ line: ArraySlice<UInt8>) -> JSONNode? {
        do throws(JSONError) {
            let node = try JSONNode(parsing: Array(line), maximumBytes: maximumLineBytes)
            return node["act"]?.string == nil ? nil : node
        } catch { return nil }
    }

    private mutating func apply(_ line: JSONNode, _ bytes: ArraySlice<UInt8>) {
        let number = line["revocationList"]?.uint64
        let serial = line["serial"]?.string
        acts.append(Act(line: bytes, serial: serial, list: number))
        if let name = line["trustDomain"]?.string { trustDomain = name }
        if let number { listNumber = max(listNumber, number) }
        guard let serial, let at = line["at"]?.int64 else { return }
        let notAfter = line["notAfter"]?.int64
        if line["act"]?.string == "revoke" {
            revoke(serial, at: at, notAfter: notAfter)
        } else if let name = line["name"]?.string, let notAfter {
            places[serial] = places[serial] ?? issued.count
            issued.append(
                Issued(serial: serial, name: name, notAfter: notAfter, gateway: line["gateway"]?.string))
        }
    }

    private mutating func revoke(_ serial: String, at moment: Int64, notAfter: Int64?) {
        let place = places[serial]
        if let earlier = taken[serial] {
            // When one that was issued here ends is known. Of another the later word holds, or it would leave the list
            // while it is good.
            guard place == nil, let known = revoked[earlier].notAfter, notAfter ?? .max > known else { return }
            revoked[earlier].notAfter = notAfter
            revoked[earlier].after = listNumber
            return
        }
        if let place { issued[place].revokedAt = moment }
        taken[serial] = revoked.count
        revoked.append(
            Revoked(
                serial: serial, at: moment, notAfter: place.map { issued[$0].notAfter } ?? notAfter, after: listNumber))
    }

    /// Whether a certificate with this serial number was issued here.
    func knows(_ serial: String) -> Bool { places[serial] != nil }

    /// Whether a serial number was revoked that no revocation list names yet.
    var awaitsList: Bool { revoked.contains { $0.after == listNumber } }

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

    static func revoked(serial: String, notAfter: Int64? = nil, at moment: Timestamp) -> [UInt8] {
        line {
            $0.member("act", "revoke"); $0.member("serial", serial); $0.member("at", moment.seconds)
            if let notAfter { $0.member("notAfter", notAfter) }
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
