package import Domain

/// Why an operation of the control plane was not carried out: one code of the catalogue and EventBridge's own words.
package struct ControlFault: Error, Equatable, Sendable {
    package let code: ErrorCode
    /// What the client reads.
    package let message: String

    package init(_ code: ErrorCode, _ message: String) {
        self.code = code
        self.message = message
    }

    static func noSuchBus(_ name: String) -> ControlFault {
        ControlFault(.resourceNotFound, "Event bus \(name) does not exist.")
    }
}
