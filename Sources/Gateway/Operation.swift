import Domain

/// The operations of the EventBridge API that this gateway carries out.
///
/// Source: botocore `events/2015-10-07`, `targetPrefix` `AWSEvents`.
enum Operation: String, CaseIterable, Sendable {
    case putEvents = "PutEvents"
    case putPartnerEvents = "PutPartnerEvents"
    case createEventBus = "CreateEventBus"
    case describeEventBus = "DescribeEventBus"
    case updateEventBus = "UpdateEventBus"
    case deleteEventBus = "DeleteEventBus"
    case listEventBuses = "ListEventBuses"
    case putPermission = "PutPermission"
    case removePermission = "RemovePermission"
    case tagResource = "TagResource"
    case untagResource = "UntagResource"
    case listTagsForResource = "ListTagsForResource"
    case createPartnerEventSource = "CreatePartnerEventSource"
    case describePartnerEventSource = "DescribePartnerEventSource"
    case deletePartnerEventSource = "DeletePartnerEventSource"
    case listPartnerEventSources = "ListPartnerEventSources"
    case listPartnerEventSourceAccounts = "ListPartnerEventSourceAccounts"
    case describeEventSource = "DescribeEventSource"
    case listEventSources = "ListEventSources"
    case activateEventSource = "ActivateEventSource"
    case deactivateEventSource = "DeactivateEventSource"

    private static let prefix: StaticString = "AWSEvents."
    private static let byName: [String: Operation] = Dictionary(
        uniqueKeysWithValues: allCases.map { ($0.rawValue, $0) })

    /// EventBridge operations that answer `OperationDisabledException`: global endpoints do not exist here.
    private static let disabled: Set<String> = [
        "CreateEndpoint", "DescribeEndpoint", "UpdateEndpoint", "DeleteEndpoint", "ListEndpoints",
    ]

    /// What `X-Amz-Target` names.
    enum Target: Equatable {
        case operation(Operation)
        case disabled(String)
        case unknown
    }

    static func target(_ header: Bytes) -> Target {
        if header.equals("AWSEvents.PutEvents") { return .operation(.putEvents) }
        let text = header.text
        guard text.hasPrefix("\(prefix)") else { return .unknown }
        let name = String(text.dropFirst(prefix.utf8CodeUnitCount))
        if let operation = byName[name] { return .operation(operation) }
        return disabled.contains(name) ? .disabled(name) : .unknown
    }

    /// `events:DescribeEventBus`: how policies name it.
    var action: String { "events:\(rawValue)" }
}
