import COpenSSL

/// A source of random bytes. Product code takes one as a parameter; a test passes a seeded one.
package struct RandomBytes: Sendable {
    private let source: @Sendable (UnsafeMutableRawBufferPointer) throws(CryptographyError) -> Void

    /// A source that fills the whole buffer it is given, safe to call from any thread.
    package init(_ source: @escaping @Sendable (UnsafeMutableRawBufferPointer) throws(CryptographyError) -> Void) {
        self.source = source
    }

    /// OpenSSL's generator, seeded by the operating system, one state a thread.
    ///
    /// - Source: docs.openssl.org RAND_bytes(3).
    package static let system = RandomBytes { (buffer) throws(CryptographyError) in
        guard let start = buffer.baseAddress, buffer.count > 0 else { return }
        guard let count = Int32(exactly: buffer.count) else {
            throw .wrongLength(.output, expected: Int(Int32.max), actual: buffer.count)
        }
        OpenSSLErrorQueue.clear()
        let isFilled = RAND_bytes(start.assumingMemoryBound(to: UInt8.self), count) == 1
        if !isFilled { throw OpenSSLErrorQueue.failure(.random) }
    }

    /// Fills `buffer`.
    ///
    /// - Throws: `.library(.random, …)` when the generator cannot be seeded: refuse the work, nothing was random.
    package func fill(_ buffer: UnsafeMutableRawBufferPointer) throws(CryptographyError) { try source(buffer) }

    /// `count` fresh bytes.
    package func bytes(_ count: Int) throws(CryptographyError) -> [UInt8] {
        var output = [UInt8](repeating: 0, count: count)
        var failure: CryptographyError?
        output.withUnsafeMutableBytes { buffer in
            do throws(CryptographyError) { try source(buffer) } catch { failure = error }
        }
        if let failure { throw failure }
        return output
    }

    /// 64 fresh bits.
    package func integer() throws(CryptographyError) -> UInt64 {
        var value: UInt64 = 0
        var failure: CryptographyError?
        withUnsafeMutableBytes(of: &value) { buffer in
            do throws(CryptographyError) { try source(buffer) } catch { failure = error }
        }
        if let failure { throw failure }
        return value
    }
}
