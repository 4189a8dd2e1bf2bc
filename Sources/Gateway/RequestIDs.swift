import Domain

/// Request and decision ids of one event loop: xoshiro256**, seeded once from the system's randomness.
///
/// They name, they do not authorise: whoever asks about one must be allowed to. Cost: a few nanoseconds.
/// Source: prng.di.unimi.it/xoshiro256starstar.c
struct RequestIDs {
    private var state: (UInt64, UInt64, UInt64, UInt64)

    init(seed: (UInt64, UInt64, UInt64, UInt64)) {
        precondition(seed.0 | seed.1 | seed.2 | seed.3 != 0)
        state = seed
    }

    mutating func next() -> UniqueID { UniqueID(random: word(), word()) }

    /// 64 random bits.
    mutating func word() -> UInt64 {
        func rotate(_ value: UInt64, _ by: UInt64) -> UInt64 { value << by | value >> (64 - by) }
        let result = rotate(state.1 &* 5, 7) &* 9
        let shifted = state.1 << 17
        state.2 ^= state.0
        state.3 ^= state.1
        state.1 ^= state.2
        state.0 ^= state.3
        state.2 ^= shifted
        state.3 = rotate(state.3, 45)
        return result
    }
}
