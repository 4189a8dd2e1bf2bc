import HTTP2
import NIOCore
import Synchronization

/// What the connections of one listener share.
final class ListenerState: Sendable {
    private struct Counts {
        var open = 0
        var isDraining = false
        var waiters: [CheckedContinuation<Void, Never>] = []
    }

    let configuration: ListenerConfiguration
    /// The limits of `configuration` as an HTTP/2 session reads them.
    let http2: HTTP2Configuration
    let gate: AcceptGate
    private let counts = Mutex(Counts())

    init(configuration: ListenerConfiguration, gate: AcceptGate) {
        self.configuration = configuration
        http2 = HTTP2Configuration(configuration.limits)
        self.gate = gate
    }

    var openConnections: Int { counts.withLock { $0.open } }
    /// New connections are not served any more.
    var isDraining: Bool { counts.withLock { $0.isDraining } }

    func connectionOpened() { counts.withLock { $0.open += 1 } }

    func connectionClosed() {
        let waiters = counts.withLock { counts in
            counts.open -= 1
            guard counts.open == 0 else { return [CheckedContinuation<Void, Never>]() }
            defer { counts.waiters = [] }
            return counts.waiters
        }
        for waiter in waiters { waiter.resume() }
    }

    func beginDraining() { counts.withLock { $0.isDraining = true } }

    /// Returns when no connection is open.
    func untilEmpty() async {
        await withCheckedContinuation { continuation in
            let isEmpty = counts.withLock { counts in
                if counts.open > 0 { counts.waiters.append(continuation) }
                return counts.open == 0
            }
            if isEmpty { continuation.resume() }
        }
    }
}

extension HTTP2Configuration {
    fileprivate init(_ limits: ConnectionLimits) {
        self.init()
        headerBytes = limits.headerBytes
        headerFields = limits.headerFields
        bodyBytes = limits.bodyBytes
        prefaceNanoseconds = limits.prefaceNanoseconds
        headerNanoseconds = limits.headerBlockNanoseconds
        bodyNanoseconds = limits.bodyNanoseconds
        bodyGraceNanoseconds = limits.bodyGraceNanoseconds
        bodyBytesPerSecond = UInt64(limits.bodyBytesPerSecond)
        idleNanoseconds = limits.idleNanoseconds
        ageNanoseconds = limits.maximumAgeNanoseconds
        drainNanoseconds = limits.drainNanoseconds
        responseBytesPerConnection = limits.heldResponseBytes
    }
}
