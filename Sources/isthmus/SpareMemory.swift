import CMalloc
import Glibc
import Synchronization

/// Gives back to the system what the allocator keeps of memory that a burst or an attack once took.
///
/// glibc returns by itself only what lies at the end of an arena, so one block that stays keeps all before it. What is
/// resident beyond the blocks in use is what may be spare: resident memory alone would not tell a burst that has ended
/// from one that goes on.
///
/// To give back takes long: with 200 MiB free in two arenas 12 to 56 ms of a processor, and a thread that allocates in
/// an arena waits for its part of that, for glibc holds the arena's lock. What was given back before is looked at
/// again: another 2 to 22 ms. A look, too, walks over the free blocks. So both are done while hardly anybody asks for
/// anything, and under load only for much, seldom.
/// Source: malloc_trim(3); mallinfo2(3); proc(5), `statm`; measured on glibc 2.36, two processors.
final class SpareMemory: Sendable {
    /// How often to look.
    static let everySeconds: Int64 = 5
    /// Growth since the last time that is worth the work.
    static let growthBytes = 4 << 20
    /// Requests between two looks up to which the gateway counts as quiet: 10 a second.
    static let quietRequests: Int64 = 10 * everySeconds
    /// Growth that is worth the work while the gateway is not quiet.
    static let growthBytesUnderLoad = 64 << 20
    /// How many times it is let be under load before a look: a minute, of which 56 ms are below a thousandth.
    static let looksUnderLoad = 12

    private struct State {
        /// The least that was resident and not in use since spare memory was last given back: stacks, data, fragments.
        var leastSpare = 0
        /// Requests until the last time.
        var requests: Int64 = 0
        /// Times since a look.
        var passed = 0
    }

    private let state = Mutex(State())

    /// Looks, when it is time to, and gives back where spare memory has grown.
    ///
    /// - Parameter requests: how many came since the start of the process.
    func giveBack(requests: Int64) {
        guard let growth = growthWorthwhile(requests: requests), let spare = Self.spareBytes(),
            isWorthwhile(spare: spare, growth: growth)
        else { return }
        malloc_trim(0)
        note(left: Self.spareBytes() ?? spare)
    }

    /// The growth for which it is time now; `nil` when a look would disturb.
    func growthWorthwhile(requests: Int64) -> Int? {
        state.withLock { state in
            let isQuiet = requests - state.requests <= Self.quietRequests
            state.requests = requests
            state.passed += 1
            guard isQuiet || state.passed >= Self.looksUnderLoad else { return nil }
            state.passed = 0
            return isQuiet ? Self.growthBytes : Self.growthBytesUnderLoad
        }
    }

    /// So much was spare after what could be was given back.
    func note(left bytes: Int) { state.withLock { $0.leastSpare = bytes } }

    /// Whether `spare` bytes are so many more than the least that some can be given back.
    func isWorthwhile(spare: Int, growth: Int = SpareMemory.growthBytes) -> Bool {
        state.withLock { state in
            state.leastSpare = min(state.leastSpare, spare)
            return spare > state.leastSpare + growth
        }
    }

    /// What is resident and not in use; `nil` where /proc does not say. Below 0 where more in use was never touched
    /// than is spare: it is compared with what it was, so it is told as it is.
    static func spareBytes() -> Int? {
        guard let held = heldBytes() else { return nil }
        let blocks = mallinfo2()
        return held - Int(blocks.uordblks) - Int(blocks.hblkhd)
    }

    /// Resident memory of this process that no file stands behind; `nil` where /proc does not say.
    static func heldBytes() -> Int? {
        let descriptor = open("/proc/self/statm", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var text = InlineArray<128, UInt8>(repeating: 0)
        var span = text.mutableSpan
        let count = span.withUnsafeMutableBufferPointer { read(descriptor, $0.baseAddress, $0.count) }
        guard count > 0 else { return nil }
        let line = text.span.withUnsafeBufferPointer { String(decoding: $0[..<count], as: UTF8.self) }
        return heldBytes(statm: line, pageBytes: Int(getpagesize()))
    }

    /// - Parameter statm: pages as the kernel writes them: size, resident, of that shared with files, …
    static func heldBytes(statm: String, pageBytes: Int) -> Int? {
        let pages = statm.split(separator: " ").prefix(3).compactMap { Int($0) }
        guard pages.count == 3, pages[1] >= pages[2] else { return nil }
        return (pages[1] - pages[2]) * pageBytes
    }
}
