import CNghttp2
package import Domain

extension HTTP2ServerSession {
    /// Whether `nextEvent` may have something to give.
    package var hasEvents: Bool { inboxTaken < inbox.count }

    /// The next event, oldest first; `nil` when there is none.
    ///
    /// Taking a request takes its permit: it is one of `unanswered` until `respond` or `release` is called for it. When
    /// the connection is ending for abuse no request is handed out any more, and those that were are told as reset.
    package func nextEvent() -> HTTP2Event? {
        guard inboxTaken < inbox.count else {
            if inboxTaken > 0 {
                inbox.removeAll(keepingCapacity: true)
                inboxTaken = 0
            }
            return nil
        }
        // The inbox must not keep a second reference: the gateway may change the request in place.
        var event = HTTP2Event.reset(streamID: 0, work: Self.noWork)
        swap(&event, &inbox[inboxTaken])
        inboxTaken += 1
        switch event {
        case .request(let streamID, let request):
            bufferedBodyBytes -= request.body.count
            handOut(streamID)
        case .refused(let streamID, _): handOut(streamID)
        case .reset: break
        }
        return event
    }

    private func handOut(_ streamID: Int32) {
        guard let place = place(of: streamID) else { preconditionFailure("an offered stream is open") }
        unanswered += 1
        streams[place].stage = .working
        placeHandedOut = place
    }

    /// Notes what works on the request that was handed out last, `streamID`, until it is answered: the number comes
    /// back with `HTTP2Event.reset`. Call it before the next event is taken.
    package func begin(_ work: UInt64, of streamID: Int32) {
        guard placeHandedOut >= 0, placeHandedOut < streams.places.count, streams[placeHandedOut].id == streamID
        else { return }
        streams[placeHandedOut].work = work
    }

    /// Gives back the permit of a request that was reset: nothing works on it any more.
    ///
    /// Cost: a look through the requests that were reset and are still worked on, at most the limit of streams.
    package func release(_ streamID: Int32) { forget(streamID) }

    /// Lends the head of each request whose content is not whole, once a request. One that `answer` answers is answered
    /// at once: its content is dropped and what still comes of it is thrown away, as after `HTTP2Event.refused`.
    ///
    /// Call it when all that was ready has been received, before or after the events are taken.
    package func askAboutHeads(now: UInt64, _ answer: (borrowing Request) -> Response?) {
        if case .closing = phase { return }
        for place in streams.places.indices where settleHead(place) {
            guard var head = streams[place].request.take() else { continue }
            var content: [UInt8] = []
            swap(&content, &head.body)
            if let response = answer(head) {
                bufferedBodyBytes -= content.count
                handOut(streams[place].id)
                respond(to: streams[place].id, with: response, now: now)
            } else {
                swap(&content, &head.body)
                if head.body.isEmpty, head.expectsContinue { submitContinue(streams[place].id) }
                streams[place].request = consume head
            }
        }
    }

    /// Answers a request that was handed out, and gives back its permit. The answer to a stream that was reset is
    /// dropped.
    ///
    /// A response over the limits on waiting content resets the stream instead (ENHANCE_YOUR_CALM when the peer reads
    /// too
    /// slowly for the connection's budget, INTERNAL_ERROR when the response alone is too long): page long answers.
    ///
    /// - Returns: whether the response will be sent, if the peer takes it.
    @discardableResult
    package func respond(to streamID: Int32, with response: Response, now: UInt64) -> Bool {
        self.now = now
        guard let place = place(of: streamID), takesAnswer(place) else {
            forget(streamID)
            return false
        }
        streams[place].stage = .answering
        if case .closing = phase { return false }
        let count = response.body.count
        guard count <= configuration.responseBytesPerStream,
            bufferedResponseBytes + count <= configuration.responseBytesPerConnection
        else {
            let isTooLong = count > configuration.responseBytesPerStream
            let code = isTooLong ? NGHTTP2_INTERNAL_ERROR : NGHTTP2_ENHANCE_YOUR_CALM
            nghttp2_submit_rst_stream(library, 0, streamID, code.rawValue)
            return false
        }
        let hasContent = count > 0 && !streams[place].isHead
        guard submit(response, on: streamID, place: place, hasContent: hasContent) else {
            nghttp2_submit_rst_stream(library, 0, streamID, NGHTTP2_INTERNAL_ERROR.rawValue)
            return false
        }
        if hasContent {
            streams[place].response = response.body
            bufferedResponseBytes += count
        }
        streams[place].since = now
        isDue(at: now + configuration.responseNanoseconds)
        return true
    }

    /// The peer may send the content. Source: RFC 9110 section 10.1.1.
    private func submitContinue(_ streamID: Int32) {
        let name: StaticString = ":status"
        let status: StaticString = "100"
        var field = nghttp2_nv(
            name: UnsafeMutablePointer(mutating: name.utf8Start),
            value: UnsafeMutablePointer(mutating: status.utf8Start), namelen: name.utf8CodeUnitCount,
            valuelen: status.utf8CodeUnitCount,
            flags: UInt8(NGHTTP2_NV_FLAG_NO_COPY_NAME.rawValue | NGHTTP2_NV_FLAG_NO_COPY_VALUE.rawValue))
        nghttp2_submit_headers(library, UInt8(NGHTTP2_FLAG_NONE.rawValue), streamID, nil, &field, 1, nil)
    }

    private func takesAnswer(_ place: Int) -> Bool {
        switch streams[place].stage {
        case .working:
            unanswered -= 1
            return true
        case .headers, .content, .offered, .answering, .discarding: return false
        }
    }

    private func forget(_ streamID: Int32) {
        guard let index = orphans.firstIndex(of: streamID) else { return }
        orphans.swapAt(index, orphans.count - 1)
        orphans.removeLast()
        unanswered -= 1
        guard streams.count == 0, orphans.isEmpty else { return }
        // `expire` says since when: what releases a request does not know the time.
        idleSince = nil
        isDue(at: now)
    }

    private func submit(_ response: Response, on streamID: Int32, place: Int, hasContent: Bool) -> Bool {
        let text = ResponseText(response, isFirst: !hasResponded)
        hasResponded = true
        var source = nghttp2_data_provider()
        source.source.fd = Int32(place)
        source.read_callback = { _, _, _, limit, flags, source, data in
            var taken = 0
            _ = HTTP2ServerSession.with(data) {
                taken = $0.onReadContent(limit: limit, flags: flags, place: Int(source.unsafelyUnwrapped.pointee.fd))
                return 0
            }
            return taken
        }
        return text.withFields { fields in
            guard hasContent else {
                return nghttp2_submit_response(library, streamID, fields.baseAddress, fields.count, nil) == 0
            }
            return nghttp2_submit_response(library, streamID, fields.baseAddress, fields.count, &source) == 0
        }
    }

    /// Appends frames for the peer to `buffer`, as many as fit about into `limit` bytes.
    ///
    /// The last frame is whole and may pass the limit, by at most 16 KiB. Nothing appended means nothing to send now:
    /// the
    /// peer's windows are shut or all is said.
    package func produce(into buffer: inout [UInt8], limit: Int, now: UInt64) {
        self.now = now
        if case .closing(let reason, let isSaid) = phase {
            if !isSaid { sayGoodbye(reason, into: &buffer) }
            return
        }
        if connectionCredit > 0 {
            makeRoom()
            credit()
        }
        swap(&output, &buffer)
        outputLimit = output.count + limit
        drainLibrary()
        swap(&output, &buffer)
        if case .closing(let reason, false) = phase { sayGoodbye(reason, into: &buffer) }
    }

    private func drainLibrary() {
        while output.count < outputLimit {
            var bytes: UnsafePointer<UInt8>?
            let count = nghttp2_session_mem_send(library, &bytes)
            if count < 0 { close(.library(code: Int32(count))) }
            if isGlitchBucketEmpty { close(.glitches) }
            if case .closing = phase { return }
            if let bytes, count > 0 { output.append(contentsOf: UnsafeBufferPointer(start: bytes, count: count)) }
            guard count <= 0 else { continue }
            if isCalmAsked || !meter.isGlitchWarningDue(now: now) { return }
            askForCalm()
        }
    }

    /// A GOAWAY of our own making: it must not wait behind the frames that an attacker made nghttp2 queue.
    private func sayGoodbye(_ reason: HTTP2Error, into buffer: inout [UInt8]) {
        phase = .closing(reason, isSaid: true)
        let last = UInt32(bitPattern: min(lastStreamTaken, nghttp2_session_get_last_proc_stream_id(library)))
        buffer.append(contentsOf: [0, 0, 8, 7, 0, 0, 0, 0, 0] as [UInt8])
        for word in [last, reason.goawayCode] {
            for shift in [24, 16, 8, 0] as [UInt32] { buffer.append(UInt8(truncatingIfNeeded: word >> shift)) }
        }
    }

    func onReadContent(limit: Int, flags: UnsafeMutablePointer<UInt32>?, place: Int) -> Int {
        let left = streams[place].response.count - streams[place].responseSent
        let count = min(limit, left)
        var answer = NGHTTP2_DATA_FLAG_NO_COPY.rawValue
        if count == left { answer |= NGHTTP2_DATA_FLAG_EOF.rawValue }
        flags?.pointee = answer
        return count
    }

    func onSendContent(header: UnsafePointer<UInt8>, count: Int, place: Int) -> Int32 {
        guard output.count < outputLimit else { return NGHTTP2_ERR_WOULDBLOCK.rawValue }
        output.append(contentsOf: UnsafeBufferPointer(start: header, count: 9))
        let start = streams[place].responseSent
        streams[place].response.withUnsafeBufferPointer {
            output.append(contentsOf: UnsafeBufferPointer(rebasing: $0[start..<start + count]))
        }
        streams[place].responseSent = start + count
        streams[place].since = now
        bufferedResponseBytes -= count
        return 0
    }

    func onFrameSent(_ frame: UnsafePointer<nghttp2_frame>) -> Int32 {
        let header = Self.header(frame)
        switch UInt32(header.type) {
        case NGHTTP2_RST_STREAM.rawValue:
            resetsSent += 1
            // The end of a request that was answered early is no violation, whoever asks for it.
            guard frame.pointee.rst_stream.error_code != NGHTTP2_NO_ERROR.rawValue else { return 0 }
            if violationsToBeReset > 0 { violationsToBeReset -= 1 } else { countGlitch() }
            return 0
        case NGHTTP2_GOAWAY.rawValue:
            let code = frame.pointee.goaway.error_code
            if code != NGHTTP2_NO_ERROR.rawValue { silentEnd = .terminated(code: code) }
            return 0
        case NGHTTP2_DATA.rawValue: meter.dataFrameSent()
        case NGHTTP2_HEADERS.rawValue: break
        default: return 0
        }
        if header.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0,
            nghttp2_session_get_stream_remote_close(library, header.stream_id) == 0
        {
            discardRest(of: header.stream_id)
        }
        return 0
    }

    /// The answer is out before its request has ended: what still comes is thrown away for a moment, so that a client
    /// that is still writing reads the answer and not only a reset. Source: RFC 9113 section 8.1.
    ///
    /// The stream's window is not opened again, so at most what it still holds can come.
    private func discardRest(of streamID: Int32) {
        guard let place = place(of: streamID) else { return }
        streams[place].stage = .discarding
        streams[place].response = []
        streams[place].responseSent = 0
        streams[place].since = now
        isDue(at: now + configuration.discardNanoseconds)
    }
}

extension Request {
    /// Whether the peer waits to be told that it may send the content.
    fileprivate var expectsContinue: Bool {
        guard let index = fields.index(of: "expect") else { return false }
        return fields.isValue(at: index, "100-continue")
    }
}
