/// A run of UTF-8 that someone else keeps, with its first eight bytes at hand for comparing.
struct ContextText {
    var base: UnsafePointer<UInt8>?
    var count: Int
    var head: UInt64

    init() {
        base = nil
        count = 0
        head = 0
    }

    init(_ buffer: UnsafeBufferPointer<UInt8>) {
        base = buffer.baseAddress
        count = buffer.count
        head = Self.head(of: buffer)
    }

    var buffer: UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(start: base, count: count) }

    /// The first eight bytes as a number, shorter texts filled with zeros.
    @inline(__always)
    static func head(of buffer: UnsafeBufferPointer<UInt8>) -> UInt64 {
        guard let base = buffer.baseAddress else { return 0 }
        if buffer.count >= 8 { return UnsafeRawPointer(base).loadUnaligned(as: UInt64.self) }
        var head: UInt64 = 0
        for index in 0..<buffer.count { head |= UInt64(base[index]) << UInt64(8 * index) }
        return head
    }
}

/// The value of one key in one request.
struct ContextSlot {
    enum State: UInt8 {
        case absent
        case present
        /// There is a value, and the gateway cannot know it now.
        case unknown
    }

    var state = State.absent
    var first = ContextText()
    /// All values when there are several.
    var list = UnsafeBufferPointer<ContextText>(start: nil, count: 0)

    init() {}

    init(_ text: ContextText) {
        state = .present
        first = text
    }

    init(list: UnsafeBufferPointer<ContextText>) {
        state = .present
        first = list[0]
        self.list = list
    }

    var count: Int { state != .present ? 0 : max(1, list.count) }

    subscript(index: Int) -> ContextText { list.count > 1 ? list[index] : first }
}

/// A value under a key that carries a name, such as a tag.
struct NamedSlot {
    var region: RequestContext.Region
    var family: ContextFamily
    /// Lower case.
    var name: ContextText
    var slot: ContextSlot
}

/// Who asks, as the `Principal` element is compared with.
struct PrincipalText {
    var kind = PrincipalFacts.Kind.anonymous
    /// `.max` for none.
    var account = UInt64.max
    var arn = ContextText()
    var roleARN = ContextText()
    var service = ContextText()
}

/// What is asked for, as the `Resource` element is compared with.
struct ResourceText {
    /// `.max` for none.
    var account = UInt64.max
    var arn = ContextText()
    var parts = ARNParts()
}

/// Memory for the texts of one region. What it gave stays where it is until `reset`.
final class ContextArena {
    private var chunks: [UnsafeMutableRawBufferPointer] = []
    private var used = 0
    private static let firstChunk = 1024

    deinit {
        for chunk in chunks { chunk.deallocate() }
    }

    /// Forgets everything, keeping the largest chunk.
    func reset() {
        while chunks.count > 1 { chunks.removeFirst().deallocate() }
        used = 0
    }

    private func reserve(_ count: Int) -> UnsafeMutableRawPointer {
        let start = (used + 7) & ~7
        if let last = chunks.last, start + count <= last.count, let base = last.baseAddress {
            used = start + count
            return base + start
        }
        let size = max(Self.firstChunk, 2 * (chunks.last?.count ?? 0), count)
        let chunk = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 8)
        chunks.append(chunk)
        used = count
        guard let base = chunk.baseAddress else { preconditionFailure("an empty chunk") }
        return base
    }

    func keep(_ bytes: UnsafeBufferPointer<UInt8>) -> ContextText {
        let place = reserve(bytes.count)
        let copy = place.bindMemory(to: UInt8.self, capacity: bytes.count)
        if let base = bytes.baseAddress { copy.initialize(from: base, count: bytes.count) }
        return ContextText(UnsafeBufferPointer(start: copy, count: bytes.count))
    }

    func keep(_ text: String) -> ContextText {
        var text = text
        return text.withUTF8 { keep($0) }
    }

    func keepLowercased(_ text: ContextText) -> ContextText {
        let place = reserve(text.count).bindMemory(to: UInt8.self, capacity: text.count)
        let source = text.buffer
        for index in 0..<source.count {
            let byte = source[index]
            place[index] = byte >= 0x41 && byte <= 0x5A ? byte | 0x20 : byte
        }
        return ContextText(UnsafeBufferPointer(start: place, count: text.count))
    }

    func list(_ count: Int) -> UnsafeMutableBufferPointer<ContextText> {
        let place = reserve(count * MemoryLayout<ContextText>.stride)
        let list = place.bindMemory(to: ContextText.self, capacity: count)
        list.initialize(repeating: ContextText(), count: count)
        return UnsafeMutableBufferPointer(start: list, count: count)
    }
}

/// Room for a pattern whose variables have been filled in, kept between decisions.
final class ContextScratch {
    private(set) var bytes: UnsafeMutablePointer<UInt8>
    private(set) var capacity = 2048

    init() { bytes = .allocate(capacity: 2048) }

    deinit { bytes.deallocate() }

    func reserve(_ count: Int) {
        guard count > capacity else { return }
        capacity = max(count, 2 * capacity)
        bytes.deallocate()
        bytes = .allocate(capacity: capacity)
    }
}
