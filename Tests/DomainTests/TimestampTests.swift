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
}
