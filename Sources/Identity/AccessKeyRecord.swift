package import Domain

/// A secret held in memory. Printing, reflecting or interpolating it shows `(secret)`.
package struct SecretBytes: Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The secret itself: for the computation that needs it, never for a message.
    package let bytes: [UInt8]

    package init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    package var description: String { "(secret)" }
    package var debugDescription: String { "(secret)" }
    package var customMirror: Mirror { Mirror(self, children: [], displayStyle: .struct) }
}

/// An access key as the control plane gives it: whose it is, its secret, and whether it may be used.
///
/// A class, so that a look-up on the hot path hands out a reference and copies nothing.
package final class AccessKeyRecord: Sendable {
    /// `AKIA…`: 1 … 128 of `A–Z a–z 0–9 _`. Not secret.
    package let id: String
    /// Who signs with it.
    package let principal: Principal
    /// A key that is switched off answers as one that is not known.
    package let isEnabled: Bool
    /// For temporary credentials only: the token that must come signed with each request.
    package let session: Session?
    /// Bytes that change whenever the secret does: signing keys are kept under them.
    let version: SecretBytes
    private let open: @Sendable () -> SecretBytes?

    /// The session token of temporary credentials.
    package struct Session: Sendable {
        /// Compared byte for byte, in constant time, with `x-amz-security-token`.
        package let token: SecretBytes
        /// From this moment on the answer is `ExpiredTokenException`.
        package let expires: Timestamp
        /// The role's session; `nil` for credentials that were made elsewhere.
        package let role: RoleSession?
        /// Whether the role takes back sessions of that age: the answer is `ExpiredTokenException` too.
        package let isRevoked: Bool

        package init(token: SecretBytes, expires: Timestamp, role: RoleSession? = nil, isRevoked: Bool = false) {
            self.token = token
            self.expires = expires
            self.role = role
            self.isRevoked = isRevoked
        }
    }

    /// A key whose secret is at hand.
    package init(
        id: String, principal: Principal, secret: SecretBytes, isEnabled: Bool = true, session: Session? = nil
    ) {
        self.id = id
        self.principal = principal
        self.isEnabled = isEnabled
        self.session = session
        version = secret
        open = { secret }
    }

    /// A key whose secret is sealed: `open` is called when a signing key is derived, once a day for each event loop.
    ///
    /// - Parameters:
    ///   - sealedSecret: the box; another secret has another box.
    ///   - open: the secret in it, or nil when the box cannot be opened, which refuses the request.
    package init(
        id: String, principal: Principal, sealedSecret: [UInt8], isEnabled: Bool = true,
        open: @escaping @Sendable () -> SecretBytes?
    ) {
        self.id = id
        self.principal = principal
        self.isEnabled = isEnabled
        session = nil
        version = SecretBytes(sealedSecret)
        self.open = open
    }

    /// The secret access key, nil when it could not be opened.
    func openSecret() -> SecretBytes? { open() }
}
