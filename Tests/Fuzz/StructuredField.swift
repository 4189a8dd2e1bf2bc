import Domain
import Identity

// Feeds structured fields (RFC 8941) and the two fields of message signatures (RFC 9421).
//
// Oracles: what is read, written and read again is the same, and is written the same; a signature base ends in the
// parameters and has a line for each component; nobody's signature is taken.

/// What `read` makes of bytes, or nil.
private func attempt<Field>(
    _ bytes: [UInt8], _ read: ([UInt8]) throws(StructuredFieldFault) -> Field
) -> Field? {
    do throws(StructuredFieldFault) {
        return try read(bytes)
    } catch {
        if case .malformed(let place) = error { precondition(place <= bytes.count) }
        return nil
    }
}

private func check<Field: Equatable>(
    _ bytes: [UInt8], _ read: ([UInt8]) throws(StructuredFieldFault) -> Field, _ write: (Field, inout [UInt8]) -> Void
) {
    guard let field = attempt(bytes, read) else { return }
    var written: [UInt8] = []
    write(field, &written)
    guard let again = attempt(written, read) else { preconditionFailure("what was written cannot be read") }
    precondition(again == field)
    var writtenAgain: [UInt8] = []
    write(again, &writtenAgain)
    precondition(writtenAgain == written)
}

private let verifier: MessageSignatureVerifier = {
    let secret = SecretBytes(Array("not in any seed, and no signature by it".utf8))
    return MessageSignatureVerifier(
        keys: MessageSignatureKey(id: nil, secret: secret).map { [$0] } ?? [], policy: MessageSignaturePolicy())
}()

/// The input's lines are `signature-input`, `signature` and one more field.
private func checkSignature(_ bytes: [UInt8]) {
    let parts = bytes.split(separator: 0x0A, maxSplits: 2, omittingEmptySubsequences: false)
    var fields: [(name: String, value: String)] = [("host", "example.com")]
    for (name, part) in zip(["signature-input", "signature", "x"], parts) {
        fields.append((name, String(decoding: part, as: UTF8.self)))
    }
    let request = Request(
        version: .http11, method: "POST", target: "/a?b=c&d=%20", authority: "example.com", fields: fields, body: [])
    let message = SignedMessage(request)
    do throws(MessageSignatureRefusal) {
        for input in try MessageSignatureInput.all(in: request.fields) {
            let base = try input.base(of: message)
            let lines = base.split(separator: 0x0A, omittingEmptySubsequences: false)
            precondition(lines.count == input.components.count + 1)
            precondition(lines.last?.starts(with: "\"@signature-params\": (".utf8) == true)
        }
        _ = try verifier.verify(message, now: Timestamp(seconds: 1_618_884_480))
        preconditionFailure("a signature was forged")
    } catch {
        precondition(!error.description.isEmpty)
    }
}

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzStructuredField(_ start: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
    let bytes = Array(UnsafeBufferPointer(start: start, count: count))
    check(bytes, { bytes throws(StructuredFieldFault) in try StructuredFieldParser.list(bytes) }) { list, output in
        StructuredFieldMember.append(list: list, to: &output)
    }
    check(bytes, { bytes throws(StructuredFieldFault) in try StructuredFieldParser.dictionary(bytes) }) {
        $0.append(to: &$1)
    }
    check(bytes, { bytes throws(StructuredFieldFault) in try StructuredFieldParser.item(bytes) }) { $0.append(to: &$1) }
    checkSignature(bytes)
    return 0
}
