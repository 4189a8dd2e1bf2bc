package import Bus
package import Cryptography
package import Domain
import Identity
package import Registry
package import Telemetry

/// What every event loop's worker shares: the registry, the log, meters and records.
package struct Services: Sendable {
    package let registry: Registry
    package let log: any EventLog
    package let eventIDs: EventIDCodec
    package let controlLine: ControlLine
    package let accessKeys: AccessKeyRing
    /// What senders have spent of their quotas.
    package let buckets = SenderBuckets()
    /// What addresses have spent on requests that prove nothing new about a sender. A table of its own: however many
    /// addresses there are, no sender loses its place.
    let addressBuckets = SenderBuckets(capacity: SenderBuckets.addressCapacity)
    let webhooks: WebhookRing
    package let metrics: Metrics
    package let logger: Logger
    package let clock: WallClock
    /// Monotonic nanoseconds.
    package let monotonic: @Sendable () -> UInt64
    package let random: RandomBytes
    package let settings: Settings
    package let decisions: DecisionRecorder
    /// Tells those who follow a bus that events held back on it may be read.
    package let releases = CommitSubscriptions()

    /// What the configuration file says about requests.
    package struct Settings: Sendable {
        /// The sum of the sizes of a request's entries must stay below this.
        package var entriesBytes = Limits.entriesBytes
        /// Bytes waiting for a commit above which sockets are not read.
        package var logHighWaterBytes = 16 * 1024 * 1024
        /// Bytes waiting for a commit below which they are again.
        package var logLowWaterBytes = 4 * 1024 * 1024

        package init() {}
    }

    package init(
        registry: Registry, log: any EventLog, eventIDs: EventIDCodec, controlLine: ControlLine,
        accessKeys: AccessKeyRing, metrics: Metrics, logger: Logger, clock: WallClock,
        monotonic: @escaping @Sendable () -> UInt64, random: RandomBytes, settings: Settings,
        decisions: DecisionRecorder
    ) {
        self.registry = registry
        self.log = log
        self.eventIDs = eventIDs
        self.controlLine = controlLine
        self.accessKeys = accessKeys
        webhooks = WebhookRing(accessKeys)
        self.metrics = metrics
        self.logger = logger
        self.clock = clock
        self.monotonic = monotonic
        self.random = random
        self.settings = settings
        self.decisions = decisions
    }
}

extension Services {
    /// Puts the quotas of `snapshot` in force.
    func adoptQuotas(of snapshot: Snapshot) {
        let now = monotonic()
        buckets.adopt(snapshot, at: now)
        addressBuckets.adopt(snapshot, at: now)
    }

    /// What the authenticator reads, at one snapshot. Revocation is looked at where the chain is: `ConnectionIdentity`.
    func directory(of snapshot: Snapshot) -> IdentityDirectory {
        let organizations = snapshot.organizations
        return IdentityDirectory(
            revision: snapshot.revision,
            accessKey: { [accessKeys] id, token in accessKeys.record(id: id, token: token, in: snapshot) },
            trustDomain: { snapshot.trustDomains[$0]?.facts },
            organizationPath: { [clock] account in
                organizations.isEmpty ? nil : organizations.path(of: account, at: clock.now())
            })
    }
}
