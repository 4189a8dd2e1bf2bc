package import AccessPolicy
package import Cryptography
package import Domain
package import JSON

/// Why a manifest is not put in force. What was in force stays.
package enum OrganizationRefusal: Error, Equatable, Sendable {
    case tooLarge(bytes: Int, limit: Int)
    /// The signature is not that of the organization's key over these bytes.
    case badSignature
    /// The key is not one for Ed25519.
    case wrongKey
    /// OpenSSL could not do its work.
    case cryptography(CryptographyError)
    case json(JSONError)
    /// The bytes are not the canonical form of what they say. Source: RFC 8785.
    case notCanonical
    /// What stands at `place`, a JSON pointer, is not what a manifest has there.
    case invalid(place: String, wanted: String)
    case policy(place: String, PolicyError)
    /// An older manifest than the one that was in force.
    case lowerSequence(UInt64, last: UInt64)
    /// Another manifest with the sequence number of the one that was in force.
    case sameSequence(UInt64)
    /// It says to be from later than now.
    case issuedInFuture(Timestamp)
    /// Another manifest of this gateway has the account already.
    case accountElsewhere(AccountID, organization: String)
    /// The key has signed for another organization before.
    case keyOfAnother(organization: String)
    /// Another manifest of this gateway speaks for the same organization.
    case organizationTwice(String)
}

extension OrganizationRefusal: CustomStringConvertible {
    /// What is wrong and what to do.
    package var description: String {
        switch self {
        case .tooLarge(let bytes, let limit): "the manifest has \(bytes) bytes, at most \(limit) are read"
        case .badSignature: "the signature is not that of the organization's key over this manifest: sign it again"
        case .wrongKey: "the key is not an Ed25519 key: make one with `openssl genpkey -algorithm ed25519`"
        case .cryptography(let error): "the signature cannot be checked: \(error)"
        case .json(let error): "the manifest cannot be read: \(error)"
        case .notCanonical: "the manifest is not in canonical form: write it with `isthmus organization sign`"
        case .invalid(let place, let wanted): "the manifest is not valid at `\(place.isEmpty ? "/" : place)`: \(wanted)"
        case .policy(let place, let error): "the manifest is not valid at `\(place)`: \(error)"
        case .lowerSequence(let found, let last):
            "its sequence number \(found) is lower than \(last), which was in force: sign with a higher one"
        case .sameSequence(let found):
            "it has the sequence number \(found) of another manifest, which was in force: sign with a higher one"
        case .issuedInFuture(let moment): "it was issued at \(moment.iso8601), which is yet to come: check the clocks"
        case .accountElsewhere(let account, let organization):
            "account \(account) is in organization `\(organization)` already: remove it from one of them"
        case .keyOfAnother(let organization):
            "its key is that of organization `\(organization)`: give each organization its own key"
        case .organizationTwice(let organization):
            "another manifest speaks for organization `\(organization)`: keep one"
        }
    }
}
