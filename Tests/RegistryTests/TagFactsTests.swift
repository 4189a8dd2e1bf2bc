import AccessPolicy
import Domain
import Registry
import TestKit
import Testing

/// IAM compares the names of condition keys without case, so `team` and `Team` are one key with two values.
///
/// Source: docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition.html
@Suite("Tags whose keys differ in case alone")
struct TagFactsTests {
    private static let bus = "arn:aws:events:eu-central-1:444455556666:event-bus/orders"
    private static let allowed = BusTag(key: "team", value: "a")
    private static let forbidden = BusTag(key: "Team", value: "admin")
    private static let orders = [[allowed, forbidden], [forbidden, allowed]]

    private static func condition(_ comparison: String, _ key: String, _ value: String) -> String {
        #""Condition":{"\#(comparison)":{"\#(key)":"\#(value)"}}"#
    }

    private static func statement(_ effect: String, _ condition: String? = nil) -> String {
        let rest = condition.map { "," + $0 } ?? ""
        return #"{"Effect":"\#(effect)","Principal":"*","Action":"events:TagResource","Resource":"*"\#(rest)}"#
    }

    /// What the statements say of a call that gives `tags` to a bus that has those of `resource`.
    private static func decide(
        _ statements: [String], giving tags: [BusTag], resource: [BusTag] = []
    ) throws -> Decision.Effect {
        let list = statements.joined(separator: ",")
        let policy = try CompiledPolicy(
            parsing: #"{"Version":"2012-10-17","Statement":[\#(list)]}"#, kind: .resource)
        let context = RequestContext()
        context.setPrincipal(PrincipalFacts(Scene.publisher))
        context.setResource(ResourceFacts(arn: bus, tags: resource.map { (key: $0.key, value: $0.value) }))
        context.beginRequest(action: "events:TagResource", TagFacts(giving: tags).keys)
        return Authorizer.decide(context, PolicyLayers(resource: policy)).effect
    }

    @Test("an allow of one value does not let in a second under the same key, in either order", arguments: orders)
    func allow(tags: [BusTag]) throws {
        let byRequest = Self.statement("Allow", Self.condition("StringEquals", "aws:RequestTag/Team", "a"))
        #expect(try Self.decide([byRequest], giving: [Self.allowed]) == .allow)
        #expect(try Self.decide([byRequest], giving: tags) == .implicitDeny)
        let byResource = Self.statement("Allow", Self.condition("StringEquals", "aws:ResourceTag/TEAM", "a"))
        #expect(try Self.decide([byResource], giving: [], resource: [Self.allowed]) == .allow)
        #expect(try Self.decide([byResource], giving: [], resource: tags) == .implicitDeny)
    }

    @Test(
        "a deny of one value holds whatever else stands under the same key, in either order", arguments: orders,
        [("StringEquals", "admin"), ("StringLike", "adm*"), ("StringNotEquals", "a")])
    func deny(tags: [BusTag], condition: (comparison: String, value: String)) throws {
        for (key, given, resource) in [("aws:RequestTag/Team", tags, []), ("aws:ResourceTag/tEAM", [], tags)] {
            let denies = Self.statement("Deny", Self.condition(condition.comparison, key, condition.value))
            let found = try Self.decide([Self.statement("Allow"), denies], giving: given, resource: resource)
            #expect(found == .explicitDeny, "\(key) \(condition)")
        }
    }

    @Test("every value is asked by an operator for sets, and every key as it was written is in aws:TagKeys")
    func sets() throws {
        for tags in Self.orders {
            let all = Self.statement("Allow", Self.condition("ForAllValues:StringEquals", "aws:RequestTag/Team", "a"))
            #expect(try Self.decide([all], giving: tags) == .implicitDeny)
            for key in ["team", "Team"] {
                let any = Self.statement("Allow", Self.condition("ForAnyValue:StringEquals", "aws:TagKeys", key))
                #expect(try Self.decide([any], giving: tags) == .allow)
            }
        }
    }

    @Test("keys that are canonically equivalent but other bytes stay two, so that a deny finds its own")
    func equivalents() throws {
        let (composed, decomposed) = ("caf\u{E9}", "cafe\u{301}")
        for key in [composed, decomposed] {
            let tags = [BusTag(key: composed, value: "admin"), BusTag(key: decomposed, value: "admin")]
            let denies = Self.statement("Deny", Self.condition("StringEquals", "aws:RequestTag/\(key)", "admin"))
            #expect(try Self.decide([Self.statement("Allow"), denies], giving: tags) == .explicitDeny)
            #expect(try Self.decide([Self.statement("Allow"), denies], giving: tags.reversed()) == .explicitDeny)
        }
    }

    @Test("other keys beside it are read as before")
    func others() throws {
        let byRequest = Self.statement("Allow", Self.condition("StringEquals", "aws:RequestTag/Cost", "7"))
        for tags in Self.orders {
            #expect(try Self.decide([byRequest], giving: tags + [BusTag(key: "cost", value: "7")]) == .allow)
        }
    }
}
