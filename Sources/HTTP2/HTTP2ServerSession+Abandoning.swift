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
}
