package import Domain

/// What an operator does to a source that must stop for a while.
extension Snapshot {
    /// Suspends a source, or changes how it is suspended.
    ///
    /// With `holds`, events are admitted, durable, and kept back from every reader: those from the sequence after
    /// `lastSequence` on. What is held already stays held either way.
    ///
    /// - Parameter lastSequence: the newest durable event of the bus at this moment.
    package func suspendingPartnerEventSource(
        _ name: PartnerEventSourceName, holds: Bool, lastSequence: Domain.Sequence?, at now: Timestamp
    ) throws(ControlFault) -> Transition {
        guard let source = partners.sources[name] else { throw .noSuchSource(name) }
        let first = source.suspension?.heldFrom ?? (holds ? Domain.Sequence((lastSequence?.value ?? 0) + 1) : nil)
        return putting(
            source.changing {
                $0.suspension = .init(holds: holds, since: source.suspension?.since ?? now, heldFrom: first)
            }, at: now)
    }

    /// Ends a suspension: from the next snapshot on, held events are read in their order, each once, where they are.
    package func resumingPartnerEventSource(
        _ name: PartnerEventSourceName, at now: Timestamp
    ) throws(ControlFault) -> Transition {
        guard let source = partners.sources[name] else { throw .noSuchSource(name) }
        guard source.suspension != nil else {
            throw ControlFault(.invalidState, "Partner event source \(name) is not suspended.")
        }
        return putting(source.changing { $0.suspension = nil }, at: now)
    }
}

extension ControlFault {
    /// A source that its partner, or the operator, names and that is not there.
    package static func noSuchSource(_ name: PartnerEventSourceName) -> ControlFault {
        ControlFault(
            .resourceNotFound,
            "Partner event source \(name) does not exist; the partner calls CreatePartnerEventSource first.")
    }
}
