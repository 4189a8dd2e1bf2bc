import Domain

/// What a request's path leads to. Paths are compared as sent: nothing is decoded, and a query leads nowhere.
enum Route {
    /// `/`: the EventBridge and STS protocols.
    case api
    case nowhere

    init(_ target: Bytes) {
        if target.equals("/") {
            self = .api
            return
        }
        self = .nowhere
    }
}
