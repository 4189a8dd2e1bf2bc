/// A tag of a resource, a principal or a session: key 1 … 128, value 0 … 256 characters.
///
/// Source: docs.aws.amazon.com/tag-editor/latest/userguide/tagging.html
package struct Tag: Hashable, Sendable {
    package let key: String
    package let value: String

    package init(key: String, value: String) {
        self.key = key
        self.value = value
    }
}
