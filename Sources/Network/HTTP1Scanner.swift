/// The strict reading of HTTP/1.1 that stands before the decoder: it finds where each message starts and ends, checks
/// every byte that frames it, and refuses what a lenient parser would repair. No socket, no clock.
///
/// ```
///         head complete            body complete
/// head ──────────────────▶ body ──────────────────▶ (reset by the session) ──▶ head
///   └────────── refusal ─────┴──▶ refused (final)
/// ```
/// Source: THREATS 2.2, RFC 9112.
struct HTTP1Scanner {
    /// What the bytes given led to.
    enum Step {
        /// All bytes were taken; the message goes on.
        case needsMore
        /// The header block is whole; `consumed` bytes were taken.
        case head(HTTP1Head, consumed: Int)
        /// `consumed` bytes are the message's content with its framing; `isComplete` when they end it.
        case body(consumed: Int, isComplete: Bool)
        case refused(HTTP1Refusal)
    }

    private enum State {
        case head
        case length(remaining: Int)
        case chunked(HTTP1Chunks)
        case complete
        case refused(HTTP1Refusal)
    }

    private let limits: ConnectionLimits
    private var state = State.head
    private var head: [UInt8] = []
    private var line: HTTP1RequestLine?
    /// Room for `: ` and CR LF of every field and for the request line besides its target.
    private var headLimit: Int { limits.headerBytes + 4 * limits.headerFields + limits.targetBytes + 64 }

    init(limits: ConnectionLimits) { self.limits = limits }

    /// Whether some but not all bytes of a header block are here.
    var isInsideHead: Bool {
        if case .head = state { !head.isEmpty } else { false }
    }

    /// Ready for the next message. Only after `.head` without content or a complete body.
    mutating func reset() { state = .head }

    mutating func scan(_ input: UnsafeBufferPointer<UInt8>) -> Step {
        do throws(HTTP1Refusal) {
            switch state {
            case .head: return try scanHead(input)
            case .length(let remaining):
                let taken = min(remaining, input.count)
                state = taken == remaining ? .complete : .length(remaining: remaining - taken)
                return taken == 0 ? .needsMore : .body(consumed: taken, isComplete: taken == remaining)
            case .chunked(var chunks):
                let (consumed, isComplete) = try chunks.scan(input)
                state = isComplete ? .complete : .chunked(chunks)
                return consumed == 0 ? .needsMore : .body(consumed: consumed, isComplete: isComplete)
            case .complete: return .needsMore
            case .refused(let refusal): throw refusal
            }
        } catch {
            state = .refused(error)
            head = []
            return .refused(error)
        }
    }

    private mutating func scanHead(_ input: UnsafeBufferPointer<UInt8>) throws(HTTP1Refusal) -> Step {
        for (index, byte) in input.enumerated() {
            let last = head.last
            guard byte == HTTP1Syntax.lineFeed || last != HTTP1Syntax.carriageReturn else { throw .bareCarriageReturn }
            guard byte != HTTP1Syntax.lineFeed || last == HTTP1Syntax.carriageReturn else { throw .bareLineFeed }
            head.append(byte)
            if byte == HTTP1Syntax.lineFeed, let parsed = try lineEnded() {
                return .head(parsed, consumed: index + 1)
            }
            guard head.count <= headLimit else { throw .tooManyFields }
            if line == nil, head.count > limits.targetBytes + 64 { throw .targetTooLong }
        }
        return .needsMore
    }

    /// A CR LF has come: the end of the request line, of a field line, or of the block.
    private mutating func lineEnded() throws(HTTP1Refusal) -> HTTP1Head? {
        guard let line else {
            let limits = limits
            // The first line is judged at once: HTTP/0.9 would never send another.
            line = try head.withUnsafeBufferPointer { (bytes) throws(HTTP1Refusal) in
                try HTTP1RequestLine(parsing: bytes, limits: limits)
            }
            return nil
        }
        guard head.count >= 4, head[head.count - 3] == HTTP1Syntax.lineFeed else { return nil }
        let block = head
        head = []
        self.line = nil
        let parsed = try HTTP1Head(parsing: block, line: line, limits: limits)
        switch parsed.framing {
        case .none: state = .complete
        case .length(let length):
            guard length <= limits.bodyBytes else { throw .bodyTooLarge }
            state = .length(remaining: length)
        case .chunked: state = .chunked(HTTP1Chunks(limit: limits.bodyBytes))
        }
        return parsed
    }
}
