/// Why a connection is over. Each case has exactly one wire outcome: the code of the GOAWAY that goes out before the
/// close.
///
/// A stream that is refused alone is not an error of the connection: see `HTTP2Event.refused`.
package enum HTTP2Error: Error, Equatable, Sendable {
    /// The first 24 bytes are not the client connection preface of RFC 9113 section 3.4.
    case badPreface
    /// A frame is longer than `SETTINGS_MAX_FRAME_SIZE`.
    case frameTooLong(bytes: Int)
    case continuationFlood
    case pingFlood
    case settingsFlood
    /// Too many streams were reset after work on them had started: CVE-2023-44487.
    case rapidReset
    /// The glitch bucket is empty: many small violations, each harmless alone.
    case glitches
    /// The peer sends overhead instead of content: nginx's ratio rule.
    case overhead
    /// The peer makes us queue frames and does not read them.
    case outboundFlood
    /// Preface and first SETTINGS did not arrive in time.
    case prefaceTimeout
    /// A frame or header block was begun and not finished in time.
    case headerTimeout
    /// The time to finish after GOAWAY is over.
    case drainTimeout
    /// nghttp2 refuses the bytes; the code is its `NGHTTP2_ERR_…`.
    case library(code: Int32)
    /// nghttp2 ended the connection by itself, with this code in its GOAWAY.
    case terminated(code: UInt32)

    /// The error code of the GOAWAY frame. Source: RFC 9113 section 7.
    package var goawayCode: UInt32 {
        switch self {
        case .badPreface: 0x1
        case .frameTooLong: 0x6
        case .prefaceTimeout, .headerTimeout, .continuationFlood, .pingFlood, .settingsFlood, .rapidReset, .glitches,
            .overhead, .outboundFlood:
            0xb
        case .drainTimeout: 0x0
        case .library: 0x1
        case .terminated(let code): code
        }
    }

    /// One word for logs and metrics.
    package var name: StaticString {
        switch self {
        case .badPreface: "bad_preface"
        case .frameTooLong: "frame_too_long"
        case .continuationFlood: "continuation_flood"
        case .pingFlood: "ping_flood"
        case .settingsFlood: "settings_flood"
        case .rapidReset: "rapid_reset"
        case .glitches: "glitches"
        case .overhead: "overhead"
        case .outboundFlood: "outbound_flood"
        case .prefaceTimeout: "preface_timeout"
        case .headerTimeout: "header_timeout"
        case .drainTimeout: "drain_timeout"
        case .library: "library"
        case .terminated(let code): Self.name(of: code)
        }
    }

    /// Source: RFC 9113 section 7; INTERNAL_ERROR is what nghttp2 says of its own limits.
    private static func name(of code: UInt32) -> StaticString {
        switch code {
        case 0x1: "protocol_error"
        case 0x2: "library_limit"
        case 0x3: "flow_control_error"
        case 0x4: "settings_timeout"
        case 0x5: "stream_closed"
        case 0x6: "frame_size_error"
        case 0x9: "compression_error"
        case 0xb: "enhance_your_calm"
        default: "terminated"
        }
    }
}
