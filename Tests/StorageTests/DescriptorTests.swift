import Bus
import Domain
import Foundation
import Testing

@testable import Storage

/// Each in a process of its own: the limit is the whole process's.
@Suite("Storage when connections have taken every descriptor")
struct DescriptorTests {
    /// Leaves the process so many descriptors besides those it has; nil gives it all back.
    private static func leave(_ count: Int?) throws {
        var limit = rlimit()
        try #require(getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0)
        limit.rlim_cur = limit.rlim_max
        try #require(setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0)
        guard let count else { return }
        let lowest = open("/dev/null", O_RDONLY)
        close(lowest)
        limit.rlim_cur = rlim_t(Int(lowest) + count)
        try #require(setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0)
    }

    @Test("a reserve is made with one descriptor, and without any says so")
    func reserve() async {
        await #expect(processExitsWith: .success) {
            let directory = ScratchDirectory()
            let home = try DataDirectory(path: directory.path)
            var reserve = ReserveFile(in: home, byteCount: 65_536)
            try DescriptorTests.leave(0)
            #expect(try reserve.hold() == .noDescriptor)
            #expect(throws: Never.self) { try home.sync() }
            try DescriptorTests.leave(1)
            #expect(try reserve.hold() == .held)
        }
    }

    @Test("a log that cannot make its reserve again for want of a descriptor goes on, and makes it once there is one")
    func log() async {
        await #expect(processExitsWith: .success) {
            let directory = ScratchDirectory()
            let path = directory.path + "/" + ReserveFile.fileName
            var watch = LogWatch { error in Issue.record("the log failed: \(error)") }
            watch.onFull = { isFull in Issue.record("the disk is said to be full: \(isFull)") }
            let lost = DispatchSemaphore(value: 0)
            watch.onReserveLost = { lost.signal() }
            let ticks = Ticks()
            let log = try SQLiteLogTests.open(
                directory, HeldClock(Timestamp(seconds: 1_800_000_000)), watch: watch, monotonic: { ticks.next() })
            let loop = TestLoop(log)
            #expect(loop.append(TestLoop.request("a")) == [stored(1...1)])
            try DescriptorTests.leave(0)
            #expect(unlink(path) == 0)
            #expect(loop.append(TestLoop.request("b")) == [stored(2...2)])
            #expect(lost.wait(timeout: .now() + 10) == .success)
            #expect(loop.append(TestLoop.request("c")) == [stored(3...3)])
            #expect(access(path, F_OK) != 0)
            try DescriptorTests.leave(nil)
            #expect(loop.append(TestLoop.request("d")) == [stored(4...4)])
            #expect(access(path, F_OK) == 0)
            log.stop()
        }
    }
}
