package import Domain

/// What a session has for the gateway. Taken one by one with `HTTP2ServerSession.nextEvent()`.
package enum HTTP2Event: Sendable {
    /// A whole request. It holds a permit until it is answered with `respond(to:with:now:)`, or released after it was
    /// reset. Say what works on it with `begin(_:of:)`.
    case request(streamID: Int32, Request)
    /// A request that may not be taken. Answer it with the refusal's status; what still comes of it is thrown away.
    case refused(streamID: Int32, HTTP2Refusal)
    /// A request that was handed out is gone, by a reset of either side or with its connection: stop working on it.
    /// Its permit stays taken until the work has ended: `release(_:)`, or an answer, which is dropped.
    ///
    /// - Parameter work: of `begin(_:of:)`; `HTTP2ServerSession.noWork` where nothing was said.
    case reset(streamID: Int32, work: UInt64)
}

/// Why a request is refused before it is whole.
package enum HTTP2Refusal: Equatable, Sendable {
    /// The header fields are over the limit in bytes or in number.
    case headersTooLarge
    /// The declared or received content is over the limit.
    case contentTooLarge
    /// `host` and `:authority` name different authorities. Source: RFC 9113 section 8.3.1.
    case authorityMismatch
    /// Neither `:authority` nor `host`, or the request has no `:path`.
    case noTarget
    /// A field name with an underscore: a back end that maps `-` to `_` would read it as another field.
    case underscoreInFieldName
    /// So much content of the connection's requests waits for its end that none of them could reach it.
    case tooMuchAtOnce

    /// The status to answer with.
    package var status: UInt16 {
        switch self {
        case .headersTooLarge: 431
        case .contentTooLarge: 413
        case .authorityMismatch, .noTarget, .underscoreInFieldName: 400
        case .tooMuchAtOnce: 503
        }
    }
}
