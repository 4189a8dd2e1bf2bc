import Bus
import Cryptography
import Domain

/// The first 16 bytes of a digest: enough to tell requests apart (a collision takes 2^64 work), half the memory.
struct ShortDigest: Hashable {
    let high: UInt64
    let low: UInt64

    init(_ digest: Digest) {
        self = digest.withUnsafeBytes { ShortDigest($0) }
    }

    /// Of the first 16 of `bytes`, which has as many.
    init(_ bytes: UnsafeRawBufferPointer) {
        high = bytes.loadUnaligned(as: UInt64.self)
        low = bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
    }
}

/// The answer that a repeated request gets again.
struct FirstAnswer {
    let positions: Positions
    let entryMask: UInt32
}

/// Recent requests of SDKs, in memory: five minutes, bounded, the oldest forgotten first.
struct RecentRequests {
    private var answers: [ShortDigest: FirstAnswer] = [:]
    private var order = AgeQueue<ShortDigest>()
    private let limit: Int

    init(limit: Int) { self.limit = limit }

    var count: Int { answers.count }

    mutating func answer(to request: Digest, now: Timestamp) -> FirstAnswer? {
        forget(before: now.advanced(bySeconds: -LogConfiguration.recentRequestSeconds))
        return answers[ShortDigest(request)]
    }

    mutating func keep(_ answer: FirstAnswer, to request: Digest, now: Timestamp) {
        guard limit > 0 else { return }
        if answers.count >= limit, let oldest = order.removeFirst() { answers[oldest] = nil }
        let key = ShortDigest(request)
        answers[key] = answer
        order.append(key, at: now)
    }

    private mutating func forget(before limit: Timestamp) {
        while let oldest = order.removeFirst(before: limit) { answers[oldest] = nil }
    }
}

/// Things in the order of their time: appended at the end, removed at the front.
struct AgeQueue<Element> {
    private var elements: [(element: Element, time: Timestamp)] = []
    private var start = 0

    mutating func append(_ element: Element, at time: Timestamp) { elements.append((element, time)) }

    mutating func removeFirst() -> Element? {
        guard start < elements.count else { return nil }
        defer { advance() }
        return elements[start].element
    }

    mutating func removeFirst(before limit: Timestamp) -> Element? {
        guard start < elements.count, elements[start].time < limit else { return nil }
        return removeFirst()
    }

    private mutating func advance() {
        start += 1
        guard start >= 1024, start * 2 >= elements.count else { return }
        elements.removeFirst(start)
        start = 0
    }
}
