package import Cryptography
import Synchronization

extension RandomBytes {
    /// A repeatable source: splitmix64 from `seed`. Source: prng.di.unimi.it/splitmix64.c
    package static func seeded(_ seed: UInt64) -> RandomBytes {
        let source = SplitMix(seed)
        return RandomBytes { buffer throws(CryptographyError) in
            for index in buffer.indices { buffer[index] = UInt8(truncatingIfNeeded: source.next()) }
        }
    }

    private final class SplitMix: Sendable {
        private let state: Mutex<UInt64>

        init(_ seed: UInt64) { state = Mutex(seed) }

        func next() -> UInt64 {
            state.withLock { state in
                state &+= 0x9E37_79B9_7F4A_7C15
                var value = state
                value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
                value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
                return value ^ (value >> 31)
            }
        }
    }
}
