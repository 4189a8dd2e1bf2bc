import Bus
import Cryptography
import Domain
import Foundation
import GRDB
import Synchronization

/// Reads blocks for anyone, from any thread, beside the writer. Every block read from disk is checked against its
/// digest and its root before an event of it is given out.
final class LogReader: Sendable {
    private let databases: [DurableDatabase]
    private let directory: BlockDirectory
    private let seal: BlockSeal
    private let turn = Atomic<Int>(0)

    init(path: String, connections: Int, directory: BlockDirectory, seal: BlockSeal) throws(StorageError) {
        var databases: [DurableDatabase] = []
        for _ in 0..<max(1, connections) { databases.append(try DurableDatabase(readingFrom: path)) }
        self.databases = databases
        self.directory = directory
        self.seal = seal
    }

    func read(
        bus: BusNumber, from sequence: Domain.Sequence, limitBytes: Int
    ) throws(EventLogError) -> [StoredEvent] {
        var events: [StoredEvent] = []
        var bytes = 0
        var next = sequence.value
        while bytes < limitBytes, let block = try block(of: bus, holding: next) {
            guard let last = block.last else { break }
            for event in block where event.position.sequence.value >= next && (bytes < limitBytes || events.isEmpty) {
                events.append(event)
                bytes += event.frame.bytes.count
            }
            next = last.position.sequence.value + 1
        }
        return events
    }

    func event(at position: Position) throws(EventLogError) -> StoredEvent {
        let block = try block(of: position.bus, holding: position.sequence.value)
        guard let event = block?.first(where: { $0.position == position }) else { throw .noSuchEvent(position) }
        return event
    }

    func firstSequence(of bus: BusNumber) throws(EventLogError) -> Domain.Sequence? {
        let known = directory.firstKnown(of: bus)
        let row = try access { db in
            try Row.fetchOne(
                db.cachedStatement(sql: "SELECT first FROM place WHERE bus = ? ORDER BY first LIMIT 1"),
                arguments: [Int64(bus.value)])
        }
        guard let row else { return known.map { Domain.Sequence($0) } }
        guard let indexed = row.integer(0), (1...Int64(Domain.Sequence.maximum)).contains(indexed) else {
            throw .damaged(bus, first: 0)
        }
        return Domain.Sequence(min(UInt64(indexed), known ?? .max))
    }

    func close() throws(StorageError) {
        for database in databases { try database.close() }
    }

    /// The block that holds `sequence`, or the oldest later one when retention has removed it.
    private func block(of bus: BusNumber, holding sequence: UInt64) throws(EventLogError) -> [StoredEvent]? {
        switch directory.place(of: bus, sequence) {
        case .beyond: return nil
        case .memory(let recent): return BlockSeal.events(of: recent.body, header: recent.header)
        case .row(let id):
            if let row = try fetch(id) { return try open(row, of: bus) }
            return try indexedBlock(of: bus, holding: sequence)
        case .index: return try indexedBlock(of: bus, holding: sequence)
        }
    }

    private func indexedBlock(of bus: BusNumber, holding sequence: UInt64) throws(EventLogError) -> [StoredEvent]? {
        let number = Int64(bus.value)
        let row = try access { db -> Stored? in
            let before = try Row.fetchOne(
                db.cachedStatement(sql: Self.select + "WHERE bus = ? AND first <= ? ORDER BY first DESC LIMIT 1)"),
                arguments: [number, Int64(sequence)])
            if let before = before.map({ Stored($0) }), before.end > Int64(sequence) { return before }
            return try Row.fetchOne(
                db.cachedStatement(sql: Self.select + "WHERE bus = ? AND first > ? ORDER BY first LIMIT 1)"),
                arguments: [number, Int64(sequence)]
            ).map { Stored($0) }
        }
        if let row { return try open(row, of: bus) }
        guard let known = directory.firstKnown(of: bus), known > sequence else { return nil }
        return try block(of: bus, holding: known)
    }

    private static let select = """
        SELECT first, count, digest, header, body, bus FROM block WHERE id = (SELECT id FROM place 
        """

    /// One row of `block`.
    private struct Stored {
        let first: Int64
        let count: Int64
        let bus: Int64
        let digest: Data
        let header: [UInt8]
        let body: [UInt8]

        /// What is of another type stands for nothing that a header could agree with.
        init(_ row: Row) {
            first = row.integer(0) ?? 0
            count = row.integer(1) ?? 0
            digest = row.bytes(2) ?? Data()
            header = [UInt8](row.bytes(3) ?? Data())
            body = [UInt8](row.bytes(4) ?? Data())
            bus = row.integer(5) ?? 0
        }

        /// The sequence behind its last event, at most the last there is.
        var end: Int64 {
            let (end, isOver) = first.addingReportingOverflow(count)
            return isOver ? .max : end
        }
    }

    private func fetch(_ id: Int64) throws(EventLogError) -> Stored? {
        try access { db -> Stored? in
            try Row.fetchOne(
                db.cachedStatement(sql: "SELECT first, count, digest, header, body, bus FROM block WHERE id = ?"),
                arguments: [id]
            ).map { Stored($0) }
        }
    }

    private func open(_ row: Stored, of bus: BusNumber) throws(EventLogError) -> [StoredEvent] {
        guard row.bus == Int64(bus.value), let (header, digest) = BlockHeader.decode(row.header[...]),
            Digest(column: row.digest) == digest, header.busNumber == bus, Int64(header.first.value) == row.first,
            Int64(header.count) == row.count, let events = seal.open(row.body, header: header)
        else { throw .damaged(bus, first: UInt64(clamping: row.first)) }
        return events
    }

    private func access<Value>(_ body: (Database) throws -> Value) throws(EventLogError) -> Value {
        let index = turn.wrappingAdd(1, ordering: .relaxed).oldValue
        do throws(StorageError) {
            return try databases[(index & .max) % databases.count].access(body)
        } catch {
            if case .database(_, let code) = error { throw .unreadable(code: code) }
            throw .stopped
        }
    }
}
