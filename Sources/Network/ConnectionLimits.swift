import Domain

/// The limits one connection is held to, in bytes, nanoseconds and pieces. The defaults are those of THREATS 2.1.
package struct ConnectionLimits: Sendable {
    /// From accept until the TLS handshake is done.
    package var handshakeNanoseconds: UInt64 = 5 * .second
    /// From the end of the handshake until the HTTP/2 client preface and its SETTINGS are there.
    package var prefaceNanoseconds: UInt64 = 3 * .second
    /// From the first byte of a header block until its last; for the first one, from the start of the connection.
    package var headerBlockNanoseconds: UInt64 = 5 * .second
    /// From the end of the header block until the body is whole.
    package var bodyNanoseconds: UInt64 = 15 * .second
    /// Body bytes that must have come for each second after `bodyGraceNanoseconds`.
    package var bodyBytesPerSecond = 1024
    /// How long a body may be as slow as it likes.
    package var bodyGraceNanoseconds: UInt64 = 5 * .second
    /// How long nothing may be asked and nothing owed; and how long the last answer of a connection may take to be
    /// read.
    package var idleNanoseconds: UInt64 = 60 * .second
    /// How old a connection may become, ± 10 % so that a fleet's do not all end together; then it drains.
    package var maximumAgeNanoseconds: UInt64 = 3600 * .second
    /// How long a draining connection may take.
    package var drainNanoseconds: UInt64 = 30 * .second
    /// How long bytes written may wait in the socket without one of them leaving.
    package var writeStallNanoseconds: UInt64 = 15 * .second
    /// Bytes of a request's content; past it the answer is 413.
    package var bodyBytes = Limits.wireBodyBytes
    /// Names and values of a header block together; past it the answer is 431.
    package var headerBytes = Limits.headerBytes
    /// Fields of a header block; past it the answer is 431.
    package var headerFields = Limits.headerFields
    /// Bytes of a request target; past it the answer is 414. Source: RFC 9112 section 3 asks for at least 8,000.
    package var targetBytes = 8192
    /// Bytes waiting in the socket above which nothing more is made for the peer and nothing is read from it.
    package var writeHighWaterBytes = 256 * 1024
    /// Bytes waiting in the socket below which both resume.
    package var writeLowWaterBytes = 64 * 1024
    /// Response bytes held for one connection above which nothing is read from it. Source: THREATS 2.1, zero window.
    package var heldResponseBytes = 1024 * 1024

    package init() {}
}

extension UInt64 {
    /// A second in nanoseconds.
    package static let second: UInt64 = 1_000_000_000
    /// A millisecond in nanoseconds.
    package static let millisecond: UInt64 = 1_000_000
}

/// The limits all connections of a process share. Source: THREATS 2.1, row "Connection exhaustion".
package struct ConnectionBudgets: Sendable {
    /// Open connections of all listeners together.
    package var connections = 10_000
    /// Connections of one address, in IPv6 of one /64, that have not finished their handshake.
    package var handshakingPerAddress = 50
    /// Content of requests under way on all connections. Above it those that hold some are not read until it falls.
    package var bodyBytes = 256 * 1024 * 1024
    /// Connections of one principal.
    package var connectionsPerPrincipal = 100

    package init() {}
}
