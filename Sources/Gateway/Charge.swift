import Domain
import Registry

/// A sender's bucket, kept with the connection that used it last.
final class HeldBucket {
    let sender: SenderQuotas.Sender
    let action: String
    let bucket: SenderBucket

    init(sender: SenderQuotas.Sender, action: String, bucket: SenderBucket) {
        self.sender = sender
        self.action = action
        self.bucket = bucket
    }
}

/// What is asked of a sender's quota.
struct Charge {
    let sender: SenderQuotas.Sender
    /// `events:PutEvents`: how policies and the configuration name it.
    let action: String
    /// Units: see `Quota.cost`; 1 for a call without events.
    var units: Int
}

/// What a sender was charged, for the case that it comes back.
struct Charged {
    let bucket: SenderBucket
    let units: Int
    /// Where the message was to be stored, when it was charged.
    let bus: BusNumber?
    /// The newest event of `bus` from before it was charged.
    let lastSequence: Domain.Sequence?

    /// Whether the message stood at `position` already when it was charged, and so had been paid for. Stored since was
    /// a copy that its address paid for because this was charged, or the same message that its partner signed anew.
    func isLater(than position: Position) -> Bool {
        position.bus != bus || position.sequence.value <= lastSequence?.value ?? 0
    }
}
