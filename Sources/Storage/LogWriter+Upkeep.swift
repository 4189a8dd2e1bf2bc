import Bus
import Cryptography
import Domain
import Foundation
import GRDB

/// What the writer does between commits: copy the write-ahead log, write index rows, forget old keys, trim old blocks.
extension LogWriter {
    /// How long appends are refused after the disk was found full.
    private static let fullNanoseconds: UInt64 = 100_000_000
    /// Bytes in the write-ahead log that are worth copying when nothing else waits.
    private static let idleCheckpointBytes = 1 << 20
    private static let expiredKeyRowsPerCommit = 256

    func upkeep(isIdle: Bool) throws(StorageError) {
        if unindexed.count >= LogConfiguration.unindexedBlocksLimit { try writeIndex() }
        if logBytes >= (isIdle ? Self.idleCheckpointBytes : configuration.checkpointBytes) { try checkpoint() }
        let now = parts.monotonic()
        guard now >= nextUpkeep else { return }
        nextUpkeep = now + Self.upkeepNanoseconds
        try parts.files.requireInPlace()
        try parts.needs.require()
        try lookAfterReserve()
        try expire(\.keys, in: "keys")
        try expire(\.ledger, in: "ledger")
        hasMoreToTrim = try trim()
        if hasMoreToTrim { nextUpkeep = now }
    }

    /// The last words of a writer that was asked to stop.
    func finish() throws(StorageError) {
        if !unindexed.isEmpty { try writeIndex() }
        _ = try database.checkpointUnlessFull()
    }

    /// Keeps the reserve, and makes it again where it was removed: a restart needs none.
    private func lookAfterReserve() throws(StorageError) {
        if reserve.noteLoss() { parts.watch.onReserveLost() }
        if case .full = disk { _ = try hasRoom() } else { _ = try reserve.hold() }
    }

    /// Whether appends may be tried. A full disk is looked at again after a pause: the reserve must be whole again and
    /// the write-ahead log must fit the database.
    func hasRoom() throws(StorageError) -> Bool {
        guard case .full(let retryAt) = disk else {
            switch try reserve.hold() {
            // Whether the disk is full is not known: it is asked again at the next upkeep.
            case .held, .noDescriptor: return true
            case .noRoom: if try hasRoomInside() { return true }
            }
            noteFull()
            return false
        }
        guard parts.monotonic() >= retryAt else { return false }
        guard try hasReserve(), try database.checkpointUnlessFull() != nil else {
            disk = .full(retryAt: parts.monotonic() + Self.fullNanoseconds)
            return false
        }
        disk = .roomy
        parts.watch.onFull(false)
        return true
    }

    /// Whether deletes are sure to commit: by the reserve file, or by as much free room inside the database.
    private func hasReserve() throws(StorageError) -> Bool {
        if case .held = try reserve.hold() { return true }
        return try hasRoomInside()
    }

    private func hasRoomInside() throws(StorageError) -> Bool {
        try database.freeBytes() >= configuration.reserveBytes
    }

    func noteFull() {
        if case .roomy = disk { parts.watch.onFull(true) }
        disk = .full(retryAt: parts.monotonic() + Self.fullNanoseconds)
    }

    private func checkpoint() throws(StorageError) {
        try database.assertDurable()
        switch try database.checkpointUnlessFull() {
        case .some(true): logBytes = 0
        // A reader holds the log's end: half the way to the next attempt.
        case .some(false): logBytes = configuration.checkpointBytes / 2
        case .none: noteFull()
        }
    }

    /// Commits work that frees room or must not be lost to a full disk: the reserve is given up for it.
    ///
    /// - Returns: whether it was committed.
    private func commitUpkeep(_ body: (Database) throws -> Void) throws(StorageError) -> Bool {
        for attempt in 0..<2 {
            do throws(StorageError) {
                try database.commit(body)
                return true
            } catch  where error.isBusy {
                return false
            } catch  where error.isFull {
                noteFull()
                if attempt == 0 { try reserve.release() }
            }
        }
        return false
    }

    /// Writes the rows of `place` that are due, and the heads of their buses.
    private func writeIndex() throws(StorageError) {
        guard let last = unindexed.last else { return }
        let isWritten = try commitUpkeep { db in
            let insert = try db.cachedStatement(
                sql: "INSERT INTO place (bus, first, id, time, bytes) VALUES (?, ?, ?, ?, ?)")
            for block in unindexed {
                try insert.execute(arguments: [
                    Int64(block.bus.value), Int64(block.first), block.id, block.time, block.bytes,
                ])
            }
            for bus in Set(unindexed.map(\.bus)) { try writeHead(of: bus, into: db) }
            try db.execute(sql: "UPDATE meta SET value = ? WHERE name = 'indexed'", arguments: [last.id])
        }
        guard isWritten else { return }
        logBytes += 4 * configuration.pageBytes
        unindexed.removeAll(keepingCapacity: true)
        parts.directory.dropIndexed()
    }

    private func writeHead(of bus: BusNumber, into db: Database) throws {
        let head = memory.heads[bus] ?? BusHead()
        try db.cachedStatement(sql: "INSERT OR REPLACE INTO bus (number, next, digest, bytes) VALUES (?, ?, ?, ?)")
            .execute(arguments: [Int64(bus.value), Int64(head.next), Data(head.digest.bytes), head.bytes])
    }

    /// Removes the rows of keys whose time is over.
    private func expire(_ keys: ReferenceWritableKeyPath<LogMemory, KeyTable>, in table: String) throws(StorageError) {
        let limit = parts.clock.now().advanced(bySeconds: -memory[keyPath: keys].keptSeconds).seconds
        let rows = try database.access { db in
            try Row.fetchAll(
                db.cachedStatement(sql: "SELECT id, entries FROM \(table) WHERE time <= ? ORDER BY id LIMIT ?"),
                arguments: [limit, Self.expiredKeyRowsPerCommit])
        }
        var due: [(id: Int64, entries: [UInt8])] = []
        for row in rows {
            guard let id = row.integer(0), let entries = row.bytes(1) else {
                throw .damaged(path: database.path, what: "table `\(table)`, row \(row.integer(0) ?? 0)")
            }
            due.append((id, [UInt8](entries)))
        }
        guard let last = due.last else { return }
        let isDone = try commitUpkeep { db in
            try db.execute(sql: "DELETE FROM \(table) WHERE id <= ? AND time <= ?", arguments: [last.id, limit])
        }
        guard isDone else { return }
        for row in due { parts.memory[keyPath: keys].forget(row: row.id, entries: row.entries) }
    }

    /// Removes whole blocks behind the limits of age and size, a bounded number for each bus.
    ///
    /// - Returns: whether there are more to remove.
    private func trim() throws(StorageError) -> Bool {
        let cutoff = parts.clock.now().advanced(bySeconds: -configuration.retentionSeconds).milliseconds
        let due = memory.heads.filter { _, head in
            guard head.bytes > 0 else { return false }
            return head.bytes > configuration.retentionBytesPerBus || head.oldestTime.map { $0 < cutoff } ?? true
        }
        guard !due.isEmpty else { return false }
        if !unindexed.isEmpty { try writeIndex() }
        guard unindexed.isEmpty else { return false }
        var hasMore = false
        for bus in due.keys where try trim(bus, olderThan: cutoff) { hasMore = true }
        return hasMore
    }

    /// - Returns: whether a full share of blocks was removed, so that there may be more.
    private func trim(_ bus: BusNumber, olderThan cutoff: Int64) throws(StorageError) -> Bool {
        guard let head = memory.heads[bus] else { return false }
        let places = try oldestPlaces(of: bus, head)
        var removed: [BlockPlace] = []
        var bytes = head.bytes
        var isBySize = false
        let held = parts.watch.heldFrom(bus)?.value ?? .max
        for (index, place) in places.enumerated() {
            let after = index + 1 < places.count ? places[index + 1].first : head.next
            let isOld = place.time < cutoff
            guard removed.count < LogConfiguration.trimmedBlocksPerCommit,
                isOld || bytes > configuration.retentionBytesPerBus, after <= held
            else { break }
            if !isOld { isBySize = true }
            removed.append(place)
            bytes -= place.bytes
        }
        let oldest = removed.count < places.count ? places[removed.count] : nil
        memory.heads[bus]?.oldestTime = oldest?.time
        guard let first = removed.first, let last = removed.last else { return false }
        let end = oldest?.first ?? head.next
        let isDone = try commitUpkeep { db in
            for place in removed {
                try db.cachedStatement(sql: "DELETE FROM block WHERE id = ?").execute(arguments: [place.id])
            }
            try db.execute(
                sql: "DELETE FROM place WHERE bus = ? AND first <= ?", arguments: [Int64(bus.value), Int64(last.first)])
            try db.execute(
                sql: "UPDATE bus SET bytes = ? WHERE number = ?", arguments: [bytes, Int64(bus.value)])
        }
        guard isDone else { return false }
        memory.heads[bus]?.bytes = bytes
        logBytes += removed.count * configuration.pageBytes
        parts.directory.trim(bus, through: end - 1)
        parts.watch.onTrim(
            LogWatch.Trim(
                bus: bus, first: Domain.Sequence(first.first), last: Domain.Sequence(end - 1),
                reason: isBySize ? .size : .age))
        return removed.count == LogConfiguration.trimmedBlocksPerCommit
    }

    /// The oldest blocks of a bus whose every block is indexed, one more than a trim removes.
    ///
    /// - Throws: `.damaged` where a row is not as it was written or contradicts the bus's head: what it says must
    ///   not choose what is removed.
    private func oldestPlaces(of bus: BusNumber, _ head: BusHead) throws(StorageError) -> [BlockPlace] {
        let rows = try database.access { db in
            try Row.fetchAll(
                db.cachedStatement(
                    sql: "SELECT first, id, time, bytes FROM place WHERE bus = ? ORDER BY first LIMIT ?"),
                arguments: [Int64(bus.value), LogConfiguration.trimmedBlocksPerCommit + 1])
        }
        var places: [BlockPlace] = []
        var bytes = head.bytes
        for row in rows {
            guard let place = BlockPlace(row), place.first < head.next, place.bytes <= bytes else {
                throw .damaged(path: database.path, what: "table `place`, bus \(bus.value)")
            }
            bytes -= place.bytes
            places.append(place)
        }
        return places
    }
}

/// A row of `place`: where a block is.
private struct BlockPlace {
    let first: UInt64
    let id: Int64
    let time: Int64
    let bytes: Int64

    /// Columns first, id, time, bytes; `nil` where one is not as it was written.
    init?(_ row: Row) {
        guard let first = row.integer(0), (1...Int64(Domain.Sequence.maximum)).contains(first),
            let id = row.integer(1), let time = row.integer(2), let bytes = row.integer(3), bytes >= 0
        else { return nil }
        (self.first, self.id, self.time, self.bytes) = (UInt64(first), id, time, bytes)
    }
}

extension DurableDatabase {
    /// As `checkpoint`, but `nil` when the disk has no room for it: the write-ahead log stays as it is.
    func checkpointUnlessFull() throws(StorageError) -> Bool? {
        do throws(StorageError) {
            return try checkpoint()
        } catch  where error.isFull {
            return nil
        } catch  where error.isBusy {
            return false
        }
    }
}
