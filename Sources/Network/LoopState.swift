import Domain
import NIOCore
import Synchronization

/// What one event loop keeps for all its connections: the worker, the buffers, the list of who has something to write,
/// and the one clock tick that finds passed deadlines.
///
/// `@unchecked Sendable`: made before the loop serves anything, then touched on its loop only; other threads call
/// `wake`,
/// which touches an atomic and the loop's own queue.
final class LoopState: @unchecked Sendable {
    /// How far a deadline can be overrun.
    static let tick = TimeAmount.milliseconds(500)
    /// Plaintext gathered for one TLS write: four full records. Source: RFC 8446 section 5.1, 16,384 bytes a record.
    static let outputChunkBytes = 4 * 16_384

    /// What a connection has to send, on its way to its socket.
    private struct Staged {
        let handler: ConnectionHandler
        /// In `plaintext`.
        let plaintext: Range<Int>
        /// In `output`, once it is sealed.
        var sealed = 0..<0
        let isFull: Bool
    }

    let eventLoop: any EventLoop
    let now: @Sendable () -> UInt64
    let receiveBuffer = ReceiveBuffer()
    private(set) var worker: LoopWorker!
    /// Plaintext on its way out, and bytes on their way to a socket.
    var plaintext: [UInt8] = []
    /// Where a session puts its records until they are `output`.
    var records: [UInt8] = []
    var output = ByteBuffer()
    private var staged: [Staged] = []
    /// Plaintext on its way in: what one read of a socket holds, and a record more.
    let inbound = UnsafeMutableRawBufferPointer.allocate(
        byteCount: ReceiveBuffer.capacity + 16_384, alignment: MemoryLayout<UInt64>.alignment)
    /// Spreads connection ages; a counter scrambled, for no one may gain by guessing it.
    private var ageSeed: UInt32 = 0

    private(set) var connections: [ConnectionHandler] = []
    private var ready: [ConnectionHandler] = []
    private var spareReady: [ConnectionHandler] = []
    private var dirty: [ConnectionHandler] = []
    private var spareDirty: [ConnectionHandler] = []
    private var withheld: [ConnectionHandler] = []
    /// The time at the start of the work under way: one reading of the clock serves a round.
    private(set) var roundTime: UInt64 = 0
    private var isRoundScheduled = false
    private var isTicking = false
    private let isWakeScheduled = Atomic(false)
    private var roundTask: @Sendable () -> Void = {}
    private var wakeTask: @Sendable () -> Void = {}

    init(eventLoop: any EventLoop, now: @escaping @Sendable () -> UInt64) {
        self.eventLoop = eventLoop
        self.now = now
        roundTask = { self.endRound() }
        wakeTask = { self.wakeUp() }
    }

    deinit { inbound.deallocate() }

    /// 32 bits that differ from connection to connection.
    func nextAgeJitter() -> UInt32 {
        ageSeed &+= 0x9E37_79B9
        return ageSeed ^ UInt32(truncatingIfNeeded: now())
    }

    /// The id of an answer the gateway never saw.
    func nextRequestID() -> UniqueID {
        var random = SystemRandomNumberGenerator()
        return UniqueID(random: random.next(), random.next())
    }

    /// Gives the loop its worker, once, before it serves anything.
    func employ(_ worker: LoopWorker) {
        precondition(self.worker == nil, "a loop has one worker")
        self.worker = worker
    }

    // MARK: Rounds

    /// Asks for `LoopWorker.onWake` on the loop, soon and once. From any thread; cheap when already asked.
    func wake() {
        if isWakeScheduled.exchange(true, ordering: .acquiringAndReleasing) { return }
        eventLoop.execute(wakeTask)
    }

    private func wakeUp() {
        isWakeScheduled.store(false, ordering: .releasing)
        roundTime = now()
        worker.onWake()
        settle()
    }

    /// The clock, read at the first socket of a round and good for the others.
    func timeOfRead() -> UInt64 {
        if !isRoundScheduled { roundTime = now() }
        return roundTime
    }

    /// Asks for one `cycleEnd` after all sockets that are ready now have been read.
    func scheduleRound() {
        if isRoundScheduled { return }
        isRoundScheduled = true
        // INVARIANT: the time of a round is never that of an earlier one, or deadlines begin in the past.
        roundTime = now()
        eventLoop.execute(roundTask)
    }

    private func endRound() {
        isRoundScheduled = false
        swap(&ready, &spareReady)
        for handler in spareReady {
            handler.isReady = false
            handler.deliver()
        }
        spareReady.removeAll(keepingCapacity: true)
        worker.cycleEnd()
        settle()
    }

    /// Writes what there is to write, then reads again where reading was withheld for a reason that is gone.
    private func settle() {
        while !dirty.isEmpty {
            swap(&dirty, &spareDirty)
            for handler in spareDirty {
                handler.isDirty = false
                handler.flush()
                if plaintext.count >= Self.outputChunkBytes { sendStaged() }
            }
            sendStaged()
            spareDirty.removeAll(keepingCapacity: true)
        }
        guard !withheld.isEmpty, !worker.withholdsReading else { return }
        let candidates = withheld
        withheld.removeAll(keepingCapacity: true)
        for handler in candidates { handler.resumeReading() }
    }

    /// `handler` has requests to hand out at the end of the round.
    func markReady(_ handler: ConnectionHandler) {
        if handler.isReady { return }
        handler.isReady = true
        ready.append(handler)
        scheduleRound()
    }

    /// `handler` has something to write at the end of the round.
    func markDirty(_ handler: ConnectionHandler) {
        if handler.isDirty { return }
        handler.isDirty = true
        dirty.append(handler)
    }

    /// `handler` has put bytes for its peer into `plaintext`, from `start` to the end.
    func stage(_ handler: ConnectionHandler, from start: Int, isFull: Bool) {
        staged.append(Staged(handler: handler, plaintext: start..<plaintext.count, isFull: isFull))
    }

    /// Seals and sends all that is staged.
    func sendStaged() {
        guard !staged.isEmpty else { return }
        for index in staged.indices {
            let start = output.writerIndex
            staged[index].handler.seal(staged[index].plaintext)
            staged[index].sealed = start..<output.writerIndex
        }
        // No slice is taken before all is sealed: the buffer would be copied for the next one.
        for one in staged where !one.sealed.isEmpty {
            guard let bytes = output.getSlice(at: one.sealed.lowerBound, length: one.sealed.count) else { continue }
            one.handler.send(bytes, isFull: one.isFull)
        }
        staged.removeAll(keepingCapacity: true)
        plaintext.removeAll(keepingCapacity: true)
        output.clear()
    }

    /// `handler` has kept a read back and wants to be asked again.
    func withhold(_ handler: ConnectionHandler) { withheld.append(handler) }

    // MARK: Connections

    func add(_ handler: ConnectionHandler) {
        handler.place = connections.count
        connections.append(handler)
        if !isTicking { scheduleTick() }
    }

    func remove(_ handler: ConnectionHandler) {
        guard let place = handler.place else { return }
        handler.place = nil
        let last = connections.removeLast()
        if last !== handler {
            connections[place] = last
            last.place = place
        }
    }

    private func scheduleTick() {
        isTicking = true
        eventLoop.scheduleTask(in: Self.tick) { [self] in passTick() }
    }

    /// One look at every connection: thousands cost less than one timer each.
    private func passTick() {
        let time = now()
        roundTime = time
        for handler in connections { handler.tick(time) }
        // The log may have caught up through another loop's commit, of which this one hears nothing.
        worker.onWake()
        settle()
        isTicking = false
        if !connections.isEmpty { scheduleTick() }
    }
}
