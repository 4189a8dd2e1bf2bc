import Glibc
import NIOCore
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

    /// A connection to the socket at `path` that reads only when asked.
    private static func connect(_ path: String) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        #expect(result == 0)
        return descriptor
    }

    @Test("peers that ask nothing, read nothing, or never go lose their places: the next one is served")
    func deadlines() async throws {
        let path = "/tmp/isthmus-control-deadlines-\(getpid()).sock"
        let loops = EventLoops(count: 1) { _, _ in LoopWorker(receive: { _, _, _ in }) }
        var deadlines = ControlListener.Deadlines()
        deadlines.request = .milliseconds(100)
        deadlines.answer = .milliseconds(100)
        let ended = Mutex(0)
        let listener = try await ControlListener.start(path: path, on: loops, deadlines: deadlines) { line, stream in
            if line == Array("flood".utf8) {
                while await stream.send([UInt8](repeating: 0x61, count: 65_536)) {}
                ended.withLock { $0 += 1 }
            } else {
                _ = await stream.send(line)
            }
        }
        var peers: [Int32] = []
        for index in 0..<ControlListener.connectionsLimit {
            let peer = Self.connect(path)
            let line = ["", "flood\n", "hello\n"][index % 3]
            if !line.isEmpty { #expect(send(peer, line, line.utf8.count, Int32(MSG_NOSIGNAL)) == line.utf8.count) }
            peers.append(peer)
        }
        let lines = Mutex<[String]>([])
        try await ControlClient(path: path).ask(Array("next".utf8)) { line in
            lines.withLock { $0.append(String(decoding: line, as: UTF8.self)) }
            return true
        }
        #expect(lines.withLock { $0 } == ["next"])
        await listener.close()
        #expect(ended.withLock { $0 } == 21)
        for peer in peers { Glibc.close(peer) }
        await loops.shutdown()
    }

    @Test("a socket that was left behind is replaced, a file of another kind is not")
    func leftBehind() async throws {
        let path = "/tmp/isthmus-control-left-\(getpid()).sock"
        Glibc.close(try ControlSocketFile.bind(path))
        var facts = stat()
        #expect(stat(path, &facts) == 0)
        #expect(facts.st_mode & 0o777 == 0o600)
        Glibc.close(try ControlSocketFile.bind(path))
        unlink(path)
        let file = open(path, O_CREAT | O_WRONLY, 0o600)
        Glibc.close(file)
        #expect(throws: NetworkError.self) { try ControlSocketFile.bind(path) }
        unlink(path)
        #expect(throws: NetworkError.self) { try ControlSocketFile.bind(String(repeating: "x", count: 108)) }
    }
}
