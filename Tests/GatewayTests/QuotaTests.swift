import Domain
import JSON
import Registry
import Telemetry
import TestKit
import Testing

@testable import Gateway

private let entry = #"{"Source":"com.acme","DetailType":"a","Detail":"{}"}"#

/// The publisher's account may spend 4 units on PutEvents and 1 on every other action; the clock stands still.
private func withGateway(_ body: (TestGateway, RawClient, SigV4Signer) async throws -> Void) async throws {
    let quotas = SenderQuotas(
        overrides: [
            .account(Scene.sender): [
                "events:PutEvents": Quota(perSecond: 1, burst: 4), "*": Quota(perSecond: 1, burst: 1),
            ]
        ])
    try await TestGateway.with(try Scene.snapshot(try Scene.declaration(senderQuotas: quotas)), body)
}

@Suite("Quotas through a real listener")
struct QuotaTests {
    @Test("past its quota a sender reads ThrottlingException with Retry-After; nothing is stored, and it is counted")
    func throttled() async throws {
        try await withGateway { gateway, client, signer in
            let one = #"{"Entries":[\#(entry)]}"#
            for _ in 0..<2 { #expect(try client.call(gateway, "PutEvents", one, signer).status == 200) }
            let refused = try client.call(gateway, "PutEvents", one, signer)
            #expect(refused.status == 400)
            #expect(refused.body.contains(#""__type":"ThrottlingException""#))
            #expect(refused.body.contains("the quota of account 111122223333 for events:PutEvents is used up"))
            let after = refused.head.split(separator: "\r\n").first { $0.hasPrefix("retry-after: ") }
            let seconds = try #require(after.flatMap { Int($0.dropFirst(13)) })
            #expect((2...4).contains(seconds))
            #expect(gateway.services.metrics.value(of: .requestsThrottled) == 1)
            #expect(gateway.services.metrics.value(of: .requestsRefused) == 1)
            #expect(gateway.lines.text.contains(#""event":"quota-refused","sender":"account 111122223333""#))
            #expect(gateway.lines.text.contains(#""side":"quota""#))
            #expect(refused.body.contains(" (decision id: "))
            #expect(gateway.services.metrics.value(of: .decisionsRecorded) == 1)
            // The clock stands still: the second refusal of the second is told without a record.
            let again = try client.call(gateway, "PutEvents", one, signer)
            #expect(again.status == 400 && !again.body.contains("decision id"))
            #expect(gateway.services.metrics.value(of: .decisionsRecorded) == 1)
            #expect(gateway.log.masks.count == 2)
        }
    }

    @Test("a request pays for each of its entries; one that costs too much stores none of them")
    func entries() async throws {
        try await withGateway { gateway, client, signer in
            let one = #"{"Entries":[\#(entry)]}"#
            let three = #"{"Entries":[\#([entry, entry, entry].joined(separator: ","))]}"#
            var statuses: [Int] = []
            for body in [one, three, one] {
                statuses.append(try client.call(gateway, "PutEvents", body, signer).status)
            }
            #expect(statuses == [200, 400, 200])
            #expect(gateway.log.masks == [1, 1])
        }
    }

    @Test("each action has a bucket of its own, and so has each account")
    func apart() async throws {
        try await withGateway { gateway, client, signer in
            #expect(try client.call(gateway, "ListEventBuses", "{}", signer).status == 200)
            #expect(try client.call(gateway, "ListEventBuses", "{}", signer).status == 400)
            #expect(
                try client.call(gateway, "DescribeEventBus", "{}", signer).body.contains("\"Name\":\"default\""))
            let put = try client.call(gateway, "PutEvents", #"{"Entries":[\#(entry)]}"#, signer)
            #expect(put.status == 200)
            let other = try await gateway.signer(Scene.administrator, id: "AKIAI44QH8DHBEXAMPLE")
            for _ in 0..<5 {
                #expect(try client.call(gateway, "ListEventBuses", "{}", other).status == 200)
            }
        }
    }

    @Test(
        "a request refused for the quota of one of its partners costs none of them anything",
        arguments: [["a", "b", "c"], ["a", "c", "b"], ["c", "a", "b"], ["b", "a", "b", "c"]])
    func partners(sources: [String]) async throws {
        let names = ["a", "b", "c"].map { "\($0).example" }
        let price = sources.count + 1
        let quotas = SenderQuotas(
            overrides: Dictionary(
                uniqueKeysWithValues: zip(names, [price, price, 2]).map { name, burst in
                    (.partner("aws.partner/\(name)"), ["events:PutPartnerEvents": Quota(perSecond: 1, burst: burst)])
                }))
        let partners = Dictionary(uniqueKeysWithValues: names.map { (Scene.partner($0), Scene.sender) })
        let declaration = try Scene.declaration(partners: partners, senderQuotas: quotas)
        try await TestGateway.with(try Scene.snapshot(declaration)) { gateway, client, signer in
            func put(_ sources: [String]) throws -> Answer {
                let entries = sources.map {
                    #"{"Source":"aws.partner/\#($0).example/x/y","DetailType":"a","Detail":"{}"}"#
                }
                let body = #"{"Entries":[\#(entries.joined(separator: ","))]}"#
                return try client.call(gateway, "PutPartnerEvents", body, signer)
            }
            #expect(try put(["c"]).status == 200)
            for _ in 0..<2 {
                let refused = try put(sources)
                #expect(refused.status == 400)
                #expect(refused.body.contains("the quota of partner aws.partner/c.example for"))
            }
            #expect(try put(Array(repeating: "a", count: price - 3) + ["b"]).status == 200, "whole buckets are left")
            #expect(try put(["a"]).body.contains("partner aws.partner/a.example"))
            #expect(try put(["b"]).body.contains("partner aws.partner/b.example"))
        }
    }

    @Test("the token service is metered too, in its own form of error")
    func tokenService() async throws {
        try await withGateway { gateway, client, signer in
            let form = "Action=GetCallerIdentity&Version=2011-06-15"
            var forms = signer
            forms.service = "sts"
            let fields = forms.sign(
                [("content-type", "application/x-www-form-urlencoded")], authority: TestGateway.authority,
                body: Array(form.utf8), at: gateway.clock.now)
            try client.send("POST", "/", fields, Array(form.utf8))
            #expect(try client.receive().status == 200)
            try client.send("POST", "/", fields, Array(form.utf8))
            let refused = try client.receive()
            #expect(refused.body.contains("<Code>Throttling</Code>"))
            #expect(refused.head.contains("retry-after: "))
        }
    }
}
