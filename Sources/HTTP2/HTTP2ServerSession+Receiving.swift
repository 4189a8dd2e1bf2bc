import CNghttp2
import Domain

// What nghttp2 tells while it receives. Nothing here calls its receive or send functions.
extension HTTP2ServerSession {
    func onBeginHeaders(_ frame: UnsafePointer<nghttp2_frame>) -> Int32 {
        let streamID = Self.header(frame).stream_id
        guard frame.pointee.headers.cat == NGHTTP2_HCAT_REQUEST else {
            // Trailers: nothing in this API sends them, and fields after the content would escape the signature.
            resetForViolation(streamID, NGHTTP2_PROTOCOL_ERROR)
            return 0
        }
        guard streamID <= lastStreamTaken else {
            // Our GOAWAY says that nothing works on it; nghttp2 closes the stream when that leaves.
            block.place = -1
            return 0
        }
        guard streams.count + orphans.count < Int(configuration.concurrentStreams) else {
            resetForViolation(streamID, NGHTTP2_REFUSED_STREAM)
            return 0
        }
        let place = streams.open(streamID)
        block.begin(place: place)
        nghttp2_session_set_stream_user_data(library, streamID, UnsafeMutableRawPointer(bitPattern: place + 1))
        return 0
    }

    private func resetForViolation(_ streamID: Int32, _ code: nghttp2_error_code) {
        block.place = -1
        resetsDue.append((streamID, code.rawValue))
        violationsToBeReset += 1
        countGlitch()
    }

    func onHeader(_ name: UnsafeBufferPointer<UInt8>, _ value: UnsafeBufferPointer<UInt8>) -> Int32 {
        guard block.place >= 0 else { return 0 }
        switch block.append(name, value, limits: headerLimits) {
        case .taken: return 0
        case .hopeless: return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue
        }
    }

    func onFrameReceived(_ frame: UnsafePointer<nghttp2_frame>) -> Int32 {
        let header = Self.header(frame)
        let endsStream = header.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0
        if UInt32(header.type) == NGHTTP2_HEADERS.rawValue {
            if block.place >= 0 { finishHead(at: block.place, endsStream: endsStream) }
        } else if UInt32(header.type) == NGHTTP2_DATA.rawValue, endsStream, let place = place(of: header.stream_id),
            streams[place].stage == .content
        {
            offer(place)
        }
        return 0
    }

    private func finishHead(at place: Int, endsStream: Bool) {
        let isHead = block.isHead
        let declared = block.declaredBytes
        streams[place].isHead = isHead
        switch block.finish() {
        case .failure(let failure): refuse(place, failure.refusal)
        case .success(let request):
            if endsStream {
                streams[place].request = request
                return offer(place)
            }
            guard declared <= configuration.bodyBytes else { return refuse(place, .contentTooLarge) }
            // A length is only a claim: no more is set aside for it than the peer may send at once.
            streams.expectContent(
                of: request, declared: declared, reserved: min(declared, Int(configuration.streamWindowBytes)),
                at: place, since: now)
            streams[place].isHeadUnasked = true
            unaskedHeads += 1
            isDue(at: now + min(configuration.bodyGraceNanoseconds, configuration.bodyNanoseconds))
        }
    }

    func onContent(_ streamID: Int32, _ bytes: UnsafeBufferPointer<UInt8>) -> Int32 {
        connectionCredit += bytes.count
        guard let place = place(of: streamID), streams[place].stage == .content else { return 0 }
        let held = streams.contentBytes(at: place)
        guard held + bytes.count <= configuration.bodyBytes else {
            bufferedBodyBytes -= held
            refuse(place, .contentTooLarge)
            return 0
        }
        streams.append(content: bytes, at: place)
        bufferedBodyBytes += bytes.count
        let declared = streams[place].declaredBytes
        if declared < 0 || declared > Int(configuration.streamWindowBytes) {
            if streams[place].uncredited == 0 { streamCreditsDue.append(streamID) }
            streams[place].uncredited += bytes.count
        }
        return 0
    }

    /// Whether the stream's head counts among those not asked about; it does not any more.
    @discardableResult
    func settleHead(_ place: Int) -> Bool {
        guard streams[place].isHeadUnasked else { return false }
        streams[place].isHeadUnasked = false
        unaskedHeads -= 1
        return true
    }

    private func refuse(_ place: Int, _ refusal: HTTP2Refusal) {
        settleHead(place)
        streams[place].request = nil
        streams[place].stage = .offered
        inbox.append(.refused(streamID: streams[place].id, refusal))
    }

    private func offer(_ place: Int) {
        settleHead(place)
        streams[place].stage = .offered
        guard let request = streams[place].request.take() else { return }
        inbox.append(.request(streamID: streams[place].id, request))
    }

    func onInvalidFrame() -> Int32 {
        // nghttp2 resets the stream for it; that RST_STREAM is this violation, not another one.
        violationsToBeReset += 1
        countGlitch()
        return 0
    }

    func onStreamClose(_ streamID: Int32) -> Int32 {
        guard let place = place(of: streamID) else { return 0 }
        if block.place == place { block.place = -1 }
        settleHead(place)
        switch streams[place].stage {
        case .headers, .answering, .discarding: break
        case .content: bufferedBodyBytes -= streams[place].request?.body.count ?? 0
        case .offered: withdraw(streamID)
        case .working:
            orphans.append(streamID)
            inbox.append(.reset(streamID: streamID, work: streams[place].work))
        }
        bufferedResponseBytes -= streams[place].response.count - streams[place].responseSent
        streams.close(place)
        if streams.count == 0 {
            idleSince = now
            isDue(at: now + configuration.shrinkNanoseconds)
        }
        return 0
    }

    /// Takes the event of a stream that was reset before it was handed out from the inbox.
    private func withdraw(_ streamID: Int32) {
        for index in inboxTaken..<inbox.count {
            switch inbox[index] {
            case .request(streamID, let request):
                bufferedBodyBytes -= request.body.count
                inbox.remove(at: index)
                return
            case .refused(streamID, _):
                inbox.remove(at: index)
                return
            case .request, .refused, .reset: continue
            }
        }
    }

    /// Past the budget, with no whole request to be taken and no room for a frame in the connection's window, none of
    /// the uploads under way would ever end: the youngest are refused until the others can go on.
    func makeRoom() {
        guard bufferedBodyBytes > configuration.connectionBodyBytes, !hasEvents,
            nghttp2_session_get_local_window_size(library) < Int32(configuration.frames.frameBytes)
        else { return }
        while bufferedBodyBytes > configuration.connectionBodyBytes, let place = youngestUpload() {
            bufferedBodyBytes -= streams.contentBytes(at: place)
            refuse(place, .tooMuchAtOnce)
        }
    }

    private func youngestUpload() -> Int? {
        streams.places.indices.lazy.filter { self.streams[$0].id != 0 && self.streams[$0].stage == .content }
            .max { self.streams[$0].id < self.streams[$1].id }
    }

    /// Opens the windows for what was taken or dropped.
    ///
    /// A stream's window follows what arrives, up to the content limit. The connection's follows what is kept here:
    /// past
    /// the budget it stays shut until requests are taken.
    func credit() {
        for streamID in streamCreditsDue {
            guard let place = place(of: streamID) else { continue }
            let bytes = streams[place].uncredited
            streams[place].uncredited = 0
            if streams[place].stage == .content { nghttp2_session_consume_stream(library, streamID, bytes) }
        }
        if !streamCreditsDue.isEmpty { streamCreditsDue.removeAll(keepingCapacity: true) }
        guard connectionCredit > 0, bufferedBodyBytes <= configuration.connectionBodyBytes else { return }
        nghttp2_session_consume_connection(library, connectionCredit)
        connectionCredit = 0
    }
}
