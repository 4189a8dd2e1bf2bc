import Domain

/// What a request's path leads to. Paths are compared as sent: nothing is decoded, and a query leads nowhere.
enum Route {
    /// `/`: the EventBridge and STS protocols.
    case api
    /// `/accounts/ACCOUNT/buses/NAME/events`: CloudEvents for that bus.
    case bus(EventBusID)
    /// `/join`: a partner with a token.
    case join
    /// `/renew`: a partner with the certificate that the next one replaces.
    case renew
    /// `/webhooks/SOURCE-NAME`, whose slashes are part of the name.
    case webhook(Bytes)
    /// `/decisions/ID`: a recorded decision.
    case decision(UniqueID)
    case nowhere

    /// What a caller at the wrong path reads.
    static let directions =
        "there is nothing at this path; send API calls to `/`, CloudEvents to `/accounts/ACCOUNT/buses/NAME/events`, "
        + "webhooks to `/webhooks/SOURCE-NAME` of a source whose webhook is declared, and GET `/decisions/ID`"

    /// The answer at the wrong path.
    static let nothingHere = Fault(.unknownOperation, directions, status: 404)

    /// Refuses every method but the one of this path.
    func checkMethod(_ request: borrowing Request) throws(Fault) {
        switch self {
        case .api: try Self.check(request, .post, "API calls are sent with POST")
        case .bus: try Self.check(request, .post, "CloudEvents are sent with POST")
        case .join, .renew: try Self.check(request, .post, "partners join and renew with POST")
        case .webhook: try Self.check(request, .post, "webhooks are sent with POST")
        case .decision: try Self.check(request, .get, "a decision is read with GET")
        case .nowhere: throw Self.nothingHere
        }
    }

    private static func check(
        _ request: borrowing Request, _ taken: Response.AllowedMethod, _ direction: String
    ) throws(Fault) {
        guard request.isMethod(taken.text) else { throw .methodNotAllowed(direction, allow: taken) }
    }

    init(_ target: Bytes) {
        if target.equals("/") {
            self = .api
        } else if let id = Self.bus(target) {
            self = .bus(id)
        } else if target.equals("/join") {
            self = .join
        } else if target.equals("/renew") {
            self = .renew
        } else if let source = Self.rest(of: target, after: "/webhooks/") {
            self = .webhook(source)
        } else if let text = Self.rest(of: target, after: "/decisions/"), let id = UniqueID(parsing: text) {
            self = .decision(id)
        } else {
            self = .nowhere
        }
    }

    private static func bus(_ target: Bytes) -> EventBusID? {
        guard let rest = rest(of: target, after: "/accounts/"), rest.count > 12,
            let account = AccountID(parsing: rest.prefix(12)),
            let named = self.rest(of: rest.dropFirst(12), after: "/buses/")
        else { return nil }
        let end = "/events".utf8.count
        guard named.count > end, named.suffix(end).equals("/events"),
            let name = EventBusName(parsing: named.dropLast(end))
        else { return nil }
        return EventBusID(account: account, name: name)
    }

    private static func rest(of path: Bytes, after prefix: StaticString) -> Bytes? {
        let count = prefix.utf8CodeUnitCount
        return path.count >= count && path.prefix(count).equals(prefix) ? path.dropFirst(count) : nil
    }
}
