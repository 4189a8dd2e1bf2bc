import Domain
import Testing

@Suite struct PartnerEventSourceNameTests {
    /// Every text of up to six of these characters behind the prefix.
    private static let endings: [String] = {
        var all = [""]
        var longest = [""]
        for _ in 0..<6 {
            longest = longest.flatMap { ending in ["a", "Z", "/", "é"].map { ending + $0 } }
            all += longest
        }
        return all
    }()

    @Test("a name is what AWS's pattern takes")
    func pattern() throws {
        let pattern = try Regex(PartnerEventSourceName.pattern)
        for text in Self.endings.flatMap({ ["aws.partner/" + $0, "aws.partner" + $0, "AWS.partner/" + $0] }) {
            let name = PartnerEventSourceName(parsing: text)
            #expect((name != nil) == (text.wholeMatch(of: pattern) != nil), "`\(text)`")
            guard let name else { continue }
            #expect(name.description == text)
            #expect(text.hasPrefix(name.partner.qualified + "/"))
            #expect(!name.partner.description.contains("/"))
        }
    }

    @Test("a name has at most 256 bytes")
    func length() {
        let stem = "aws.partner/acme.example/"
        let rest = PartnerEventSourceName.maximumBytes - stem.utf8.count
        #expect(PartnerEventSourceName(parsing: stem + String(repeating: "n", count: rest)) != nil)
        #expect(PartnerEventSourceName(parsing: stem + String(repeating: "n", count: rest + 1)) == nil)
    }
}
