import Testing

@testable import AccessPolicy

@Suite("Policies that are refused")
struct ReviewTests {
    static func document(_ statement: String) -> String {
        #"{"Version":"2012-10-17","Statement":[\#(statement)]}"#
    }

    static func allow(_ principal: String = #""Principal":{"AWS":"111111111111"}"#, _ rest: String) -> String {
        document(#"{"Effect":"Allow",\#(principal),\#(rest)}"#)
    }

    static let put = #""Action":"events:PutEvents","Resource":"*""#

    static func condition(_ block: String) -> String { allow(put + #","Condition":{\#(block)}"#) }
    static func anyone(_ block: String) -> String {
        allow(#""Principal":"*""#, put + #","Condition":{\#(block)}"#)
    }
    static func allow(_ rest: String) -> String { allow(#""Principal":{"AWS":"111111111111"}"#, rest) }

    /// Not the language at all: where, and a word of the reason.
    static let malformed: [(text: String, place: String, reason: String)] = [
        ("", "", "empty"), ("[]", "", "object"), ("{", "", "JSON"), (#"{"Version":"2012-10-17"}"#, "", "Statement"),
        (#"{"Version":"2012-10-17","Statement":[]}"#, "/Statement", "empty"),
        (#"{"Version":"2015-01-01","Statement":[]}"#, "/Version", "2015"),
        (#"{"Version":"2012-10-17","Version":"2012-10-17","Statement":[]}"#, "/Version", "twice"),
        (#"{"version":"2012-10-17","Statement":[]}"#, "/version", "no element"),
        (#"{"Version":2012,"Statement":[]}"#, "/Version", "number"), (document("1"), "/Statement/0", "object"),
        (document(#"{"Action":"*","Resource":"*","Principal":"*"}"#), "/Statement/0", "Effect"),
        (document(#"{"Effect":"allow","Principal":"*",\#(put)}"#), "/Statement/0/Effect", "allow"),
        (document(#"{"Effect":"Allow","Effect":"Deny","Principal":"*",\#(put)}"#), "/Statement/0/Effect", "twice"),
        (document(#"{"Effect":"Allow",\#(put)}"#), "/Statement/0", "Principal"),
        (
            document(#"{"Effect":"Allow","Principal":"*","NotPrincipal":"*",\#(put)}"#), "/Statement/0/NotPrincipal",
            "exclude"
        ),
        (allow(#""Resource":"*""#), "/Statement/0", "Action"),
        (allow(#""Action":"events:PutEvents""#), "/Statement/0", "Resource"),
        (allow(#""Action":"*","NotAction":"*","Resource":"*""#), "/Statement/0/NotAction", "exclude"),
        (allow(#""Action":"*","Resource":"*","NotResource":"*""#), "/Statement/0/NotResource", "exclude"),
        (allow(#""Action":[],"Resource":"*""#), "/Statement/0/Action", "empty"),
        (allow(#""Action":"PutEvents","Resource":"*""#), "/Statement/0/Action", "no action"),
        (allow(#""Action":"events:","Resource":"*""#), "/Statement/0/Action", "no action"),
        (allow(#""Action":"ev*:PutEvents","Resource":"*""#), "/Statement/0/Action", "no action"),
        (allow(#""Action":"events:Put Events","Resource":"*""#), "/Statement/0/Action", "no action"),
        (allow(#""Action":"events:${aws:username}","Resource":"*""#), "/Statement/0/Action", "no action"),
        (allow(#""Action":[1],"Resource":"*""#), "/Statement/0/Action/0", "string"),
        (allow(#""Action":"*","Resource":"orders""#), "/Statement/0/Resource", "no resource"),
        (allow(#""Action":"*","Resource":[]"#), "/Statement/0/Resource", "empty"),
        (allow(#""Action":"*","Resource":"arn:aws:events:*:*:${aws:username""#), "/Statement/0/Resource", "variable"),
        (allow(#""Action":"*","Resource":"arn:aws:events:*:*:${}""#), "/Statement/0/Resource", "variable"),
        (
            allow(#""Action":"*","Resource":"arn:aws:events:*:*:${aws:username, x}""#), "/Statement/0/Resource",
            "variable"
        ),
        (allow(#""Principal":"111111111111""#, put), "/Statement/0/Principal", "principal"),
        (allow(#""Principal":{}"#, put), "/Statement/0/Principal", "empty"),
        (allow(#""Principal":{"AWS":[]}"#, put), "/Statement/0/Principal/AWS", "empty"),
        (allow(#""Principal":{"Aws":"*"}"#, put), "/Statement/0/Principal/Aws", "no element"),
        (allow(#""Principal":{"AWS":"11111111111"}"#, put), "/Statement/0/Principal/AWS", "principal"),
        (
            allow(#""Principal":{"AWS":"arn:aws:iam::111111111111:role/*"}"#, put), "/Statement/0/Principal/AWS",
            "principal"
        ),
        (allow(#""Principal":{"AWS":"arn:aws:s3:::bucket"}"#, put), "/Statement/0/Principal/AWS", "principal"),
        (
            allow(#""Principal":{"AWS":"arn:aws:iam::111111111111:group/g"}"#, put), "/Statement/0/Principal/AWS",
            "principal"
        ),
        (allow(#""Principal":{"Service":"events"}"#, put), "/Statement/0/Principal/Service", "principal"),
        (allow(put + #","Extra":1"#), "/Statement/0/Extra", "no element"),
        (allow(put + #","Sid":1"#), "/Statement/0/Sid", "string"),
        (
            document(
                #"{"Sid":"a","Effect":"Deny","Principal":"*",\#(put)},"#
                    + #"{"Sid":"a","Effect":"Deny","Principal":"*",\#(put)}"#
            ),
            "/Statement/1/Sid", "twice"
        ),
        (condition(#""StringEqual":{"aws:username":"a"}"#), "/Statement/0/Condition/StringEqual", "operator"),
        (condition(#""stringEquals":{"aws:username":"a"}"#), "/Statement/0/Condition/stringEquals", "operator"),
        (condition(#""NullIfExists":{"aws:username":"true"}"#), "/Statement/0/Condition/NullIfExists", "operator"),
        (
            condition(#""ForAnyValues:StringEquals":{"aws:TagKeys":"a"}"#),
            "/Statement/0/Condition/ForAnyValues:StringEquals", "operator"
        ),
        (condition(#""StringEquals":"a""#), "/Statement/0/Condition/StringEquals", "object"),
        (
            condition(#""StringEquals":{"username":"a"}"#), "/Statement/0/Condition/StringEquals/username",
            "condition key"
        ),
        (
            condition(#""StringEquals":{"aws:username":{}}"#), "/Statement/0/Condition/StringEquals/aws:username",
            "object"
        ),
        (
            condition(#""StringEquals":{"aws:username":null}"#), "/Statement/0/Condition/StringEquals/aws:username",
            "null"
        ),
        (
            condition(#""StringEquals":{"aws:username":"a","aws:UserName":"b"}"#),
            "/Statement/0/Condition/StringEquals/aws:UserName", "twice"
        ),
        (
            condition(#""NumericEquals":{"isthmus:Hops":"one"}"#), "/Statement/0/Condition/NumericEquals/isthmus:Hops",
            "number"
        ),
        (
            condition(#""DateLessThan":{"aws:CurrentTime":"2026-02-30T00:00:00Z"}"#),
            "/Statement/0/Condition/DateLessThan/aws:CurrentTime", "date"
        ),
        (
            condition(#""Bool":{"aws:SecureTransport":"yes"}"#), "/Statement/0/Condition/Bool/aws:SecureTransport",
            "true"
        ),
        (
            condition(#""IpAddress":{"aws:SourceIp":"10.0.0.256"}"#), "/Statement/0/Condition/IpAddress/aws:SourceIp",
            "IP"
        ),
        (
            condition(#""IpAddress":{"aws:SourceIp":"10.0.0.0/33"}"#), "/Statement/0/Condition/IpAddress/aws:SourceIp",
            "IP"
        ),
        (
            condition(#""IpAddress":{"aws:SourceIp":"${aws:SourceIp}"}"#),
            "/Statement/0/Condition/IpAddress/aws:SourceIp", "IP"
        ),
        (
            condition(#""BinaryEquals":{"isthmus:CertificateFingerprint":"A"}"#),
            "/Statement/0/Condition/BinaryEquals/isthmus:CertificateFingerprint", "base64"
        ),
        (
            condition(#""StringLike":{"aws:username":"${aws:"}"#), "/Statement/0/Condition/StringLike/aws:username",
            "variable"
        ),
        (condition(#""Null":{"aws:username":"maybe"}"#), "/Statement/0/Condition/Null/aws:username", "true"),
    ]

    @Test("what is not the language is refused with its place, the reason and what to do", arguments: malformed.indices)
    func refusesMalformed(index: Int) {
        let bad = Self.malformed[index]
        do throws(PolicyError) {
            _ = try PolicyDocument(parsing: bad.text, kind: .resource)
            Issue.record("accepted: \(bad.text)")
        } catch {
            #expect(error.place == bad.place, "\(bad.text)")
            #expect(error.description.contains(bad.reason), "\(error)")
        }
    }

    /// Valid IAM that grants more than it says.
    static let dangerous: [(text: String, rule: PolicyReview.Rule)] = [
        (allow(#""NotPrincipal":{"AWS":"111111111111"}"#, put), .notPrincipalWithAllow),
        (allow(#""NotAction":"events:DeleteRule","Resource":"*""#), .notActionWithAllow),
        (allow(#""NotAction":"events:DeleteRule","NotResource":"arn:aws:events:*:*:rule/x""#), .notActionWithAllow),
        (condition(#""ForAllValues:StringEquals":{"aws:TagKeys":["a"]}"#), .forAllValuesWithAllow),
        (
            condition(#""ForAllValues:StringEquals":{"aws:TagKeys":["a"]},"Null":{"aws:TagKeys":"true"}"#),
            .forAllValuesWithAllow
        ),
        (
            condition(#""ForAllValues:StringEquals":{"aws:TagKeys":["a"]},"Null":{"events:source":"false"}"#),
            .forAllValuesWithAllow
        ),
        (condition(#""ForAnyValue:StringEquals":{"aws:PrincipalOrgID":"o-exampleorgid"}"#), .setOperatorOnSingleValue),
        (condition(#""ForAnyValue:StringEquals":{"aws:PrincipalTag/team":"a"}"#), .setOperatorOnSingleValue),
        (allow(#""Principal":"*""#, put), .anyoneWithoutAnchor),
        (allow(#""Principal":{"AWS":"*"}"#, put), .anyoneWithoutAnchor),
        (allow(#""Principal":{"AWS":["111111111111","*"]}"#, put), .anyoneWithoutAnchor),
        (anyone(#""StringLike":{"aws:PrincipalOrgID":"o-*"}"#), .anyoneWithoutAnchor),
        (anyone(#""StringLike":{"aws:PrincipalOrgID":"o-exampleorgid*"}"#), .anyoneWithoutAnchor),
        (anyone(#""StringEquals":{"aws:PrincipalOrgID":"o-short"}"#), .anyoneWithoutAnchor),
        (anyone(#""StringEquals":{"aws:PrincipalOrgID":"${aws:PrincipalOrgID}"}"#), .anyoneWithoutAnchor),
        (anyone(#""StringEqualsIfExists":{"aws:PrincipalOrgID":"o-exampleorgid"}"#), .anyoneWithoutAnchor),
        (anyone(#""StringNotEquals":{"aws:PrincipalOrgID":"o-exampleorgid"}"#), .anyoneWithoutAnchor),
        (anyone(#""StringEquals":{"aws:PrincipalOrgID":["o-exampleorgid","*"]}"#), .anyoneWithoutAnchor),
        (anyone(#""StringEquals":{"aws:PrincipalOrgID":[]}"#), .anyoneWithoutAnchor),
        (anyone(#""StringLike":{"aws:PrincipalAccount":"1111*"}"#), .anyoneWithoutAnchor),
        (anyone(#""StringLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/publisher"}"#), .anyoneWithoutAnchor),
        (anyone(#""ForAnyValue:StringLike":{"aws:PrincipalOrgPaths":"o-exampleorgid*"}"#), .anyoneWithoutAnchor),
        (anyone(#""ForAllValues:StringLike":{"aws:PrincipalOrgPaths":"o-exampleorgid/*"}"#), .anyoneWithoutAnchor),
        (anyone(#""IpAddress":{"aws:SourceIp":"10.0.0.0/8"}"#), .anyoneWithoutAnchor),
        (anyone(#""StringEquals":{"events:source":"com.acme"}"#), .anyoneWithoutAnchor),
        (anyone(#""StringLike":{"aws:SourceVpce":"vpce-*"}"#), .anyoneWithoutAnchor),
        (condition(#""StringEquals":{"aws:PrincipalOrg":"o-exampleorgid"}"#), .unknownKey),
        (condition(#""StringEquals":{"s3:prefix":"a"}"#), .unknownKey),
        (condition(#""StringEquals":{"aws:PrincipalTag":"a"}"#), .unknownKey),
        (condition(#""StringEquals":{"aws:username":[]}"#), .noValues),
        (condition(#""ArnLike":{"aws:SourceArn":"arn:aws:s3"}"#), .malformedARN),
        (condition(#""ArnEquals":{"aws:SourceArn":"orders"}"#), .malformedARN),
        (#"{"Version":"2008-10-17","Statement":{"Effect":"Deny","Principal":"*",\#(put)}}"#, .version),
        (#"{"Statement":{"Effect":"Deny","Principal":"*",\#(put)}}"#, .version),
    ]

    @Test(
        "what grants more than it says is refused when saved, and saved under `compat: aws`",
        arguments: dangerous.indices)
    func refusesDangerous(index: Int) throws {
        let bad = Self.dangerous[index]
        let document = try PolicyDocument(parsing: bad.text, kind: .resource)
        #expect(PolicyReview(document).refusals.contains { $0.rule == bad.rule }, "\(bad.text)")
        #expect(PolicyReview(document, compatibility: .aws).refusals.isEmpty)
    }

    @Test("there are at least sixty bad policies")
    func enough() { #expect(Self.malformed.count + Self.dangerous.count >= 60) }

    static let anchored = [
        anyone(#""StringEquals":{"aws:PrincipalOrgID":"o-exampleorgid"}"#),
        anyone(#""ForAnyValue:StringLike":{"aws:PrincipalOrgPaths":"o-exampleorgid/r-ab12/ou-ab12-11111111/*"}"#),
        anyone(#""StringEquals":{"aws:PrincipalAccount":["111111111111","222222222222"]}"#),
        anyone(#""ArnLike":{"aws:PrincipalArn":"arn:aws:iam::111111111111:role/*"}"#),
        anyone(#""ArnEquals":{"aws:SourceArn":"arn:aws:events:eu-central-1:111111111111:rule/r"}"#),
        anyone(#""StringEquals":{"aws:SourceAccount":"111111111111"}"#),
        anyone(#""StringEquals":{"aws:SourceVpce":"vpce-orders"}"#),
        allow(#""Principal":{"AWS":"111111111111"}"#, put),
        condition(#""ForAllValues:StringEquals":{"aws:TagKeys":["a"]},"Null":{"aws:TagKeys":"false"}"#),
        condition(#""StringEqualsIfExists":{"events:creatorAccount":"${aws:PrincipalAccount}"}"#),
    ]

    @Test("what is tied to an organization, an account or an endpoint is saved", arguments: anchored.indices)
    func accepts(index: Int) throws {
        let review = PolicyReview(try PolicyDocument(parsing: Self.anchored[index], kind: .resource))
        #expect(review.refusals == [])
    }

    @Test("what is only worth a look is a warning")
    func warns() throws {
        func rules(_ text: String) throws -> [PolicyReview.Rule] {
            PolicyReview(try PolicyDocument(parsing: text, kind: .resource)).warnings.map(\.rule)
        }
        #expect(try rules(Self.condition(#""StringNotEquals":{"events:source":"a"}"#)) == [.negatedOnAbsentKey])
        #expect(
            try rules(Self.condition(#""StringEqualsIfExists":{"events:creatorAccount":"111111111111"}"#))
                == [.ifExistsOnCreatorAccount])
        #expect(
            try rules(Self.condition(#""ForAnyValue:StringLike":{"aws:PrincipalOrgPaths":"*/ou-ab12-11111111/*"}"#))
                == [.pathWithoutOrganization])
        let twice = #"{"Effect":"Allow","Principal":{"AWS":"111111111111"},\#(Self.put)}"#
        #expect(try rules(Self.document(twice + "," + twice)) == [.unreachableStatement])
        let padded = Self.allow(Self.put) + String(repeating: " ", count: 10_000)
        #expect(try rules(padded) == [.nearSizeLimit])
    }

    static func isRead(_ text: String) -> Bool {
        do throws(PolicyError) {
            _ = try PolicyDocument(parsing: text, kind: .resource)
            return true
        } catch {
            return false
        }
    }

    @Test("a policy of 10,240 characters, 64 statements, 256 conditions is read, one more of any is not")
    func limits() throws {
        func pad(_ count: Int) -> String {
            let text = Self.allow(Self.put)
            return text + String(repeating: " ", count: count - text.utf8.count)
        }
        for (count, isGood) in [(10_239, true), (10_240, true), (10_241, false)] {
            #expect(Self.isRead(pad(count)) == isGood)
        }
        let statement = #"{"Effect":"Deny","Principal":"*",\#(Self.put)}"#
        for (count, isGood) in [(63, true), (64, true), (65, false)] {
            let text = Self.document([String](repeating: statement, count: count).joined(separator: ","))
            #expect(Self.isRead(text) == isGood)
        }
        for (count, isGood) in [(255, true), (256, true), (257, false)] {
            let keys = (0..<count).map { #""aws:RequestTag/\#($0)":"a""# }.joined(separator: ",")
            let text = Self.condition(#""StringEquals":{\#(keys)}"#)
            #expect(Self.isRead(text) == isGood)
        }
        #expect(PolicyLimits(characters: 1 << 30).characters == PolicyLimits.largestDocument)
        // The list of statements, the list and the values of the condition make four of the levels.
        for (levels, isNesting) in [(2, false), (3, false), (4, true)] {
            let value = String(repeating: "[", count: levels) + "\"a\"" + String(repeating: "]", count: levels)
            do throws(PolicyError) {
                _ = try PolicyDocument(
                    parsing: Self.condition(#""StringEquals":{"aws:username":\#(value)}"#), kind: .resource)
                Issue.record("\(levels) lists were read")
            } catch {
                #expect(error.place.isEmpty == isNesting, "\(levels): \(error)")
            }
        }
    }

    @Test("a document of ten thousand wrong values is reviewed at once, and its message names the first sixteen")
    func manyFindings() throws {
        let values = (0..<10_000).map { #""v\#($0)""# }.joined(separator: ",")
        let text = Self.condition(#""ArnLike":{"aws:SourceArn":[\#(values)]}"#)
        let document = try PolicyDocument(
            parsing: text, kind: .resource, limits: PolicyLimits(characters: PolicyLimits.largestDocument))
        let review = PolicyReview(document)
        #expect(review.refusals.count == 10_000)
        #expect(review.reasons.hasSuffix("; and 9984 more"))
        #expect(review.reasons.contains("`v15`") && !review.reasons.contains("`v16`"))
        #expect(PolicyReview(document, compatibility: .aws).reasons.isEmpty)
    }

    /// Why a policy is refused whose statement has this `Sid` and so many wrong values, each of which begins so.
    private static func reasons(sid: String, value: String, count: Int = 1) throws -> String {
        let values = (0..<count).map { #""\#(value)\#(count > 1 ? "\($0)" : "")""# }.joined(separator: ",")
        let text = document(
            #"{"Sid":"\#(sid)","Effect":"Allow","Principal":{"AWS":"111111111111"},\#(put),"#
                + #""Condition":{"ArnLike":{"aws:SourceArn":[\#(values)]}}}"#)
        let limits = PolicyLimits(characters: PolicyLimits.largestDocument)
        return PolicyReview(try PolicyDocument(parsing: text, kind: .resource, limits: limits)).reasons
    }

    @Test("a refusal tells a Sid and a value whole up to its limit of bytes, and beyond it whole characters")
    func cutReasons() throws {
        let most = PolicyReview.toldBytes
        let texts: [(text: String, told: String)] = [
            (String(repeating: "x", count: most), String(repeating: "x", count: most)),
            (String(repeating: "x", count: most + 1), String(repeating: "x", count: most) + "…"),
            (String(repeating: "🦑", count: most / 4), String(repeating: "🦑", count: most / 4)),
            (String(repeating: "🦑", count: most / 4 + 1), String(repeating: "🦑", count: most / 4) + "…"),
            ("x" + String(repeating: "🦑", count: most / 4), "x" + String(repeating: "🦑", count: most / 4 - 1) + "…"),
        ]
        for (text, told) in texts {
            let reasons = try Self.reasons(sid: text, value: text)
            #expect(reasons.hasPrefix("statement 0 (`\(told)`): `\(told)` has not the six parts"), "\(reasons)")
        }
        let long = String(repeating: "🦑", count: 9000)
        #expect(try Self.reasons(sid: long, value: long, count: 17).utf8.count < 16 * (2 * most + 128))
    }
}
