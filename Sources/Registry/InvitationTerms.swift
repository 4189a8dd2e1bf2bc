package import Cryptography
package import Domain
import JSON

/// What an operator offers a partner: for which accounts, which source and events, how many, where, and until when.
/// It says nothing secret; an `InvitationToken` is these terms and what proves them.
package struct InvitationTerms: Hashable, Sendable {
    /// The most kinds of events one invitation names.
    package static let eventsLimit = PartnerEventSource.maximumDetailTypes
    /// The longest pattern of an event's kind.
    package static let eventCharactersLimit = PartnerEventSource.maximumDetailTypeCharacters
    /// The longest name of a partner. Source: the shortest source, `aws.partner/NAME/x/y`, within 256 characters.
    package static let partnerBytesLimit = 64
    /// The longest encoding that is read.
    package static let bytesLimit = 8 * 1024
    /// The longest an invitation may wait: 30 days.
    package static let lifetimeSecondsLimit: Int64 = 30 * 86_400

    /// 32 hexadecimal digits.
    package let id: String
    /// `acme.com`.
    package let partner: String
    /// `aws.partner/PARTNER/NAMESPACE/NAME`, the source the partner gets.
    package let source: String
    /// The customer: whose bus receives.
    package let account: AccountID
    /// The partner: who sends.
    package let partnerAccount: AccountID
    /// Which `DetailType`s the source may carry: patterns, `*` for any run of characters.
    package let events: [String]
    /// What the partner may spend on its events; nil holds it to the configuration alone.
    package let quota: Quota?
    package let region: String
    /// `https://HOST:PORT`.
    package let endpoint: String
    /// SHA-256 of the SubjectPublicKeyInfo that answers there.
    package let pin: Digest
    package let createdAt: Timestamp
    /// From here on the token is worth nothing.
    package let expiresAt: Timestamp

    package init(
        id: String, partner: String, source: String, account: AccountID, partnerAccount: AccountID, events: [String],
        quota: Quota? = nil, region: String, endpoint: String, pin: Digest, createdAt: Timestamp, expiresAt: Timestamp
    ) {
        self.id = id
        self.partner = partner
        self.source = source
        self.account = account
        self.partnerAccount = partnerAccount
        self.events = events
        self.quota = quota
        self.region = region
        self.endpoint = endpoint
        self.pin = pin
        self.createdAt = createdAt
        self.expiresAt = expiresAt
    }

    /// `role/partner/NAME`: whom the partner's certificate names in its account.
    package var principal: String { "role/partner/\(partner)" }

    /// The one encoding of the terms; proofs are over these bytes.
    package var bytes: [UInt8] {
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("version", 1)
            writer.member("id", id)
            writer.member("partner", partner)
            writer.member("source", source)
            writer.member("account", account.description)
            writer.member("partnerAccount", partnerAccount.description)
            writer.key("events")
            writer.array { for event in events { $0.string(event) } }
            quota?.writeMember(to: &writer)
            writer.member("region", region)
            writer.member("endpoint", endpoint)
            writer.member("pin", pin.hexadecimal)
            writer.member("createdAt", createdAt.milliseconds)
            writer.member("expiresAt", expiresAt.milliseconds)
        }
        return writer.bytes
    }

    /// SHA-256 of `bytes`: which terms a proof is about.
    package var digest: Digest { SHA256.hash(bytes) }

    /// Reads `bytes`; nil unless they are the one encoding of valid terms.
    package init?(parsing bytes: [UInt8]) {
        guard bytes.count <= Self.bytesLimit else { return nil }
        let node: JSONNode
        do throws(JSONError) { node = try JSONNode(parsing: bytes) } catch { return nil }
        guard node["version"]?.int == 1, let id = node["id"]?.string, let partner = node["partner"]?.string,
            let source = node["source"]?.string,
            let account = node["account"]?.string.flatMap(AccountID.init(parsing:)),
            let partnerAccount = node["partnerAccount"]?.string.flatMap(AccountID.init(parsing:)),
            let events = node["events"]?.array?.compactMap(\.string), let region = node["region"]?.string,
            let endpoint = node["endpoint"]?.string,
            let pin = node["pin"]?.string.flatMap({ Digest(hexadecimal: $0.utf8) }),
            let created = node["createdAt"]?.int64, let expires = node["expiresAt"]?.int64
        else { return nil }
        self.init(
            id: id, partner: partner, source: source, account: account, partnerAccount: partnerAccount, events: events,
            quota: node["quota"].flatMap { Quota($0) }, region: region, endpoint: endpoint, pin: pin,
            createdAt: Timestamp(milliseconds: created), expiresAt: Timestamp(milliseconds: expires))
        guard self.bytes == bytes, fault == nil else { return nil }
    }

    /// What is wrong with the terms, nil when they can be offered.
    package var fault: String? {
        guard id.utf8.count == 32, Hexadecimal.bytes(id.utf8) != nil else {
            return "the id is not 32 hexadecimal digits"
        }
        guard PartnerName(parsing: partner) != nil, partner != ".", partner != "..",
            partner.utf8.count <= Self.partnerBytesLimit
        else {
            return "`\(partner)` is not a partner: write a name such as `acme.com`, at most 64 characters"
        }
        guard let name = PartnerEventSourceName(parsing: source), name.partner.description == partner else {
            return "`\(source)` is not a source of `\(partner)`: write aws.partner/\(partner)/NAMESPACE/NAME"
        }
        guard account != partnerAccount else {
            return "account \(account) cannot be its own partner: name the partner's account with `--partner-account`"
        }
        guard (1...Self.eventsLimit).contains(events.count) else {
            return "an invitation names 1 to \(Self.eventsLimit) kinds of events: give `--events 'order.*'`"
        }
        for event in events where !(1...Self.eventCharactersLimit).contains(event.unicodeScalars.count) {
            return "`\(event)` is not a kind of event: write a DetailType of 1 to \(Self.eventCharactersLimit) "
                + "characters, `*` for any run of them"
        }
        guard endpoint.hasPrefix("https://") else { return "`\(endpoint)` is not an https URL" }
        guard createdAt < expiresAt, expiresAt <= createdAt.advanced(bySeconds: Self.lifetimeSecondsLimit) else {
            return "an invitation expires after it is made and within 30 days"
        }
        let count = bytes.count
        guard count <= Self.bytesLimit else {
            return "the terms have \(count) bytes, at most \(Self.bytesLimit) are read: name fewer kinds of events"
        }
        return nil
    }
}
