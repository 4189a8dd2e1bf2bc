import Cryptography
package import Domain

/// The id of a user or role, as IAM has one beside the name: what `aws:userid` begins with.
///
/// Here it follows from the ARN, so that it is the same at every restart: two principals with one name are one.
/// Source: docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html, unique identifiers
package enum PrincipalID {
    /// `AIDA` for a user, `AROA` for a role, and 17 of `A–Z 2–7`.
    package static func text(of principal: Principal) -> String {
        let prefix =
            switch principal.kind {
            case .user: "AIDA"
            case .role, .assumedRole, .service: "AROA"
            }
        return prefix + Base32.text(Array(SHA256.hash(Array(principal.arn.utf8)).bytes.prefix(15))).prefix(17)
    }
}
