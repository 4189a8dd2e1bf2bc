import Bus
import Cryptography
import Domain
import Gateway
import Network
import Registry
import Storage
import Telemetry

/// What survives a restart, opened: the data directory, its key, the log, the control tables.
struct DurableStores {
    let log: SQLiteEventLog
    let control: SQLiteControlStore
    let decisions: SQLiteDecisionArchive
    let eventIDs: EventIDCodec
    let accessKeys: AccessKeyRing
    /// Makes the codes of invitations' tokens.
    let invitations: HMACSHA256

    /// Opens what is there, or makes it.
    init(
        _ configuration: Configuration, watch: LogWatch, decisionWatch: DecisionWatch
    ) throws(ProgramError) {
        do throws(StorageError) {
            let home = try DataDirectory(path: configuration.dataDirectory)
            var logs = LogConfiguration(region: configuration.region)
            logs.retentionSeconds = Int64(configuration.limits.retentionDays) * 86_400
            logs.retentionBytesPerBus = Int64(configuration.limits.retentionBytes)
            let key = try MasterKey(in: home, hasLog: SQLiteEventLog.exists(in: home), random: .system)
            log = try SQLiteEventLog(
                in: home, key: key, configuration: logs, clock: .system,
                monotonic: SystemClock.monotonicNanoseconds, watch: watch)
            control = try SQLiteControlStore(in: home)
            decisions = try SQLiteDecisionArchive(
                in: home, bounds: configuration.decisions.bounds, clock: .system, watch: decisionWatch)
            do throws(CryptographyError) {
                eventIDs = try key.eventIDs()
                invitations = HMACSHA256(key: key.key(for: .invitations))
                accessKeys = try AccessKeyRing(
                    key: key.key(for: .accessKeys).bytes, sessionKey: key.key(for: .sessionTokens).bytes)
            } catch { throw StorageError.wrongKey(path: home.file(MasterKey.fileName)) }
        } catch {
            throw ProgramError("\(error)")
        }
    }
}
