/// The values that were added last, by a digest: beyond `limit` a new one takes the place of the oldest.
struct RecentValues<Value> {
    let limit: Int
    private var values: [Digest: Value] = [:]
    /// The keys in the order they came, from `oldest` around.
    private var keys: [Digest] = []
    private var oldest = 0

    /// - Parameter limit: 1 or more.
    init(limit: Int) {
        precondition(limit > 0, "a memory holds at least one value")
        self.limit = limit
    }

    var count: Int { values.count }

    subscript(key: Digest) -> Value? { values[key] }

    /// Adds `value`, or puts it in the place of the one of the same key.
    mutating func add(_ value: Value, for key: Digest) {
        if values.updateValue(value, forKey: key) != nil { return }
        if keys.count < limit { return keys.append(key) }
        values[keys[oldest]] = nil
        keys[oldest] = key
        oldest = (oldest + 1) % limit
    }
}
