import Domain
import JSON
import Registry

/// `PutPermission` and `RemovePermission`.
///
/// Source: docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutPermission.html
extension ControlCall {
    func putPermission() throws(Fault) -> Outcome {
        let id = try busID("EventBusName", default: .default)
        try authorize(id)
        guard snapshot.bus(id) != nil else { throw missing(id) }
        if let text = try parameters.string("Policy", maximum: Limits.wireBodyBytes) {
            guard !["Action", "Principal", "StatementId", "Condition"].contains(where: parameters.has) else {
                throw Fault(
                    .validation,
                    "Parameter Policy is not valid. Reason: Policy cannot be combined with Action, Principal, "
                        + "StatementId or Condition."
                )
            }
            let document = try Self.document(text)
            let transition = try carry { () throws(ControlFault) in
                try snapshot.replacingPolicy(of: id, with: document, at: now)
            }
            return Outcome(transition: transition, answer: Self.empty)
        }
        let sid = try statementID()
        let statement = try shortForm(sid, on: id)
        let transition = try carry { () throws(ControlFault) in
            try snapshot.addingStatement(statement, sid: sid, to: id, at: now)
        }
        return Outcome(transition: transition, answer: Self.empty)
    }

    func removePermission() throws(Fault) -> Outcome {
        let id = try busID("EventBusName", default: .default)
        try authorize(id)
        guard snapshot.bus(id) != nil else { throw missing(id) }
        let all = try parameters.bool("RemoveAllPermissions")
        let sid = all ? nil : try statementID()
        let transition = try carry { () throws(ControlFault) in
            try snapshot.removingStatement(sid: sid, from: id, at: now)
        }
        return Outcome(transition: transition, answer: Self.empty)
    }

    private static func document(_ text: String) throws(Fault) -> JSONNode {
        do throws(JSONError) { return try JSONNode(parsing: text) } catch {
            throw Fault(.validation, "Parameter Policy is not valid. Reason: \(error)")
        }
    }

    private func statementID() throws(Fault) -> String {
        let sid = try parameters.required("StatementId", maximum: 64)
        let isValid = sid.utf8.allSatisfy { byte in
            switch byte {
            case 0x2D, 0x5F, 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
            default: false
            }
        }
        guard isValid else { throw Parameters.pattern("StatementId", sid, "[a-zA-Z0-9-_]+") }
        return sid
    }

    private func shortForm(_ sid: String, on id: EventBusID) throws(Fault) -> JSONNode {
        let action = try parameters.required("Action", maximum: 64)
        guard action == "events:PutEvents" else { throw Parameters.pattern("Action", action, "events:PutEvents") }
        let principal = try parameters.required("Principal", maximum: 12)
        let who: JSONNode
        if principal == "*" {
            who = "*"
        } else if AccountID(parsing: principal) != nil {
            who = ["AWS": .string("arn:\(snapshot.partition):iam::\(principal):root")]
        } else {
            throw Parameters.pattern("Principal", principal, #"(\d{12}|\*)"#)
        }
        var members: [JSONNode.Member] = [
            .init(key: "Sid", value: .string(sid)), .init(key: "Effect", value: "Allow"),
            .init(key: "Principal", value: who), .init(key: "Action", value: .string(action)),
            .init(
                key: "Resource", value: .string(id.arn(partition: snapshot.partition, region: snapshot.region))),
        ]
        if let condition = try organizationCondition() { members.append(.init(key: "Condition", value: condition)) }
        return .object(members)
    }

    /// `{"Type": "StringEquals", "Key": "aws:PrincipalOrgID", "Value": "o-…"}` as a policy writes it.
    private func organizationCondition() throws(Fault) -> JSONNode? {
        guard let condition = try parameters.object("Condition") else { return nil }
        guard condition["Type"]?.string == "StringEquals", condition["Key"]?.string == "aws:PrincipalOrgID",
            let value = condition["Value"]?.string, !value.isEmpty
        else {
            throw Fault(
                .validation,
                "Parameter Condition is not valid. Reason: Type must be StringEquals, Key aws:PrincipalOrgID and Value "
                    + "an organization id."
            )
        }
        return ["StringEquals": ["aws:PrincipalOrgID": .string(value)]]
    }
}
