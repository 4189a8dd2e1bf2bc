import Glibc

/// A blocking TCP client of one connection that sends HTTP/1.1 and reads one answer at a time.
final class TestClient {
    enum Failure: Error {
        case system(String, Int32)
        case closed
    }

    struct Answer {
        let status: Int
        let head: String
        let body: String
    }

    private let descriptor: Int32

    /// Gives up on an answer after `patienceSeconds`.
    init(port: Int, patienceSeconds: Int = 10) throws(Failure) {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { throw .system("socket", errno) }
        var patience = timeval(tv_sec: patienceSeconds, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
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

    func send(_ method: String, _ target: String, _ fields: [(name: String, value: String)], _ body: [UInt8])
        throws(Failure)
    {
        var bytes = Array("\(method) \(target) HTTP/1.1\r\n".utf8)
        for field in fields { bytes += Array("\(field.name): \(field.value)\r\n".utf8) }
        bytes += Array("content-length: \(body.count)\r\n\r\n".utf8) + body
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw .system("send", errno) }
            sent += count
        }
    }

    /// The next answer; throws when the peer closes or the patience ends.
    func receive() throws(Failure) -> Answer {
        var all: [UInt8] = []
        while true {
            if let end = all.firstRange(of: Array("\r\n\r\n".utf8)) {
                let head = String(decoding: all[..<end.lowerBound], as: UTF8.self).lowercased()
                let lines = head.split(separator: "\r\n")
                let length = lines.first { $0.hasPrefix("content-length: ") }.flatMap { Int($0.dropFirst(16)) } ?? 0
                let status = lines.first.flatMap { Int($0.split(separator: " ")[1]) } ?? 0
                if all.count >= end.upperBound + length {
                    let body = String(decoding: all[end.upperBound..<end.upperBound + length], as: UTF8.self)
                    return Answer(status: status, head: head, body: body)
                }
            }
            var buffer = [UInt8](repeating: 0, count: 65_536)
            let count = recv(descriptor, &buffer, buffer.count, 0)
            guard count > 0 else { throw .closed }
            all += buffer.prefix(count)
        }
    }
}
