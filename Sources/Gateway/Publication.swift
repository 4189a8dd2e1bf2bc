import Bus

/// Events that one HTTP request brings, decoded: what every way in hands on to be admitted, stored and answered.
struct Publication {
    /// What the log recognises a repeat by.
    enum Guards {
        /// The request as a whole: its events are stored together. At most 32 entries.
        case request(RepeatGuard)
        /// Each event by itself, one guard an entry: events that came before are not stored again, the others are.
        case events([RepeatGuard])
    }

    /// How it is answered.
    enum Form {
        /// `FailedEntryCount` and `Entries` in the JSON protocol: `PutEvents`, `PutPartnerEvents`.
        case entries
        /// The same as plain JSON: a batch of CloudEvents.
        case batch
        /// `EventId` of the one event as plain JSON, or its error as the whole answer: senders that read the status
        /// alone.
        case single
    }

    /// By what right an entry stands on a bus.
    enum Right {
        /// Policies allow the caller to send to the bus it names.
        case sender
        /// The caller's account is the partner of the source, which is bound to the bus.
        case partnerEventSource
    }

    let entries: [DecodedEntry]
    let guards: Guards
    let form: Form
    var right = Right.sender
    /// What its sender was charged and gets back when it came before.
    var charged: Charged?
}
