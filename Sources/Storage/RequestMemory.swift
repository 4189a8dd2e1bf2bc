import Bus
import Cryptography

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

/// Recent requests of SDKs, in memory: five minutes of monotonic nanoseconds, bounded, the oldest forgotten first.
struct RecentRequests {
    private var answers: [ShortDigest: FirstAnswer] = [:]
    private var order = AgeQueue<ShortDigest, UInt64>()
    private let limit: Int
    private static let keptNanoseconds = LogConfiguration.recentRequestSeconds * 1_000_000_000

    init(limit: Int) { self.limit = limit }

    var count: Int { answers.count }

    mutating func answer(to request: Digest, now: UInt64) -> FirstAnswer? {
        if now > Self.keptNanoseconds { forget(before: now - Self.keptNanoseconds) }
        return answers[ShortDigest(request)]
    }

    mutating func keep(_ answer: FirstAnswer, to request: Digest, now: UInt64) {
        guard limit > 0 else { return }
        if answers.count >= limit, let oldest = order.removeFirst() { answers[oldest] = nil }
        let key = ShortDigest(request)
        answers[key] = answer
        order.append(key, at: now)
    }

    private mutating func forget(before limit: UInt64) {
        while let oldest = order.removeFirst(before: limit) { answers[oldest] = nil }
    }
}

/// Things in the order of their time: appended at the end, removed at the front.
struct AgeQueue<Element, Time: Comparable> {
    private var elements: [(element: Element, time: Time)] = []
    private var start = 0

    mutating func append(_ element: Element, at time: Time) { elements.append((element, time)) }

    mutating func removeFirst() -> Element? {
        guard start < elements.count else { return nil }
        defer { advance() }
        return elements[start].element
    }

    mutating func removeFirst(before limit: Time) -> Element? {
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
