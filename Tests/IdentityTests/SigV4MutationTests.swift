import Domain
import Identity
import TestKit
import Testing

/// G3: no change to a signed request goes unnoticed, but for the listed ones that mean nothing.
@Suite struct SigV4MutationTests {
    /// The request's parts as bytes, so that any bit can be changed.
    struct Parts {
        var method: [UInt8]
        var target: [UInt8]
        var authority: [UInt8]
        var fields: [(name: [UInt8], value: [UInt8])]
        var body: [UInt8]
        var version: Request.Version

        init(_ signed: SignedRequest) {
            method = Array(signed.method.utf8)
            target = Array(signed.target.utf8)
            authority = Array(signed.authority.utf8)
            fields = signed.fields.map { (Array($0.name.utf8), Array($0.value.utf8)) }
            fields.append((Array("authorization".utf8), Array(signed.sign().utf8)))
            body = signed.body
            version = signed.version
        }

        var request: Request {
            var kept = HeaderFields()
            for field in fields {
                field.name.withUnsafeBufferPointer { name in
                    field.value.withUnsafeBufferPointer { kept.append(name: name, value: $0) }
                }
            }
            return method.withUnsafeBufferPointer { method in
                target.withUnsafeBufferPointer { target in
                    authority.withUnsafeBufferPointer { authority in
                        Request(
                            version: version, method: method, target: target, authority: authority, fields: kept,
                            body: body)
                    }
                }
            }
        }
    }

    /// The places of a request that hold bytes, as paths to them; the unsigned `user-agent` is not among them.
    static func places(_ parts: Parts) -> [WritableKeyPath<Parts, [UInt8]>] {
        var paths: [WritableKeyPath<Parts, [UInt8]>] = [\.method, \.target, \.authority, \.body]
        for index in parts.fields.indices where parts.fields[index].name != Array("user-agent".utf8) {
            paths += [\.fields[index].name, \.fields[index].value]
        }
        return paths
    }

    static func bases() -> [SignedRequest] {
        var other = SignedRequest()
        other.version = .http11
        other.service = "sts"
        other["amz-sdk-invocation-id"] = nil
        other["content-type"] = "application/x-www-form-urlencoded; charset=utf-8"
        other["x-amz-security-token"] = "IQoJb3JpZ2luX2VjEOz//////////wEaDGV1LWNlbnRyYWwtMSJIMEYCIQD"
        other.signedHeaders = "content-type;host;x-amz-date;x-amz-security-token;x-amz-target"
        other.body = Array("Action=GetCallerIdentity&Version=2011-06-15".utf8)
        return [SignedRequest(), other]
    }

    static func record(for signed: SignedRequest) -> AccessKeyRecord {
        guard let token = signed["x-amz-security-token"] else { return SignedRequest.record() }
        return SignedRequest.record(
            session: .init(token: SecretBytes(Array(token.utf8)), expires: Timestamp(milliseconds: .max)))
    }

    @Test("no request with one bit changed is accepted", arguments: [0, 1])
    func flipsEveryBit(_ base: Int) {
        let signed = Self.bases()[base]
        let verifier = SigV4Verifier(rules: SignedRequest.rules)
        let record = Self.record(for: signed)
        var parts = Parts(signed)
        #expect(verifier.refusal(of: parts.request, record: record) == nil)
        var mutants = 0
        var accepted: [String] = []
        for place in Self.places(parts) {
            for index in parts[keyPath: place].indices {
                for bit in 0..<8 {
                    parts[keyPath: place][index] ^= 1 << UInt8(bit)
                    mutants += 1
                    if verifier.refusal(of: parts.request, record: record) == nil {
                        accepted.append(String(decoding: parts[keyPath: place], as: UTF8.self))
                    }
                    parts[keyPath: place][index] ^= 1 << UInt8(bit)
                }
            }
        }
        #expect(accepted == [])
        #expect(mutants > 4000)
    }

    /// Changes that leave the canonical request as it was, and that the wire allows.
    ///
    /// White space at the ends of a field's value or more of it inside (the HTTP layers trim and refuse most of it);
    /// spaces after a comma of the `Authorization` field; a target that normalises to `/`, for which the gateway
    /// answers
    /// 404 unless it is `/` itself.
    static func isNoOperation(_ place: WritableKeyPath<Parts, [UInt8]>, before: Parts, after: Parts) -> Bool {
        if place == \.target {
            return ["/", "//", "/.", "/?", "///", "/./", "//.", "/.//"].contains(
                String(decoding: after.target, as: UTF8.self))
        }
        let separators = UInt8(ascii: ",")
        let isAuthorization = (before[keyPath: place]).starts(with: "AWS4-HMAC-SHA256 ".utf8)
        if isAuthorization {
            func squeezed(_ bytes: [UInt8]) -> [UInt8] {
                var result: [UInt8] = []
                for byte in bytes where !(byte == 0x20 && (result.last == separators)) { result.append(byte) }
                return result
            }
            return squeezed(before[keyPath: place]) == squeezed(after[keyPath: place])
        }
        let isValue = before.fields.indices.contains { place == \Parts.fields[$0].value } || place == \.authority
        func words(_ bytes: [UInt8]) -> [[UInt8]] {
            bytes.split { $0 == 0x20 || (0x09...0x0D).contains($0) }.map(Array.init)
        }
        return isValue && words(before[keyPath: place]) == words(after[keyPath: place])
    }

    @Test("no request with bytes put in, taken out, overwritten or moved is accepted (seeds 1 … 4)", arguments: 1...4)
    func editsAtRandom(_ seed: UInt64) {
        var random = SeededRandom(seed)
        let signed = Self.bases()[Int(seed % 2)]
        let verifier = SigV4Verifier(rules: SignedRequest.rules)
        let record = Self.record(for: signed)
        let original = Parts(signed)
        let places = Self.places(original)
        var mutants = 0
        var noOperations = 0
        var accepted: [String] = []
        while mutants < 5000 {
            var parts = original
            let place = places[Int(random.next() % UInt64(places.count))]
            Self.edit(&parts[keyPath: place], &random)
            if parts[keyPath: place] == original[keyPath: place] { continue }
            mutants += 1
            guard verifier.refusal(of: parts.request, record: record) == nil else { continue }
            if Self.isNoOperation(place, before: original, after: parts) {
                noOperations += 1
            } else {
                accepted.append("seed \(seed): " + String(decoding: parts[keyPath: place], as: UTF8.self))
            }
        }
        #expect(accepted == [])
        #expect(noOperations < 250)
    }

    static func edit(_ bytes: inout [UInt8], _ random: inout SeededRandom) {
        func place(_ count: Int) -> Int { count == 0 ? 0 : Int(random.next() % UInt64(count)) }
        let interesting: [UInt8] = [
            0x00, 0x09, 0x0A, 0x20, 0x2F, 0x3B, 0x2C, 0x3D, 0x3F, 0x26, 0x2E, 0x41, 0x61, 0x30, 0x80, 0xFF,
        ]
        let byte = random.next() % 4 == 0 ? UInt8(truncatingIfNeeded: random.next()) : interesting[place(16)]
        switch random.next() % 6 {
        case 0: bytes.insert(byte, at: place(bytes.count + 1))
        case 1 where !bytes.isEmpty: bytes.remove(at: place(bytes.count))
        case 2 where !bytes.isEmpty: bytes[place(bytes.count)] = byte
        case 3 where !bytes.isEmpty: bytes.removeLast(1 + place(bytes.count))
        case 4 where bytes.count > 1: bytes.swapAt(place(bytes.count), place(bytes.count))
        default:
            let start = place(bytes.count)
            bytes.append(contentsOf: bytes[start..<min(bytes.count, start + 1 + place(8))])
        }
    }

    @Test("a field dropped, sent twice or given another's value is noticed")
    func reshapesFields() {
        for signed in Self.bases() {
            let verifier = SigV4Verifier(rules: SignedRequest.rules)
            let record = Self.record(for: signed)
            let original = Parts(signed)
            let names = original.fields.map { String(decoding: $0.name, as: UTF8.self) }
            for index in original.fields.indices where names[index] != "user-agent" {
                var dropped = original
                dropped.fields.remove(at: index)
                #expect(verifier.refusal(of: dropped.request, record: record) != nil, "\(names[index]) dropped")
                var doubled = original
                doubled.fields.append(original.fields[index])
                #expect(verifier.refusal(of: doubled.request, record: record) != nil, "\(names[index]) twice")
                for other in original.fields.indices where other != index {
                    var exchanged = original
                    exchanged.fields[index].value = original.fields[other].value
                    #expect(verifier.refusal(of: exchanged.request, record: record) != nil, "\(names[index]) exchanged")
                }
            }
        }
    }

    @Test("the order of fields with different names and the unsigned user-agent mean nothing")
    func noOperations() {
        let verifier = SigV4Verifier(rules: SignedRequest.rules)
        var parts = Parts(SignedRequest())
        parts.fields.reverse()
        #expect(verifier.refusal(of: parts.request) == nil)
        var signed = SignedRequest()
        signed["user-agent"] = "another"
        signed.authorization = SignedRequest().sign()
        #expect(verifier.refusal(of: signed.request()) == nil)
    }
}
