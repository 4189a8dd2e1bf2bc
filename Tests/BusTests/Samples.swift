import Bus
import Cryptography
import Domain

/// Events that look like real ones, from numbers.
enum Samples {
    static let sender = AccountID(unchecked: 111_122_223_333)
    static let bus = EventBusID(account: AccountID(unchecked: 444_455_556_666), name: .default)
    static let received = Timestamp(milliseconds: 1_795_000_000_123)

    static func publisher(path: String? = "o-a1b2c3d4e5/r-ab12/ou-ab12-11111111/") -> PublisherProvenance {
        PublisherProvenance(
            principal: "arn:aws:iam::111122223333:role/publisher", account: sender, organizationPath: path,
            trustDomain: "partner.example", certificateFingerprint: SHA256.hash([7]), accessKeyID: "AKIAEXAMPLE")!
    }

    static func entry(
        source: String = "com.acme.orders", type: String = "Order \"placed\"", detail: String = "{\"a\": [1, 2]}",
        resources: [String] = ["arn:aws:s3:::a", "é"], trace: String = "", time: Timestamp? = nil
    ) -> Entry {
        var list: [UInt8] = []
        for resource in resources {
            let count = UInt32(resource.utf8.count)
            for shift in stride(from: 0, to: 32, by: 8) { list.append(UInt8(truncatingIfNeeded: count >> shift)) }
            list.append(contentsOf: resource.utf8)
        }
        func lend<Value>(_ text: String, _ body: (UnsafeBufferPointer<UInt8>) -> Value) -> Value {
            Array(text.utf8).withUnsafeBufferPointer(body)
        }
        return lend(source) { source in
            lend(type) { type in
                lend(detail) { detail in
                    lend(trace) { trace in
                        list.withUnsafeBufferPointer {
                            Entry(
                                source: source, detailType: type, detail: detail, resources: $0,
                                resourceCount: resources.count, traceHeader: trace, time: time)
                        }
                    }
                }
            }
        }
    }

    static func frame(_ entry: Entry, number: UInt64 = 1, publisher: PublisherProvenance = publisher()) -> [UInt8] {
        var bytes: [UInt8] = []
        EventFrame.append(
            entry, publisher: publisher, receivedAt: received, decisionID: UniqueID(high: 1, low: number),
            requestID: UniqueID(high: 2, low: number), to: &bytes)
        return bytes
    }
}
