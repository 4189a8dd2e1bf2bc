import Domain
import Testing

@Suite struct NounTests {
    @Test("an account id is exactly twelve digits")
    func accountID() {
        #expect(AccountID(parsing: "000000000012")?.description == "000000000012")
        #expect(AccountID(parsing: "999999999999")?.value == 999_999_999_999)
        for text in ["", "11112222333", "1111222233334", "11112222333a", "-11112222333", "１１１１２２２２３３３３"] {
            #expect(AccountID(parsing: text) == nil, "\(text)")
        }
    }

    @Test("an ARN has six parts and the last keeps its colons")
    func arn() throws {
        let arn = try #require(ARN(parsing: "arn:aws:events:eu-central-1:444455556666:event-bus/a:b"))
        #expect(arn.resource == "event-bus/a:b")
        #expect(arn.description == "arn:aws:events:eu-central-1:444455556666:event-bus/a:b")
        for text in [
            "", "arn:aws:events:eu:1", "ARN:aws:s:r:a:x", "arn::s:r:a:x", "arn:aws:s:r:a:", "arn:aws:s:r:a:x\n",
        ] {
            #expect(ARN(parsing: text) == nil, "\(text)")
        }
        let longest = "arn:aws:s:r:a:" + String(repeating: "x", count: ARN.maximumBytes - 14)
        #expect(ARN(parsing: longest) != nil)
        #expect(ARN(parsing: longest + "x") == nil)
    }

    @Test("a principal is a user, a role or an assumed role of one account")
    func principal() throws {
        let role = try #require(Principal(parsing: "arn:aws:iam::111122223333:role/team/publisher"))
        #expect(role.kind == .role)
        #expect(role == Principal(.role, path: "team/publisher", account: role.account))
        #expect(Principal(parsing: "arn:aws:sts::111122223333:assumed-role/publisher/session")?.kind == .assumedRole)
        for text in [
            "arn:aws:iam::111122223333:root", "arn:aws:iam::111122223333:role/", "arn:aws:iam:eu:111122223333:role/a",
            "arn:aws:sts::111122223333:assumed-role/publisher", "arn:aws:iam::1111:role/a", "*",
        ] { #expect(Principal(parsing: text) == nil, "\(text)") }
    }

    @Test("a bus name holds up to 256 characters of its alphabet")
    func busName() {
        #expect(EventBusName(parsing: "aws.partner/acme.com/orders-1_x") != nil)
        #expect(EventBusName(parsing: String(repeating: "b", count: 256)) != nil)
        #expect(EventBusName(parsing: String(repeating: "b", count: 257)) == nil)
        for text in ["", "a b", "a:b", "ä", "a\0"] { #expect(EventBusName(parsing: text) == nil, "\(text)") }
    }

    @Test("an organization path begins with an organization id and ends with a slash")
    func organizationPath() {
        #expect(OrganizationPath(parsing: "o-a1b2c3d4e5/r-ab12/ou-ab12-11111111/")?.organization == "o-a1b2c3d4e5")
        for text in ["o-a1b2c3d4e5", "o-short/", "r-ab12/", "o-A1b2c3d4e5/", ""] {
            #expect(OrganizationPath(parsing: text) == nil, "\(text)")
        }
    }

    @Test("a UUID reads back as written")
    func uniqueID() {
        let id = UniqueID(random: 0x0123_4567_89AB_CDEF, 0xFEDC_BA98_7654_3210)
        #expect(id.description == "01234567-89ab-4def-bedc-ba9876543210")
        #expect(UniqueID(parsing: Array(id.description.utf8)) == id)
        #expect(UniqueID(parsing: Array(id.description.uppercased().utf8)) == id)
        for text in ["", "01234567-89ab-4def-bedc-ba987654321", "01234567_89ab-4def-bedc-ba9876543210"] {
            #expect(UniqueID(parsing: Array(text.utf8)) == nil)
        }
    }

    @Test("numbers are appended in decimal and hexadecimal")
    func digits() {
        var text: [UInt8] = []
        text.append(decimal: 0)
        text.append(" ")
        text.append(decimal: Int.min)
        text.append(" ")
        text.append(decimal: UInt64.max)
        text.append(" ")
        text.append(hexadecimal: 0xBEEF, digits: 6)
        #expect(String(decoding: text, as: UTF8.self) == "0 -9223372036854775808 18446744073709551615 00beef")
    }
}
