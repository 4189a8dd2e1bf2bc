import Domain
import JSON
import Registry

/// The members of an operation's content, read with EventBridge's constraints and its words for a broken one.
///
/// Source: botocore `events/2015-10-07` for ranges and patterns.
struct Parameters {
    private let members: JSONNode

    /// `content` must be one JSON object; an empty content stands for `{}`.
    init(_ content: [UInt8]) throws(Fault) {
        guard !content.isEmpty else {
            members = .object([])
            return
        }
        do throws(JSONError) {
            members = try JSONNode(parsing: content, maximumBytes: Limits.wireBodyBytes)
        } catch {
            throw Fault(.serialization, "\(error)")
        }
        guard members.object != nil else { throw Fault(.serialization, "the content must be one JSON object") }
    }

    func has(_ name: String) -> Bool { value(name) != nil }

    private func value(_ name: String) -> JSONNode? {
        guard let node = members[name], !node.isNull else { return nil }
        return node
    }

    func string(_ name: String, maximum: Int) throws(Fault) -> String? {
        guard let node = value(name) else { return nil }
        guard let text = node.string else { throw Fault(.serialization, "the value at `/\(name)` must be a string") }
        guard text.unicodeScalars.count <= maximum else {
            throw Self.constraint(
                name, "'\(String(text.unicodeScalars.prefix(64)))…'",
                "Member must have length less than or equal to \(maximum)")
        }
        return text
    }

    func required(_ name: String, maximum: Int) throws(Fault) -> String {
        guard let text = try string(name, maximum: maximum) else {
            throw Self.constraint(name, "null", "Member must not be null")
        }
        guard !text.isEmpty else {
            throw Self.constraint(name, "''", "Member must have length greater than or equal to 1")
        }
        return text
    }

    func bool(_ name: String) throws(Fault) -> Bool {
        guard let node = value(name) else { return false }
        guard let flag = node.bool else { throw Fault(.serialization, "the value at `/\(name)` must be true or false") }
        return flag
    }

    func integer(_ name: String, in range: ClosedRange<Int>) throws(Fault) -> Int? {
        guard let node = value(name) else { return nil }
        guard let number = node.int else { throw Fault(.serialization, "the value at `/\(name)` must be an integer") }
        guard range.contains(number) else {
            throw Self.constraint(
                name, "'\(number)'",
                number < range.lowerBound
                    ? "Member must have value greater than or equal to \(range.lowerBound)"
                    : "Member must have value less than or equal to \(range.upperBound)")
        }
        return number
    }

    func object(_ name: String) throws(Fault) -> JSONNode? {
        guard let node = value(name) else { return nil }
        guard node.object != nil else { throw Fault(.serialization, "the value at `/\(name)` must be an object") }
        return node
    }

    func strings(_ name: String) throws(Fault) -> [String] {
        guard let node = value(name) else { throw Self.constraint(name, "null", "Member must not be null") }
        guard let list = node.array, list.allSatisfy({ $0.string != nil }) else {
            throw Fault(.serialization, "the value at `/\(name)` must be a list of strings")
        }
        return list.compactMap(\.string)
    }

    /// `[{"Key": …, "Value": …}]`; absent stands for none.
    func tags(_ name: String) throws(Fault) -> [Tag] {
        guard let node = value(name) else { return [] }
        guard let list = node.array else {
            throw Fault(.serialization, "the value at `/\(name)` must be a list of tags")
        }
        // Before anything is built or asked: policies read each tag.
        guard list.count <= Limits.tagsPerResource else {
            throw Fault(.limitExceeded, "The requested resource exceeds the maximum number allowed.")
        }
        var tags: [Tag] = []
        for element in list {
            guard let key = element["Key"]?.string, let value = element["Value"]?.string else {
                throw Fault(
                    .serialization, "each element of `/\(name)` must be an object with the strings `Key` and `Value`")
            }
            tags.append(Tag(key: key, value: value))
        }
        return tags
    }

    /// A bus name without an ARN.
    func busName(_ name: String) throws(Fault) -> EventBusName {
        let text = try required(name, maximum: EventBusName.maximumBytes)
        guard let bus = EventBusName(parsing: text) else { throw Self.pattern(name, text, #"[/\.\-_A-Za-z0-9]+"#) }
        return bus
    }

    /// The name of a partner event source.
    func eventSourceName(_ name: String) throws(Fault) -> PartnerEventSourceName {
        let text = try required(name, maximum: PartnerEventSourceName.maximumBytes)
        guard let source = PartnerEventSourceName(parsing: text) else {
            throw Self.pattern(name, text, PartnerEventSourceName.pattern)
        }
        return source
    }

    /// 12 digits.
    func accountID(_ name: String) throws(Fault) -> AccountID {
        let text = try required(name, maximum: 12)
        guard let account = AccountID(parsing: text) else { throw Self.pattern(name, text, #"\d{12}"#) }
        return account
    }

    /// Refuses parameters of features that are not built, instead of forgetting them silently.
    func refuse(_ names: [String]) throws(Fault) {
        for name in names where has(name) {
            throw Fault(
                .validation, "Parameter \(name) is not valid. Reason: \(name) is not available on this gateway.")
        }
    }

    static func pattern(_ name: String, _ value: String, _ pattern: String) -> Fault {
        constraint(name, "'\(value)'", "Member must satisfy regular expression pattern: \(pattern)")
    }

    static func constraint(_ name: String, _ value: String, _ constraint: String) -> Fault {
        let member = name.prefix(1).lowercased() + name.dropFirst()
        return Fault(
            .validation,
            "1 validation error detected: Value \(value) at '\(member)' failed to satisfy constraint: \(constraint)")
    }
}
