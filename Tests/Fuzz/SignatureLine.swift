import Identity
import JSON

// Feeds lines to `signature verify --batch`: JSON, base64, paths, queries, fields and the verifier behind them.
//
// Oracle: every line gets one line of JSON that says whether it verified, under every path rule.

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzSignatureLine(_ start: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
    let line = UnsafeBufferPointer(start: start, count: count)
    for normalizesPath in [true, false] {
        let answer = SigV4Batch(normalizesPath: normalizesPath).verify(line: line)
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
