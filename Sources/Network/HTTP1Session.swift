import Domain

/// The server side of one HTTP/1.1 connection: bytes in, requests out one at a time; answers in, bytes out.
///
/// The scanner judges every byte first; the decoder the shell feeds reads them again, and both must agree on where the
/// message ends and how many fields it has. Fields come from the scanner: no parser has merged or decoded them.
/// Loop-confined; no socket, no clock.
final class HTTP1Session {
    /// What the shell does next.
    enum Action {
        /// Wait for bytes, an answer, or room in the outbox.
        case wait
        /// Feed these bytes to the decoder, then ask again.
        case decode([UInt8])
        case request(Request, StreamToken)
        /// Already answered; write the outbox and close.
        case refused(HTTP1Refusal)
    }

    private enum Phase {
        case idle
        case head
        case body(HTTP1Head)
        case whole(HTTP1Head)
        case answering(isHead: Bool, keepsAlive: Bool)
        case closing
    }

    /// What the decoder has said of the current message.
    private struct Decoded {
        var agrees = false
        var ended = false
    }

    private let limits: ConnectionLimits
    private var scanner: HTTP1Scanner
    private var phase = Phase.idle
    private var decoded = Decoded()
    /// The head of the message under way has not been asked about.
    private var isHeadUnasked = false
    /// The peer waits for `100 Continue` before it sends content.
    private var owesContinue = false
    private var input: [UInt8] = []
    private var inputStart = 0
    private var body: [UInt8] = []
    private var outbox: [UInt8] = []
    private var count: Int32 = 0
    private var isDraining = false
    /// The peer sends nothing more.
    private var isInputFinished = false

    init(limits: ConnectionLimits) {
        self.limits = limits
        scanner = HTTP1Scanner(limits: limits)
    }

    // MARK: What the shell asks

    /// Answer bytes waiting to be written.
    var outboxBytes: Int { outbox.count }
    /// The connection ends when the outbox is written.
    var wantsClose: Bool { if case .closing = phase { true } else { false } }
    /// A request is with the gateway.
    var isAnswering: Bool { if case .answering = phase { true } else { false } }
    /// Nothing is under way in either direction.
    var isIdle: Bool { if case .idle = phase { outbox.isEmpty && input.isEmpty } else { false } }
    /// At least one request has been handed out.
    var hasTakenRequest: Bool { count > 0 }
    /// A header block has begun and not ended.
    var isInsideHead: Bool { if case .head = phase { true } else { false } }
    /// A body has begun and not ended.
    var isInsideBody: Bool { if case .body = phase { true } else { false } }
    /// Content received of the message under way.
    var bodyBytes: Int { body.count }
    /// Bytes kept of requests that have not been handed out.
    var heldBytes: Int { body.count + input.count - inputStart }
    /// Bytes that wait for an answer before they are read: while there are any, nothing is read from the socket.
    var hasBacklog: Bool { inputStart < input.count }

    // MARK: In

    func receive(_ bytes: UnsafeRawBufferPointer) {
        if case .closing = phase { return }
        input.append(contentsOf: bytes)
    }

    /// The next thing to do with the bytes received. Ask until it says `.wait` or `.refused`.
    func next() -> Action {
        while true {
            switch phase {
            case .closing, .answering: return .wait
            case .whole(let head): return finish(head)
            case .idle, .head, .body:
                guard hasBacklog, outbox.count < limits.writeHighWaterBytes else {
                    releaseInput()
                    if isInputFinished, !hasBacklog { phase = .closing }
                    return .wait
                }
                if let action = scan() { return action }
            }
        }
    }

    private func scan() -> Action? {
        let start = inputStart
        let step = input.withUnsafeBufferPointer { scanner.scan(UnsafeBufferPointer(rebasing: $0[start...])) }
        switch step {
        case .needsMore:
            inputStart = input.count
            if scanner.isInsideHead { phase = .head }
            return nil
        case .head(let head, let consumed):
            inputStart += consumed
            decoded = Decoded()
            isHeadUnasked = head.framing != .none
            owesContinue = head.expectsContinue && isHeadUnasked && !hasBacklog
            phase = isHeadUnasked ? .body(head) : .whole(head)
            return .decode(head.bytes)
        case .body(let consumed, let isComplete):
            let bytes = Array(input[start..<(start + consumed)])
            inputStart += consumed
            if isComplete, case .body(let head) = phase { phase = .whole(head) }
            return .decode(bytes)
        case .refused(let refusal): return refuse(refusal)
        }
    }

    private func finish(_ head: HTTP1Head) -> Action {
        guard decoded.agrees, decoded.ended else { return refuse(.decoderDisagrees) }
        scanner.reset()
        count &+= 1
        phase = .answering(isHead: head.isHeadRequest, keepsAlive: head.keepsAlive)
        let content = body
        body = []
        return .request(head.request(body: content), StreamToken(stream: count))
    }

    /// Lets go of the input buffer between messages: an idle connection holds nothing.
    private func releaseInput() {
        guard !hasBacklog, inputStart > 0 else { return }
        input = []
        inputStart = 0
    }

    // MARK: Content that is late

    /// The head of the message under way without its content, once, when the content has still to come. One that the
    /// decoder reads in another way is never lent: it is refused when it is whole.
    func takeUnaskedHead() -> Request? {
        guard isHeadUnasked, decoded.agrees, case .body(let head) = phase, !hasBacklog else { return nil }
        isHeadUnasked = false
        return head.request(body: [])
    }

    /// The content may come: says so to a peer that waits to hear it.
    func admitContent() {
        if owesContinue { outbox.append("HTTP/1.1 100 Continue\r\n\r\n") }
        owesContinue = false
    }

    /// Answers the message under way before its content; what came of it is dropped, and the connection closes.
    func refuseContent(_ response: Response) {
        guard case .body(let head) = phase else { return }
        HTTP1Answer.append(response, isHead: head.isHeadRequest, closes: true, to: &outbox)
        endInput()
    }

    private func endInput() {
        phase = .closing
        input = []
        inputStart = 0
        body = []
    }

    // MARK: What the decoder read

    func decodedHead(method: String, target: String, fieldCount: Int) {
        guard let head = current, !decoded.agrees else { return }
        decoded.agrees =
            head.method.elementsEqual(method.utf8) && head.wireTarget.elementsEqual(target.utf8)
            && head.fields.count == fieldCount
    }

    func decodedBody(_ bytes: UnsafeRawBufferPointer) {
        guard body.count + bytes.count <= limits.bodyBytes else { return decoderFailed() }
        body.append(contentsOf: bytes)
    }

    func decodedEnd(hasTrailers: Bool) {
        decoded.ended = !hasTrailers
    }

    /// The decoder gave up or read more than one message: the shell asks `next` and hears a refusal.
    func decoderFailed() {
        guard let head = current else { return }
        decoded.agrees = false
        phase = .whole(head)
    }

    private var current: HTTP1Head? {
        switch phase {
        case .body(let head), .whole(let head): head
        case .idle, .head, .answering, .closing: nil
        }
    }

    // MARK: Out

    /// Writes the answer to the request under way; any other is not answered.
    func respond(_ response: Response, to token: StreamToken) {
        guard case .answering(let isHead, let keepsAlive) = phase, token.stream == count else { return }
        let goesOn = keepsAlive && !isDraining && (!isInputFinished || hasBacklog)
        HTTP1Answer.append(response, isHead: isHead, closes: !goesOn, to: &outbox)
        phase = goesOn ? .idle : .closing
        if !goesOn { input = []; inputStart = 0 }
    }

    /// Refuses the message under way with the refusal's status, once.
    func refuse(_ refusal: HTTP1Refusal) -> Action {
        if case .closing = phase { return .wait }
        HTTP1Answer.append(refusal, to: &outbox)
        endInput()
        return .refused(refusal)
    }

    /// The request under way is the last; without one, the connection ends now.
    func drain() {
        isDraining = true
        switch phase {
        case .idle: phase = .closing
        case .answering(let isHead, _): phase = .answering(isHead: isHead, keepsAlive: false)
        case .head, .body, .whole, .closing: break
        }
    }

    /// The peer sends nothing more: what is whole is answered, then the connection ends. Ask `next` afterwards.
    func finishInput() { isInputFinished = true }

    /// Moves up to `limit` bytes of answers to the end of `buffer`.
    func produce(into buffer: inout [UInt8], limit: Int) {
        if outbox.count <= limit {
            buffer.append(contentsOf: outbox)
            outbox = []
        } else {
            buffer.append(contentsOf: outbox[..<limit])
            outbox.removeFirst(limit)
        }
    }
}
