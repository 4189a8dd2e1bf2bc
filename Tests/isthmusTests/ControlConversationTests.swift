import Domain
import Foundation
import Glibc
import JSON
import Testing

@testable import isthmus

@Suite struct ControlConversationTests {
    /// A gateway's control socket that takes one line and answers with what it was given, whole or byte by byte.
    private final class FakeGateway: Sendable {
        let path = FileManager.default.temporaryDirectory.appending(path: "isthmus-\(UUID().uuidString.prefix(8)).sock")
            .path(percentEncoded: false)
        private let listening: Int32

        init(answering answer: String) throws {
            listening = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
            let size = socklen_t(MemoryLayout<sockaddr_un>.size)
            let isBound = withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(listening, $0, size) == 0 }
            }
            try #require(isBound && listen(listening, 1) == 0)
            Thread.detachNewThread { [listening] in
                let peer = accept(listening, nil, nil)
                close(listening)
                var reader = LineReader(peer, maximumLineBytes: 1 << 16)
                let request = Result { try reader.next() }
                if case .success(.whole(let line)?) = request {
                    let echo = Array(answer.replacing("REQUEST", with: String(decoding: line, as: UTF8.self)).utf8)
                    for byte in echo { _ = withUnsafeBytes(of: byte) { write(peer, $0.baseAddress, 1) } }
                }
                close(peer)
            }
        }

        deinit { unlink(path) }

        func ask(_ request: [UInt8] = Array("{}".utf8)) throws -> ControlConversation {
            try ControlConversation(path: path, request: request)
        }
    }

    @Test("answers come line by line until the gateway has no more")
    func answers() throws {
        let conversation = try FakeGateway(answering: "{\"n\":1}\n{\"n\":2}\n").ask()
        #expect(try conversation.answer().node["n"]?.int == 1)
        #expect(try conversation.next()?.node["n"]?.int == 2)
        #expect(try conversation.next() == nil)
    }

    @Test("a refusal of the gateway is said in its own words")
    func refusals() throws {
        let conversation = try FakeGateway(answering: #"{"error":{"code":"AmbiguousBus","message":"name it"}}"# + "\n")
            .ask()
        #expect(throws: ProgramError("AmbiguousBus: name it")) { try conversation.answer() }
    }

    @Test("a gateway that goes away in the middle of a line has given no answer and no event")
    func cut() throws {
        let whole = "{\"n\":1}\n"
        for count in 1..<whole.count {
            let conversation = try FakeGateway(answering: String(whole.prefix(count))).ask()
            #expect { try conversation.answer() } throws: { ($0 as? ProgramError)?.status == .unreachable }
            let events = try FakeGateway(answering: whole + whole.prefix(count)).ask()
            #expect(try events.nextEvent() == Array(whole.utf8.dropLast()))
            #expect { try events.nextEvent() } throws: { ($0 as? ProgramError)?.status == .unreachable }
        }
    }

    @Test("an answer that is missing or not JSON is an error", arguments: ["", "hello\n", "{\"a\":\n"])
    func broken(answer: String) throws {
        let conversation = try FakeGateway(answering: answer).ask()
        #expect(throws: ProgramError.self) { try conversation.answer() }
    }

    @Test("where no gateway listens the status says so")
    func unreachable() {
        #expect { try ControlConversation(path: "/nonexistent/control.sock", request: []) } throws: { error in
            (error as? ProgramError)?.status == .unreachable
        }
        let long = "/" + String(repeating: "x", count: ControlSocket.maximumPathBytes)
        #expect { try ControlConversation(path: long, request: []) } throws: { error in
            (error as? ProgramError)?.status == .failure
        }
    }

    @Test("the requests are the lines the gateway reads")
    func requests() throws {
        let bus = try #require(EventBusName(parsing: "orders"))
        let account = AccountID(unchecked: 444_455_556_666)
        func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
        #expect(
            text(ControlRequests.tail(account: account, bus: bus, from: nil))
                == #"{"verb":"tail","account":"444455556666","bus":"orders","from":"now"}"#)
        #expect(
            text(ControlRequests.tail(account: nil, bus: bus, from: 7, following: false))
                == #"{"verb":"tail","bus":"orders","from":7,"follow":false}"#)
        #expect(
            text(ControlRequests.createCredentials(principal: "arn:aws:iam::111122223333:role/a"))
                == #"{"verb":"credentials.create","principal":"arn:aws:iam::111122223333:role/a"}"#)
        #expect(text(ControlRequests.listCredentials()) == #"{"verb":"credentials.list"}"#)
        #expect(
            text(ControlRequests.disableCredentials(accessKeyID: "AKIA1"))
                == #"{"verb":"credentials.disable","accessKeyId":"AKIA1"}"#)
    }
}
