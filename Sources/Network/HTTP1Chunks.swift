/// The framing of chunked content. Source: RFC 9112 section 7.1.
///
/// Extensions are passed over, as section 7.1.1 asks of a recipient, but all extensions and padding of a message
/// together are bounded; trailer fields are refused.
struct HTTP1Chunks {
    private enum State {
        case sizeStart
        case size
        case chunkExtension
        case sizeLineFeed
        case content
        case contentCarriageReturn
        case contentLineFeed
        case endCarriageReturn
        case endLineFeed
    }

    /// Bytes of extensions and of zeros before a size, in one message.
    static let overheadLimit = 16 * 1024

    private var state = State.sizeStart
    private var remaining = 0
    private var total = 0
    private var overhead = 0
    private let limit: Int

    /// - Parameter limit: bytes of content of all chunks together.
    init(limit: Int) { self.limit = limit }

    /// Takes bytes up to the end of the message at most.
    mutating func scan(
        _ input: UnsafeBufferPointer<UInt8>
    ) throws(HTTP1Refusal) -> (consumed: Int, isComplete: Bool) {
        var index = 0
        while index < input.count {
            if case .content = state {
                let taken = min(remaining, input.count - index)
                remaining -= taken
                index += taken
                if remaining == 0 { state = .contentCarriageReturn }
                continue
            }
            let byte = input[index]
            index += 1
            if try take(byte) { return (index, true) }
        }
        return (index, false)
    }

    /// Takes one byte of framing; `true` when it ends the message.
    private mutating func take(_ byte: UInt8) throws(HTTP1Refusal) -> Bool {
        switch state {
        case .sizeStart:
            guard let digit = HTTP1Syntax.hexadecimal(byte) else { throw .chunkMalformed }
            remaining = digit
            state = .size
        case .size: try takeSize(byte)
        case .chunkExtension:
            if byte == HTTP1Syntax.carriageReturn {
                state = .sizeLineFeed
            } else {
                guard HTTP1Syntax.isFieldValue(byte) else { throw .chunkMalformed }
                try countOverhead()
            }
        case .sizeLineFeed:
            guard byte == HTTP1Syntax.lineFeed else { throw .chunkMalformed }
            total += remaining
            guard total <= limit else { throw .bodyTooLarge }
            state = remaining == 0 ? .endCarriageReturn : .content
        case .content: preconditionFailure("content is taken as a run")
        case .contentCarriageReturn:
            guard byte == HTTP1Syntax.carriageReturn else { throw .chunkMalformed }
            state = .contentLineFeed
        case .contentLineFeed:
            guard byte == HTTP1Syntax.lineFeed else { throw .chunkMalformed }
            state = .sizeStart
        case .endCarriageReturn:
            guard byte == HTTP1Syntax.carriageReturn else {
                throw HTTP1Syntax.isFieldName(byte) ? .trailersRefused : .chunkMalformed
            }
            state = .endLineFeed
        case .endLineFeed:
            guard byte == HTTP1Syntax.lineFeed else { throw .chunkMalformed }
            return true
        }
        return false
    }

    private mutating func takeSize(_ byte: UInt8) throws(HTTP1Refusal) {
        if let digit = HTTP1Syntax.hexadecimal(byte) {
            if remaining == 0 { try countOverhead() }
            remaining = remaining << 4 | digit
            guard remaining <= limit else { throw .bodyTooLarge }
        } else if byte == UInt8(ascii: ";") {
            state = .chunkExtension
        } else if byte == HTTP1Syntax.carriageReturn {
            state = .sizeLineFeed
        } else {
            throw .chunkMalformed
        }
    }

    private mutating func countOverhead() throws(HTTP1Refusal) {
        overhead += 1
        guard overhead <= Self.overheadLimit else { throw .chunkExtensionsTooLong }
    }
}
