package import Cryptography
package import Domain

/// Decides whether a request was signed, with AWS Signature Version 4, by the holder of a key.
///
/// One event loop owns a verifier; its buffers are reused, and a request whose key was seen today allocates nothing
/// but a look-up's result. The only way to a `SigV4Proof` is past the comparison of the signatures.
///
/// - Source: THREATS §3.3
package final class SigV4Verifier {
    package let rules: SigV4Rules
    /// The canonical request of the last call, as far as it got: for `signature verify` and debugging, never for logs.
    package private(set) var canonicalRequest: [UInt8] = []
    /// The string to sign of the last call, empty when it was not reached.
    package private(set) var stringToSign: [UInt8] = []
    private var isSigned: [Bool] = []
    private var keys = SigningKeyCache()

    package init(rules: SigV4Rules) {
        self.rules = rules
    }

    /// Forgets what was derived from a key: call it when the key is disabled or deleted.
    package func forget(accessKeyID: String) { keys.wipe(accessKeyID: accessKeyID.utf8) }

    /// Forgets every derived key.
    package func forgetAllKeys() { keys.wipe() }

    /// Verifies `request` at the moment `now`.
    ///
    /// - Parameter accessKey: the record of an access key id, given the session token if one came; nil when unknown.
    /// - Throws: the first thing that is wrong.
    /// - Cost: two SHA-256 passes, one over the content and one over some 300 bytes, and one HMAC.
    package func verify(
        _ request: Request, now: Timestamp, accessKey: (_ id: Bytes, _ sessionToken: Bytes?) -> AccessKeyRecord?
    ) throws(SigV4Refusal) -> SigV4Proof {
        canonicalRequest.removeAll(keepingCapacity: true)
        stringToSign.removeAll(keepingCapacity: true)
        let field = try locate(request)
        let value = request.fields.value(at: field)
        return try value.withUnsafeBufferPointer { bytes throws(SigV4Refusal) in
            let authorization = try SigV4Authorization(parsing: bytes)
            let date = try checkDate(request, authorization, bytes, now: now)
            try checkScope(authorization, bytes)
            let body = SHA256.hash(request.body)
            try checkPayload(request, body)
            try appendCanonicalRequest(request, authorization, bytes, body: body)
            appendStringToSign(date: date.text, authorization, bytes)
            let token = request.fields.value(of: "x-amz-security-token")
            let id = value[offset: authorization.accessKeyID]
            guard let record = accessKey(id, token), record.isEnabled else {
                keys.wipe(authorization, in: bytes)
                throw .unknownKey
            }
            guard let key = keys.key(for: authorization, in: bytes, of: record) else { throw .secretUnavailable }
            guard ConstantTime.isEqual(key.authenticate(stringToSign), authorization.signature) else { throw .mismatch }
            try checkToken(token, of: record, now: now)
            return SigV4Proof(
                accessKey: record, bodyHash: body, signature: authorization.signature, signedAt: date.moment)
        }
    }

    /// The place of the one `Authorization` field, once nothing else authenticates and nothing that decides repeats.
    private func locate(_ request: Request) throws(SigV4Refusal) -> Int {
        let field = request.fields.index(of: "authorization")
        let isInQuery = request.target.withUnsafeBufferPointer { target in
            SigV4Target.authenticates(split(target).query)
        }
        if isInQuery { throw field == nil ? .queryAuthentication : .twoLocations }
        guard let field else { throw .missing }
        guard request.target.first == UInt8(ascii: "/") else { throw .malformedTarget }
        if let repeated = request.fields.repeatedDecidingField { throw .repeatedField(repeated) }
        if let host = request.fields.value(of: "host"), host != request.authority { throw .hostMismatch }
        return field
    }

    private func checkDate(
        _ request: Request, _ authorization: SigV4Authorization, _ bytes: UnsafeBufferPointer<UInt8>, now: Timestamp
    ) throws(SigV4Refusal) -> (text: Bytes, moment: Timestamp) {
        keys.begin(day: now.seconds / 86_400)
        guard let field = request.fields.value(of: "x-amz-date") else { throw .missingDate }
        guard let moment = Timestamp(basicISO8601: field) else { throw .malformedDate }
        if !bytes[authorization.date].elementsEqual(field.prefix(8)) {
            throw .scopeDate(scope: text(bytes, authorization.date), date: field.prefix(8).text)
        }
        let age = now.milliseconds - moment.milliseconds
        let tolerance = rules.toleranceSeconds
        if age > tolerance * 1000 {
            throw .expired(date: field.text, now: now.basicISO8601, toleranceSeconds: tolerance)
        }
        if age < -tolerance * 1000 {
            throw .notYetValid(date: field.text, now: now.basicISO8601, toleranceSeconds: tolerance)
        }
        return (field, moment)
    }

    private func checkScope(
        _ authorization: SigV4Authorization, _ bytes: UnsafeBufferPointer<UInt8>
    ) throws(SigV4Refusal) {
        guard bytes[authorization.region].elementsEqual(rules.region) else {
            throw .scopeRegion(
                scope: text(bytes, authorization.region), expected: String(decoding: rules.region, as: UTF8.self))
        }
        guard rules.services.contains(where: { bytes[authorization.service].elementsEqual($0) }) else {
            throw .scopeService(
                scope: text(bytes, authorization.service),
                expected: rules.services.map { String(decoding: $0, as: UTF8.self) })
        }
        guard bytes[authorization.terminator].elementsEqual("aws4_request".utf8) else {
            throw .scopeTerminator(scope: text(bytes, authorization.terminator))
        }
    }

    /// The hash a client states must be the hash of what arrived; that it is signed is checked with the other fields.
    private func checkPayload(_ request: Request, _ body: Digest) throws(SigV4Refusal) {
        guard let stated = request.fields.value(of: "x-amz-content-sha256") else { return }
        if stated.equals("UNSIGNED-PAYLOAD") { throw .unsignedPayload }
        if stated.starts(with: "STREAMING-".utf8) { throw .streamingPayload }
        canonicalRequest.removeAll(keepingCapacity: true)
        body.appendHexadecimal(to: &canonicalRequest)
        let isEqual = stated.elementsEqual(canonicalRequest)
        canonicalRequest.removeAll(keepingCapacity: true)
        if !isEqual { throw .payloadMismatch }
    }

    private func checkToken(_ token: Bytes?, of record: AccessKeyRecord, now: Timestamp) throws(SigV4Refusal) {
        switch (token, record.session) {
        case (nil, nil): return
        case (let token?, let session?):
            let isEqual = token.withUnsafeBytes { sent in
                session.token.bytes.withUnsafeBytes { ConstantTime.isEqual(sent, $0) }
            }
            guard isEqual else { throw .token }
            guard now < session.expires else { throw .expiredToken }
        case (nil, _?), (_?, nil): throw .token
        }
    }

    private func text(_ bytes: UnsafeBufferPointer<UInt8>, _ range: Range<Int>) -> String {
        String(decoding: bytes[range], as: UTF8.self)
    }
}

extension SigV4Verifier {
    private func appendCanonicalRequest(
        _ request: Request, _ authorization: SigV4Authorization, _ bytes: UnsafeBufferPointer<UInt8>, body: Digest
    ) throws(SigV4Refusal) {
        canonicalRequest.append(contentsOf: request.method)
        canonicalRequest.append(UInt8(ascii: "\n"))
        request.target.withUnsafeBufferPointer { target in
            let (path, query) = split(target)
            SigV4Target.appendPath(path, rules: rules, to: &canonicalRequest)
            canonicalRequest.append(UInt8(ascii: "\n"))
            SigV4Target.appendQuery(query, to: &canonicalRequest)
        }
        canonicalRequest.append(UInt8(ascii: "\n"))
        try appendCanonicalFields(request, authorization, bytes)
        canonicalRequest.append(UInt8(ascii: "\n"))
        canonicalRequest.append(contentsOf: bytes[authorization.signedHeaders])
        canonicalRequest.append(UInt8(ascii: "\n"))
        body.appendHexadecimal(to: &canonicalRequest)
    }

    /// Appends each signed field, and refuses when one did not arrive or one that decides something is not signed.
    private func appendCanonicalFields(
        _ request: Request, _ authorization: SigV4Authorization, _ bytes: UnsafeBufferPointer<UInt8>
    ) throws(SigV4Refusal) {
        isSigned.removeAll(keepingCapacity: true)
        for _ in 0..<request.fields.count { isSigned.append(false) }
        var isHostSigned = false
        var names = SigV4NameList(bytes: bytes, list: authorization.signedHeaders)
        while let name = names.next() {
            canonicalRequest.append(contentsOf: bytes[name])
            canonicalRequest.append(UInt8(ascii: ":"))
            if bytes[name].elementsEqual("host".utf8), !request.authority.isEmpty {
                isHostSigned = true
                appendTrimmed(request.authority)
            } else if !appendValues(of: bytes[name], in: request) {
                throw .signedHeaderAbsent(name: text(bytes, name))
            }
            canonicalRequest.append(UInt8(ascii: "\n"))
        }
        guard isHostSigned else { throw .unsigned(name: "host") }
        for index in 0..<request.fields.count where !isSigned[index] {
            if request.fields.mustBeSigned(at: index) {
                throw .unsigned(name: request.fields.name(at: index).text)
            }
        }
    }

    /// Appends the values of every field of that name, with commas between; false when there is none.
    private func appendValues(of name: Slice<UnsafeBufferPointer<UInt8>>, in request: Request) -> Bool {
        var isFound = false
        for index in 0..<request.fields.count {
            guard Int(request.fields.fields[index].nameCount) == name.count,
                request.fields.name(at: index).elementsEqual(name)
            else { continue }
            if isFound { canonicalRequest.append(UInt8(ascii: ",")) }
            isFound = true
            isSigned[index] = true
            appendTrimmed(request.fields.value(at: index))
        }
        return isFound
    }

    /// Appends a value without white space at its ends, each run of it inside as one space.
    private func appendTrimmed(_ value: Bytes) {
        let start = canonicalRequest.count
        var isPending = false
        value.withUnsafeBufferPointer { value in
            for byte in value {
                if byte == 0x20 || (0x09...0x0D).contains(byte) {
                    isPending = canonicalRequest.count > start
                } else {
                    if isPending { canonicalRequest.append(0x20) }
                    isPending = false
                    canonicalRequest.append(byte)
                }
            }
        }
    }

    private func appendStringToSign(
        date: Bytes, _ authorization: SigV4Authorization, _ bytes: UnsafeBufferPointer<UInt8>
    ) {
        stringToSign.append("AWS4-HMAC-SHA256\n")
        stringToSign.append(contentsOf: date)
        stringToSign.append(UInt8(ascii: "\n"))
        stringToSign.append(contentsOf: bytes[authorization.scope])
        stringToSign.append(UInt8(ascii: "\n"))
        SHA256.hash(canonicalRequest).appendHexadecimal(to: &stringToSign)
    }
}

/// What a verified signature proves. Only `SigV4Verifier` makes one, after the signatures were compared.
package struct SigV4Proof: Sendable {
    /// The key that signed.
    package let accessKey: AccessKeyRecord
    /// SHA-256 of the content received.
    package let bodyHash: Digest
    /// The signature, for a listener that refuses to serve it twice.
    package let signature: Digest
    /// `x-amz-date`.
    package let signedAt: Timestamp

    fileprivate init(accessKey: AccessKeyRecord, bodyHash: Digest, signature: Digest, signedAt: Timestamp) {
        self.accessKey = accessKey
        self.bodyHash = bodyHash
        self.signature = signature
        self.signedAt = signedAt
    }
}

/// The path and the query of a request target, without the `?`.
private func split(
    _ target: UnsafeBufferPointer<UInt8>
) -> (path: UnsafeBufferPointer<UInt8>, query: UnsafeBufferPointer<UInt8>) {
    let end = target.firstIndex(of: UInt8(ascii: "?")) ?? target.count
    return (
        UnsafeBufferPointer(rebasing: target[..<end]), UnsafeBufferPointer(rebasing: target[end...].dropFirst())
    )
}

extension Bytes {
    fileprivate subscript(offset range: Range<Int>) -> Bytes {
        self[(startIndex + range.lowerBound)..<(startIndex + range.upperBound)]
    }
}

extension HeaderFields {
    /// The first of the fields that decide something and stand more than once.
    fileprivate var repeatedDecidingField: SigV4Refusal.StaticField? {
        if repeats("authorization") { return .authorization }
        if repeats("host") { return .host }
        if repeats("x-amz-date") { return .date }
        if repeats("x-amz-security-token") { return .token }
        if repeats("x-amz-content-sha256") { return .payloadHash }
        if repeats("x-amz-target") { return .target }
        return repeats("content-type") ? .contentType : nil
    }

    /// Every `x-amz-*` field and `content-type` must be signed. Case is ignored: the HTTP layers send lower case, and
    /// should one forget, the field is still refused.
    fileprivate func mustBeSigned(at index: Int) -> Bool {
        let name = name(at: index)
        let prefix: StaticString = "x-amz-"
        let whole: StaticString = "content-type"
        if name.count == whole.utf8CodeUnitCount {
            if zip(name, "content-type".utf8).allSatisfy({ lowercased($0) == $1 }) { return true }
        }
        guard name.count >= prefix.utf8CodeUnitCount else { return false }
        return zip(name, "x-amz-".utf8).allSatisfy { lowercased($0) == $1 }
    }
}
