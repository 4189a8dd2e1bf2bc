/// Values under small reusable numbers; a number that was given back and given out again is not the old one.
struct SlotTable<Value> {
    private struct Slot {
        var value: Value?
        var generation: UInt32 = 0
    }

    private var slots: [Slot] = []
    private var free: [UInt32] = []

    var count: Int { slots.count - free.count }

    /// Keeps `value` and returns its token.
    mutating func insert(_ value: Value) -> UInt64 {
        let index: Int
        if let reused = free.popLast() {
            index = Int(reused)
        } else {
            index = slots.count
            slots.append(Slot())
        }
        slots[index].value = value
        return UInt64(slots[index].generation) << 32 | UInt64(index)
    }

    /// The value of a token that is in use.
    func value(of token: UInt64) -> Value? {
        let index = Int(token & 0xFFFF_FFFF)
        guard index < slots.count, slots[index].generation == UInt32(token >> 32) else { return nil }
        return slots[index].value
    }

    /// Takes the value back, or `nil` when the token is not in use.
    mutating func remove(_ token: UInt64) -> Value? {
        let index = Int(token & 0xFFFF_FFFF)
        guard index < slots.count, slots[index].generation == UInt32(token >> 32),
            let value = slots[index].value.take()
        else { return nil }
        slots[index].generation &+= 1
        free.append(UInt32(index))
        return value
    }
}
