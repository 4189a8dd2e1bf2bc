import COpenSSL

/// Bytes in and out of OpenSSL's readers and writers.
enum OpenSSLBuffer {
    /// A read-only BIO over `bytes`, freed after `body`.
    static func reading<Result>(_ bytes: [UInt8], _ body: (OpaquePointer) -> Result?) -> Result? {
        guard let count = Int32(exactly: bytes.count) else { return nil }
        return bytes.withUnsafeBytes { buffer in
            guard let start = buffer.baseAddress, let bio = BIO_new_mem_buf(start, count) else { return nil }
            defer { BIO_free(bio) }
            return body(bio)
        }
    }

    /// What `body` wrote to a memory BIO.
    ///
    /// - Throws: `.library(.encode, …)` when `body` returns anything but 1.
    static func writing(_ body: (OpaquePointer) -> Int32) throws(CryptographyError) -> [UInt8] {
        OpenSSLErrorQueue.clear()
        guard let bio = BIO_new(BIO_s_mem()) else { throw OpenSSLErrorQueue.failure(.allocate) }
        defer { BIO_free(bio) }
        guard body(bio) == 1 else { throw OpenSSLErrorQueue.failure(.encode) }
        var start: UnsafePointer<UInt8>?
        let count = Int(isthmus_BIO_mem_bytes(bio, &start))
        return [UInt8](UnsafeBufferPointer(start: start, count: count))
    }

    /// The DER that an `i2d_…` function writes; empty when it fails.
    static func der(_ encode: (UnsafeMutablePointer<UnsafeMutablePointer<UInt8>?>?) -> Int32) -> [UInt8] {
        let count = Int(encode(nil))
        guard count > 0 else { return [] }
        return [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            var cursor = buffer.baseAddress
            initialized = max(0, Int(encode(&cursor)))
        }
    }
}
