import AccessPolicy
package import Cryptography
package import Domain
import JSON

/// Writes and reads session tokens: a session and the secret of its access key, sealed with AES-256-GCM. Nothing of it
/// is kept here, so a token is good on every gateway with the same key, and no restart ends it.
///
/// A token is base64 of a byte 1, a nonce, the ciphertext and its tag. The access key id is authenticated with it: a
/// token with another id does not open.
package struct SessionTokenCodec: Sendable {
    /// The longest token that is looked at; the largest session makes one of some 6,500 bytes.
    package static let maximumTokenBytes = 8 * 1024
    /// What session policy and tags may take together, as they stand in the token. Source: a third of the header
    /// bytes of a request.
    package static let packedBytesLimit = 4096
    private static let version: UInt8 = 1

    private let box: AES256GCM

    /// `key`: 32 bytes, of this use only.
    package init(key: [UInt8]) throws(CryptographyError) { box = try AES256GCM(key: key) }

    /// A session that was read from a token, with the secret access key that signs for it.
    package struct Opened: Sendable {
        package let session: RoleSession
        package let secret: SecretBytes
    }

    /// Bytes of what counts against `packedBytesLimit`.
    package static func packedBytes(policy: [UInt8], tags: [Tag], transitiveKeys: Set<String>) -> Int {
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("policy", String(decoding: policy, as: UTF8.self))
            write(tags, transitiveKeys, to: &writer)
        }
        return writer.bytes.count
    }

    /// The token of a session whose access key is `id`.
    package func seal(
        _ session: RoleSession, secret: SecretBytes, for id: String, random: RandomBytes
    ) throws(CryptographyError) -> [UInt8] {
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("secret", String(decoding: secret.bytes, as: UTF8.self))
            writer.member("role", session.role.arn)
            writer.member("name", session.name)
            writer.member("issuedAt", session.issuedAt.milliseconds)
            writer.member("expiresAt", session.expiresAt.milliseconds)
            if !session.policyText.isEmpty {
                writer.member("policy", String(decoding: session.policyText, as: UTF8.self))
            }
            if let identity = session.sourceIdentity { writer.member("sourceIdentity", identity) }
            Self.write(session.tags, session.transitiveKeys, to: &writer)
        }
        let sealed = try box.seal(writer.bytes, authenticating: Self.associatedData(id.utf8), random: random)
        var token: [UInt8] = []
        Base64Text.append([Self.version] + sealed, to: &token)
        return token
    }

    /// What a token says that came with access key `id`; `nil` for every text that was not sealed here for that id.
    package func open(_ token: Bytes, for id: Bytes) -> Opened? {
        guard token.count <= Self.maximumTokenBytes, let bytes = Base64Text.bytes(token), bytes.first == Self.version
        else { return nil }
        do throws(CryptographyError) {
            return Self.read(try box.open(box: Array(bytes.dropFirst()), authenticating: Self.associatedData(id)))
        } catch {
            return nil
        }
    }

    private static func associatedData(_ id: some Collection<UInt8>) -> [UInt8] { Array("session-token:".utf8) + id }

    private static func write(_ tags: [Tag], _ transitiveKeys: Set<String>, to writer: inout JSONWriter) {
        if tags.isEmpty { return }
        writer.key("tags")
        writer.array { writer in
            for tag in tags {
                writer.array { writer in
                    writer.string(tag.key)
                    writer.string(tag.value)
                    if transitiveKeys.contains(tag.key.lowercased()) { writer.bool(true) }
                }
            }
        }
    }

    /// What is authentic and yet unreadable was written by another version: as if it were no token.
    private static func read(_ plaintext: [UInt8]) -> Opened? {
        let node: JSONNode
        do throws(JSONError) { node = try JSONNode(parsing: plaintext) } catch { return nil }
        guard let secret = node["secret"]?.string, let role = node["role"]?.string.flatMap(Principal.init(parsing:)),
            role.kind == .role, let name = node["name"]?.string, let issued = node["issuedAt"]?.int64,
            let expires = node["expiresAt"]?.int64
        else { return nil }
        var tags: [Tag] = []
        var transitive: Set<String> = []
        for element in node["tags"]?.array ?? [] {
            guard let parts = element.array, parts.count >= 2, let key = parts[0].string, let value = parts[1].string
            else { return nil }
            tags.append(Tag(key: key, value: value))
            if parts.count == 3 { transitive.insert(key.lowercased()) }
        }
        let text = node["policy"]?.string
        let policy: CompiledPolicy?
        do throws(PolicyError) {
            policy = try text.map { text throws(PolicyError) in try Self.compile(text) }
        } catch {
            return nil
        }
        let session = RoleSession(
            role: role, name: name, policy: policy, policyText: text.map { Array($0.utf8) } ?? [], tags: tags,
            transitiveKeys: transitive, sourceIdentity: node["sourceIdentity"]?.string,
            issuedAt: Timestamp(milliseconds: issued), expiresAt: Timestamp(milliseconds: expires))
        return Opened(session: session, secret: SecretBytes(Array(secret.utf8)))
    }

    private static func compile(_ text: String) throws(PolicyError) -> CompiledPolicy {
        try CompiledPolicy(parsing: text, kind: .session, name: "session policy")
    }
}
