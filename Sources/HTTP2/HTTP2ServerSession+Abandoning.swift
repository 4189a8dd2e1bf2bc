import Domain

extension HTTP2ServerSession {
    /// No answer reaches the peer any more: requests that were not handed out are dropped, those that were and are not
    /// answered come as `HTTP2Event.reset`, each once. Content that has come and content of answers are dropped, too.
    ///
    /// `nextEvent` gives nothing else afterwards; neither `receive` nor `produce` may be called but for what a session
    /// that ends for abuse has to say. Such a session does it by itself. Cost: one look at each stream, once a
    /// connection.
    package func abandon() {
        var left: [HTTP2Event] = []
        for event in inbox[inboxTaken...] {
            switch event {
            case .request(_, let request): bufferedBodyBytes -= request.body.count
            case .refused: continue
            case .reset: left.append(event)
            }
        }
        for place in streams.places.indices where streams[place].id != 0 {
            settleHead(place)
            switch streams[place].stage {
            case .content:
                bufferedBodyBytes -= streams.contentBytes(at: place)
                streams[place].request = nil
            case .working:
                orphans.append(streams[place].id)
                left.append(.reset(streamID: streams[place].id, work: streams[place].work))
            case .answering:
                bufferedResponseBytes -= streams[place].response.count - streams[place].responseSent
                streams[place].response = []
                streams[place].responseSent = 0
            case .headers, .offered, .discarding: continue
            }
            streams[place].stage = .discarding
            streams[place].since = now
            isDue(at: now + configuration.discardNanoseconds)
        }
        inbox = left
        inboxTaken = 0
    }
}
