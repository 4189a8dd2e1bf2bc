/// What a request says under one key, known once and copied into many requests.
///
/// Cost: one array of bytes and one of small entries, whatever the number of facts.
package struct ContextFacts: Sendable {
    struct Range: Sendable {
        var start: UInt32
        var count: UInt32
    }

    struct Fact: Sendable {
        /// A `ContextKey`, or nothing for the named families.
        var key: ContextKey?
        var family: ContextFamily
        var name: Range
        var values: Swift.Range<Int>
        var isUnknown: Bool
    }

    private(set) var bytes: [UInt8] = []
    private(set) var values: [Range] = []
    private(set) var facts: [Fact] = []

    package init() {}

    /// States one value. A key stated twice keeps the first.
    package mutating func set(_ key: ContextKey, _ value: String) {
        set(.known(key), [value])
    }

    /// States a set of values; an empty set is as if the key were absent.
    package mutating func set(_ name: ContextKeyName, _ texts: [String]) {
        append(name, texts, isUnknown: false)
    }

    /// States tags. Names of condition keys are compared without case, so tags whose keys differ in case alone are one
    /// key with all their values.
    ///
    /// Source: docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition.html
    package mutating func set(_ family: ContextFamily, tags: [(key: String, value: String)]) {
        // By bytes, as policies name them: one `String` equals another that is only canonically equivalent.
        var places: [[UInt8]: Int] = [:]
        var stated: [(name: String, values: [String])] = []
        for tag in tags {
            let name = lowercased(tag.key)
            let bytes = Array(name.utf8)
            if let place = places[bytes] {
                stated[place].values.append(tag.value)
            } else {
                places[bytes] = stated.count
                stated.append((name, [tag.value]))
            }
        }
        for (name, values) in stated { set(.named(family, name), values) }
    }

    /// States that the gateway cannot know the value now (an expired organization manifest): conditions on it fail
    /// closed, so no allow and every deny that depends on the key applies.
    package mutating func setUnknown(_ key: ContextKey) {
        append(.known(key), [], isUnknown: true)
    }

    /// The one value stated for a key, if there is exactly one.
    func firstValue(of key: ContextKey) -> String? {
        guard let fact = facts.first(where: { $0.key == key }), fact.values.count == 1 else { return nil }
        let range = values[fact.values.lowerBound]
        return String(decoding: bytes[Int(range.start)..<Int(range.start + range.count)], as: UTF8.self)
    }

    private mutating func append(_ name: ContextKeyName, _ texts: [String], isUnknown: Bool) {
        let first = values.count
        for text in texts { values.append(keep(text)) }
        let span = first..<values.count
        switch name {
        case .known(let key):
            let empty = Range(start: 0, count: 0)
            facts.append(Fact(key: key, family: .other, name: empty, values: span, isUnknown: isUnknown))
        case .named(let family, let text):
            facts.append(Fact(key: nil, family: family, name: keep(text), values: span, isUnknown: isUnknown))
        }
    }

    private mutating func keep(_ text: String) -> Range {
        let start = bytes.count
        bytes.append(contentsOf: text.utf8)
        return Range(start: UInt32(start), count: UInt32(bytes.count - start))
    }
}
