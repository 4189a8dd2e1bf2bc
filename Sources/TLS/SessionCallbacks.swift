import COpenSSL

/// The BIO that ties an SSL to its session, and the counter of its messages.
enum SessionCallbacks {
    /// A BIO without a session yet; nil when OpenSSL is out of memory.
    static func makeBIO() -> OpaquePointer? {
        guard let method, let bio = BIO_new(method.pointer) else { return nil }
        BIO_set_init(bio, 1)
        return bio
    }

    /// Sendable because a BIO_METHOD is not changed after it is made.
    private struct Method: @unchecked Sendable {
        let pointer: OpaquePointer
    }

    private static let method: Method? = {
        let type = BIO_get_new_index() | BIO_TYPE_SOURCE_SINK
        guard let pointer = BIO_meth_new(type, "isthmus session") else { return nil }
        BIO_meth_set_read_ex(pointer, read)
        BIO_meth_set_write_ex(pointer, write)
        BIO_meth_set_ctrl(pointer, control)
        return Method(pointer: pointer)
    }()

    private static let read:
        @convention(c) (OpaquePointer?, UnsafeMutablePointer<CChar>?, Int, UnsafeMutablePointer<Int>?) -> Int32 = {
            bio, target, capacity, count in
            isthmus_BIO_clear_retry_flags(bio)
            guard let session = session(of: bio), let target else { return 0 }
            let given = session.supply(UnsafeMutableRawPointer(target), count: capacity)
            count?.pointee = given
            if given == 0 { isthmus_BIO_set_retry_read(bio) }
            return given == 0 ? 0 : 1
        }

    private static let write:
        @convention(c) (OpaquePointer?, UnsafePointer<CChar>?, Int, UnsafeMutablePointer<Int>?) -> Int32 = {
            bio, source, size, count in
            isthmus_BIO_clear_retry_flags(bio)
            guard let session = session(of: bio) else { return 0 }
            session.accept(UnsafeRawBufferPointer(start: source, count: size))
            count?.pointee = size
            return 1
        }

    private static let control: @convention(c) (OpaquePointer?, Int32, Int, UnsafeMutableRawPointer?) -> Int = {
        _, command, _, _ in command == BIO_CTRL_FLUSH ? 1 : 0
    }

    /// Counts the handshake messages that the peer sends.
    static let countMessages:
        @convention(c) (
            Int32, Int32, Int32, UnsafeRawPointer?, Int, OpaquePointer?, UnsafeMutableRawPointer?
        ) -> Void = { writing, _, contentType, bytes, count, ssl, _ in
            guard writing == 0, contentType == SSL3_RT_HANDSHAKE, count > 0, let bytes else { return }
            TLSSession.from(ssl)?.countMessage(type: bytes.load(as: UInt8.self))
        }

    private static func session(of bio: OpaquePointer?) -> TLSSession? {
        guard let raw = BIO_get_data(bio) else { return nil }
        return Unmanaged<TLSSession>.fromOpaque(raw).takeUnretainedValue()
    }
}
