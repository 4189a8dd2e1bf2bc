@testable import Cryptography
import Testing

/// One trust domain's authority and the leaves it signs, good and bad.
struct CertificateFactory {
    /// 2026-01-01T00:00:00Z, the moment at which these tests verify.
    static let now: Int64 = 1_767_225_600
    static let uri = "spiffe://acme.example/account/111122223333/role/sender"

    let authority: CertificateAuthority
    let key: PrivateKey

    init(name: String = "acme.example root", pathLength: Int = 1) throws {
        key = try PrivateKey.generate(.ecdsaP256)
        authority = try CertificateAuthority.root(
            name: name, pathLength: pathLength, key: .generate(.ecdsaP256), validity: Self.validity(),
            random: .system)
    }

    static func validity(_ from: Int64 = -3600, _ to: Int64 = 3600) throws -> ValidityPeriod {
        try ValidityPeriod(notBefore: now + from, notAfter: now + to)
    }

    func leaf(_ validity: ValidityPeriod? = nil, uri: String = Self.uri) throws -> Certificate {
        try authority.issueClient(
            uri: uri, name: "sender", key: key.publicKey(), validity: validity ?? Self.validity(), random: .system)
    }

    func leaf(_ change: (inout CertificateProfile) -> Void) throws -> Certificate {
        var profile = CertificateProfile(commonName: "sender", constraint: .leaf, keyUsage: .signing)
        profile.extendedKeyUsage = .client
        profile.names.uris = [Array(Self.uri.utf8)]
        change(&profile)
        return try authority.issue(profile, to: key.publicKey(), validity: Self.validity(), random: .system)
    }

    /// A leaf whose DER is exactly `count` bytes: an extension that nobody reads fills it. A signature's length varies
    /// by a byte or two, so it takes some tries.
    func leaf(of count: Int) throws -> Certificate {
        var filling = count - 700
        for _ in 0..<400 {
            let head: [UInt8] = [4, 0x82, UInt8(filling >> 8), UInt8(filling & 255)]
            let value = head + [UInt8](repeating: 7, count: filling)
            let leaf = try leaf { $0.rawExtensions = [("1.3.6.1.4.1.55555.1", false, value)] }
            if leaf.der.count == count { return leaf }
            filling += count - leaf.der.count
        }
        throw CryptographyError.wrongLength(.certificate, expected: count, actual: filling)
    }

    func list(
        _ revoked: [Certificate] = [], number: UInt64 = 1, validity: ValidityPeriod? = nil
    ) throws -> CertificateRevocationList {
        try authority.revocationList(
            revoked: revoked.map { ($0.serialNumber, Self.now - 60) }, number: number,
            validity: validity ?? Self.validity())
    }

    func store(
        lists: [CertificateRevocationList]? = nil, _ change: (inout CertificateStore.Configuration) -> Void = { _ in }
    ) throws -> CertificateStore {
        var configuration = CertificateStore.Configuration()
        change(&configuration)
        return try CertificateStore(
            authorities: [authority.certificate], revocationLists: lists ?? [list()], configuration: configuration)
    }
}

extension Result<VerifiedChain, ChainRefusal> {
    /// What the chain was refused for; nil when it was verified.
    var failure: ChainRefusal? {
        switch self {
        case .success: nil
        case .failure(let refusal): refusal
        }
    }

    /// Why the chain was refused; nil when it was verified.
    var refusal: ChainRefusal.Reason? { failure?.reason }
}
