/// The two directions under OpenSSL: a borrowed input and an owned output.
struct Transport {
    /// The caller's ciphertext, only during `TLSSession.read`.
    var input = UnsafeRawBufferPointer(start: nil, count: 0)
    /// Ciphertext that waits for the caller; freed when all is taken.
    var output: [UInt8] = []
    var outputTaken = 0

    mutating func supply(_ target: UnsafeMutableRawPointer, count: Int) -> Int {
        let given = min(count, input.count)
        if given == 0 { return 0 }
        target.copyMemory(from: input.baseAddress!, byteCount: given)
        input = UnsafeRawBufferPointer(rebasing: input[given...])
        return given
    }

    mutating func take(_ count: Int) {
        precondition(count >= 0 && outputTaken + count <= output.count, "took more ciphertext than there was")
        outputTaken += count
        if outputTaken == output.count {
            output = []
            outputTaken = 0
        }
    }
}
