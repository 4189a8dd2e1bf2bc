import CMalloc
import Glibc
import Synchronization

/// Gives back to the system what the allocator keeps of memory that a burst or an attack once took.
///
/// glibc returns by itself only what lies at the end of an arena, so one block that stays keeps all before it. What is
/// resident beyond the blocks in use is what may be spare: resident memory alone would not tell a burst that has ended
/// from one that goes on. A look costs one read of a file and a walk over the free blocks.
/// Source: malloc_trim(3); mallinfo2(3); proc(5), `statm`.
final class SpareMemory: Sendable {
    /// How often to look.
    static let everySeconds: Int64 = 5
    /// Growth since the last time that is worth the work.
    static let growthBytes = 4 << 20

    /// The least that was resident and not in use since spare memory was last given back: stacks, data, fragments.
    private let leastSpare = Atomic(0)

    /// Looks, and gives back where spare memory has grown.
    func giveBack() {
        guard let spare = Self.spareBytes(), isWorthwhile(spare: spare) else { return }
        malloc_trim(0)
        note(left: Self.spareBytes() ?? spare)
    }

    /// So much was spare after what could be was given back.
    func note(left bytes: Int) { leastSpare.store(bytes, ordering: .relaxed) }

    /// Whether `spare` bytes are so many more than the least that some can be given back.
    func isWorthwhile(spare: Int) -> Bool {
        let least = leastSpare.load(ordering: .relaxed)
        if spare < least { leastSpare.store(spare, ordering: .relaxed) }
        return spare > least + Self.growthBytes
    }

    /// What is resident and not in use; `nil` where /proc does not say.
    static func spareBytes() -> Int? {
        guard let held = heldBytes() else { return nil }
        let blocks = mallinfo2()
        return max(0, held - Int(blocks.uordblks) - Int(blocks.hblkhd))
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
