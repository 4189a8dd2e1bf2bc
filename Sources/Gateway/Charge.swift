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
}
