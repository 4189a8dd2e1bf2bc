import Domain
import Registry
import TestKit
import Testing

/// What a source is, told as a story: the compiled registry must tell the same one.
private struct NaiveSource {
    var partner: AccountID
    var customer: AccountID
    /// `nil` while active.
    var waitsSince: Timestamp?
    var deleted: PartnerEventSource.End?
}

private struct NaiveWorld {
    var now = SettableClock.start
    var sources: [String: NaiveSource] = [:]
    var buses: Set<String> = []

    private static let fortnight: Int64 = 14 * 86_400

    static func bus(_ name: String, _ account: AccountID) -> String { "\(account)/\(name)" }

    mutating func age() {
        for (name, source) in sources {
            if source.deleted == nil, let since = source.waitsSince, now >= since.advanced(bySeconds: Self.fortnight) {
                sources[name]?.deleted = .expiry
            }
        }
        // Nobody has to be told of a source whose bus is gone.
        sources = sources.filter { name, source in
            source.deleted == nil || buses.contains(Self.bus(name, source.customer))
        }
    }

    /// Carries out a step; `false` when it must be refused.
    mutating func perform(_ step: Step) -> Bool {
        age()
        defer { age() }
        switch step {
        case .wait(let seconds):
            now = now.advanced(bySeconds: seconds)
            return true
        case .create(let name, let customer):
            if let former = sources[name], former.deleted == nil { return false }
            sources[name] = NaiveSource(partner: Scene.sender, customer: customer, waitsSince: now)
            return true
        case .delete(let name, let customer):
            guard let source = sources[name], source.deleted == nil else { return true }
            guard source.customer == customer else { return false }
            sources[name]?.deleted = .deletion
            return true
        case .createBus(let name, let account):
            guard let source = sources[name], source.customer == account, source.deleted == nil,
                buses.insert(Self.bus(name, account)).inserted
            else { return false }
            sources[name]?.waitsSince = nil
            return true
        case .deleteBus(let name, let account):
            guard buses.remove(Self.bus(name, account)) != nil, let source = sources[name], source.customer == account
            else { return true }
            if source.deleted == nil, source.waitsSince == nil { sources[name]?.waitsSince = now }
            return true
        case .activate(let name, let account):
            guard let source = sources[name], source.customer == account, source.deleted == nil,
                source.waitsSince != nil, buses.contains(Self.bus(name, account))
            else { return false }
            sources[name]?.waitsSince = nil
            return true
        case .deactivate(let name, let account):
            guard let source = sources[name], source.customer == account, source.deleted == nil,
                source.waitsSince == nil
            else { return false }
            sources[name]?.waitsSince = now
            return true
        }
    }
}

private enum Step {
    case wait(Int64)
    case create(String, AccountID)
    case delete(String, AccountID)
    case createBus(String, AccountID)
    case deleteBus(String, AccountID)
    case activate(String, AccountID)
    case deactivate(String, AccountID)

    static let names = (0..<3).map { "aws.partner/acme.example/shop/\($0)" }

    init(_ random: inout some RandomNumberGenerator) {
        let name = Self.names.randomElement(using: &random) ?? ""
        let account = [Scene.owner, Scene.sender].randomElement(using: &random) ?? Scene.owner
        switch Int.random(in: 0..<8, using: &random) {
        case 0: self = .wait(Int64.random(in: 1...(6 * 86_400), using: &random))
        case 1, 2: self = .create(name, account)
        case 3: self = .delete(name, account)
        case 4: self = .createBus(name, account)
        case 5: self = .deleteBus(name, account)
        case 6: self = .activate(name, account)
        default: self = .deactivate(name, account)
        }
    }
}

@Suite("Partner event sources against a naive model")
struct PartnerStateMachineTests {
    private func plan(_ step: Step, _ snapshot: Snapshot, _ now: Timestamp) throws(ControlFault) -> Transition? {
        switch step {
        case .wait: return nil
        case .create(let name, let customer):
            return try snapshot.addingPartnerEventSource(
                Scene.source(name), partnerAccount: Scene.sender, account: customer, at: now)
        case .delete(let name, let customer):
            return try snapshot.removingPartnerEventSource(
                Scene.source(name), partnerAccount: Scene.sender, account: customer, at: now)
        case .createBus(let name, let account):
            return try snapshot.addingEventBus(
                for: Scene.source(name), account: account, properties: .init(createdAt: now, modifiedAt: now), at: now)
        case .deleteBus(let name, let account):
            return try snapshot.removingEventBus(Scene.bus(name, of: account), at: now)
        case .activate(let name, let account):
            return try snapshot.activatingEventSource(Scene.source(name), account: account, at: now)
        case .deactivate(let name, let account):
            return try snapshot.deactivatingEventSource(Scene.source(name), account: account, at: now)
        }
    }

    @Test("any run of calls and any passing of time end where the naive model ends, also after a restart",
        arguments: 0..<60)
    func story(_ seed: UInt64) throws {
        var random = SeededRandom(seed)
        var world = NaiveWorld()
        let declaration = try Scene.partnerDeclaration()
        let store = InMemoryControlStore()
        var snapshot = try Scene.snapshot(declaration)
        var changes: [ControlChange] = []
        for index in 0..<200 {
            let step = Step(&random)
            let isExpected = world.perform(step)
            var isDone = true
            do throws(ControlFault) {
                if let transition = try plan(step, snapshot, world.now) {
                    changes += transition.changes
                    snapshot = transition.snapshot
                }
            } catch { isDone = false }
            let place = "seed \(seed), step \(index): \(step)"
            #expect(isDone == isExpected, "\(place)")
            for name in Step.names { expectSame(name, world, snapshot, place) }
            if index % 50 == 49 {
                try store.commit(changes)
                changes = []
                let loaded = try Snapshot.loading(try store.load(), declaration: declaration)
                #expect(loaded.partners.sources == snapshot.partners.sources, "\(place), after a restart")
            }
        }
    }

    private func expectSame(_ name: String, _ world: NaiveWorld, _ snapshot: Snapshot, _ place: String) {
        let found = snapshot.partnerEventSource(named: Scene.source(name))
        let state = found?.state(at: world.now)
        let naive = world.sources[name]
        switch (naive, state) {
        // What is deleted may still be stored until the next call; nobody's bus tells of it.
        case (nil, .deleted), (nil, nil): break
        case (let naive?, .deleted(_, let end)): #expect(naive.deleted == end, "\(place): \(name)")
        case (let naive?, .active):
            #expect(naive.deleted == nil && naive.waitsSince == nil, "\(place): \(name)")
        case (let naive?, .pending(let expiresAt)):
            let expiry = naive.waitsSince?.advanced(bySeconds: 14 * 86_400)
            #expect(naive.deleted == nil && expiry == expiresAt, "\(place): \(name)")
        default: Issue.record("\(place): \(name) is \(String(describing: state)), not \(String(describing: naive))")
        }
        if let naive { #expect(found?.account == naive.customer, "\(place): \(name)") }
    }
}
