import Bus
import Cryptography
import Domain

/// Where a key's row is: the row of its commit, and the place inside.
struct KeyPlace {
    let row: Int64
    let offset: UInt32
    /// Seconds since 1970; good until 2106.
    let seconds: UInt32
}

/// Keys that are kept for a time: their index in memory, their rows in one table of the log's database, one row a
/// commit.
///
/// A row is a run of entries: key 32, principal 16, body 32, entry mask u32, number of runs u16, then for each run bus
/// u32, first sequence u64, count u16. All little-endian.
struct KeyTable {
    private(set) var places: [ShortDigest: KeyPlace] = [:]
    private var principals: [ShortDigest: Int] = [:]
    private let limit: Int
    private let principalLimit: Int
    /// How long a key is kept.
    let keptSeconds: Int64

    init(limit: Int, principalLimit: Int, keptSeconds: Int64) {
        self.limit = limit
        self.principalLimit = principalLimit
        self.keptSeconds = keptSeconds
    }

    var count: Int { places.count }

    /// The row of a key that is still kept at `now`.
    func place(of key: Digest, now: Timestamp) -> KeyPlace? {
        guard let place = places[ShortDigest(key)] else { return nil }
        return Int64(place.seconds) + keptSeconds > now.seconds ? place : nil
    }

    /// How far keys of a kind may fill the table.
    enum Share: Int {
        case whole = 1
        /// For names, which are no promise: the rest is left to the keys that are one.
        case half = 2
    }

    /// Whether `principal` may have `count` keys more, `pending` of this commit counted already. Keys of both shares
    /// count as used.
    func hasRoom(
        for principal: Digest, count: Int = 1, share: Share = .whole, pending: Int, pendingOfPrincipal: Int
    ) -> Bool {
        let ofPrincipal = principals[ShortDigest(principal), default: 0] + pendingOfPrincipal
        return places.count + pending + count <= limit / share.rawValue
            && ofPrincipal + count <= principalLimit / share.rawValue
    }

    /// Indexes the entries of a row that was durable when the log was opened.
    ///
    /// - Returns: `false` for a row that no writer made.
    mutating func index(row: Int64, seconds: Int64, entries: [UInt8]) -> Bool {
        var offset = 0
        while offset < entries.count {
            guard let entry = KeyEntry(decoding: entries, at: offset) else { return false }
            offset = entry.end
        }
        index(row: row, seconds: seconds, own: entries)
        return true
    }

    /// Indexes the entries of a row that this writer made and that is durable by now.
    mutating func index(row: Int64, seconds: Int64, own entries: [UInt8]) {
        // A row mostly holds the keys of a few principals: each run of them is counted once.
        var run: (principal: ShortDigest, count: Int)?
        entries.withUnsafeBytes { entries in
            var offset = 0
            while offset < entries.count {
                let outline = KeyEntry.Outline(entries, at: offset)
                let place = KeyPlace(row: row, offset: UInt32(offset), seconds: UInt32(clamping: seconds))
                if places.updateValue(place, forKey: outline.key) == nil {
                    if let last = run, last.principal != outline.principal {
                        principals[last.principal, default: 0] += last.count
                        run = nil
                    }
                    run = (outline.principal, (run?.count ?? 0) + 1)
                }
                offset = outline.end
            }
        }
        if let run { principals[run.principal, default: 0] += run.count }
    }

    /// Forgets the entries of a row that was deleted, unless a later row has the key.
    mutating func forget(row: Int64, entries: [UInt8]) {
        var offset = 0
        while offset < entries.count, let entry = KeyEntry(decoding: entries, at: offset) {
            if places[entry.shortKey]?.row == row {
                places[entry.shortKey] = nil
                let left = principals[entry.principal, default: 1] - 1
                principals[entry.principal] = left == 0 ? nil : left
            }
            offset = entry.end
        }
    }
}

/// One key with its answer, as it lies in a row.
struct KeyEntry {
    private static let fixedBytes = 86
    private static let runBytes = 14

    let key: Digest
    let principal: ShortDigest
    let body: Digest
    let answer: FirstAnswer
    /// Where the next entry begins.
    let end: Int

    var shortKey: ShortDigest { ShortDigest(key) }

    /// What the index needs of an entry that is known to be whole.
    struct Outline {
        let key: ShortDigest
        let principal: ShortDigest
        /// Where the next entry begins.
        let end: Int

        init(_ entries: UnsafeRawBufferPointer, at offset: Int) {
            precondition(entries.count - offset >= fixedBytes)
            key = ShortDigest(UnsafeRawBufferPointer(rebasing: entries[offset...]))
            principal = ShortDigest(UnsafeRawBufferPointer(rebasing: entries[(offset + 32)...]))
            let runs = UInt16(littleEndian: entries.loadUnaligned(fromByteOffset: offset + 84, as: UInt16.self))
            end = offset + fixedBytes + Int(runs) * runBytes
        }
    }

    static func append(
        key: Digest, principal: Digest, body: Digest, answer: FirstAnswer, to bytes: inout [UInt8]
    ) {
        key.append(to: &bytes)
        principal.withUnsafeBytes { bytes.append(contentsOf: $0[..<16]) }
        body.append(to: &bytes)
        append(answer.entryMask, to: &bytes)
        if let run = answer.positions.run, run.count <= UInt16.max {
            append(UInt16(1), to: &bytes)
            append(run.bus.value, to: &bytes)
            append(run.first, to: &bytes)
            append(UInt16(run.count), to: &bytes)
            return
        }
        let runs = runs(of: answer.positions)
        append(UInt16(runs.count), to: &bytes)
        for run in runs {
            append(run.first.bus.value, to: &bytes)
            append(run.first.sequence.value, to: &bytes)
            append(UInt16(run.count), to: &bytes)
        }
    }

    init?(decoding bytes: [UInt8], at offset: Int) {
        guard offset >= 0, bytes.count - offset >= Self.fixedBytes else { return nil }
        let fields = bytes.withUnsafeBytes { raw in
            (
                mask: UInt32(littleEndian: raw.loadUnaligned(fromByteOffset: offset + 80, as: UInt32.self)),
                runs: Int(UInt16(littleEndian: raw.loadUnaligned(fromByteOffset: offset + 84, as: UInt16.self)))
            )
        }
        end = offset + Self.fixedBytes + fields.runs * Self.runBytes
        guard end <= bytes.count, let positions = Self.positions(bytes, at: offset + Self.fixedBytes, runs: fields.runs)
        else { return nil }
        do throws(CryptographyError) {
            key = try Digest(bytes[offset..<offset + 32])
            principal = bytes.withUnsafeBytes { ShortDigest(UnsafeRawBufferPointer(rebasing: $0[(offset + 32)...])) }
            body = try Digest(bytes[offset + 48..<offset + 80])
        } catch { return nil }
        answer = FirstAnswer(positions: positions, entryMask: fields.mask)
    }

    private static func runs(of positions: Positions) -> [(first: Position, count: Int)] {
        var runs: [(first: Position, count: Int)] = []
        for position in positions {
            if let last = runs.last, last.first.bus == position.bus,
                last.first.sequence.value + UInt64(last.count) == position.sequence.value
            {
                runs[runs.count - 1].count += 1
            } else {
                runs.append((position, 1))
            }
        }
        return runs
    }

    private static func positions(_ bytes: [UInt8], at offset: Int, runs: Int) -> Positions? {
        var positions: [Position] = []
        for index in 0..<runs {
            let start = offset + index * runBytes
            let (bus, first, count) = bytes.withUnsafeBytes { raw in
                (
                    UInt32(littleEndian: raw.loadUnaligned(fromByteOffset: start, as: UInt32.self)),
                    UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: start + 4, as: UInt64.self)),
                    UInt64(UInt16(littleEndian: raw.loadUnaligned(fromByteOffset: start + 12, as: UInt16.self)))
                )
            }
            guard (1...BusNumber.maximum).contains(bus), first >= 1, count >= 1,
                first <= Domain.Sequence.maximum - count
            else { return nil }
            // As many as the longest run: a damaged row makes no more of its few bytes.
            guard positions.count + Int(count) <= Int(UInt16.max) else { return nil }
            if runs == 1 { return Positions(bus: BusNumber(bus), first: Domain.Sequence(first), count: Int(count)) }
            for sequence in first..<first + count {
                positions.append(Position(bus: BusNumber(bus), sequence: Domain.Sequence(sequence)))
            }
        }
        return positions.isEmpty ? nil : Positions(positions)
    }

    private static func append(_ value: some FixedWidthInteger, to bytes: inout [UInt8]) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }
}
