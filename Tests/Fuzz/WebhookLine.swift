import Identity
import JSON

// Feeds lines to `signature verify --batch` under every webhook scheme.
//
// Oracle: every line gets one line of JSON that says whether it verified, and why not.

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzWebhookLine(_ start: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
    let line = UnsafeBufferPointer(start: start, count: count)
    for scheme in WebhookBatch.Scheme.allCases {
        let answer = WebhookBatch(scheme).verify(line: line)
        do throws(JSONError) {
            let node = try JSONNode(parsing: answer.line, maximumBytes: 64 << 20)
            precondition(node["verified"]?.bool == answer.isVerified)
            precondition((node["reason"] == nil) == answer.isVerified)
        } catch {
            preconditionFailure("the answer is not JSON: \(error)")
        }
    }
    return 0
}
