import Domain
import Registry
import Testing

@testable import Storage

@Suite("Shares of the queue of decisions")
struct DecisionSharesTests {
    private static let count = 320
    private static let anybodys = 160
    private static let principalShare = 20
    private static let accountShare = 40

    private static func draft(_ principal: String, of account: UInt64 = 1, weight: Int = 1) -> DecisionDraft {
        DecisionDraft(
            id: UniqueID(high: 1, low: 1), time: Timestamp(seconds: 0),
            sender: .init(principal: principal, account: AccountID(unchecked: account)), resource: "a", weight: weight
        ) { [] }
    }

    /// How many drafts of a sender are taken, of a thousand.
    private static func fill(
        _ shares: inout DecisionShares, _ principal: String, of account: UInt64 = 1, weight: Int = 1
    ) -> Int {
        (0..<1000).count { _ in shares.add(draft(principal, of: account, weight: weight)) }
    }

    /// Whether one draft is taken.
    private static func takes(
        _ shares: inout DecisionShares, _ principal: String, of account: UInt64, weight: Int = 1
    ) -> Bool {
        shares.add(draft(principal, of: account, weight: weight))
    }

    @Test("one sender takes half of the queue and no more; whoever holds less than a share is still taken")
    func noisy() {
        var shares = DecisionShares(count: Self.count, bytes: 1 << 20)
        #expect(Self.fill(&shares, "noisy") == Self.anybodys)
        #expect(Self.fill(&shares, "quiet", of: 2) == Self.principalShare)
        #expect(Self.fill(&shares, "second", of: 2) == Self.principalShare)
        #expect(Self.fill(&shares, "third", of: 2) == 0, "two of an account have the share of it")
        #expect(Self.fill(&shares, "third", of: 3) == Self.principalShare)
    }

    @Test("the names that an account gives itself do not fill the queue")
    func manyNames() {
        var shares = DecisionShares(count: Self.count, bytes: 1 << 20)
        let taken = (0..<1000).count { shares.add(Self.draft("role-\($0)")) }
        #expect(taken == Self.anybodys)
        #expect(Self.fill(&shares, "other", of: 2) == Self.principalShare)
    }

    @Test("an account below half of the queue may still fill its share past it")
    func justUnder() {
        var shares = DecisionShares(count: Self.count, bytes: 1 << 20)
        for name in 0..<150 { #expect(Self.takes(&shares, "p\(name)", of: UInt64(10 + name))) }
        #expect(Self.fill(&shares, "late", of: 9) == Self.principalShare)
        #expect(shares.whole.count == 150 + Self.principalShare)
    }

    @Test("bytes are shared as numbers are, and one large record of a sender who has none waiting is taken")
    func bytes() {
        var shares = DecisionShares(count: 1 << 20, bytes: 3200)
        #expect(Self.fill(&shares, "noisy", weight: 100) == 16)
        #expect(Self.fill(&shares, "quiet", of: 2, weight: 100) == 2)
        #expect(Self.takes(&shares, "large", of: 3, weight: 1000))
        #expect(!Self.takes(&shares, "large", of: 3, weight: 1))
        #expect(!Self.takes(&shares, "larger", of: 4, weight: 401), "the whole has its limit")
        #expect(Self.takes(&shares, "larger", of: 4, weight: 400))
    }

    @Test("what was taken out makes room, and nobody is remembered of whom nothing waits")
    func removing() {
        var shares = DecisionShares(count: Self.count, bytes: 1 << 20)
        #expect(Self.fill(&shares, "noisy") == Self.anybodys)
        #expect(Self.takes(&shares, "quiet", of: 2))
        shares.remove([Self.draft("noisy"), Self.draft("noisy")])
        #expect(Self.fill(&shares, "noisy") == 1)
        let noisy = (0..<(Self.anybodys - 1)).map { _ in Self.draft("noisy") }
        shares.remove(noisy.dropLast() + [Self.draft("quiet", of: 2)] + noisy.suffix(1))
        #expect(shares.whole.count == 0 && shares.whole.bytes == 0 && shares.senders == 0)
    }

    @Test("the queue refuses a sender past its share and takes another")
    func queue() {
        let queue = DecisionQueue(countLimit: Self.count, bytesLimit: 1 << 20)
        let taken = (0..<1000).count { _ in queue.add(Self.draft("noisy")) }
        #expect(taken == Self.anybodys)
        #expect(queue.add(Self.draft("quiet", of: 2)))
        guard case .write(let drafts) = queue.take(count: 512, milliseconds: 0) else {
            Issue.record("nothing was taken")
            return
        }
        #expect(drafts.count == Self.anybodys + 1)
        #expect(queue.add(Self.draft("noisy")))
        queue.stop()
    }
}
