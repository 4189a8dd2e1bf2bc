import Domain

/// The limits of one HTTP/2 session. Every default has its source in the threat model, section 2.1.
package struct HTTP2Configuration: Sendable {
    /// What the frame meter counts, before any frame reaches nghttp2.
    package var frames = FrameLimits()

    /// Streams open at once, and requests handed out and not yet answered, reset ones included.
    package var concurrentStreams: UInt32 = 100
    /// Announced window of a stream.
    package var streamWindowBytes: UInt32 = 65_535
    /// Window of the connection.
    package var connectionWindowBytes: Int32 = 1024 * 1024
    /// Request bodies kept for one connection before its window is no longer refilled.
    package var connectionBodyBytes = 4 * 1024 * 1024
    /// Names and values of a request's fields; past it 431.
    package var headerBytes = Limits.headerBytes
    /// Fields of a request, pseudo-header fields included; past it 431.
    package var headerFields = Limits.headerFields
    /// Content of a request; past it 413.
    package var bodyBytes = Limits.wireBodyBytes
    /// Content of one response.
    package var responseBytesPerStream = 256 * 1024
    /// Content of all responses of a connection that wait to be sent.
    package var responseBytesPerConnection = 1024 * 1024
    /// RST_STREAM frames of the peer, but those for streams that are answered and whose content still comes.
    package var resets = RateLimit(burst: 100, perSecond: 10)
    /// SETTINGS and PING acknowledgements that may wait for a peer that does not read.
    package var outboundAcknowledgements = 100
    /// Entries of one SETTINGS frame.
    package var settingsEntries = 16
    /// Frames of all kinds but DATA that may wait: a response for each stream, a reset for each, the acknowledgements.
    package var outboundFrames = 400
    /// The header block of a response.
    package var responseHeaderBytes = 16 * 1024

    /// Until the preface and the first SETTINGS are here.
    package var prefaceNanoseconds: UInt64 = 3_000_000_000
    /// From the first byte of a frame other than DATA to its last, CONTINUATION included.
    package var headerNanoseconds: UInt64 = 5_000_000_000
    /// From the end of the header block to the end of the content.
    package var bodyNanoseconds: UInt64 = 15_000_000_000
    /// From then on the content must have come at `bodyBytesPerSecond` on average.
    package var bodyGraceNanoseconds: UInt64 = 5_000_000_000
    package var bodyBytesPerSecond: UInt64 = 1024
    /// A response of which nothing could be sent for so long is reset.
    package var responseNanoseconds: UInt64 = 15_000_000_000
    /// How long the rest of a request that was answered early is thrown away before its stream is reset.
    package var discardNanoseconds: UInt64 = 1_000_000_000
    /// A connection without streams drains after this.
    package var idleNanoseconds: UInt64 = 60_000_000_000
    /// A connection drains at this age, plus or minus a tenth.
    package var ageNanoseconds: UInt64 = 3600 * 1_000_000_000
    /// Between the first GOAWAY and the last: a round trip, so that requests under way are still taken.
    package var drainNoticeNanoseconds: UInt64 = 1_000_000_000
    /// From the last GOAWAY to the close, whatever is still open.
    package var drainNanoseconds: UInt64 = 30_000_000_000
    /// Memory kept for many streams is given back when there have been none for so long.
    package var shrinkNanoseconds: UInt64 = 2_000_000_000

    package init() {}
}

/// What the frame meter allows.
package struct FrameLimits: Sendable {
    /// `SETTINGS_MAX_FRAME_SIZE`. Source: RFC 9113 section 4.2, the default.
    package var frameBytes = 16_384
    package var pings = RateLimit(burst: 20, perSecond: 2)
    package var settings = RateLimit(burst: 10, perSecond: 1)
    /// PRIORITY and PRIORITY_UPDATE; each one past it is a glitch.
    package var priorities = RateLimit(burst: 100, perSecond: 1)
    /// Frames of unknown types and GOAWAY; each one past it is a glitch.
    package var others = RateLimit(burst: 100, perSecond: 1)
    /// DATA, HEADERS and CONTINUATION in a row without content and without an end; each one past it is a glitch.
    package var emptyFrames = 10
    /// CONTINUATION frames of one header block.
    package var continuations = 4
    /// Bytes of one header block as they come. The shortest Huffman code makes 8 bytes out of 5, and 16 KiB may be kept
    /// of fields that name the table: together at most 64 KiB are held of a block that never ends.
    package var headerBlockBytes = 30 * 1024
    /// WINDOW_UPDATE frames: this many, and per stream and DATA frame as below; each one past it is a glitch.
    /// Source: envoyproxy.io, `max_inbound_window_update_frames_per_data_frame_sent`.
    package var windowUpdates: UInt64 = 5
    package var windowUpdatesPerStream: UInt64 = 2
    package var windowUpdatesPerDataFrame: UInt64 = 20
    /// Bytes in all, divided by `overheadDivisor`, may exceed the content by this. Source: nginx `ngx_http_v2.c`.
    package var overheadBytes: UInt64 = 1024 * 1024
    package var overheadDivisor: UInt64 = 8
    /// Violations of one connection.
    package var glitches = RateLimit(burst: 100, perSecond: 10)
    /// At this many the peer gets GOAWAY ENHANCE_YOUR_CALM; when the bucket is empty the connection is closed.
    package var glitchWarning: UInt64 = 75
    /// HEADERS frames that may reach nghttp2 before their consequences are settled.
    package var headersPerSlice: UInt8 = 16

    package init() {}
}
