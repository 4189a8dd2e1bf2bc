// INVARIANT: these names stand in stored records: none is ever renamed.

extension Decision.Layer {
    /// `resourceControl`: the layer in JSON.
    package var name: String {
        switch self {
        case .resourceControl: "resourceControl"
        case .serviceControl: "serviceControl"
        case .endpoint: "endpoint"
        case .resource: "resource"
        case .identity: "identity"
        case .permissionsBoundary: "permissionsBoundary"
        case .session: "session"
        }
    }

    init?(name: String) {
        guard let layer = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = layer
    }
}

extension PrincipalFacts.Kind {
    private static let all: [PrincipalFacts.Kind] = [
        .anonymous, .user, .role, .session, .federatedUser, .root, .service,
    ]

    /// `role`: the kind in JSON.
    var name: String {
        switch self {
        case .anonymous: "anonymous"
        case .user: "user"
        case .role: "role"
        case .session: "session"
        case .federatedUser: "federatedUser"
        case .root: "root"
        case .service: "service"
        }
    }

    init?(name: String) {
        guard let kind = Self.all.first(where: { $0.name == name }) else { return nil }
        self = kind
    }
}

extension RequestContext.Region {
    /// `principal`: the region in JSON.
    var name: String {
        switch self {
        case .principal: "principal"
        case .resource: "resource"
        case .connection: "connection"
        case .request: "request"
        }
    }
}
