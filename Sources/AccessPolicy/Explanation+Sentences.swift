extension Explanation.Look {
    /// `statement 2 "OnlyOrders" of the bus policy`: where it stands.
    var place: String {
        let name = policyName.isEmpty ? "" : " `\(policyName)`"
        let isLeveled = layer == .resourceControl || layer == .serviceControl
        let height = isLeveled ? " (level \(level) of the organization, from the root)" : ""
        return "statement \(statement)" + (sid.map { " `\($0)`" } ?? "") + " of the \(layer.text)\(name)\(height)"
    }

    /// What missed, in words.
    var sentence: String {
        switch outcome {
        case .matched: return "it applies"
        case .abandoned: return "it was not looked at to its end: the step budget is used up"
        case .failed(let element, let comparison, let key, let wanted, let got):
            let values = Self.list(wanted)
            let found = got.map(Self.list)
            switch element {
            case "Principal": return "its Principal is \(values); the caller is \(found ?? "nobody")"
            case "NotPrincipal": return "its NotPrincipal leaves out \(values); the caller is \(found ?? "nobody")"
            case "Action": return "its Action is \(values); the request is \(found ?? "nothing")"
            case "NotAction": return "its NotAction leaves out \(values); the request is \(found ?? "nothing")"
            case "Resource": return "its Resource is \(values); the request is on \(found ?? "nothing")"
            case "NotResource": return "its NotResource leaves out \(values); the request is on \(found ?? "nothing")"
            default:
                let name = comparison ?? element
                let verb = name.contains("Not") ? "wants none of" : wanted.count > 1 ? "wants one of" : "wants"
                let end = found.map { "the request has \($0)" } ?? "the request does not have this key"
                return "its condition \(name) on `\(key ?? "")` \(verb) \(values); \(end)"
            }
        }
    }

    /// What would make the statement apply, one possibility a line.
    func advice(caller: String, account: String) -> [String] {
        guard case .failed(let element, let comparison, let key, _, let got) = outcome else { return [] }
        switch element {
        case "Principal":
            return [
                "if the caller should pass, add `\(caller)` to the Principal of \(place)",
                "or let one of the principals that it names make the request",
            ]
        case "Action": return ["if it should pass, add \(Self.list(got ?? [])) to the Action of \(place)"]
        case "Resource": return ["if it should pass, add \(Self.list(got ?? [])) to the Resource of \(place)"]
        case "NotPrincipal", "NotAction", "NotResource":
            return ["if it should pass, take \(Self.list(got ?? [])) out of the \(element) of \(place)"]
        default: break
        }
        let name = comparison ?? ""
        guard let got else {
            return ["the request has to carry `\(key ?? "")`: \(Self.origin(of: key ?? "", account: account))"]
        }
        if name.contains("Not") {
            return ["if it should pass, take \(Self.list(got)) out of the condition on `\(key ?? "")` of \(place)"]
        }
        return [
            "if it should pass, add \(Self.list(got)) to the condition \(name) on `\(key ?? "")` of \(place)",
            "or make the request with a value that the condition wants",
        ]
    }

    /// Where a key that is absent would come from.
    private static func origin(of key: String, account: String) -> String {
        switch ContextKeyName(key) {
        case .known(.principalOrgID), .known(.principalOrgPaths):
            "account \(account) is on no organization's manifest that is in force here"
        case .known(.resourceOrgID), .known(.resourceOrgPaths):
            "the resource's account is on no organization's manifest that is in force here"
        case .known(.isthmusTrustDomain), .known(.isthmusCertificateFingerprint):
            "only a request with a client certificate does"
        case .known(.sourceVpc): "the listener needs a `vpc` in the configuration"
        case .named(.principalTag, _): "it is a tag of the principal or its session"
        case .named(.resourceTag, _): "it is a tag of the resource"
        case .named(.requestTag, _), .known(.tagKeys): "only calls that carry tags do"
        default: "see where the key comes from, or use the `IfExists` form of the operator"
        }
    }

    private static func list(_ values: [String]) -> String {
        let shown = values.prefix(8).map { "`\($0)`" }.joined(separator: ", ")
        return values.isEmpty ? "empty" : shown + (values.count > 8 ? ", …" : "")
    }
}
