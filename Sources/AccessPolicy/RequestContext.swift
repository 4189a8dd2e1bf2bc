package import Domain

/// What one decision looks at. An event loop keeps one and refills it: after warm-up nothing is allocated.
///
/// Four regions are set apart, each by one call, and stay until set again: who asks (`principal`), what for
/// (`resource`), how it
/// came (`connection`), and what it is (`request`). Within the last, `set` borrows bytes for as long as the next
/// decision. Not `Sendable`: confined to its loop.
///
/// - Cost: setting a region copies its facts, some hundred bytes; a key of an entry is two stores.
package final class RequestContext {
    let slots: UnsafeMutablePointer<ContextSlot>
    private let arenas: [ContextArena]
    private(set) var named: [NamedSlot] = []
    /// Which keys each region has stated, a bit each.
    private var stated = InlineArray<4, UInt64>(repeating: 0)
    var principal = PrincipalText()
    var resource = ResourceText()
    /// As asked, for messages.
    var action = ContextText()
    var loweredAction = ContextText()
    let scratch = ContextScratch()
    private var principalFacts: PrincipalFacts?
    private var resourceFacts: ResourceFacts?
    private let clock = ContextArena()
    private var clockSecond: Int64?
    private var clockTexts = (iso: ContextText(), epoch: ContextText())

    package init() {
        slots = .allocate(capacity: ContextKey.allCases.count)
        slots.initialize(repeating: ContextSlot(), count: ContextKey.allCases.count)
        arenas = (0..<Region.allCases.count).map { _ in ContextArena() }
        precondition(ContextKey.allCases.count <= UInt64.bitWidth && Region.allCases.count == 4)
    }

    deinit {
        slots.deallocate()
    }

    /// The parts of a context that change on their own. A key that the principal, the resource or the connection states
    /// cannot be stated again by another part: a request never replaces what was proven.
    package enum Region: UInt8, CaseIterable, Sendable {
        case principal, resource, connection, request

        fileprivate var place: Int { Int(rawValue) }
    }

    /// Says who asks. Nothing happens when it is the same object as before.
    package func setPrincipal(_ facts: PrincipalFacts) {
        guard principalFacts !== facts else { return }
        principalFacts = facts
        let arena = fill(.principal, facts.facts)
        principal = PrincipalText(
            kind: facts.kind, account: facts.account?.value ?? .max, arn: arena.keep(facts.arn),
            roleARN: arena.keep(facts.roleARN), service: arena.keep(facts.service))
    }

    /// Says what is asked for. Nothing happens when it is the same object as before.
    package func setResource(_ facts: ResourceFacts) {
        guard resourceFacts !== facts else { return }
        resourceFacts = facts
        let arena = fill(.resource, facts.facts)
        let arn = arena.keep(facts.arn)
        var steps = Int.max
        resource = ResourceText(
            account: facts.account?.value ?? .max, arn: arn, parts: ARNParts(arn.buffer, steps: &steps))
    }

    /// Says how the request came: endpoint, addresses, trust domain, scheme.
    package func setConnection(_ facts: ContextFacts) { _ = fill(.connection, facts) }

    /// Says what is asked (`events:PutEvents`) and forgets the keys of the request before.
    package func beginRequest(action text: StaticString) {
        let arena = clear(.request)
        action = arena.keep(UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
        loweredAction = arena.keepLowercased(action)
    }

    /// Says what is asked (`events:PutEvents`) and forgets the keys of the request before.
    package func beginRequest(action text: String, _ facts: ContextFacts = ContextFacts()) {
        let arena = fill(.request, facts)
        action = arena.keep(text)
        loweredAction = arena.keepLowercased(action)
    }

    /// States a key of this request or entry. The bytes are borrowed: they must stay until the decision is made and
    /// the key is set or cleared again.
    package func set(_ key: ContextKey, borrowing bytes: UnsafeBufferPointer<UInt8>) {
        set(key, ContextText(bytes))
    }

    private func set(_ key: ContextKey, _ text: ContextText) {
        let bit: UInt64 = 1 << UInt64(key.rawValue)
        guard bit & proven == 0 else { return }
        stated[Region.request.place] |= bit
        slots[Int(key.rawValue)] = ContextSlot(text)
    }

    /// Which region stated the key at `place`, if one did.
    func owner(of place: Int) -> Region? {
        Region.allCases.first { stated[$0.place] & (1 << UInt64(place)) != 0 }
    }

    /// The keys that were proven: no part of a request replaces them.
    private var proven: UInt64 {
        stated[Region.principal.place] | stated[Region.resource.place] | stated[Region.connection.place]
    }

    /// States what the client calls itself; the bytes are copied. Nothing is stated when it says nothing.
    package func setUserAgent(_ text: Bytes?) {
        guard let text else { return }
        set(.userAgent, text.withUnsafeBufferPointer { arenas[Int(Region.request.rawValue)].keep($0) })
    }

    /// Forgets one key of this request.
    package func clear(_ key: ContextKey) {
        let bit: UInt64 = 1 << UInt64(key.rawValue)
        guard stated[Region.request.place] & bit != 0 else { return }
        stated[Region.request.place] &= ~bit
        slots[Int(key.rawValue)] = ContextSlot()
    }

    /// Adds facts to this request that are copied.
    package func add(_ facts: ContextFacts) { copy(facts, into: arenas[Int(Region.request.rawValue)], .request) }

    /// Sets `aws:CurrentTime` and `aws:EpochTime` of this request; the texts are made once a second.
    package func setTime(_ now: Timestamp) {
        if clockSecond != now.seconds {
            clockSecond = now.seconds
            clock.reset()
            var text: [UInt8] = []
            Timestamp(seconds: now.seconds).appendISO8601(to: &text)
            clockTexts.iso = text.withUnsafeBufferPointer { clock.keep($0) }
            text.removeAll(keepingCapacity: true)
            text.append(decimal: now.seconds)
            clockTexts.epoch = text.withUnsafeBufferPointer { clock.keep($0) }
        }
        set(.currentTime, clockTexts.iso)
        set(.epochTime, clockTexts.epoch)
    }

    private func clear(_ region: Region) -> ContextArena {
        var left = stated[region.place]
        stated[region.place] = 0
        while left != 0 {
            slots[left.trailingZeroBitCount] = ContextSlot()
            left &= left - 1
        }
        if !named.isEmpty { named.removeAll { $0.region == region } }
        let arena = arenas[Int(region.rawValue)]
        arena.reset()
        return arena
    }

    private func fill(_ region: Region, _ facts: ContextFacts) -> ContextArena {
        let arena = clear(region)
        copy(facts, into: arena, region)
        return arena
    }

    private func copy(_ facts: ContextFacts, into arena: ContextArena, _ region: Region) {
        guard !facts.facts.isEmpty else { return }
        let base = facts.bytes.withUnsafeBufferPointer { arena.keep($0) }
        func text(_ range: ContextFacts.Range) -> ContextText {
            let span = Int(range.start)..<Int(range.start + range.count)
            return ContextText(UnsafeBufferPointer(rebasing: base.buffer[span]))
        }
        for fact in facts.facts {
            let slot = slot(of: fact, facts, arena, text)
            guard let key = fact.key else {
                named.append(NamedSlot(region: region, family: fact.family, name: text(fact.name), slot: slot))
                continue
            }
            let bit: UInt64 = 1 << UInt64(key.rawValue)
            guard bit & proven == 0 else { continue }
            let isStated = stated[Region.request.place] & bit != 0
            if isStated, region == .request { continue }
            stated[Region.request.place] &= ~bit
            stated[region.place] |= bit
            slots[Int(key.rawValue)] = slot
        }
    }

    private func slot(
        of fact: ContextFacts.Fact, _ facts: ContextFacts, _ arena: ContextArena,
        _ text: (ContextFacts.Range) -> ContextText
    ) -> ContextSlot {
        switch fact.values.count {
        case 0:
            var slot = ContextSlot()
            if fact.isUnknown { slot.state = .unknown }
            return slot
        case 1: return ContextSlot(text(facts.values[fact.values.lowerBound]))
        default:
            let list = arena.list(fact.values.count)
            for (place, index) in fact.values.enumerated() { list[place] = text(facts.values[index]) }
            return ContextSlot(list: UnsafeBufferPointer(list))
        }
    }
}
