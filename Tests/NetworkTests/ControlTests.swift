import Glibc
import NIOCore
import NIOPosix
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

    @Test("what stands in the socket's place and is no socket stays there, and is told")
    func occupied() throws {
        let path = "/tmp/isthmus-occupied-\(getpid()).sock"
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL, 0o600)
        defer {
            close(descriptor)
            unlink(path)
        }
        #expect(
            throws: NetworkError.cannotListen(
                address: path, cause: "something that is no socket stands there: move it away")
        ) {
            _ = try ControlSocketFile.bind(path)
        }
        var facts = stat()
        #expect(stat(path, &facts) == 0 && facts.st_mode & S_IFMT == S_IFREG)
    }

    @Test("the reason why an address cannot be bound says what to do, and names nothing of the library")
    func bindCauses() {
        #expect(
            NetworkError.cause(IOError(errnoCode: EADDRINUSE, reason: "bind(descriptor:)"))
                == "Address already in use: choose another port, or stop what uses it")
        #expect(
            NetworkError.cause(IOError(errnoCode: EADDRNOTAVAIL, reason: "x")).hasSuffix(
                ": name an address of this machine"))
    }

    @Test("a line is answered by many lines, in order, and the socket is for its owner alone")
    func streams() async throws {
        let path = "/tmp/isthmus-control-\(getpid()).sock"
        let loops = EventLoops(count: 1) { _, _ in LoopWorker(receive: { _, _, _ in .none }) }
        let listener = try await ControlListener.start(path: path, on: loops) { line, stream in
            for index in 0..<3 {
                guard await stream.send(line + Array(" \(index)".utf8)) else { return }
            }
        }
        var facts = stat()
        #expect(stat(path, &facts) == 0)
        #expect(facts.st_mode & 0o777 == 0o600)
        #expect(try await Self.answers(path, "hello") == ["hello 0", "hello 1", "hello 2"])
        await listener.close()
        #expect(throws: NetworkError.cannotReachControl(path: path, errorNumber: ENOENT)) {
            try ControlClient(path: path)
        }
        await loops.shutdown()
    }

    /// Every line that answers `line`; asked on a thread that may wait.
    private static func answers(_ path: String, _ line: String, lineBytesLimit: Int = 100) async throws -> [String] {
        try await NIOThreadPool.singleton.runIfActive {
            let client = try ControlClient(path: path, lineBytesLimit: lineBytesLimit)
            try client.send(Array(line.utf8))
            var lines: [String] = []
            while let line = try client.next() { lines.append(String(decoding: line, as: UTF8.self)) }
            return lines
        }
    }

    @Test("a line of an answer has so many bytes and no more, and what is cut off is no line")
    func lineLimit() async throws {
        let path = "/tmp/isthmus-control-lines-\(getpid()).sock"
        let loops = EventLoops(count: 1) { _, _ in LoopWorker(receive: { _, _, _ in .none }) }
        let listener = try await ControlListener.start(path: path, on: loops) { line, stream in
            guard await stream.send(line) else { return }
            _ = await stream.send([UInt8](repeating: 0x61, count: 200_000))
        }
        for limit in [200_000, 200_001] {
            let lines = try await Self.answers(path, "hello", lineBytesLimit: limit)
            #expect(lines.map(\.utf8.count) == [5, 200_000])
        }
        await #expect(throws: NetworkError.controlLineTooLong(limitBytes: 199_999)) {
            try await Self.answers(path, "hello", lineBytesLimit: 199_999)
        }
        await listener.close()
        await loops.shutdown()
    }

    @Test("peers that ask nothing, read nothing, or never go lose their places: the next one is served")
    func deadlines() async throws {
        let path = "/tmp/isthmus-control-deadlines-\(getpid()).sock"
        let loops = EventLoops(count: 1) { _, _ in LoopWorker(receive: { _, _, _ in .none }) }
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
        var peers: [ControlClient] = []
        for index in 0..<ControlListener.connectionsLimit {
            let peer = try ControlClient(path: path)
            let line = ["", "flood", "hello"][index % 3]
            if !line.isEmpty { try peer.send(Array(line.utf8)) }
            peers.append(peer)
        }
        #expect(try await Self.answers(path, "next") == ["next"])
        await listener.close()
        #expect(ended.withLock { $0 } == 21)
        #expect(peers.count == ControlListener.connectionsLimit)
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
