import Bus
import Cryptography
import Domain
import Identity
import Registry
import Synchronization

/// What requests of one webhook need, made once a snapshot: its declaration, its keys ready to verify, and what is the
/// same from one message to the next.
final class WebhookEndpoint: Sendable {
    /// Of the snapshot it was made for.
    let revision: UInt64
    let webhook: Webhook
    let credential: WebhookCredential
    /// Who pays for its messages.
    let sender: SenderQuotas.Sender
    /// The bus that its messages go to; nil while there is none.
    let bus: BusNumber?
    /// The source's name, as entries carry it and as the path names it.
    let source: [UInt8]
    /// The detail type, where it is always the same.
    let detailType: [UInt8]?
    /// Whose memory its signed messages are kept in, and whose those are kept in that nobody signed.
    let signed: WebhookSource
    let unsigned: WebhookSource
    private let uses: [WebhookKeyUse]

    /// - Parameter uses: of the credential's keys, in their order.
    init(
        _ webhook: Webhook, _ credential: WebhookCredential, bus: BusNumber?, uses: [WebhookKeyUse], revision: UInt64
    ) {
        precondition(uses.count == credential.keyIDs.count)
        self.webhook = webhook
        self.credential = credential
        self.bus = bus
        self.uses = uses
        self.revision = revision
        sender = .partner(webhook.source.partner.qualified)
        source = Array(webhook.source.description.utf8)
        if case .value(let text) = webhook.detailType { detailType = Array(text.utf8) } else { detailType = nil }
        signed = WebhookSource(credential.source)
        unsigned = WebhookSource(unsigned: credential.source)
    }

    /// Whether it is what `path` leads to under the snapshot of `revision`.
    func serves(_ path: Bytes, _ revision: UInt64) -> Bool {
        guard self.revision == revision else { return false }
        return path.withUnsafeBufferPointer { path in source.withUnsafeBufferPointer { path.hasSameBytes(as: $0) } }
    }

    /// Notes that a key verified a message that had not come before.
    func noteVerified(by keyIndex: Int, at now: Timestamp) { uses[keyIndex].note(now) }

    /// What `message`, which stands for what was signed, is remembered by: the same text for two sources is two
    /// messages.
    func mark(of message: Digest) -> UInt64 { message.shortened ^ signed.digest.shortened }
}

extension Digest {
    fileprivate var shortened: UInt64 { withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) } }
}

/// When a key verified a message last, since the start of the process.
final class WebhookKeyUse: Sendable {
    private let milliseconds = Atomic<Int64>(0)

    func note(_ now: Timestamp) { milliseconds.store(now.milliseconds, ordering: .relaxed) }

    /// `nil` when it verified none.
    var last: Timestamp? {
        let moment = milliseconds.load(ordering: .relaxed)
        return moment == 0 ? nil : Timestamp(milliseconds: moment)
    }
}

/// The messages of webhooks that were charged to their partners: whoever saw a signed message can send it again, and
/// it counts to its partner once.
///
/// Bounded: when as many as `generationLimit` came since the last time, those before them are forgotten. A message that
/// is forgotten, or was charged before a restart, is charged again, and given back when the log knew it before that.
/// Cost: about 2 MB for each of two generations, once there are messages.
final class ChargedMessages: Sendable {
    /// Messages of a generation; two are kept. At 400 a second these are more than a signature holds for.
    static let generationLimit = 131_072

    private struct Generations {
        var newer: Set<UInt64> = []
        var older: Set<UInt64> = []

        func holds(_ mark: UInt64) -> Bool { newer.contains(mark) || older.contains(mark) }
    }

    private let limit: Int
    private let generations = Mutex(Generations())

    init(generationLimit: Int = ChargedMessages.generationLimit) { limit = generationLimit }

    /// Whether the message of that mark was charged.
    func holds(_ mark: UInt64) -> Bool { generations.withLock { $0.holds(mark) } }

    /// Notes that it was charged; `false` where that was noted before, so that it is charged once.
    func insert(_ mark: UInt64) -> Bool {
        generations.withLock { generations in
            guard !generations.holds(mark) else { return false }
            if generations.newer.count >= limit {
                swap(&generations.newer, &generations.older)
                generations.newer.removeAll(keepingCapacity: true)
            }
            // At once, for a set that grows is made anew, and no loop should wait for that.
            if generations.newer.isEmpty { generations.newer.reserveCapacity(limit) }
            generations.newer.insert(mark)
            return true
        }
    }
}
