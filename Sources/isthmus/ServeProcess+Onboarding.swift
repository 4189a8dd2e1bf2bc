import Bus
import Cryptography
import Domain
import Gateway
import Network
import Registry
import Storage

extension GatewayProcess {
    /// How often joins that nobody completed are ended and the revocation list is looked at.
    private static let tendingSeconds: Int64 = 5

    /// Lets partners in as the configuration says, and does what became due while the gateway was down.
    func letPartnersIn(_ configuration: Configuration) async {
        await plane.employ(configuration.onboarding.map(onboarding))
        if tending == nil {
            tending = loops.repeating(everySeconds: Self.tendingSeconds) { [plane] in await plane.tendPartners() }
        }
    }

    private func onboarding(_ settings: Configuration.Onboarding) -> Onboarding {
        // Public, and of this data directory alone: several gateways may share an authority.
        let mark = stores.invitations.authenticate(Array("isthmus partner authority 1".utf8))
        let authority = PartnerAuthority(settings, gateway: mark.hexadecimal)
        return Onboarding(
            endpoint: settings.endpoint, pin: settings.pin, bundle: settings.bundle.bytes,
            authority: settings.certificate.bytes, tokens: stores.invitations,
            issue: { (uri, key) throws(AuthorityFault) in try authority.issue(uri, key) },
            standing: { () throws(AuthorityFault) in try authority.standing() },
            withdraw: { (serials) throws(AuthorityFault) in try authority.withdraw(serials) },
            anchor: { () throws(AuthorityFault) in
                do throws(ProgramError) { return try authority.anchor() } catch { throw AuthorityFault("\(error)") }
            },
            event: { [stores] id in
                guard let position = stores.eventIDs.position(of: id) else { return nil }
                do throws(EventLogError) { return try stores.log.event(at: position) } catch { return nil }
            },
            closeUntrusted: { [weak self] in await self?.closeConnectionsOfRemovedDomains() })
    }
}
