import Glibc

/// The run-time checks of Swift's law of exclusivity in the packages we use: the manifest turns off our own modules' in
/// a release, and a package's cannot be reached from there.
enum ExclusivityChecks {
    /// What the runtime looks at before each check. Source: swiftlang/swift `include/swift/Runtime/Exclusivity.h`.
    private static let name = "_swift_disableExclusivityChecking"

    /// Turns them off for the process; measured, SwiftNIO's are 30 a request and 3 % of its instructions.
    ///
    /// - Returns: whether the runtime has the switch; without it the checks go on.
    @discardableResult
    static func disable() -> Bool {
        guard let place = dlsym(nil, name) else { return false }
        place.assumingMemoryBound(to: Bool.self).pointee = true
        return true
    }
}
