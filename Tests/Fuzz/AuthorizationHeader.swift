import Cryptography
import Domain
import Identity

// Feeds the Authorization field of AWS Signature Version 4.
//
// Oracles: what is read, written out again, is the input but for spaces after commas; the names are sorted; and no
// field that was not signed with the secret makes a request pass.

private let record = AccessKeyRecord(
    id: "AKIAIOSFODNN7EXAMPLE", principal: Principal(.role, path: "a", account: AccountID(unchecked: 111_122_223_333)),
    secret: SecretBytes(Array("not in any seed".utf8)))

private func checkParts(_ bytes: UnsafeBufferPointer<UInt8>, _ parts: SigV4Authorization) {
    var written = Array("AWS4-HMAC-SHA256 Credential=".utf8)
    written += bytes[parts.accessKeyID]
    for element in [parts.date, parts.region, parts.service, parts.terminator] {
        written.append(UInt8(ascii: "/"))
        written += bytes[element]
    }
    written += Array(",SignedHeaders=".utf8) + bytes[parts.signedHeaders] + Array(",Signature=".utf8)
    parts.signature.appendHexadecimal(to: &written)
    var squeezed: [UInt8] = []
    for byte in bytes where !(byte == 0x20 && squeezed.last == UInt8(ascii: ",")) { squeezed.append(byte) }
    precondition(written == squeezed)
    let names = bytes[parts.signedHeaders].split(separator: UInt8(ascii: ";"), omittingEmptySubsequences: false)
    precondition((1...SigV4Authorization.maximumSignedHeaders).contains(names.count))
    for (left, right) in zip(names, names.dropFirst()) { precondition(left.lexicographicallyPrecedes(right)) }
}

private func checkRefused(_ value: UnsafeBufferPointer<UInt8>) {
    var fields = HeaderFields()
    fields.append(name: "x-amz-date", value: "20261121T060000Z")
    fields.append(name: "x-amz-target", value: "AWSEvents.PutEvents")
    let name = Array("authorization".utf8)
    name.withUnsafeBufferPointer { fields.append(name: $0, value: value) }
    let method = Array("POST/a".utf8)
    let request = method.withUnsafeBufferPointer { text in
        Request(
            version: .http2, method: UnsafeBufferPointer(rebasing: text[..<4]),
            target: UnsafeBufferPointer(rebasing: text[4..<5]), authority: UnsafeBufferPointer(rebasing: text[5...]),
            fields: fields, body: [])
    }
    let verifier = SigV4Verifier(rules: SigV4Rules(region: "eu-central-1", services: ["events"]))
    do throws(SigV4Refusal) {
        _ = try verifier.verify(request, now: Timestamp(seconds: 1_795_240_800)) { _, _ in record }
        preconditionFailure("a signature was forged")
    } catch {
        precondition(!error.description.isEmpty)
    }
}

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzAuthorizationHeader(_ start: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
    let bytes = UnsafeBufferPointer(start: start, count: count)
    do throws(SigV4Refusal) {
        checkParts(bytes, try SigV4Authorization(parsing: bytes))
    } catch {
        precondition(!error.description.isEmpty)
    }
    checkRefused(bytes)
    return 0
}
