/// What a signature is held to here: whose Region and services, how old it may be, how its path is written.
package struct SigV4Rules: Sendable {
    /// The only Region a scope may name, byte for byte.
    package let region: [UInt8]
    /// The only services a scope may name, byte for byte: `events`, `sts`, `sqs`, `kms`.
    package let services: [[UInt8]]
    /// How far `x-amz-date` may be from now, to the millisecond and inclusive: 0 … 300 s.
    package let toleranceSeconds: Int64
    /// Whether dot segments and doubled slashes are resolved before hashing, as every service but S3 does.
    package let normalizesPath: Bool
    /// Whether the path as received is percent-encoded once more, as every service but S3 does.
    package let encodesPathAgain: Bool

    /// AWS's general tolerance, which configuration may lower and never raise.
    /// Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html
    package static let maximumToleranceSeconds: Int64 = 300

    package init(
        region: String, services: [String], toleranceSeconds: Int64 = SigV4Rules.maximumToleranceSeconds,
        normalizesPath: Bool = true, encodesPathAgain: Bool = true
    ) {
        precondition((0...Self.maximumToleranceSeconds).contains(toleranceSeconds), "the tolerance is 0 … 300 s")
        self.region = Array(region.utf8)
        self.services = services.map { Array($0.utf8) }
        self.toleranceSeconds = toleranceSeconds
        self.normalizesPath = normalizesPath
        self.encodesPathAgain = encodesPathAgain
    }
}
