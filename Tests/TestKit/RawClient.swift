import Glibc

/// A blocking TCP client of a port on loopback that sends exactly the bytes it is told to.
package final class RawClient {
    /// What went wrong with the socket itself.
    package enum Failure: Error {
        case system(String, Int32)
        /// The peer closed, or kept silent past the patience.
        case closed
    }

    private let descriptor: Int32

    /// Gives up on the peer after `patienceSeconds`.
    package init(port: Int, receiveBufferBytes: Int32? = nil, patienceSeconds: Int = 10) throws(Failure) {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { throw .system("socket", errno) }
        if var bytes = receiveBufferBytes {
            setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &bytes, socklen_t(MemoryLayout<Int32>.size))
        }
        var one: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
        var patience = timeval(tv_sec: patienceSeconds, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(UInt16(port).bigEndian)
        address.sin_addr.s_addr = in_addr_t(UInt32(0x7F00_0001).bigEndian)
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else { throw .system("connect", errno) }
    }

    deinit { close(descriptor) }

    /// Sends all bytes; `false` when the peer has gone or takes nothing for as long as the patience.
    @discardableResult
    package func send(_ bytes: [UInt8]) -> Bool {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return false }
            sent += count
        }
        return true
    }

    /// Sends the bytes of `text`; answers as the other `send`.
    @discardableResult
    package func send(_ text: String) -> Bool { send(Array(text.utf8)) }

    /// Sends what the kernel takes without waiting and returns how much that was.
    package func sendWithoutWaiting(_ bytes: [UInt8]) -> Int {
        let flags = Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT)
        return max(0, bytes.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, flags) })
    }

    /// What comes next; empty at the end of the stream or when the patience ends.
    package func receiveSome(_ limit: Int = 65_536) -> [UInt8] { receive(limit, flags: 0) }

    /// What is here already; empty when nothing is, or at the end of the stream.
    package func receiveWithoutWaiting(_ limit: Int = 65_536) -> [UInt8] { receive(limit, flags: Int32(MSG_DONTWAIT)) }

    private func receive(_ limit: Int, flags: Int32) -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: limit)
        let count = recv(descriptor, &buffer, limit, flags)
        return Array(buffer.prefix(max(0, count)))
    }

    /// Everything until the peer closes.
    package func receiveAll() -> String {
        var all: [UInt8] = []
        while true {
            let some = receiveSome()
            if some.isEmpty { return String(decoding: all, as: UTF8.self) }
            all += some
        }
    }

    /// Reads until `count` answers with their content are here, or the peer closes.
    package func receiveAnswers(_ count: Int) -> String {
        var all: [UInt8] = []
        while Answers(parsing: all).complete < count {
            let some = receiveSome()
            if some.isEmpty { break }
            all += some
        }
        return String(decoding: all, as: UTF8.self)
    }

    /// Sends a request with this content and its length.
    package func send(
        _ method: String, _ target: String, _ fields: [(name: String, value: String)], _ body: [UInt8]
    ) throws(Failure) {
        var head = "\(method) \(target) HTTP/1.1\r\n"
        for field in fields { head += "\(field.name): \(field.value)\r\n" }
        guard send(Array("\(head)content-length: \(body.count)\r\n\r\n".utf8) + body) else { throw .closed }
    }

    /// The next answer, of which there is one at a time.
    package func receive() throws(Failure) -> Answer {
        guard let answer = Answers(parsing: receiveAnswers(1)).all.first else { throw .closed }
        return answer
    }

    /// Says that nothing more will be sent.
    package func finishSending() { shutdown(descriptor, Int32(SHUT_WR)) }
}

/// One answer of HTTP/1.1.
package struct Answer: Sendable {
    package let status: Int
    /// Status line and fields, in lower case.
    package let head: String
    package let body: String
}

/// The answers in a stream of HTTP/1.1 bytes, `100 Continue` left out.
package struct Answers {
    /// Those that are here with their content.
    package private(set) var all: [Answer] = []

    /// Status codes, in order.
    package var statuses: [Int] { all.map(\.status) }
    /// Contents, in order.
    package var bodies: [String] { all.map(\.body) }
    /// How many answers are here whole.
    package var complete: Int { all.count }

    package init(parsing bytes: [UInt8]) {
        var rest = bytes[...]
        while let end = rest.firstRange(of: Array("\r\n\r\n".utf8)) {
            let head = String(decoding: rest[..<end.lowerBound], as: UTF8.self).lowercased()
            let lines = head.split(separator: "\r\n")
            guard let first = lines.first, let status = Int(first.split(separator: " ")[1]) else { return }
            let length = lines.first { $0.hasPrefix("content-length: ") }.flatMap { Int($0.dropFirst(16)) } ?? 0
            guard rest[end.upperBound...].count >= length else { return }
            let bodyEnd = end.upperBound + length
            if status != 100 {
                let body = String(decoding: rest[end.upperBound..<bodyEnd], as: UTF8.self)
                all.append(Answer(status: status, head: head, body: body))
            }
            rest = rest[bodyEnd...]
        }
    }

    package init(parsing text: String) { self.init(parsing: Array(text.utf8)) }
}
