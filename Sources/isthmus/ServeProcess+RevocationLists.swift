import Cryptography
import Domain
import Network
import Registry
import Telemetry

extension GatewayProcess {
    /// How often revocation lists are looked at.
    private static let lookSeconds: Int64 = 60

    /// Says at once, and from now on each minute, which revocation lists are past their time.
    func watchRevocationLists() {
        tellOverdueLists()
        guard listWatch == nil else { return }
        listWatch = loops.repeating(everySeconds: Self.lookSeconds) { [weak self] in await self?.tellOverdueLists() }
    }

    /// Says of each list that is past its time, once, and once more when its grace is over: then every certificate of
    /// its authority is refused, and only a new list helps.
    func tellOverdueLists() {
        let now = WallClock.system.now().seconds
        var standing: Set<String> = []
        for (domain, anchor) in registry.snapshot.trustDomains {
            for list in anchor.store.overdueLists(at: now) {
                let isRefusing = list.refusedFrom <= now
                let key = "\(domain) \(list.authority) \(list.refusedFrom) \(isRefusing)"
                standing.insert(key)
                guard !toldLists.contains(key) else { continue }
                log.log(
                    .error, "revocation-list-overdue",
                    [
                        ("trustDomain", .text(domain)), ("authority", .text(list.authority)),
                        ("refusedFrom", .text(Timestamp(seconds: list.refusedFrom).iso8601)),
                        (
                            "reason",
                            .text(
                                "its certificates are refused from then on: write a new list, `isthmus pki crl`, and "
                                    + "send SIGHUP")
                        ),
                    ])
            }
        }
        toldLists = standing
    }
}
