import Domain
import JSON
import Registry
import TestKit
import Testing

@Suite("Statements of a bus's policy")
struct PermissionTests {
    let id = Scene.bus("orders")
    let snapshot: Snapshot

    init() throws { snapshot = try Scene.snapshotWithOrders([]) }

    private func statement(_ sid: String) throws -> JSONNode {
        try JSONNode(parsing: Scene.admitsSender().replacing("\"sender\"", with: "\"\(sid)\""))
    }

    private func sids(_ snapshot: Snapshot) -> [String] {
        (snapshot.bus(id)?.properties.policy?["Statement"]?.array ?? []).compactMap { $0["Sid"]?.string }
    }

    @Test("a statement is added, replaced by its id, removed; after the last the policy is absent")
    func life() throws {
        var current = try snapshot.addingStatement(try statement("a"), sid: "a", to: id, at: now).snapshot
        current = try current.addingStatement(try statement("b"), sid: "b", to: id, at: now).snapshot
        current = try current.addingStatement(try statement("a"), sid: "a", to: id, at: now).snapshot
        #expect(sids(current) == ["b", "a"])
        #expect(current.bus(id)?.policy != nil)
        let missing = ControlFault(.resourceNotFound, "Statement with the provided id does not exist.")
        let full = current
        #expect(
            fault { () throws(ControlFault) in try full.removingStatement(sid: "c", from: id, at: now) } == missing)
        current = try current.removingStatement(sid: "b", from: id, at: now).snapshot
        #expect(sids(current) == ["a"])
        current = try current.removingStatement(sid: "a", from: id, at: now).snapshot
        #expect(current.bus(id)?.properties.policy == nil)
        #expect(current.bus(id)?.policy == nil)
        let bare = current
        #expect(
            fault { () throws(ControlFault) in try bare.removingStatement(sid: "a", from: id, at: now) } == missing)
        #expect(fault { () throws(ControlFault) in try bare.removingStatement(sid: nil, from: id, at: now) } == nil)
    }

    @Test("a policy may have as many characters as the quota says, counted as characters")
    func length() throws {
        var quotas = Declaration.Quotas()
        let document = try Scene.document(Scene.admitsSender().replacing("\"sender\"", with: "\"sénder\""))
        let characters = String(decoding: document.bytes(), as: UTF8.self).unicodeScalars.count
        for (limit, isRefused) in [(characters - 1, true), (characters, false), (characters + 1, false)] {
            quotas.policyCharacters = limit
            let seed = Declaration.Seed(id: id, description: nil, policy: nil, tags: [])
            let snapshot = try Scene.snapshot(try Scene.declaration(seeds: [seed], quotas: quotas))
            let refusal = fault { () throws(ControlFault) in
                try snapshot.replacingPolicy(of: id, with: document, at: now)
            }
            #expect(
                (refusal?.code == .policyLengthExceeded) == isRefused, "\(limit) of \(characters): \(refusal as Any)")
        }
    }

    @Test(
        "a policy that is not IAM, or speaks of another bus, is refused",
        arguments: [
            #"{}"#, #"[]"#, #"{"Version":"2012-10-17","Statement":[]}"#,
            #"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"events:PutEvents","Resource":"*"}]}"#,
            #"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"*","Resource":"arn:aws:events:eu-central-1:444455556666:event-bus/other"}]}"#,
            #"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"*","Resource":"arn:aws:events:eu-central-1:444455556666:event-bus/oth*"}]}"#,
        ])
    func refusedPolicies(_ text: String) throws {
        let document = try JSONNode(parsing: text)
        let refusal = fault { () throws(ControlFault) in try snapshot.replacingPolicy(of: id, with: document, at: now) }
        #expect(refusal?.code == .validation)
        #expect(refusal?.message.hasPrefix("Parameter Policy is not valid. Reason: ") == true)
    }

    @Test("a policy may name its bus by a wildcard that covers it")
    func wildcards() throws {
        for pattern in [
            "*", "arn:aws:events:*:444455556666:event-bus/*",
            "arn:aws:events:eu-central-1:444455556666:event-bus/ord?rs",
        ] {
            let document = try JSONNode(
                parsing:
                    #"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"events:PutEvents","Resource":"\#(pattern)"}]}"#
            )
            #expect(
                fault { () throws(ControlFault) in try snapshot.replacingPolicy(of: id, with: document, at: now) }
                    == nil,
                "\(pattern)")
        }
    }
}
