import Bus
import Cryptography
import Domain
import Identity
import JSON
import Registry
import Telemetry

/// The verbs of the control socket: access keys, and events as they come. Whoever reaches the socket is the operator.
///
/// One JSON object a line in; one or, for `tail`, many lines out. An error is `{"error":{"code","message"}}`.
package struct ControlVerbs: Sendable {
    /// Sends one line; returns when there is room for another.
    package typealias Send = @Sendable (_ line: [UInt8]) async -> Bool

    let services: Services
    let plane: ControlPlane

    package init(services: Services, plane: ControlPlane) {
        self.services = services
        self.plane = plane
    }

    /// Why a verb was not carried out.
    struct Refusal: Error {
        let code: String
        let message: String

        init(code: String, message: String) {
            self.code = code
            self.message = message
        }

        init(_ fault: ControlFault) { self.init(code: fault.code.rawValue, message: fault.message) }
    }

    /// Answers one line.
    package func answer(_ line: [UInt8], send: Send) async {
        do throws(Refusal) {
            let request: JSONNode
            do throws(JSONError) { request = try JSONNode(parsing: line, maximumBytes: 64 * 1024) } catch {
                throw Refusal(code: "InvalidRequest", message: "\(error)")
            }
            switch request["verb"]?.string {
            case "credentials.create": _ = await send(try await createAccessKey(request))
            case "credentials.list": _ = await send(listAccessKeys())
            case "credentials.disable": _ = await send(try await disableAccessKey(request))
            case "region.report": _ = await send(reportRegion())
            case "partner.invite": _ = await send(try await invitePartner(request))
            case "partner.invitations": _ = await send(listInvitations(request))
            case "partner.revoke": _ = await send(try await revokePartner(request))
            case "webhook.secret.create": _ = await send(try await createWebhookSecret(request))
            case "webhook.secret.rotate": _ = await send(try await rotateWebhookSecret(request))
            case "webhook.secret.list": _ = await send(try listWebhookSecrets(request))
            case "webhook.secret.remove": _ = await send(try await removeWebhookSecret(request))
            case let verb? where Self.partnerVerbs.contains(verb):
                _ = await send(try await answerPartner(verb, request))
            case "tail": try await tail(request, send: send)
            case "explain": _ = await send(try explain(request))
            case "decisions": try await decisions(request, send: send)
            case let verb:
                throw Refusal(
                    code: "UnknownVerb", message: "there is no verb `\(verb ?? "")`; this gateway may be older")
            }
        } catch {
            _ = await send(
                Self.line { writer in
                    writer.key("error")
                    writer.object { writer in
                        writer.member("code", error.code)
                        writer.member("message", error.message)
                    }
                })
        }
    }

    static func line(_ body: (inout JSONWriter) -> Void) -> [UInt8] {
        var bytes: [UInt8] = []
        JSONWriter.append(to: &bytes) { writer in writer.object { body(&$0) } }
        return bytes
    }

    private func createAccessKey(_ request: JSONNode) async throws(Refusal) -> [UInt8] {
        guard let text = request["principal"]?.string, let principal = Principal(parsing: text),
            principal.kind == .user || principal.kind == .role
        else {
            throw Refusal(code: "InvalidPrincipal", message: "name a user or role: arn:aws:iam::ACCOUNT:role/NAME")
        }
        let id: String
        let secret: [UInt8]
        let sealed: [UInt8]
        do throws(CryptographyError) {
            id = "AKIA" + Base32.text(try services.random.bytes(10))
            secret = Array(Base32.text(try services.random.bytes(25)).utf8)
            sealed = try services.accessKeys.seal(secret, for: id, random: services.random)
        } catch {
            throw Refusal(code: "InternalFailure", message: "no access key could be made: \(error)")
        }
        let key = AccessKey(
            id: id, principal: principal, isEnabled: true, createdAt: services.clock.now(), sealedSecret: sealed)
        try await change { snapshot throws(ControlFault) in try snapshot.adding(key) }
        services.logger.log(
            .info, "access-key-created", [("accessKeyId", .text(id)), ("principal", .text(principal.arn))])
        return Self.line { writer in
            writer.member("accessKeyId", id)
            writer.member("secretAccessKey", String(decoding: secret, as: UTF8.self))
            writer.member("principal", principal.arn)
        }
    }

    private func listAccessKeys() -> [UInt8] {
        let keys = services.registry.snapshot.accessKeys.values.sorted { $0.id < $1.id }
        return Self.line { writer in
            writer.key("accessKeys")
            writer.array { writer in
                for key in keys {
                    writer.object { writer in
                        writer.member("accessKeyId", key.id)
                        writer.member("principal", key.principal.arn)
                        writer.member("enabled", key.isEnabled)
                        writer.member("createdAt", key.createdAt.iso8601)
                    }
                }
            }
        }
    }

    private func disableAccessKey(_ request: JSONNode) async throws(Refusal) -> [UInt8] {
        guard let id = request["accessKeyId"]?.string else {
            throw Refusal(code: "InvalidRequest", message: "name the access key id")
        }
        try await change { snapshot throws(ControlFault) in try snapshot.disablingAccessKey(id) }
        services.logger.log(.info, "access-key-disabled", [("accessKeyId", .text(id))])
        return Self.line { writer in
            writer.member("accessKeyId", id)
            writer.member("enabled", false)
        }
    }

    func change(
        _ plan: @Sendable (Snapshot) throws(ControlFault) -> Transition
    ) async throws(Refusal) {
        do throws(Fault) { try await plane.change(plan) } catch {
            throw Refusal(code: error.code.rawValue, message: error.message)
        }
    }
}
