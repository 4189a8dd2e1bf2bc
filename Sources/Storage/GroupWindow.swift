/// How many requests a commit should wait for, and for how long: group commit without guessing.
///
/// A request that comes alone is committed at once. Once commits carry several, the writer expects as many again and
/// lets them gather, so that one fdatasync serves them all; now and then it expects half as many more, for it cannot
/// see how many senders wait. A window that ends before the expected have come lowers the expectation to what came.
/// Source: DURABILITY 2, a window of at most 2 ms under load and none while the disk is idle.
struct GroupWindow {
    /// The longest a request waits for others.
    static let nanoseconds: Int64 = 1_000_000
    /// Commits between two attempts to gather more than last time.
    static let commitsBetweenAttempts = 16

    /// Requests that must wait before a commit begins, unless the window ends first; 1 means no window.
    private(set) var target = 1
    private var commits = 0

    /// Notes that a commit took `requests`, after its window ended early (`isMet`) or ran out.
    mutating func note(requests: Int, isMet: Bool) {
        commits += 1
        guard requests > 1 else {
            target = 1
            return
        }
        let isAttempt = isMet && (requests > target || commits >= Self.commitsBetweenAttempts)
        target = isAttempt ? requests + requests / 2 : requests
        if isAttempt { commits = 0 }
    }
}
