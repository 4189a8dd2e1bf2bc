import Glibc
import Synchronization
import Testing

@testable import Network

@Suite("The control socket")
struct ControlTests {
    @Test("only the gateway's own user and root may give orders")
    func checksUsers() {
        #expect(ControlListener.mayControl(userID: 0, ownUserID: 1000))
        #expect(ControlListener.mayControl(userID: 1000, ownUserID: 1000))
        #expect(!ControlListener.mayControl(userID: 1001, ownUserID: 1000))
        #expect(!ControlListener.mayControl(userID: 1000, ownUserID: 0))
    }

    @Test("a line is answered by many lines, in order, and the socket is for its owner alone")
    func streams() async throws {
        let path = "/tmp/isthmus-control-\(getpid()).sock"
        let loops = EventLoops(count: 1) { _, _ in LoopWorker(receive: { _, _, _ in }) }
        let listener = try await ControlListener.start(path: path, on: loops) { line, stream in
            for index in 0..<3 {
                guard await stream.send(line + Array(" \(index)".utf8)) else { return }
            }
        }
        var facts = stat()
        #expect(stat(path, &facts) == 0)
        #expect(facts.st_mode & 0o777 == 0o600)
        let lines = Mutex<[String]>([])
        try await ControlClient(path: path).ask(Array("hello".utf8)) { line in
            lines.withLock { $0.append(String(decoding: line, as: UTF8.self)) }
            return true
        }
        #expect(lines.withLock { $0 } == ["hello 0", "hello 1", "hello 2"])
        await listener.close()
        await #expect(throws: NetworkError.self) {
            try await ControlClient(path: path).ask(Array("hello".utf8)) { _ in true }
        }
        await loops.shutdown()
    }
}
