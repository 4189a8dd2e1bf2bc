import Cryptography
import Domain
import Testing

@testable import Bus

@Suite struct EventFrameTests {
    @Test("a frame gives back every field it was made of")
    func roundTrip() throws {
        let time = Timestamp(seconds: 1_700_000_000)
        let entry = Samples.entry(trace: "Root=1-5", time: time)
        let bytes = Samples.frame(entry)
        #expect(bytes.count == EventFrame.byteCount(of: entry, publisher: Samples.publisher()))
        let frame = try #require(EventFrame(decodingPrefixOf: bytes[...]))
        #expect(frame.source.text == "com.acme.orders")
        #expect(frame.detailType.text == "Order \"placed\"")
        #expect(frame.detail.text == "{\"a\": [1, 2]}")
        #expect(frame.traceHeader.text == "Root=1-5")
        #expect(frame.receivedAt == Samples.received)
        #expect(frame.entryTime == time)
        #expect(frame.decisionID == UniqueID(high: 1, low: 1))
        #expect(frame.requestID == UniqueID(high: 2, low: 1))
        #expect(frame.publisher == Samples.publisher())
        var resources: [String] = []
        frame.forEachResource { resources.append($0.text) }
        #expect(resources == ["arn:aws:s3:::a", "é"])
    }

    @Test("a frame that was cut anywhere is refused")
    func cut() {
        let bytes = Samples.frame(Samples.entry())
        for count in 0..<bytes.count { #expect(EventFrame(decodingPrefixOf: bytes[..<count]) == nil) }
        #expect(EventFrame(decodingPrefixOf: bytes[...]) != nil)
    }

    @Test("a length, format or flag that no writer makes is refused", arguments: Array(0..<8) + Array(56..<80))
    func changedFixedField(offset: Int) {
        var bytes = Samples.frame(Samples.entry())
        bytes[offset] ^= 0x40
        #expect(EventFrame(decodingPrefixOf: bytes[...]) == nil)
    }

    @Test("any single changed byte is survived without a crash")
    func changedAnywhere() {
        let bytes = Samples.frame(Samples.entry())
        var refused = 0
        for offset in bytes.indices {
            var changed = bytes
            changed[offset] ^= 0x81
            if EventFrame(decodingPrefixOf: changed[...]) == nil { refused += 1 }
        }
        #expect(refused > 20)
    }

    @Test("an encoding limit of provenance holds: at it yes, over it no")
    func provenanceLimit() {
        let fixed = 8 + 1 + Digest.byteCount + 8
        func publisher(_ count: Int) -> PublisherProvenance? {
            PublisherProvenance(
                principal: String(repeating: "p", count: count), account: Samples.sender, organizationPath: nil,
                trustDomain: nil, certificateFingerprint: nil, accessKeyID: nil)
        }
        #expect(publisher(PublisherProvenance.encodedBytesLimit - fixed) != nil)
        #expect(publisher(PublisherProvenance.encodedBytesLimit - fixed + 1) == nil)
    }

    @Test("the envelope is EventBridge's, with detail byte for byte and a provenance block")
    func envelope() throws {
        let entry = Samples.entry(time: Timestamp(milliseconds: 1_700_000_000_500))
        let frame = try #require(EventFrame(decodingPrefixOf: Samples.frame(entry)[...]))
        let position = Position(bus: BusNumber(3), sequence: Domain.Sequence(9))
        var output: [UInt8] = []
        StoredEvent(position: position, frame: frame)
            .appendEnvelope(to: &output, id: UniqueID(high: 0x1234, low: 5), region: "eu-central-1")
        let fingerprint = SHA256.hash([7]).hexadecimal
        let expected =
            #"{"version":"0","id":"00000000-0000-1234-0000-000000000005","detail-type":"Order \"placed\"","#
            + #""source":"com.acme.orders","account":"111122223333","time":"2023-11-14T22:13:20Z","#
            + #""region":"eu-central-1","resources":["arn:aws:s3:::a","é"],"detail":{"a": [1, 2]},"#
            + #""isthmus":{"principal":"arn:aws:iam::111122223333:role/publisher","account":"111122223333","#
            + #""organizationPath":"o-a1b2c3d4e5/r-ab12/ou-ab12-11111111/","trustDomain":"partner.example","#
            + #""certificateFingerprint":"\#(fingerprint)","decisionId":"00000000-0000-0001-0000-000000000001","#
            + #""receiptId":"00000000-0000-0002-0000-000000000001","receivedAt":"2026-11-18T11:06:40.123Z","#
            + #""sequence":9}}"#
        #expect(String(decoding: output, as: UTF8.self) == expected)
    }
}
