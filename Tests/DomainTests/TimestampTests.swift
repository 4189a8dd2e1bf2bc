import Domain
import Testing

@Suite struct TimestampTests {
    @Test(
        "civil dates and seconds since 1970 are two views of one moment",
        arguments: [
            (0, "1970-01-01T00:00:00Z"), (951_782_399, "2000-02-28T23:59:59Z"), (951_782_400, "2000-02-29T00:00:00Z"),
            (1_440_938_160, "2015-08-30T12:36:00Z"), (4_107_542_400, "2100-03-01T00:00:00Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
        ] as [(Int64, String)])
    func roundTrip(seconds: Int64, text: String) {
        let moment = Timestamp(seconds: seconds)
        #expect(moment.iso8601 == text)
        #expect(Timestamp(calendar: moment.calendar) == moment)
    }

    @Test("a date that no calendar has is refused")
    func impossibleDates() {
        func moment(_ year: Int, _ month: Int, _ day: Int, _ hour: Int = 0) -> Timestamp? {
            Timestamp(calendar: .init(year: year, month: month, day: day, hour: hour, minute: 0, second: 0))
        }
        #expect(moment(2023, 2, 29) == nil)
        #expect(moment(2024, 2, 29) != nil)
        #expect(moment(2024, 13, 1) == nil)
        #expect(moment(2024, 4, 31) == nil)
        #expect(moment(2024, 4, 30, 24) == nil)
        #expect(moment(0, 1, 1) == nil)
    }

    @Test("milliseconds are shown only where there are any")
    func fraction() {
        #expect(Timestamp(milliseconds: 1_042).iso8601 == "1970-01-01T00:00:01.042Z")
        #expect(Timestamp(milliseconds: -1).seconds == -1)
    }

    @Test(
        "a timestamp of RFC 3339 is read",
        arguments: [
            ("1985-04-12T23:20:50.52Z", 482_196_050_520), ("1996-12-19T16:39:57-08:00", 851_042_397_000),
            ("1990-12-31T23:59:60Z", 662_688_000_000), ("1990-12-31T15:59:60-08:00", 662_688_000_000),
            ("1937-01-01T12:00:27.87+00:20", -1_041_337_172_130), ("2018-04-05t17:31:00z", 1_522_949_460_000),
            ("2018-04-05 17:31:00.123456789Z", 1_522_949_460_123), ("0001-01-01T00:00:00Z", -62_135_596_800_000),
        ] as [(String, Int64)])
    func rfc3339(text: String, milliseconds: Int64) {
        // Source: RFC 3339 section 5.8, the first five.
        #expect(Timestamp(rfc3339: Array(text.utf8)) == Timestamp(milliseconds: milliseconds))
    }

    @Test(
        "anything else is no timestamp",
        arguments: [
            "", "2018-04-05", "2018-04-05T17:31Z", "2018-04-05T17:31:00", "2018-04-05T17:31:00+0200",
            "2018-02-30T17:31:00Z", "2018-04-05T24:00:00Z", "2018-04-05T17:31:61Z", "2018-04-05T17:31:00.Z",
            "2018-04-05T17:31:00.1234567890Z", "2018-04-05T17:31:00Z ", "18-04-05T17:31:00Z", "2018-4-05T17:31:00Z",
            "2018-04-05T17:31:00+24:00", "2018-04-05T17:31:00+23:60", "0001-01-01T00:00:00+00:01",
            "2018-04-05T17:31:00,5Z",
        ])
    func notRFC3339(text: String) { #expect(Timestamp(rfc3339: Array(text.utf8)) == nil) }
}
