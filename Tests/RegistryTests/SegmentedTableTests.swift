import Domain
import TestKit
import Testing

@testable import Registry

@Suite("Tables that a snapshot copies by segments, and the counts beside them")
struct SegmentedTableTests {
    @Test("any run of changes leaves what a dictionary would hold, and no copy is touched", arguments: 0..<8)
    func dictionary(_ seed: UInt64) {
        var random = SeededRandom(seed)
        var table = SegmentedTable<EventBusID, Int>()
        var plain: [EventBusID: Int] = [:]
        var kept: [(SegmentedTable<EventBusID, Int>, [EventBusID: Int])] = []
        for step in 0..<2000 {
            let account = AccountID(unchecked: UInt64.random(in: 0..<4, using: &random))
            let key = Scene.bus("bus-\(Int.random(in: 0..<300, using: &random))", of: account)
            let value = Bool.random(using: &random) ? step : nil
            table[key] = value
            plain[key] = value
            if step.isMultiple(of: 500) { kept.append((table, plain)) }
        }
        for (table, plain) in kept + [(table, plain)] {
            #expect(table.count == plain.count, "seed \(seed)")
            #expect(table.isEmpty == plain.isEmpty, "seed \(seed)")
            #expect(table.values.sorted() == plain.values.sorted(), "seed \(seed)")
            #expect(plain.allSatisfy { table[$0.key] == $0.value }, "seed \(seed)")
        }
    }

    @Test("ten thousand numbered names of one owner fill every segment, none with more than twice its share")
    func spread() {
        for digits in [0, 16] {
            var sizes: [UInt: Int] = [:]
            for number in 0..<10_000 {
                let text = String(repeating: "0", count: max(0, digits - "\(number)".count)) + "\(number)"
                let source = Scene.source("aws.partner/acme.example/orders/\(text)")
                let bus = EventBusID(account: Scene.owner, name: EventBusName(source))
                for key in [source.segmentBits, bus.segmentBits + 1000] { sizes[key & 255, default: 0] += 1 }
            }
            #expect(sizes.count == SegmentedTable<EventBusID, Int>.segmentCount)
            #expect(sizes.values.allSatisfy { $0 <= 2 * 20_000 / 256 }, "\(sizes.values.max() ?? 0)")
        }
    }

    @Test("what is counted for a quota is what is there, whatever was made, ended, suspended, or ran out of time",
        arguments: 0..<20)
    func counts(_ seed: UInt64) throws {
        var random = SeededRandom(seed)
        let declaration = try Scene.partnerDeclaration()
        var snapshot = try Scene.snapshot(declaration)
        var now = SettableClock.start
        var records: [String: ControlRecord] = [:]
        for step in 0..<200 {
            now = now.advanced(bySeconds: Int64.random(in: 0...(3 * 86_400), using: &random))
            guard let transition = planned(snapshot, now, &random) else { continue }
            snapshot = transition.snapshot
            for change in transition.changes {
                switch change {
                case .put(let record): records["\(record.kind) \(record.key)"] = record
                case .remove(let kind, let key): records["\(kind) \(key)"] = nil
                }
            }
            let loaded = try Snapshot.loading(Array(records.values), declaration: declaration)
            for each in [snapshot, loaded] { expectCounts(each, now, "seed \(seed), step \(step)") }
        }
    }

    private func planned(
        _ snapshot: Snapshot, _ now: Timestamp, _ random: inout SeededRandom
    ) -> Transition? {
        let name = Scene.source("aws.partner/acme.example/shop/\(Int.random(in: 0..<6, using: &random))")
        let account = Scene.owner
        let key = PartnerAuthorization.Key(account: account, partner: name.partner)
        let choice = Int.random(in: 0..<8, using: &random)
        do throws(ControlFault) {
            switch choice {
            case 0, 1:
                return try snapshot.addingPartnerEventSource(
                    name, partnerAccount: Scene.sender, account: account, at: now)
            case 2: return try snapshot.addingEventBus(for: name, account: account, properties: .made(), at: now)
            case 3:
                return try snapshot.removingPartnerEventSource(
                    name, partnerAccount: Scene.sender, account: account, at: now)
            case 4:
                return try snapshot.suspendingPartnerEventSource(
                    name, holds: Bool.random(using: &random), lastSequence: nil, at: now)
            case 5: return try snapshot.resumingPartnerEventSource(name, at: now)
            case 6:
                let bus = EventBusID(account: account, name: EventBusName(name))
                return try snapshot.removingEventBus(bus, at: now)
            default: return try snapshot.authorizingPartner(key, until: now.advanced(bySeconds: 86_400), at: now)
            }
        } catch { return nil }
    }

    private func expectCounts(_ snapshot: Snapshot, _ now: Timestamp, _ place: String) {
        let naive = snapshot.partners.sources.values.filter { source in
            if case .deleted = source.state(at: now) { return source.suspension != nil }
            return true
        }
        let counted = snapshot.partners.count(of: Scene.sender, at: now) { snapshot.buses[$0] != nil }
        #expect(counted == Array(naive).count, "\(place)")
        let held = snapshot.partners.sources.values.filter { $0.suspension?.heldFrom != nil }
        #expect(snapshot.partners.holding == Set(held.map(\.name)), "\(place)")
        for account in [Scene.owner, Scene.sender] {
            let buses = snapshot.buses.values.filter { $0.id.account == account }
            #expect(snapshot.buses.count(of: account) == Array(buses).count, "\(place)")
        }
    }
}
