/// The two directions under OpenSSL: a borrowed input and an owned output.
struct Transport {
    /// The caller's ciphertext, only during `TLSSession.read`.
    var input = UnsafeRawBufferPointer(start: nil, count: 0)
    /// Ciphertext that waits for the caller; freed when all is taken, unless it is the caller's own memory.
    var output: [UInt8] = []
    var outputTaken = 0
    private var isLent = false

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
            if isLent { output.removeAll(keepingCapacity: true) } else { output = [] }
            outputTaken = 0
        }
    }

    /// Takes `room` to put what goes out in, unless something waits already.
    mutating func lend(_ room: inout [UInt8]) {
        guard output.isEmpty else { return }
        room.removeAll(keepingCapacity: true)
        swap(&output, &room)
        isLent = true
    }

    /// Gives the room back, unless something in it waits: then the caller gets other room, and this is freed like our
    /// own.
    mutating func takeBack(_ room: inout [UInt8]) {
        guard isLent else { return }
        isLent = false
        if output.isEmpty { swap(&output, &room) }
    }
}
