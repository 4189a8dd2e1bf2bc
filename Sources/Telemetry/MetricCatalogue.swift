/// Every metric of the gateway, once: its name, kind and help. The README's table is checked against this list.
///
/// Source: OpenMetrics 1.0, section 5, for names and suffixes.
package enum Counter: Int, CaseIterable, Sendable {
    case connectionsAccepted
    case connectionsRefused
    case handshakesFailed
    case requestsHTTP1
    case requestsHTTP2
    case requestsRefused
    case requestsThrottled
    case requestsCancelled
    case authenticationFailures
    case webhooksVerified
    case webhooksUnverified
    case entriesAccepted
    case entriesDenied
    case entriesInvalid
    case entriesRepeated
    case entriesFailed
    case entryBytes
    case commits
    case commitFailures
    case controlOperations
    case rolesAssumed
    case reloads
    case reloadFailures
    case logLinesDropped
    case decisionsRecorded
    case decisionsUnrecorded
    case decisionsOverBudget

    /// The family name, without the `_total` that the text adds.
    package var name: StaticString {
        switch self {
        case .connectionsAccepted: "isthmus_connections_accepted"
        case .connectionsRefused: "isthmus_connections_refused"
        case .handshakesFailed: "isthmus_tls_handshakes_failed"
        case .requestsHTTP1: "isthmus_http1_requests"
        case .requestsHTTP2: "isthmus_http2_requests"
        case .requestsRefused: "isthmus_requests_refused"
        case .requestsThrottled: "isthmus_requests_throttled"
        case .requestsCancelled: "isthmus_requests_cancelled"
        case .authenticationFailures: "isthmus_authentication_failures"
        case .webhooksVerified: "isthmus_webhooks_verified"
        case .webhooksUnverified: "isthmus_webhooks_unverified"
        case .entriesAccepted: "isthmus_put_events_entries_accepted"
        case .entriesDenied: "isthmus_put_events_entries_denied"
        case .entriesInvalid: "isthmus_put_events_entries_invalid"
        case .entriesRepeated: "isthmus_put_events_entries_repeated"
        case .entriesFailed: "isthmus_put_events_entries_failed"
        case .entryBytes: "isthmus_put_events_bytes"
        case .commits: "isthmus_log_commits"
        case .commitFailures: "isthmus_log_commit_failures"
        case .controlOperations: "isthmus_control_operations"
        case .rolesAssumed: "isthmus_roles_assumed"
        case .reloads: "isthmus_reloads"
        case .reloadFailures: "isthmus_reload_failures"
        case .logLinesDropped: "isthmus_log_lines_dropped"
        case .decisionsRecorded: "isthmus_decisions_recorded"
        case .decisionsUnrecorded: "isthmus_decisions_unrecorded"
        case .decisionsOverBudget: "isthmus_decisions_over_budget"
        }
    }

    package var help: StaticString {
        switch self {
        case .connectionsAccepted: "connections accepted on all listeners"
        case .connectionsRefused: "connections closed before a handshake, by a limit"
        case .handshakesFailed: "TLS handshakes that did not complete"
        case .requestsHTTP1: "requests received over HTTP/1.1"
        case .requestsHTTP2: "requests received over HTTP/2"
        case .requestsRefused: "requests answered with an error of the whole request"
        case .requestsThrottled: "requests refused because the quota of their sender was used up"
        case .requestsCancelled: "requests dropped because their stream or connection ended before their work began"
        case .authenticationFailures: "requests whose caller could not be established"
        case .webhooksVerified: "requests of webhooks whose signature was verified"
        case .webhooksUnverified: "requests of webhooks in shadow mode whose signature was not verified"
        case .entriesAccepted: "entries made durable"
        case .entriesDenied: "entries a rule or policy did not allow"
        case .entriesInvalid: "entries that were malformed or named no bus"
        case .entriesRepeated: "entries answered from an earlier request with the same idempotency key"
        case .entriesFailed: "entries refused because the log could not take them"
        case .entryBytes: "bytes of entries made durable, as EventBridge counts them"
        case .commits: "commits of the log"
        case .commitFailures: "commits of the log that did not succeed"
        case .controlOperations: "control-plane operations carried out"
        case .rolesAssumed: "sessions of roles given out"
        case .reloads: "configurations put into force by a reload"
        case .reloadFailures: "reloads refused, the configuration in force kept"
        case .logLinesDropped: "log lines left out by the rate limit, or because nobody reads them"
        case .decisionsRecorded: "decisions handed to the archive of decision records"
        case .decisionsUnrecorded:
            "decisions the archive had no room for: denials were answered ThrottlingException, allows went unrecorded"
        case .decisionsOverBudget: "decisions that took more steps than one may, and were denied for it"
        }
    }
}

/// The gauges; see `Counter`.
package enum Gauge: Int, CaseIterable, Sendable {
    case connections
    case requestsInFlight
    case logWaitingBytes
    case snapshotRevision
    case buses

    package var name: StaticString {
        switch self {
        case .connections: "isthmus_connections"
        case .requestsInFlight: "isthmus_requests_in_flight"
        case .logWaitingBytes: "isthmus_log_waiting_bytes"
        case .snapshotRevision: "isthmus_snapshot_revision"
        case .buses: "isthmus_event_buses"
        }
    }

    package var help: StaticString {
        switch self {
        case .connections: "open connections"
        case .requestsInFlight: "requests received and not yet answered"
        case .logWaitingBytes: "bytes that wait for the next commit"
        case .snapshotRevision: "revision of the compiled configuration in force"
        case .buses: "event buses"
        }
    }
}

/// The histograms, all of seconds; see `Counter`.
package enum Histogram: Int, CaseIterable, Sendable {
    case commit
    case putEvents

    package var name: StaticString {
        switch self {
        case .commit: "isthmus_log_commit_seconds"
        case .putEvents: "isthmus_put_events_seconds"
        }
    }

    package var help: StaticString {
        switch self {
        case .commit: "time of one commit of the log, synchronised to disk"
        case .putEvents: "time from a complete PutEvents request to its answer"
        }
    }
}
