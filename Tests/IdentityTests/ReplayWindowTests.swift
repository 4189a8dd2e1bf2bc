import Cryptography
import Domain
import Testing

@testable import Identity

private let start = Timestamp(seconds: 1_700_000_000)

private func signature(_ number: Int) -> Digest { SHA256.hash(Array("\(number)".utf8)) }

extension ReplayWindow {
    /// A signature made `signed` seconds after the start, presented `now` seconds after it.
    fileprivate func accept(_ number: Int, key: String = "AKIA1", signed: Int64, now: Int64) -> Refusal? {
        accept(
            accessKeyID: key, signature: signature(number), signedAt: start.advanced(bySeconds: signed),
            now: start.advanced(bySeconds: now))
    }
}

@Suite struct ReplayWindowTests {
    @Test("a signature counts once; another signature, or the same bytes of another key, count too")
    func once() {
        let window = ReplayWindow(start: start)
        #expect(window.accept(1, signed: 10, now: 10) == nil)
        #expect(window.accept(1, signed: 10, now: 10) == .repeated)
        #expect(window.accept(2, signed: 10, now: 10) == nil)
        #expect(window.accept(1, key: "AKIA2", signed: 10, now: 10) == nil)
        #expect(window.accept(1, signed: 10, now: 310) == .repeated)
    }

    @Test("nothing counts that may have been accepted before the process began", arguments: [
        (-300, ReplayWindow.Refusal.beforeMemory), (0, .beforeMemory), (4, .beforeMemory), (5, .beforeMemory),
        (6, nil),
    ] as [(Int64, ReplayWindow.Refusal?)])
    func cold(signed: Int64, refusal: ReplayWindow.Refusal?) {
        #expect(ReplayWindow(start: start).accept(1, signed: signed, now: 6) == refusal)
    }

    @Test("a signer's clock may be five seconds ahead, and not six", arguments: [
        (104, nil), (105, nil), (106, .ahead), (400, .ahead),
    ] as [(Int64, ReplayWindow.Refusal?)])
    func ahead(signed: Int64, refusal: ReplayWindow.Refusal?) {
        #expect(ReplayWindow(start: start).accept(1, signed: signed, now: 100) == refusal)
    }

    @Test("what was accepted before a restart, however far ahead it was dated, is refused after it")
    func restart() {
        let before = ReplayWindow(start: start)
        #expect(before.accept(1, signed: 105, now: 100) == nil)
        let after = ReplayWindow(start: start.advanced(bySeconds: 100))
        for now in stride(from: Int64(100), through: 500, by: 1) {
            #expect(after.accept(1, signed: 105, now: now) == .beforeMemory)
        }
    }

    @Test("a signature is kept for 630 s, and what is forgotten stays refused when the clock is set back")
    func forgetting() {
        let window = ReplayWindow(start: start)
        #expect(window.accept(1, signed: 100, now: 100) == nil)
        #expect(window.accept(1, signed: 100, now: 729) == .repeated)
        #expect(window.count == 1)
        #expect(window.accept(2, signed: 730, now: 730) == nil)
        #expect(window.count == 1)
        #expect(window.accept(1, signed: 100, now: 200) == .beforeMemory)
        #expect(window.accept(3, signed: 101, now: 200) == nil)
    }

    @Test("without room the answer is no, until the oldest is forgotten")
    func room() {
        let window = ReplayWindow(start: start, capacity: 3)
        for number in 1...3 { #expect(window.accept(number, signed: 10, now: Int64(9 + number)) == nil) }
        #expect(window.accept(4, signed: 20, now: 20) == .noRoom)
        #expect(window.accept(3, signed: 10, now: 20) == .repeated)
        #expect(window.accept(4, signed: 639, now: 639) == .noRoom)
        #expect(window.accept(4, signed: 640, now: 640) == nil)
        #expect(window.accept(5, signed: 640, now: 640) == .noRoom)
        #expect(window.count == 3)
    }

    @Test("many come and go, and the memory holds those of the last 630 s only")
    func manyComeAndGo() {
        let window = ReplayWindow(start: start)
        for second in Int64(10)..<4010 {
            for part in 0..<3 {
                #expect(window.accept(Int(second) * 3 + part, signed: second, now: second) == nil)
            }
        }
        #expect(window.count == 3 * 630)
        #expect(window.accept(4009 * 3, signed: 4009, now: 4009) == .repeated)
        #expect(window.accept((4009 - 629) * 3, signed: 4009 - 629, now: 4009) == .repeated)
    }
}
