package import JSON

extension Quota: CustomStringConvertible {
    /// The member that holds a quota.
    package static let jsonKey: StaticString = "quota"

    /// Reads `{"perSecond", "burst"}`; nil for anything else, out of range included.
    package init?(_ node: JSONNode) {
        guard let perSecond = node["perSecond"]?.int, let burst = node["burst"]?.int else { return nil }
        self.init(checking: perSecond, burst: burst)
    }

    /// Writes `"quota": {"perSecond", "burst"}`.
    package func writeMember(to writer: inout JSONWriter) {
        writer.key(Self.jsonKey)
        writer.object { writer in
            writer.member("perSecond", perSecond)
            writer.member("burst", burst)
        }
    }

    /// For a person: `100 units a second, 500 at once`.
    package var description: String { "\(perSecond) units a second, \(burst) at once" }
}
