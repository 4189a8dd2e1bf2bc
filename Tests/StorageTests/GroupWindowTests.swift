import Testing

@testable import Storage

@Suite struct GroupWindowTests {
    @Test("a request that comes alone is never kept waiting")
    func alone() {
        var window = GroupWindow()
        for _ in 0..<100 { window.note(requests: 1, isMet: true) }
        #expect(window.target == 1)
    }

    @Test("the expectation grows to the number of senders and stays there")
    func grows() {
        var window = GroupWindow()
        let senders = 32
        var waited = 0
        for _ in 0..<200 {
            let isMet = window.target <= senders
            if !isMet { waited += 1 }
            let requests = isMet ? max(window.target, 2) : senders
            window.note(requests: min(requests, senders), isMet: isMet)
        }
        #expect(window.target >= senders)
        #expect(waited <= 200 / GroupWindow.commitsBetweenAttempts + 1)
    }

    @Test("when senders leave, one window runs out and the next expects what came")
    func shrinks() {
        var window = GroupWindow()
        for _ in 0..<64 { window.note(requests: max(window.target, 2), isMet: true) }
        let before = window.target
        #expect(before > 4)
        window.note(requests: 3, isMet: false)
        #expect(window.target == 3)
        window.note(requests: 1, isMet: false)
        #expect(window.target == 1)
    }
}
