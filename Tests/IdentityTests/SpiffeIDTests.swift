import Domain
import Identity
import Testing

@Suite struct SpiffeIDTests {
    @Test(
        "an id names its trust domain, account and principal",
        arguments: [
            ("spiffe://acme.example/account/111122223333/role/orders", "arn:aws:iam::111122223333:role/orders"),
            ("spiffe://a/account/000000000000/user/a.b-c_d", "arn:aws:iam::000000000000:user/a.b-c_d"),
            (
                "spiffe://acme.example/account/111122223333/role/team/Orders",
                "arn:aws:iam::111122223333:role/team/Orders"
            ),
        ])
    func reads(_ text: String, _ arn: String) throws {
        let id = try SpiffeID(parsing: text.utf8)
        #expect(id.principal(partition: "aws").arn == arn)
        #expect(id.description == text)
        #expect(SpiffeID.claimedTrustDomain(Array(text.utf8)) == id.trustDomain)
    }

    static let refused: [(String, SpiffeID.Refusal)] = [
        ("", .empty),
        ("spiffe://acme.example/account/111122223333/role/\(String(repeating: "a", count: 2001))", .tooLong),
        ("spiffe://acme.example/account/111122223333/role/a\u{0}", .byte),
        ("spiffe://acme.example\u{0}.evil/account/111122223333/role/a", .byte),
        ("spiffe://acme.example/account/111122223333/role/a b", .byte),
        ("spiffe://acme.example/account/111122223333/role/a\n", .byte),
        ("spiffe://acme.example/account/111122223333/role/a\u{7F}", .byte),
        ("spiffe://аcme.example/account/111122223333/role/a", .byte),
        ("spiffe://acme.example/account/111122223333/role/a%00", .reserved),
        ("spiffe://acme.example/account/111122223333/role/a?b", .reserved),
        ("spiffe://acme.example/account/111122223333/role/a#b", .reserved),
        ("SPIFFE://acme.example/account/111122223333/role/a", .scheme),
        ("https://acme.example/account/111122223333/role/a", .scheme),
        ("spiffe:/acme.example/account/111122223333/role/a", .scheme),
        ("spiffe:///account/111122223333/role/a", .trustDomain),
        ("spiffe://user@acme.example/account/111122223333/role/a", .userInfo),
        ("spiffe://user:word@acme.example/account/111122223333/role/a", .userInfo),
        ("spiffe://acme.example:443/account/111122223333/role/a", .port),
        ("spiffe://Acme.example/account/111122223333/role/a", .upperCase),
        ("spiffe://acme,example/account/111122223333/role/a", .trustDomain),
        ("spiffe://\(String(repeating: "a", count: 256))/account/111122223333/role/a", .trustDomain),
        ("spiffe://acme.example//account/111122223333/role/a", .emptySegment),
        ("spiffe://acme.example/account/111122223333/role/a/", .emptySegment),
        ("spiffe://acme.example/", .emptySegment),
        ("spiffe://acme.example/account/111122223333/role/../a", .dotSegment),
        ("spiffe://acme.example/account/./111122223333/role/a", .dotSegment),
        ("spiffe://acme.example/account/111122223333/role/a:b", .segment),
        ("spiffe://acme.example/account/111122223333/role/*", .segment),
        ("spiffe://acme.example", .shape),
        ("spiffe://acme.example/account/111122223333/role", .shape),
        ("spiffe://acme.example/account/111122223333/group/a", .shape),
        ("spiffe://acme.example/Account/111122223333/role/a", .shape),
        ("spiffe://acme.example/ns/prod/sa/orders", .shape),
        ("spiffe://acme.example/account/11112222333/role/a", .account),
        ("spiffe://acme.example/account/1111222233334/role/a", .account),
        ("spiffe://acme.example/account/11112222333a/role/a", .account),
    ]

    @Test("bytes that are no such id are refused with the reason", arguments: refused)
    func refuses(_ text: String, _ refusal: SpiffeID.Refusal) {
        #expect(throws: refusal) { try SpiffeID(parsing: text.utf8) }
    }

    @Test("every reason has a row")
    func everyReason() {
        #expect(Set(Self.refused.map(\.1)) == Set(SpiffeID.Refusal.allCases))
    }

    @Test("2,048 bytes and a trust domain of 255 are read, one more is not")
    func limits() {
        func id(domain: Int, total: Int) -> String {
            let start = "spiffe://\(String(repeating: "d", count: domain))/account/111122223333/role/"
            return start + String(repeating: "a", count: total - start.utf8.count)
        }
        #expect(throws: Never.self) { try SpiffeID(parsing: id(domain: 255, total: 2048).utf8) }
        #expect(throws: SpiffeID.Refusal.tooLong) { try SpiffeID(parsing: id(domain: 255, total: 2049).utf8) }
        #expect(throws: SpiffeID.Refusal.trustDomain) { try SpiffeID(parsing: id(domain: 256, total: 2048).utf8) }
    }
}
