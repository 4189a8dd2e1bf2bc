package import Cryptography
package import Domain

/// How a retry of a request is recognised.
package enum RepeatGuard: Hashable, Sendable {
    /// A retry is another request.
    case none
    /// The caller gave an `Isthmus-Idempotency-Key`: kept for 24 h in the transaction that stores the events.
    ///
    /// `key` covers principal and key; `principal` covers the principal alone, for its share of the table.
    case explicit(key: Digest, principal: Digest, body: Digest)
    /// The sender named its event: kept for 24 h in the transaction that stores it, beside the explicit keys. Where
    /// there is no room for another, the event is stored all the same and not remembered: a name is no promise, and a
    /// sender that names every event must not be stopped by it.
    case named(event: Digest, principal: Digest)
    /// The event acts once: kept for 72 h in the transaction that stores it. `id` covers source and message id,
    /// `source` the source alone, for its share of the table. A repeat of `id` gets the first answer whatever its
    /// content; a repeat of `nonce`, which is `nil` where the scheme has none, only with the same `body`.
    case once(id: Digest, source: Digest, nonce: Digest?, body: Digest)
    /// The caller's SDK gave an `amz-sdk-invocation-id`: kept for 5 minutes in memory. `request` covers principal,
    /// invocation and body.
    case implicit(request: Digest)

    /// Whether the log keeps it in the transaction of the events: such a guard may be looked up without events.
    package var isDurable: Bool {
        switch self {
        case .explicit, .named, .once: true
        case .none, .implicit: false
        }
    }

    /// The guard of an explicit key. The three texts are the bytes as authenticated; the key's length is checked
    /// before.
    package static func explicit(principal: String, key: Bytes, body: Digest) -> RepeatGuard {
        var owner = SHA256()
        owner.update("isthmus principal\0")
        owner.update(Array(principal.utf8))
        let ownerDigest = owner.finalize()
        var whole = SHA256()
        whole.update("isthmus idempotency key\0")
        whole.update(ownerDigest)
        whole.update(key)
        return .explicit(key: whole.finalize(), principal: ownerDigest, body: body)
    }

    /// What stands for a principal in the guards of its events; made once for many.
    package static func owner(_ principal: String) -> Digest {
        SHA256.hash(Array("isthmus principal\0\(principal)".utf8))
    }

    /// The guard of a CloudEvent: events with the same `source` and `id` are duplicates, whatever else they hold, for
    /// each principal and bus.
    ///
    /// - Parameters:
    ///   - owner: of `owner(_:)`.
    ///   - bus: the hash of the bus's ARN.
    /// - Source: github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md, section "id"
    package static func cloudEvent(owner: Digest, bus: Digest, source: Bytes, id: Bytes) -> RepeatGuard {
        var whole = SHA256()
        whole.update("isthmus cloud event\0")
        whole.update(owner)
        whole.update(bus)
        whole.update(SHA256.hash(source))
        whole.update(id)
        return .named(event: whole.finalize(), principal: owner)
    }

    /// The guard of a webhook's event.
    ///
    /// - Parameters:
    ///   - kind: where the id comes from; ids of different kinds are never the same.
    ///   - nonce: single use within the source.
    ///   - body: what a repeat of the nonce must have; of no account without one.
    package static func webhook(
        source: WebhookSource, kind: StaticString, id: Bytes, nonce: Bytes? = nil, body: Digest = .zero
    ) -> RepeatGuard {
        func digest(_ kind: StaticString, _ text: Bytes) -> Digest {
            var hasher = SHA256()
            hasher.update("isthmus webhook\0")
            hasher.update(source.digest)
            hasher.update(kind)
            hasher.update("\0")
            hasher.update(text)
            return hasher.finalize()
        }
        return .once(
            id: digest(kind, id), source: source.digest, nonce: nonce.map { digest("nonce", $0) }, body: body)
    }

    /// The guard of an SDK's own retry.
    package static func implicit(principal: String, invocation: Bytes, body: Digest) -> RepeatGuard {
        var hasher = SHA256()
        hasher.update("isthmus invocation\0")
        hasher.update(body)
        hasher.update(SHA256.hash(Array(principal.utf8)))
        hasher.update(invocation)
        return .implicit(request: hasher.finalize())
    }
}

/// Whose memory the messages of a webhook are kept in; made once for many.
package struct WebhookSource: Sendable {
    /// What stands for it in the guards of its events.
    package let digest: Digest

    /// The memory of a source's signed messages.
    package init(_ name: String) { digest = SHA256.hash(Array("isthmus webhook source\0\(name)".utf8)) }

    /// The memory of its messages that nobody signed: they take no room from those that are signed.
    package init(unsigned name: String) { digest = SHA256.hash(Array("isthmus webhook unsigned\0\(name)".utf8)) }
}

/// The events of one request that were admitted: stored together or not at all. Without events it asks whether its
/// guard came before.
package struct AppendRequest: Sendable {
    /// Chosen by the loop; comes back with the outcome.
    package let token: UInt64
    /// Which of the batch's events belong to the request.
    package let events: Range<Int>
    package let repeatGuard: RepeatGuard
    /// Which entries of the request the events are, as bits; kept with the key and given back with `.repeated`.
    package let entryMask: UInt32
}

/// What one loop gathered in one read cycle: many requests, framed, handed to the log at once.
///
/// Build it with `begin`, the frames, `end` for each request; hand it to `EventLog.submit` and start a new one.
package struct AppendBatch: Sendable {
    /// One framed event inside `bytes`.
    package struct Event: Sendable {
        package let bus: BusNumber
        /// Which of `buses` it is for.
        package let busIndex: Int
        package let start: Int
        package let end: Int
    }

    /// A bus that events of this batch are for.
    package struct Destination: Sendable {
        package let number: BusNumber
        package let id: EventBusID
    }

    /// Every frame of the batch, one after the other.
    package var bytes: [UInt8] = []
    package private(set) var events: [Event] = []
    package private(set) var requests: [AppendRequest] = []
    package private(set) var buses: [Destination] = []
    /// The newest policy revision under which an event of the batch was admitted.
    package var policyRevision: UInt64
    /// Where the outcomes go.
    package let completions: CompletionQueue
    /// Which of its loop's batches this is: each has a greater number than the one submitted before it.
    package let number: UInt64
    private var openRequest = 0

    /// - Parameter number: from 1 on; 0 for a batch that nothing is withdrawn from.
    package init(
        completions: CompletionQueue, policyRevision: UInt64, number: UInt64 = 0, reservingBytes: Int = 0
    ) {
        self.completions = completions
        self.number = number
        self.policyRevision = policyRevision
        bytes.reserveCapacity(reservingBytes)
    }

    package var isEmpty: Bool { requests.isEmpty }

    /// The log decides about the batch now: requests that were withdrawn are dropped from it, and none can be any more.
    /// Every implementation of the seam calls it once for each batch that it does not refuse as a whole, in the order
    /// in which the loop submitted them. The bytes of what is dropped stay until the batch goes.
    package mutating func begin() {
        let withdrawn = completions.withdrawals.begin(number, requests)
        if !withdrawn.isEmpty { requests.removeAll { withdrawn.contains($0.token) } }
    }

    /// Starts a request; the frames appended until `endRequest` are its events.
    package mutating func beginRequest() { openRequest = events.count }

    /// Notes that the bytes from `start` to the end of `bytes` are one frame for `bus`. Only `AdmittedEvent` calls it:
    /// that an event was admitted is proven there.
    package mutating func endFrame(unchecked start: Int, bus number: BusNumber, id: EventBusID) {
        precondition(start < bytes.count)
        var index = buses.count - 1
        while index >= 0, buses[index].number != number { index -= 1 }
        if index < 0 {
            index = buses.count
            buses.append(Destination(number: number, id: id))
        }
        events.append(Event(bus: number, busIndex: index, start: start, end: bytes.count))
    }

    /// Ends the request begun last. Without events it only asks for its guard's first answer: `.repeated`, or
    /// `.notRepeated`. One without events whose guard is not durable is a mistake of the caller.
    package mutating func endRequest(token: UInt64, repeatGuard: RepeatGuard, entryMask: UInt32) {
        precondition(events.count > openRequest || repeatGuard.isDurable)
        requests.append(
            AppendRequest(
                token: token, events: openRequest..<events.count, repeatGuard: repeatGuard, entryMask: entryMask))
        openRequest = events.count
    }
}
