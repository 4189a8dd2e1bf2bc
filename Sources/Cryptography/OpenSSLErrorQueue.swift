import COpenSSL

/// OpenSSL's error queue of this thread: cleared before a call, read on the line after it.
enum OpenSSLErrorQueue {
    static func clear() { ERR_clear_error() }

    /// The oldest error since `clear`, 0 when there is none; empties the queue.
    static func take() -> UInt {
        let code = ERR_get_error()
        ERR_clear_error()
        return UInt(code)
    }

    static func failure(_ operation: CryptographyError.Operation) -> CryptographyError {
        .library(operation, code: take())
    }

    static func malformed(_ item: CryptographyError.Item) -> CryptographyError {
        ERR_clear_error()
        return .malformed(item)
    }
}
