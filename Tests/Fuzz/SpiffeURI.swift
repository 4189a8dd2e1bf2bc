import Domain
import Identity

// Feeds the raw bytes of a certificate's URI name.
//
// Oracles: an id that is read is written out again byte for byte; its claimed trust domain is its trust domain; nothing
// outside the printable bytes is ever accepted.

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzSpiffeURI(_ start: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
    let bytes = UnsafeBufferPointer(start: start, count: count)
    let claimed = SpiffeID.claimedTrustDomain(Array(bytes))
    do throws(SpiffeID.Refusal) {
        let id = try SpiffeID(parsing: bytes)
        precondition(id.description.utf8.elementsEqual(bytes))
        precondition(claimed == id.trustDomain)
        precondition(bytes.allSatisfy { $0 > 0x20 && $0 < 0x7F })
        let principal = id.principal(partition: "aws")
        precondition(Principal(parsing: principal.arn) == principal || principal.arn.utf8.count > ARN.maximumBytes)
    } catch {
        precondition(!error.rawValue.isEmpty)
    }
    return 0
}
