import CNghttp2
import Domain

extension HTTP2ServerSession {
    /// No answer reaches the peer any more: requests that were not handed out are dropped, those that were and are not
    /// answered come as `HTTP2Event.reset`, each once.
    ///
    /// `nextEvent` gives nothing else afterwards. A session that ends for abuse does it by itself. Cost: one look at
    /// each stream, once a connection.
    package func abandon() {
        var left: [HTTP2Event] = []
        for event in inbox[inboxTaken...] {
            switch event {
            case .request(_, let request): bufferedBodyBytes -= request.body.count
            case .refused: continue
            case .reset: left.append(event)
            }
        }
        for place in streams.places.indices where streams[place].stage == .working {
            streams[place].stage = .discarding
            streams[place].since = now
            isDue(at: now + configuration.discardNanoseconds)
            orphans.append(streams[place].id)
            left.append(.reset(streamID: streams[place].id, work: streams[place].work))
        }
        inbox = left
        inboxTaken = 0
    }

    /// The peer has shut its side. It can neither ask nor open a window any more: as servers of HTTP/2 do, its requests
    /// are abandoned, and only answers that are on their way still leave.
    package func endInput(now: UInt64) {
        self.now = now
        abandon()
        for place in streams.places.indices where streams[place].id != 0 {
            switch streams[place].stage {
            case .answering: continue
            case .headers, .content, .offered, .working, .discarding:
                nghttp2_submit_rst_stream(library, 0, streams[place].id, NGHTTP2_NO_ERROR.rawValue)
            }
        }
        finishDrain(now: now)
    }
}
