package import AccessPolicy
package import Domain

/// What a call says of tags, as policies read it: `aws:RequestTag/…` of those it gives, `aws:TagKeys` of those it
/// names.
///
/// Source: docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html, properties of the request
package struct TagFacts: Sendable {
    package private(set) var keys = ContextFacts()

    /// A call that says nothing of tags.
    package static let none = TagFacts(giving: [])

    /// A call that gives tags, `TagResource` or `CreateEventBus`.
    package init(giving tags: [Tag]) {
        keys.set(.requestTag, tags: tags.map { (key: $0.key, value: $0.value) })
        if !tags.isEmpty { keys.set(.known(.tagKeys), tags.map(\.key)) }
    }

    /// A call that only names keys, `UntagResource`.
    package init(naming keys: [String]) {
        if !keys.isEmpty { self.keys.set(.known(.tagKeys), keys) }
    }
}
