/// An Amazon resource name: `arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE`.
///
/// Source: docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html
package struct ARN: Hashable, Sendable, CustomStringConvertible {
    package let partition: String
    package let service: String
    /// Empty for global services.
    package let region: String
    /// Empty where the resource belongs to no account (`arn:aws:events:eu-central-1::event-source/…`).
    package let account: String
    /// Everything after the fifth colon; may itself hold colons.
    package let resource: String

    /// The greatest length that is read: 1 … 1,600 bytes (EventBridge's limit for a target ARN).
    package static let maximumBytes = 1600

    package init(partition: String, service: String, region: String, account: String, resource: String) {
        self.partition = partition
        self.service = service
        self.region = region
        self.account = account
        self.resource = resource
    }

    /// Reads six parts; a text that is not an ARN (wrong prefix, fewer parts, control characters, too long) is `nil`.
    package init?(parsing text: String) {
        guard text.utf8.count <= Self.maximumBytes, text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else { return nil }
        let parts = text.split(separator: ":", maxSplits: 5, omittingEmptySubsequences: false)
        guard parts.count == 6, parts[0] == "arn", !parts[1].isEmpty, !parts[2].isEmpty, !parts[5].isEmpty else {
            return nil
        }
        partition = String(parts[1])
        service = String(parts[2])
        region = String(parts[3])
        account = String(parts[4])
        resource = String(parts[5])
    }

    package var description: String { "arn:\(partition):\(service):\(region):\(account):\(resource)" }
}
