package import Cryptography
package import Domain

/// Decides whether a request was signed, with AWS Signature Version 4, by the holder of a key.
///
/// One event loop owns a verifier; its buffers are reused, and a request whose key was seen today allocates nothing.
/// The only way to a `SigV4Proof` is past the comparison of the signatures.
///
/// - Source: THREATS §3.3
package final class SigV4Verifier {
    package let rules: SigV4Rules
    private var texts = SigV4CanonicalTexts()
    private var keys = SigningKeyCache()

    package init(rules: SigV4Rules) {
        self.rules = rules
    }

    /// The canonical request of the last call, as far as it got: for `signature verify` and debugging, never for logs.
    package var canonicalRequest: [UInt8] { texts.canonicalRequest }
    /// The string to sign of the last call, empty when it was not reached.
    package var stringToSign: [UInt8] { texts.stringToSign }

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
        _ request: borrowing Request, now: Timestamp,
        accessKey: (_ id: Bytes, _ sessionToken: Bytes?) -> AccessKeyRecord?
    ) throws(SigV4Refusal) -> SigV4Proof {
        texts.clear()
        return try RequestView.with(request) { view throws(SigV4Refusal) in
            let head = try readHead(view, request, now: now, accessKey: accessKey)
            let body = SHA256.hash(request.body)
            if let stated = head.fields.payloadHash { try checkPayload(view.value(stated), body) }
            try texts.append(view, head.authorization, head.bytes, body: body, rules: rules)
            texts.appendStringToSign(date: head.date, head.authorization, head.bytes)
            guard let key = keys.key(for: head.authorization, in: head.bytes, of: head.accessKey) else {
                throw .secretUnavailable
            }
            guard ConstantTime.isEqual(key.authenticate(texts.stringToSign), head.authorization.signature) else {
                throw .mismatch
            }
            try checkToken(head.token, of: head.accessKey, now: now)
            return SigV4Proof(
                accessKey: head.accessKey, bodyHash: body, signature: head.authorization.signature,
                signedAt: head.signedAt)
        }
    }

    /// Holds the head of `request` to everything that needs no content: these are the first steps of `verify`, so a
    /// request refused here would be refused there for the same reason. The content is not looked at.
    ///
    /// - Parameter accessKey: as for `verify`.
    /// - Throws: the first thing that is wrong.
    package func checkHead(
        _ request: borrowing Request, now: Timestamp,
        accessKey: (_ id: Bytes, _ sessionToken: Bytes?) -> AccessKeyRecord?
    ) throws(SigV4Refusal) {
        try RequestView.with(request) { view throws(SigV4Refusal) in
            _ = try readHead(view, request, now: now, accessKey: accessKey)
        }
    }

    /// What the head says, good as far as it goes; lent for one call.
    private struct Head {
        let fields: DecidingFields
        let bytes: UnsafeBufferPointer<UInt8>
        let authorization: SigV4Authorization
        let date: UnsafeBufferPointer<UInt8>
        let signedAt: Timestamp
        let token: Bytes?
        let accessKey: AccessKeyRecord
    }

    private func readHead(
        _ view: RequestView, _ request: borrowing Request, now: Timestamp,
        accessKey: (_ id: Bytes, _ sessionToken: Bytes?) -> AccessKeyRecord?
    ) throws(SigV4Refusal) -> Head {
        let fields = view.decidingFields()
        let bytes = try locate(view, fields)
        let authorization = try SigV4Authorization(parsing: bytes)
        let date = try checkDate(view, fields, authorization, bytes, now: now)
        try checkScope(authorization, bytes)
        if let stated = fields.payloadHash { try checkIsHash(view.value(stated)) }
        let token = fields.token.map { request.fields.value(at: $0) }
        let id = request.fields.value(at: fields.authorization ?? 0)[offset: authorization.accessKeyID]
        guard let record = accessKey(id, token), record.isEnabled else {
            keys.wipe(authorization, in: bytes)
            throw .unknownKey
        }
        return Head(
            fields: fields, bytes: bytes, authorization: authorization, date: date.text, signedAt: date.moment,
            token: token, accessKey: record)
    }

    /// The one `Authorization` field, once nothing else authenticates and nothing that decides repeats.
    private func locate(
        _ view: RequestView, _ fields: DecidingFields
    ) throws(SigV4Refusal) -> UnsafeBufferPointer<UInt8> {
        if SigV4Target.authenticates(SigV4Target.split(view.target).query) {
            throw fields.authorization == nil ? .queryAuthentication : .twoLocations
        }
        guard let field = fields.authorization else { throw .missing }
        guard view.target.first == UInt8(ascii: "/") else { throw .malformedTarget }
        if let repeated = fields.repeated { throw .repeatedField(repeated) }
        if let host = fields.host, !view.value(host).isSame(as: view.authority) { throw .hostMismatch }
        return view.value(field)
    }

    private func checkDate(
        _ view: RequestView, _ fields: DecidingFields, _ authorization: SigV4Authorization,
        _ bytes: UnsafeBufferPointer<UInt8>, now: Timestamp
    ) throws(SigV4Refusal) -> (text: UnsafeBufferPointer<UInt8>, moment: Timestamp) {
        keys.begin(day: now.seconds / 86_400)
        guard let field = fields.date else { throw .missingDate }
        let text = view.value(field)
        guard let moment = Timestamp(basicISO8601: text) else { throw .malformedDate }
        let day = text.part(0..<8)
        if !bytes.part(authorization.date).isSame(as: day) {
            throw .scopeDate(scope: bytes.part(authorization.date).text, date: day.text)
        }
        let age = now.milliseconds - moment.milliseconds
        let tolerance = rules.toleranceSeconds
        if age > tolerance * 1000 {
            throw .expired(date: text.text, now: now.basicISO8601, toleranceSeconds: tolerance)
        }
        if age < -tolerance * 1000 {
            throw .notYetValid(date: text.text, now: now.basicISO8601, toleranceSeconds: tolerance)
        }
        return (text, moment)
    }

    private func checkScope(
        _ authorization: SigV4Authorization, _ bytes: UnsafeBufferPointer<UInt8>
    ) throws(SigV4Refusal) {
        let region = bytes.part(authorization.region)
        guard region.isSame(as: rules.region) else {
            throw .scopeRegion(scope: region.text, expected: String(decoding: rules.region, as: UTF8.self))
        }
        let service = bytes.part(authorization.service)
        guard rules.services.contains(where: { service.isSame(as: $0) }) else {
            throw .scopeService(
                scope: service.text, expected: rules.services.map { String(decoding: $0, as: UTF8.self) })
        }
        let terminator = bytes.part(authorization.terminator)
        guard terminator.isSame(as: "aws4_request") else { throw .scopeTerminator(scope: terminator.text) }
    }

    /// What a client states of the content must be its hash, and no word for having none.
    private func checkIsHash(_ stated: UnsafeBufferPointer<UInt8>) throws(SigV4Refusal) {
        if stated.isSame(as: "UNSIGNED-PAYLOAD") { throw .unsignedPayload }
        if stated.begins(with: "STREAMING-") { throw .streamingPayload }
    }

    /// The hash a client states must be the hash of what arrived; that it is signed is checked with the other fields.
    private func checkPayload(_ stated: UnsafeBufferPointer<UInt8>, _ body: Digest) throws(SigV4Refusal) {
        guard let hash = SigV4Authorization.digest(stated), ConstantTime.isEqual(hash, body) else {
            throw .payloadMismatch
        }
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
            guard !session.isRevoked else { throw .revokedToken }
        case (nil, _?), (_?, nil): throw .token
        }
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

extension Bytes {
    fileprivate subscript(offset range: Range<Int>) -> Bytes {
        self[(startIndex + range.lowerBound)..<(startIndex + range.upperBound)]
    }
}
