package import Cryptography
import Synchronization

/// SplitMix64: a seed reproduces the run. Source: https://prng.di.unimi.it/splitmix64.c
package struct SeededRandom: RandomNumberGenerator, Sendable {
    private var state: UInt64

    package init(_ seed: UInt64) { state = seed }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var word = state
        word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
        return word ^ (word >> 31)
    }
}

extension RandomBytes {
    /// A repeatable source of bytes.
    package static func seeded(_ seed: UInt64) -> RandomBytes {
        let source = Shared(seed)
        return RandomBytes { buffer throws(CryptographyError) in
            for index in buffer.indices { buffer[index] = UInt8(truncatingIfNeeded: source.next()) }
        }
    }

    private final class Shared: Sendable {
        private let random: Mutex<SeededRandom>

        init(_ seed: UInt64) { random = Mutex(SeededRandom(seed)) }

        func next() -> UInt64 { random.withLock { $0.next() } }
    }
}
