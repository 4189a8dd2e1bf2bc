import Domain
import JSON
import Registry
import TestKit

@testable import Gateway

/// Temporary credentials as STS gives them.
struct Credentials {
    var accessKeyID: String
    var secret: String
    var token: String

    init?(_ xml: String) {
        func value(_ name: String) -> String? {
            guard let start = xml.firstRange(of: "<\(name)>")?.upperBound,
                let end = xml[start...].firstRange(of: "</\(name)>")?.lowerBound
            else { return nil }
            return String(xml[start..<end])
        }
        guard let id = value("AccessKeyId"), let secret = value("SecretAccessKey"), let token = value("SessionToken")
        else { return nil }
        accessKeyID = id
        self.secret = secret
        self.token = token
    }
}

/// A gateway with a bus `orders` and roles of the owner's account, and one connection to it.
struct RoleStage {
    let gateway: TestGateway
    let client: RawClient

    /// Runs `body` with the gateway, and ends it.
    static func with(
        _ members: [Declaration.Member], orders: [String] = [],
        _ body: (RoleStage) async throws -> Void
    ) async throws {
        let policy = orders.isEmpty ? nil : try JSONNode(parsing: document(orders))
        let seed = Declaration.Seed(
            id: Scene.bus("orders"), description: nil, policy: policy,
            tags: [Domain.Tag(key: "team", value: "fulfilment")])
        let snapshot = try Scene.snapshot(try Scene.declaration(seeds: [seed], members: members))
        let gateway = try await TestGateway.start(snapshot)
        do {
            try await body(RoleStage(gateway: gateway, client: try RawClient(port: gateway.port)))
        } catch {
            await gateway.stop()
            throw error
        }
        await gateway.stop()
    }

    private static func document(_ statements: [String]) -> String {
        #"{"Version":"2012-10-17","Statement":[\#(statements.joined(separator: ","))]}"#
    }

    /// What an STS call is answered with.
    func sts(
        _ signer: SigV4Signer, _ form: String, token: String? = nil, isTokenSigned: Bool = true
    ) throws -> Answer {
        var signer = signer
        signer.service = "sts"
        let body = Array((form + "&Version=2011-06-15").utf8)
        let fields = [("content-type", "application/x-www-form-urlencoded; charset=utf-8")]
        return try post(signer, fields, body, token, isTokenSigned)
    }

    /// What an EventBridge call is answered with.
    func events(
        _ signer: SigV4Signer, _ operation: String, _ body: String, token: String? = nil, isTokenSigned: Bool = true,
        userAgent: String? = nil
    ) throws -> Answer {
        var fields = [("x-amz-target", "AWSEvents.\(operation)"), ("content-type", "application/x-amz-json-1.1")]
        if let userAgent { fields.append(("user-agent", userAgent)) }
        return try post(signer, fields, Array(body.utf8), token, isTokenSigned)
    }

    private func post(
        _ signer: SigV4Signer, _ fields: [(String, String)], _ body: [UInt8], _ token: String?, _ isTokenSigned: Bool
    ) throws -> Answer {
        let own = token.map { [("x-amz-security-token", $0)] } ?? []
        let signed = signer.sign(
            (fields + (isTokenSigned ? own : [])).map { (name: $0.0, value: $0.1) }, authority: TestGateway.authority,
            body: body, at: gateway.clock.now)
        let unsigned = isTokenSigned ? [] : own.map { (name: $0.0, value: $0.1) }
        try client.send("POST", "/", signed + unsigned, body)
        return try client.receive()
    }

    /// Sends one event to `orders` with a session's credentials.
    func publish(_ credentials: Credentials, source: String = "com.globex.orders") throws -> Answer {
        let signer = SigV4Signer(accessKeyID: credentials.accessKeyID, secret: credentials.secret)
        let entry = #"{"EventBusName":"orders","Source":"\#(source)","DetailType":"t","Detail":"{}"}"#
        return try events(signer, "PutEvents", #"{"Entries":[\#(entry)]}"#, token: credentials.token)
    }

    /// Assumes a role and takes the credentials apart.
    func assume(
        _ signer: SigV4Signer, _ role: Principal = Scene.worker, name: String = "night-shift", more: String = "",
        token: String? = nil
    ) throws -> (answer: Answer, credentials: Credentials?) {
        let answer = try sts(
            signer, "Action=AssumeRole&RoleArn=\(role.arn)&RoleSessionName=\(name)\(more)", token: token)
        return (answer, Credentials(answer.body))
    }

    /// What signs with a session's credentials.
    static func signer(_ credentials: Credentials) -> SigV4Signer {
        SigV4Signer(accessKeyID: credentials.accessKeyID, secret: credentials.secret)
    }
}
