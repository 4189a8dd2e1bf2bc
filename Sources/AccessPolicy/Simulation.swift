import Domain
package import JSON

/// Answers questions about policies asked in JSON, with the gateway's own evaluator.
///
/// Source: POLICY 6
package struct Simulation: Sendable {
    package var compatibility: PolicyReview.Compatibility
    package var limits: PolicyLimits

    /// The largest line that is read.
    package static let longestLine = 8 << 20

    /// - Parameter compatibility: under `.strict` a document that would not be saved is an error.
    package init(compatibility: PolicyReview.Compatibility = .strict, limits: PolicyLimits = .default) {
        self.compatibility = compatibility
        self.limits = limits
    }

    /// One line in, one line out (without its newline): a decision, or an error with the request's id.
    package func answer(_ line: [UInt8]) -> [UInt8] {
        let node: JSONNode
        do throws(JSONError) {
            node = try JSONNode(parsing: line, maximumBytes: Self.longestLine)
        } catch {
            return failure(.null, .invalidRequest(.json(error)))
        }
        let id = node["id"] ?? .null
        do throws(SimulationError) {
            let request = try SimulationRequest(node, compatibility: compatibility, limits: limits)
            return answer(id, Authorizer.explain(request.context, request.layers))
        } catch {
            return failure(id, error)
        }
    }

    /// The whole explanation of one request; see `answer`.
    package func explain(_ node: JSONNode) throws(SimulationError) -> Explanation {
        let request = try SimulationRequest(node, compatibility: compatibility, limits: limits)
        return Authorizer.explain(request.context, request.layers)
    }

    private func answer(_ id: JSONNode, _ explanation: Explanation) -> [UInt8] {
        let decision = explanation.decision
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("id", id)
            writer.member("decision", decision.effect.rawValue)
            writer.member("side", decision.side.rawValue)
            writer.key("reasons")
            writer.array { writer in
                if let message = explanation.message { writer.string(message) }
                if let miss = explanation.nearestMiss { writer.string("nearest miss: " + miss.description) }
                for look in explanation.looks { writer.string(look.description) }
                if decision.isOwnSideElsewhere { writer.string("the sender's own side: not evaluated here") }
            }
        }
        return writer.bytes
    }

    private func failure(_ id: JSONNode, _ error: SimulationError) -> [UInt8] {
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("id", id)
            writer.key("error")
            writer.object { writer in
                writer.member("code", error.code)
                writer.member("message", error.description)
            }
        }
        return writer.bytes
    }
}

/// Why a question was not answered.
package enum SimulationError: Error, Equatable, Sendable {
    /// The request itself is malformed.
    case invalidRequest(Fault)
    /// A document of the request is not valid IAM; `member` says which.
    case invalidPolicy(member: String, PolicyError)
    /// A document is valid but would not be saved.
    case refusedPolicy(member: String, [PolicyReview.Finding])

    package enum Fault: Equatable, Sendable {
        case json(JSONError)
        case missing(String)
        case wrongKind(String, wanted: String)
        case invalidPrincipal(String)
    }

    /// Stable, for programs.
    package var code: String {
        switch self {
        case .invalidRequest: "InvalidRequest"
        case .invalidPolicy: "MalformedPolicyDocument"
        case .refusedPolicy: "RefusedPolicyDocument"
        }
    }
}

extension SimulationError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .invalidRequest(.json(let error)): "the request cannot be read: \(error)"
        case .invalidRequest(.missing(let name)): "`\(name)` is missing, add it"
        case .invalidRequest(.wrongKind(let name, let wanted)): "`\(name)` is not \(wanted)"
        case .invalidRequest(.invalidPrincipal(let text)):
            "`\(text)` is no principal: write the ARN of a user, role, session or root, or name a service"
        case .invalidPolicy(let member, let error): "`\(member)`: \(error)"
        case .refusedPolicy(let member, let findings):
            "`\(member)`: " + findings.map(\.description).joined(separator: "; ")
        }
    }
}
