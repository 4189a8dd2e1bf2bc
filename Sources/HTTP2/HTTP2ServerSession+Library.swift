import CNghttp2

extension HTTP2ServerSession {
    /// A session of nghttp2 with our callbacks and options. Running out of memory here ends the process.
    static func makeLibrary(_ configuration: HTTP2Configuration) -> OpaquePointer {
        var callbacks: OpaquePointer?
        var options: OpaquePointer?
        var session: OpaquePointer?
        precondition(nghttp2_session_callbacks_new(&callbacks) == 0 && nghttp2_option_new(&options) == 0)
        install(on: callbacks)
        nghttp2_option_set_no_auto_window_update(options, 1)
        nghttp2_option_set_no_closed_streams(options, 1)
        nghttp2_option_set_max_outbound_ack(options, configuration.outboundAcknowledgements)
        nghttp2_option_set_max_settings(options, configuration.settingsEntries)
        nghttp2_option_set_max_continuations(options, configuration.frames.continuations)
        nghttp2_option_set_max_send_header_block_length(options, configuration.responseHeaderBytes)
        // nghttp2 would count the resets of answered streams, too; `receive` counts all others.
        nghttp2_option_set_stream_reset_rate_limit(options, .max, .max)
        precondition(nghttp2_session_server_new2(&session, callbacks, nil, options) == 0)
        nghttp2_option_del(options)
        nghttp2_session_callbacks_del(callbacks)
        guard let session else { preconditionFailure("nghttp2 gave no session") }
        return session
    }

    /// Queues our SETTINGS and the connection's window.
    func announce() {
        let entries: InlineArray<5, nghttp2_settings_entry> = [
            Self.setting(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, configuration.concurrentStreams),
            Self.setting(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, configuration.streamWindowBytes),
            Self.setting(NGHTTP2_SETTINGS_ENABLE_PUSH, 0),
            Self.setting(NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, UInt32(configuration.headerBytes)),
            Self.setting(NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1),
        ]
        let none = UInt8(NGHTTP2_FLAG_NONE.rawValue)
        let submitted = entries.span.withUnsafeBufferPointer {
            nghttp2_submit_settings(library, none, $0.baseAddress, $0.count)
        }
        precondition(submitted == 0)
        precondition(
            nghttp2_session_set_local_window_size(library, none, 0, configuration.connectionWindowBytes) == 0)
    }

    private static func setting(_ id: nghttp2_settings_id, _ value: UInt32) -> nghttp2_settings_entry {
        nghttp2_settings_entry(settings_id: Int32(id.rawValue), value: value)
    }

    private static func install(on callbacks: OpaquePointer?) {
        nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks) { _, frame, data in
            HTTP2ServerSession.with(data) { $0.onBeginHeaders(frame.unsafelyUnwrapped) }
        }
        nghttp2_session_callbacks_set_on_header_callback(callbacks) { _, _, name, count, value, size, _, data in
            HTTP2ServerSession.with(data) {
                $0.onHeader(
                    UnsafeBufferPointer(start: name, count: count),
                    UnsafeBufferPointer(start: value, count: size))
            }
        }
        // A malformed field spoils its request: dropping it would be a repair.
        nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks) { _, _, _, _, _, _, _, _ in
            NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue
        }
        nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks) { _, frame, data in
            HTTP2ServerSession.with(data) { $0.onFrameReceived(frame.unsafelyUnwrapped) }
        }
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks) { _, _, streamID, bytes, count, data in
            HTTP2ServerSession.with(data) {
                $0.onContent(streamID, UnsafeBufferPointer(start: bytes, count: count))
            }
        }
        nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks) { _, _, _, data in
            HTTP2ServerSession.with(data) { $0.onInvalidFrame() }
        }
        nghttp2_session_callbacks_set_on_frame_send_callback(callbacks) { _, frame, data in
            HTTP2ServerSession.with(data) { $0.onFrameSent(frame.unsafelyUnwrapped) }
        }
        nghttp2_session_callbacks_set_on_stream_close_callback(callbacks) { _, streamID, _, data in
            HTTP2ServerSession.with(data) { $0.onStreamClose(streamID) }
        }
        nghttp2_session_callbacks_set_send_data_callback(callbacks) { _, _, header, count, source, data in
            HTTP2ServerSession.with(data) {
                $0.onSendContent(
                    header: header.unsafelyUnwrapped, count: count, place: Int(source.unsafelyUnwrapped.pointee.fd))
            }
        }
    }

    /// The session behind nghttp2's user data. It outlives the library's session, which it frees.
    @inline(__always)
    static func with(
        _ data: UnsafeMutableRawPointer?, _ body: (HTTP2ServerSession) -> Int32
    ) -> Int32 {
        Unmanaged<HTTP2ServerSession>.fromOpaque(data.unsafelyUnwrapped)._withUnsafeGuaranteedRef(body)
    }

    /// The header that every frame begins with.
    @inline(__always)
    static func header(_ frame: UnsafePointer<nghttp2_frame>) -> nghttp2_frame_hd {
        UnsafeRawPointer(frame).assumingMemoryBound(to: nghttp2_frame_hd.self).pointee
    }
}
