import Glibc

/// Reads lines from a descriptor without ever holding more of one than its limit.
struct LineReader {
    private let descriptor: Int32
    private let maximumLineBytes: Int
    private var buffer: [UInt8] = []
    private var start = 0
    private var isAtEnd = false

    /// A piece is read at a time.
    private static let chunkBytes = 64 * 1024

    enum Line: Equatable {
        /// Without its line feed.
        case whole([UInt8])
        /// Longer than the limit; what followed was passed over.
        case tooLong
    }

    init(_ descriptor: Int32, maximumLineBytes: Int) {
        self.descriptor = descriptor
        self.maximumLineBytes = maximumLineBytes
    }

    /// The next line that is not empty; nil at the end.
    mutating func next() throws(ProgramError) -> Line? {
        while true {
            switch try take() {
            case .whole(let line)? where line.allSatisfy({ $0 == 0x20 || $0 == 0x0D || $0 == 0x09 }): continue
            case let line: return line
            }
        }
    }

    private mutating func take() throws(ProgramError) -> Line? {
        var isTooLong = false
        var searched = start
        while true {
            if let end = buffer[searched...].firstIndex(of: 0x0A) {
                let line = buffer[start..<end]
                start = end + 1
                return isTooLong || line.count > maximumLineBytes ? .tooLong : .whole(Array(line))
            }
            if isAtEnd {
                let line = buffer[start...]
                start = buffer.count
                if isTooLong || line.count > maximumLineBytes { return .tooLong }
                return line.isEmpty ? nil : .whole(Array(line))
            }
            if buffer.count - start > maximumLineBytes {
                isTooLong = true
                start = buffer.count
            }
            buffer.removeSubrange(..<start)
            start = 0
            searched = buffer.count
            try fill()
        }
    }

    private mutating func fill() throws(ProgramError) {
        var chunk = [UInt8](repeating: 0, count: Self.chunkBytes)
        while true {
            let count = read(descriptor, &chunk, chunk.count)
            if count > 0 {
                buffer.append(contentsOf: chunk[0..<count])
                return
            }
            if count == 0 {
                isAtEnd = true
                return
            }
            if errno != EINTR { throw ProgramError("cannot read the input: \(String(cString: strerror(errno)))") }
        }
    }
}
