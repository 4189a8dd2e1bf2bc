import Cryptography
import Domain
import Identity
import TestKit
import Testing

@testable import Gateway

private func call(_ principal: Principal, bytes: Int = 2) -> ControlRequest {
    ControlRequest(
        subject: .operation(.listEventBuses), content: [UInt8](repeating: 0x20, count: bytes),
        caller: Callers.caller(principal), requestID: UniqueID(high: 1, low: 2), token: 0,
        answers: AnswerQueue(wake: {}))
}

extension ControlLine {
    /// Whether the call was taken.
    func offer(_ request: ControlRequest) -> Bool { offer(.call(request)) }

    func offer(_ work: ControlWork) -> Bool { enter(work) != nil }
}

@Suite struct ControlLineTests {
    @Test("one principal gets an eighth of the line, and the others find their places")
    func share() {
        let line = ControlLine()
        for _ in 0..<ControlLine.principalShare { #expect(line.offer(call(Scene.publisher))) }
        #expect(!line.offer(call(Scene.publisher)))
        for number in 0..<7 {
            let other = Principal(.role, path: "other-\(number)", account: Scene.owner)
            for _ in 0..<ControlLine.principalShare { #expect(line.offer(call(other))) }
        }
        #expect(!line.offer(call(Scene.administrator)))
    }

    @Test("a partner's requests to join or renew take places of the invitation's or the certificate's own share")
    func partners() throws {
        let line = ControlLine()
        func join(_ kind: JoinCall.Kind) -> ControlWork {
            .join(
                JoinCall(
                    kind: kind, content: [], requestID: UniqueID(high: 1, low: 2), token: 0,
                    answers: AnswerQueue(wake: {})))
        }
        let certificates = [SHA256.hash([1]), SHA256.hash([2])]
        for certificate in certificates {
            for _ in 0..<ControlLine.principalShare { #expect(line.offer(join(.renew(certificate: certificate)))) }
            #expect(!line.offer(join(.renew(certificate: certificate))))
        }
        let messages = try PartnerDoor.messages(ofInvitations: 2)
        for message in messages {
            for _ in 0..<ControlLine.principalShare { #expect(line.offer(join(.join(message)))) }
            #expect(!line.offer(join(.join(message))))
        }
        #expect(line.offer(call(Scene.publisher)))
    }

    @Test("a call that did not fit into the bytes takes no place of its principal's")
    func bytes() {
        let line = ControlLine()
        for _ in 0..<40 { #expect(!line.offer(call(Scene.publisher, bytes: ControlLine.waitingBytesLimit + 1))) }
        #expect(line.offer(call(Scene.publisher, bytes: ControlLine.waitingBytesLimit)))
        #expect(!line.offer(call(Scene.administrator, bytes: 1)))
    }

    @Test("a call dropped before it begins is not answered, frees its bytes at once, and keeps its place till its turn")
    func dropped() async throws {
        let line = ControlLine()
        let answers = AnswerQueue(wake: {})
        func enter(_ token: UInt64, bytes: Int = 2) -> ControlLine.Place? {
            line.enter(
                .call(
                    ControlRequest(
                        subject: .operation(.listEventBuses), content: [UInt8](repeating: 0x20, count: bytes),
                        caller: Callers.caller(Scene.administrator), requestID: UniqueID(high: 1, low: token),
                        token: token, answers: answers)))
        }
        let large = try #require(enter(0, bytes: ControlLine.waitingBytesLimit))
        #expect(enter(1) == nil)
        #expect(line.drop(large))
        #expect(!line.drop(large), "a call is dropped once")
        let places = try (1..<UInt64(ControlLine.principalShare)).map { try #require(enter($0)) }
        #expect(enter(99) == nil, "who gives calls up gets no more of the line than who waits")
        for place in places.dropLast() { #expect(line.drop(place)) }
        line.close()
        let gateway = try await TestGateway.start(try Scene.snapshotWithOrders([]))
        await line.run(with: gateway.plane)
        await gateway.stop()
        #expect(answers.drain().map(\.token) == [UInt64(places.count)])
        let last = try #require(places.last)
        #expect(!line.drop(last), "a call that was answered is not dropped")
    }

    @Test("places come back as calls are answered")
    func comesBack() async throws {
        let gateway = try await TestGateway.start(try Scene.snapshotWithOrders([]))
        let line = gateway.services.controlLine
        for _ in 0..<10 {
            var taken = 0
            while taken < ControlLine.principalShare {
                if line.offer(call(Scene.administrator)) { taken += 1 } else { await Task.yield() }
            }
            #expect(taken == ControlLine.principalShare)
        }
        await gateway.stop()
    }
}
