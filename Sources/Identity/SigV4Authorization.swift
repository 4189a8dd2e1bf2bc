package import Cryptography
import Domain

/// The parts of one `Authorization` field of AWS Signature Version 4, as places in its bytes.
///
/// Exactly `AWS4-HMAC-SHA256 Credential=ID/DATE/REGION/SERVICE/TERM, SignedHeaders=a;b, Signature=HEX`: the parts once
/// each and in this order, a comma between them with any number of spaces after it. That is what every AWS SDK sends;
/// anything looser is a second reading of the same bytes.
///
/// - Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
package struct SigV4Authorization: Sendable {
    /// The access key id.
    package let accessKeyID: Range<Int>
    /// `20150830`, from the scope; not yet compared with anything.
    package let date: Range<Int>
    package let region: Range<Int>
    package let service: Range<Int>
    package let terminator: Range<Int>
    /// The list as sent, in lower case, sorted, without repetition.
    package let signedHeaders: Range<Int>
    /// The 32 bytes of the signature.
    package let signature: Digest

    /// The longest field that is read; the AWS SDKs send about 300 bytes.
    package static let maximumBytes = 4096
    /// The most names in `SignedHeaders`: each costs a search of the fields.
    package static let maximumSignedHeaders = 64
    /// The longest access key id. Source: IAM API `accessKeyIdType`, 16 … 128 of `\w`; test keys are shorter.
    package static let maximumAccessKeyIDBytes = 128

    /// `DATE/REGION/SERVICE/TERM`, as it stands in the string to sign.
    package var scope: Range<Int> { date.lowerBound..<terminator.upperBound }

    /// Reads a field's value.
    ///
    /// - Throws: `.unsupportedAlgorithm`, `.malformed` or one of the `.signedHeaders…` cases.
    package init(parsing bytes: UnsafeBufferPointer<UInt8>) throws(SigV4Refusal) {
        guard bytes.count <= Self.maximumBytes else { throw .malformed(.field) }
        var reader = Reader(bytes: bytes)
        guard reader.skip("AWS4-HMAC-SHA256 ") else { throw .unsupportedAlgorithm }
        guard reader.skip("Credential=") else { throw .malformed(.credential) }
        accessKeyID = reader.run { $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: ",") }
        date = try reader.scopeElement()
        region = try reader.scopeElement()
        service = try reader.scopeElement()
        terminator = try reader.scopeElement()
        guard (1...Self.maximumAccessKeyIDBytes).contains(accessKeyID.count),
            bytes.part(accessKeyID).allSatisfy(isWordCharacter)
        else { throw .malformed(.accessKeyID) }
        guard reader.separator(), reader.skip("SignedHeaders=") else { throw .malformed(.signedHeaders) }
        signedHeaders = reader.run { $0 != UInt8(ascii: ",") && $0 != UInt8(ascii: " ") }
        try Self.check(bytes, in: signedHeaders)
        guard reader.separator(), reader.skip("Signature=") else { throw .malformed(.signature) }
        guard let digest = Self.digest(bytes.part(reader.run { _ in true })) else { throw .malformed(.signature) }
        signature = digest
    }

    /// The 32 bytes that exactly 64 lower-case hexadecimal digits write, or nil.
    static func digest(_ text: UnsafeBufferPointer<UInt8>) -> Digest? {
        guard text.count == 2 * Digest.byteCount else { return nil }
        return withUnsafeTemporaryAllocation(byteCount: Digest.byteCount, alignment: 8) { bytes in
            for index in 0..<Digest.byteCount {
                guard let high = nibble(text[2 * index]), let low = nibble(text[2 * index + 1]) else { return nil }
                bytes[index] = high << 4 | low
            }
            do throws(CryptographyError) { return try Digest(UnsafeRawBufferPointer(bytes)) } catch { return nil }
        }
    }

    /// Checks the list of names, and how many they are.
    private static func check(_ bytes: UnsafeBufferPointer<UInt8>, in list: Range<Int>) throws(SigV4Refusal) {
        var names = SigV4NameList(bytes: bytes, list: list)
        var previous: UnsafeBufferPointer<UInt8>?
        var count = 0
        while let range = names.next() {
            let name = bytes.part(range)
            guard !name.isEmpty else { throw .malformed(.signedHeaders) }
            for byte in name {
                if (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) { throw .signedHeadersUpperCase }
                guard isTokenCharacter(byte) else { throw .malformed(.signedHeaders) }
            }
            if let previous, !previous.precedes(name) {
                throw previous.isSame(as: name) ? .signedHeadersRepeat : .signedHeadersUnsorted
            }
            previous = name
            count += 1
            guard count <= maximumSignedHeaders else { throw .signedHeadersTooMany }
        }
    }
}

/// The names of a `SignedHeaders` list, one after the other; an empty list is one empty name.
struct SigV4NameList {
    let bytes: UnsafeBufferPointer<UInt8>
    let list: Range<Int>
    private var position: Int?

    init(bytes: UnsafeBufferPointer<UInt8>, list: Range<Int>) {
        self.bytes = bytes
        self.list = list
        position = list.lowerBound
    }

    mutating func next() -> Range<Int>? {
        guard let start = position else { return nil }
        var end = start
        while end < list.upperBound, bytes[end] != UInt8(ascii: ";") { end += 1 }
        position = end < list.upperBound ? end + 1 : nil
        return start..<end
    }
}

/// Reads forward; every method leaves the position where it stopped.
private struct Reader {
    let bytes: UnsafeBufferPointer<UInt8>
    var position = 0

    mutating func skip(_ literal: StaticString) -> Bool {
        let end = position + literal.utf8CodeUnitCount
        guard end <= bytes.count else { return false }
        for index in position..<end where bytes[index] != literal.utf8Start[index - position] { return false }
        position = end
        return true
    }

    mutating func run(while isPart: (UInt8) -> Bool) -> Range<Int> {
        let start = position
        while position < bytes.count, isPart(bytes[position]) { position += 1 }
        return start..<position
    }

    /// The next of the scope's elements: a slash, then printable bytes up to the next slash, comma or space.
    mutating func scopeElement() throws(SigV4Refusal) -> Range<Int> {
        guard skip("/") else { throw .malformed(.credential) }
        let element = run { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: ",") }
        guard !element.isEmpty else { throw .malformed(.credential) }
        return element
    }

    mutating func separator() -> Bool {
        guard skip(",") else { return false }
        _ = run { $0 == UInt8(ascii: " ") }
        return true
    }
}

private func isWordCharacter(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
        true
    default: false
    }
}

/// Source: RFC 9110 §5.6.2, `tchar`.
private func isTokenCharacter(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "!"), UInt8(ascii: "#"), UInt8(ascii: "$"),
        UInt8(ascii: "%"), UInt8(ascii: "&"), UInt8(ascii: "'"), UInt8(ascii: "*"), UInt8(ascii: "+"),
        UInt8(ascii: "^"), UInt8(ascii: "`"), UInt8(ascii: "|"), UInt8(ascii: "~"):
        true
    default: isWordCharacter(byte)
    }
}

/// The value of a lower-case hexadecimal digit.
private func nibble(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
    default: nil
    }
}
