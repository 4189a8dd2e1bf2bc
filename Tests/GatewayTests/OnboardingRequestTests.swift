import Cryptography
import Domain
import JSON
import Registry
import TestKit
import Testing

@testable import Gateway

@Suite("Requests to /join and /renew through a real listener")
struct OnboardingRequestTests {
    /// A gateway with one invitation, whose control plane lets nobody in.
    private func withGateway(_ body: (TestGateway, RawClient, SigV4Signer) async throws -> Void) async throws {
        let snapshot = try PartnerDoor.snapshot(PartnerDoor.Authority()).inviting(PartnerDoor.terms(0)).snapshot
        try await TestGateway.with(snapshot, body)
    }

    private static let plain = [(name: "host", value: TestGateway.authority)]

    private func refusal(_ answer: Answer) throws -> (status: Int, code: String, message: String) {
        let node = try JSONNode(parsing: Array(answer.body.utf8))
        return (answer.status, node["__type"]?.string ?? "", node["message"]?.string ?? "")
    }

    @Test("what is no request to join or renew is refused before the control plane sees it")
    func form() async throws {
        try await withGateway { gateway, _, signer in
            func ask(_ method: String, _ path: String, _ count: Int) throws -> (status: Int, code: String) {
                let content = [UInt8](repeating: 0x20, count: count)
                let fields = path == "/join" ? Self.plain : Self.signed(gateway, content, signer)
                let client = try RawClient(port: gateway.port)
                try client.send(method, path, fields, content)
                let refused = try refusal(try client.receive())
                return (refused.status, refused.code)
            }
            let limit = JoinRequest.contentBytesLimit
            for path in ["/join", "/renew"] {
                let other = try ask("PUT", path, 2)
                #expect(other == (405, "UnknownOperationException"))
                for count in [limit - 1, limit] {
                    let status = try ask("POST", path, count).status
                    #expect(status == 400, "\(path) \(count)")
                }
                let long = try ask("POST", path, limit + 1)
                #expect(long == (413, "RequestEntityTooLargeException"))
            }
        }
    }

    @Test("content that names no invitation of this gateway is refused, and one that does goes to the control plane")
    func join() async throws {
        try await withGateway { gateway, client, _ in
            let commits = gateway.store.commits
            let messages = try PartnerDoor.messages(ofInvitations: 2)
            for (body, code, words) in [
                (Array("{}".utf8), "ValidationException", "run `isthmus partner join`"),
                (Array("[".utf8), "ValidationException", "run `isthmus partner join`"),
                ([], "ValidationException", "run `isthmus partner join`"),
                (messages[1].bytes, "AccessDeniedException", ControlFault.unknownInvitation.message),
                (messages[0].bytes, "OperationDisabledException", "this gateway invites no partners"),
            ] {
                try client.send("POST", "/join", Self.plain, body)
                let refused = try refusal(try client.receive())
                #expect(refused.status == 400 && refused.code == code && refused.message.contains(words), "\(refused)")
            }
            #expect(gateway.store.commits == commits)
        }
    }

    @Test("whoever asks while the line before the control plane has no room is told to come again")
    func throttled() async throws {
        try await withGateway { gateway, client, _ in
            gateway.services.controlLine.close()
            try client.send("POST", "/join", Self.plain, try PartnerDoor.messages(ofInvitations: 1)[0].bytes)
            let answer = try client.receive()
            #expect(try refusal(answer).code == "ThrottlingException")
            #expect(answer.status == 400)
            #expect(answer.head.contains("\r\nretry-after: 1\r\n") || answer.head.hasSuffix("\r\nretry-after: 1"))
        }
    }

    @Test("nobody renews by a signature, or by nothing")
    func renew() async throws {
        try await withGateway { gateway, client, signer in
            let content = try PartnerDoor.request(.generate(.ecdsaP256))
            for fields in [Self.signed(gateway, content, signer), Self.plain] {
                try client.send("POST", "/renew", fields, content)
                let refused = try refusal(try client.receive())
                #expect(refused.status == 400 && refused.code.hasPrefix("MissingAuthenticationToken"), "\(refused)")
            }
        }
    }

    private static func signed(
        _ gateway: TestGateway, _ content: [UInt8], _ signer: SigV4Signer
    ) -> [(name: String, value: String)] {
        signer.sign(
            [("content-type", "application/x-pem-file")], target: "/renew", authority: TestGateway.authority,
            body: content, at: gateway.clock.now)
    }
}
