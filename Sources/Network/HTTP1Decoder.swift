import NIOCore
import NIOHTTP1

/// Listens to NIO's HTTP/1.1 decoder on behalf of the session.
final class HTTP1DecoderTail: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart

    private let session: HTTP1Session

    init(session: HTTP1Session) { self.session = session }

    /// The decoder with the session's limits; its own checks come after the scanner's.
    static func makeDecoder(_ limits: ConnectionLimits) -> ByteToMessageHandler<HTTPRequestDecoder> {
        var bounds = NIOHTTPDecoderLimitConfiguration()
        bounds.maxHeaderFieldSize = max(limits.headerBytes, limits.targetBytes) + 1
        bounds.maxHeaderListSize = limits.headerBytes + limits.targetBytes + 1
        bounds.maxHeaderFieldCount = limits.headerFields + 1
        return ByteToMessageHandler(
            HTTPRequestDecoder(leftOverBytesStrategy: .dropBytes, limitConfiguration: bounds))
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            session.decodedHead(method: head.method.rawValue, target: head.uri, fieldCount: head.headers.count)
        case .body(let bytes): bytes.withUnsafeReadableBytes { session.decodedBody($0) }
        case .end(let trailers): session.decodedEnd(hasTrailers: trailers != nil)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        session.decoderFailed()
    }
}
