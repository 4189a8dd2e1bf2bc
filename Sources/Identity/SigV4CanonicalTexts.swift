import Cryptography
import Domain

/// The two texts a signature is computed over, in buffers that are used again.
///
/// - Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
struct SigV4CanonicalTexts {
    private(set) var canonicalRequest: [UInt8] = []
    private(set) var stringToSign: [UInt8] = []
    private var isSigned: [Bool] = []

    mutating func clear() {
        canonicalRequest.removeAll(keepingCapacity: true)
        stringToSign.removeAll(keepingCapacity: true)
    }

    /// Appends the canonical request.
    ///
    /// - Throws: `.signedHeaderAbsent`; `.unsigned` for `host`, `content-type` or an `x-amz-*` field.
    mutating func append(
        _ view: RequestView, _ authorization: SigV4Authorization, _ bytes: UnsafeBufferPointer<UInt8>, body: Digest,
        rules: SigV4Rules
    ) throws(SigV4Refusal) {
        canonicalRequest.append(contentsOf: view.method)
        canonicalRequest.append(UInt8(ascii: "\n"))
        if view.target.count == 1 {
            canonicalRequest.append("/\n")
        } else {
            let (path, query) = SigV4Target.split(view.target)
            SigV4Target.appendPath(path, rules: rules, to: &canonicalRequest)
            canonicalRequest.append(UInt8(ascii: "\n"))
            SigV4Target.appendQuery(query, to: &canonicalRequest)
        }
        canonicalRequest.append(UInt8(ascii: "\n"))
        try appendFields(view, bytes, authorization.signedHeaders)
        canonicalRequest.append(UInt8(ascii: "\n"))
        canonicalRequest.append(contentsOf: bytes.part(authorization.signedHeaders))
        canonicalRequest.append(UInt8(ascii: "\n"))
        body.appendHexadecimal(to: &canonicalRequest)
    }

    /// Appends the string to sign for the canonical request at hand.
    mutating func appendStringToSign(
        date: UnsafeBufferPointer<UInt8>, _ authorization: SigV4Authorization, _ bytes: UnsafeBufferPointer<UInt8>
    ) {
        stringToSign.append("AWS4-HMAC-SHA256\n")
        stringToSign.append(contentsOf: date)
        stringToSign.append(UInt8(ascii: "\n"))
        stringToSign.append(contentsOf: bytes.part(authorization.scope))
        stringToSign.append(UInt8(ascii: "\n"))
        SHA256.hash(canonicalRequest).appendHexadecimal(to: &stringToSign)
    }

    private mutating func appendFields(
        _ view: RequestView, _ bytes: UnsafeBufferPointer<UInt8>, _ list: Range<Int>
    ) throws(SigV4Refusal) {
        isSigned.removeAll(keepingCapacity: true)
        for _ in 0..<view.fieldCount { isSigned.append(false) }
        var isHostSigned = false
        var names = SigV4NameList(bytes: bytes, list: list)
        while let range = names.next() {
            let name = bytes.part(range)
            canonicalRequest.append(contentsOf: name)
            canonicalRequest.append(UInt8(ascii: ":"))
            if name.isSame(as: "host"), !view.authority.isEmpty {
                isHostSigned = true
                appendTrimmed(view.authority)
            } else if !appendValues(of: name, in: view) {
                throw .signedHeaderAbsent(name: name.text)
            }
            canonicalRequest.append(UInt8(ascii: "\n"))
        }
        guard isHostSigned else { throw .unsigned(name: "host") }
        for index in 0..<view.fieldCount where !isSigned[index] && view.mustBeSigned(index) {
            throw .unsigned(name: view.name(index).text)
        }
    }

    /// Appends the values of every field of that name, with commas between; false when there is none.
    private mutating func appendValues(of name: UnsafeBufferPointer<UInt8>, in view: RequestView) -> Bool {
        var isFound = false
        for index in 0..<view.fieldCount where view.name(index).isSame(as: name) {
            if isFound { canonicalRequest.append(UInt8(ascii: ",")) }
            isFound = true
            isSigned[index] = true
            appendTrimmed(view.value(index))
        }
        return isFound
    }

    /// Appends a value without white space at its ends, each run of it inside as one space.
    private mutating func appendTrimmed(_ value: UnsafeBufferPointer<UInt8>) {
        if isTrimmed(value) {
            canonicalRequest.append(contentsOf: value)
            return
        }
        let start = canonicalRequest.count
        var isPending = false
        for byte in value {
            if isWhiteSpace(byte) {
                isPending = canonicalRequest.count > start
            } else {
                if isPending { canonicalRequest.append(0x20) }
                isPending = false
                canonicalRequest.append(byte)
            }
        }
    }

    private func isTrimmed(_ value: UnsafeBufferPointer<UInt8>) -> Bool {
        var isAfterSpace = true
        for byte in value {
            if isWhiteSpace(byte) {
                if isAfterSpace || byte != 0x20 { return false }
                isAfterSpace = true
            } else {
                isAfterSpace = false
            }
        }
        return !isAfterSpace || value.isEmpty
    }

    private func isWhiteSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }
}
