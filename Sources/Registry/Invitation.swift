package import Cryptography
package import Domain

/// An invitation and what became of it.
///
/// ```
/// invited ──bind(key)──▶ bound ──confirm──▶ joined
///    │                     │                  │
///    └─ expiry, revoke ────┴─ expiry, revoke ─┴─ revoke ──▶ ended
/// ```
package struct Invitation: Sendable {
    /// A certificate that the partner authority issued for the invitation.
    package struct IssuedCertificate: Hashable, Sendable {
        package let serial: String
        /// SHA-256 of the certificate.
        package let fingerprint: Digest
        package let notAfter: Timestamp
        package let pem: [UInt8]

        package init(serial: String, fingerprint: Digest, notAfter: Timestamp, pem: [UInt8]) {
            self.serial = serial
            self.fingerprint = fingerprint
            self.notAfter = notAfter
            self.pem = pem
        }
    }

    /// The partner that holds the invitation: its key and its certificates, oldest first.
    package struct Membership: Hashable, Sendable {
        /// SHA-256 of the SubjectPublicKeyInfo of the one key.
        package let key: Digest
        package let boundAt: Timestamp
        package internal(set) var certificates: [IssuedCertificate]
        /// PEM; empty when the partner left none.
        package internal(set) var trustBundle: [UInt8]
        /// What the join made beside the source; it goes with a join that nobody completes.
        var made: Made

        /// The certificate to use now: the newest that is good at `now` for some time yet.
        package func certificate(at now: Timestamp) -> IssuedCertificate? {
            certificates.last.flatMap { now < $0.notAfter ? $0 : nil }
        }
    }

    /// What stood nowhere before a join.
    struct Made: Hashable, Sendable {
        /// The customer's bus.
        var bus: Bool
        /// That the partner's name is its account's.
        var name: Bool
    }

    /// Why an invitation is over.
    package enum Ending: String, Sendable, CaseIterable {
        case expired
        case revoked
    }

    package enum State: Hashable, Sendable {
        case invited
        case bound(Membership)
        /// `event`: the id of the test event.
        case joined(Membership, at: Timestamp, event: String)
        case ended(Ending, at: Timestamp, Membership?)
    }

    package let terms: InvitationTerms
    package internal(set) var state: State

    /// The partner that has the key, in every state after `invited`.
    package var membership: Membership? {
        switch state {
        case .invited: nil
        case .bound(let membership), .joined(let membership, _, _): membership
        case .ended(_, _, let membership): membership
        }
    }

    /// Whether certificates of the partner count.
    package var holds: Bool {
        switch state {
        case .bound, .joined: true
        case .invited, .ended: false
        }
    }

    /// The word for the state: `invited`, `bound`, `joined`, `expired`, `revoked`.
    package var stateName: String {
        switch state {
        case .invited: "invited"
        case .bound: "bound"
        case .joined: "joined"
        case .ended(let ending, _, _): ending.rawValue
        }
    }
}
