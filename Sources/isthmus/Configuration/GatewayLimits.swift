import AccessPolicy
import Domain

/// The limits an operator may set. Each has a default that suits one small machine and a range outside of which it is
/// refused.
struct GatewayLimits: Equatable, Sendable {
    var connections = 10_000
    var connectionsPerAddress = 50
    var connectionsPerPrincipal = 100
    var idleSeconds = 60
    var maximumAgeSeconds = 3600
    var signatureToleranceSeconds = 300
    var drainSeconds = 30
    var busesPerAccount = 100
    var eventSourcesPerPartner = 10_000
    var policyCharacters = Limits.policyCharacters
    var bodyBytesInFlight = 256 * 1024 * 1024
    var entriesBytes = Limits.entriesBytes
    var retentionDays = 7
    var retentionBytes = 16 << 30

    /// Limits of what is stored, which a reload puts in force; the others are the process's own.
    static let reloaded: Set<String> = ["busesPerAccount", "eventSourcesPerPartner", "policyCharacters"]

    /// One limit: its name in the file, its range, where it is kept, and what it limits.
    struct Field: Sendable {
        let name: String
        let range: ClosedRange<Int>
        let place: any WritableKeyPath<GatewayLimits, Int> & Sendable
        let meaning: String
    }

    /// Every limit, in the order of the file. Source: THREATS 2.1 and 3.3 for the defaults.
    static let fields: [Field] = [
        Field(
            name: "connections", range: 1...1_000_000, place: \.connections,
            meaning: "open connections of all listeners together"),
        Field(
            name: "connectionsPerAddress", range: 1...100_000, place: \.connectionsPerAddress,
            meaning: "connections from one address that are still in the handshake"),
        Field(
            name: "connectionsPerPrincipal", range: 1...100_000, place: \.connectionsPerPrincipal,
            meaning: "open connections of one principal"),
        Field(
            name: "idleSeconds", range: 1...3600, place: \.idleSeconds,
            meaning: "a connection without a request"),
        Field(
            name: "maximumAgeSeconds", range: 60...86_400, place: \.maximumAgeSeconds,
            meaning: "the age at which a connection is drained, give or take a tenth"),
        Field(
            name: "signatureToleranceSeconds", range: 1...300, place: \.signatureToleranceSeconds,
            meaning: "how far a signer's clock may be off"),
        Field(
            name: "drainSeconds", range: 1...600, place: \.drainSeconds,
            meaning: "what requests in flight get after SIGTERM"),
        Field(
            name: "busesPerAccount", range: 1...100_000, place: \.busesPerAccount,
            meaning: "event buses of one account"),
        Field(
            name: "eventSourcesPerPartner", range: 1...1_000_000, place: \.eventSourcesPerPartner,
            meaning: "partner event sources of one partner account"),
        Field(
            name: "policyCharacters", range: Limits.policyCharacters...PolicyLimits.largestDocument,
            place: \.policyCharacters, meaning: "characters of one event bus's policy"),
        Field(
            name: "bodyBytesInFlight", range: 2_097_152...68_719_476_736, place: \.bodyBytesInFlight,
            meaning: "content of requests that are not whole yet, on all connections together"),
        Field(
            name: "entriesBytes", range: 1024...Limits.entriesBytes, place: \.entriesBytes,
            meaning: "what the sizes of a request's entries together stay below"),
        Field(
            name: "retentionDays", range: 1...3650, place: \.retentionDays,
            meaning: "how long the events of a bus are kept"),
        Field(
            name: "retentionBytes", range: 67_108_864...1_099_511_627_776, place: \.retentionBytes,
            meaning: "how many bytes of the log a bus keeps"),
    ]
}
