package import JSON

/// Why a text is not a policy of IAM's language. Always the writer's fault; nothing was saved.
package enum PolicyError: Error, Equatable, Sendable {
    /// The bytes are not a JSON document this gateway reads.
    case json(JSONError)
    /// The document has more than `limit` characters.
    case tooLong(characters: Int, limit: Int)
    /// Something at `place`, a JSON pointer (RFC 6901) into the document, is not the language.
    case invalid(place: String, PolicyFault)

    /// The JSON pointer of what is wrong; empty for the whole document.
    package var place: String {
        switch self {
        case .json(.duplicateKey(let path)): path
        case .json, .tooLong: ""
        case .invalid(let place, _): place
        }
    }

    /// The number of the statement that is wrong, from 0, if one is.
    package var statementIndex: Int? {
        let tokens = place.split(separator: "/")
        guard tokens.first == "Statement" else { return nil }
        return tokens.count > 1 ? Int(tokens[1]) ?? 0 : nil
    }
}

/// What is wrong at one place of a policy.
///
/// Source: docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
package enum PolicyFault: Equatable, Sendable {
    case wrongKind(found: String, wanted: String)
    case missing(element: String)
    case exclusive(first: String, second: String)
    case notAllowedHere(element: String, kind: PolicyKind)
    case unknownElement(String)
    case unknownOperator(String)
    case unknownValue(String, allowed: String)
    case empty(element: String)
    case duplicateStatementID(String)
    case duplicateConditionKey(String)
    case invalidAction(String)
    case invalidResource(String)
    case invalidPrincipal(String)
    case invalidVariable(String)
    case invalidKey(String)
    case invalidValue(String, wanted: String)
    case tooManyStatements(limit: Int)
    case tooManyConditions(limit: Int)
}

extension PolicyError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .json(let error): "the policy cannot be read: \(error)"
        case .tooLong(let characters, let limit):
            "the policy has \(characters) characters, \(limit) are allowed: remove statements or raise the limit"
        case .invalid(let place, let fault): "the policy is not valid at `\(place.isEmpty ? "/" : place)`: \(fault)"
        }
    }
}

extension PolicyFault: CustomStringConvertible {
    package var description: String {
        switch self {
        case .wrongKind(let found, let wanted): "found \(found), write \(wanted)"
        case .missing(let element): "`\(element)` is missing, add it"
        case .exclusive(let first, let second): "`\(first)` and `\(second)` exclude each other, keep one"
        case .notAllowedHere(let element, let kind): "`\(element)` has no place in \(kind.article), remove it"
        case .unknownElement(let name): "`\(name)` is no element of the policy language, remove it or correct its case"
        case .unknownOperator(let name): "`\(name)` is no condition operator, see the IAM operator reference"
        case .unknownValue(let text, let allowed): "`\(text)` is not allowed, write \(allowed)"
        case .empty(let element): "`\(element)` is empty, name at least one"
        case .duplicateStatementID(let sid): "the Sid `\(sid)` appears twice, make it unique"
        case .duplicateConditionKey(let key):
            "the key `\(key)` appears twice (keys are compared without case), keep one"
        case .invalidAction(let text): "`\(text)` is no action, write `service:Action` or `*`"
        case .invalidResource(let text): "`\(text)` is no resource, write an ARN or `*`"
        case .invalidPrincipal(let text):
            "`\(text)` is no principal, write an account id, a whole ARN of a user, role or session, or `*` alone"
        case .invalidVariable(let text):
            "`\(text)` holds a broken policy variable, write `${key}` or `${key, 'default'}`, or `${$}` for a dollar"
        case .invalidKey(let text): "`\(text)` is no condition key, write `service:key`"
        case .invalidValue(let text, let wanted): "`\(text)` is not \(wanted)"
        case .tooManyStatements(let limit): "there are more than \(limit) statements, split the policy"
        case .tooManyConditions(let limit): "there are more than \(limit) conditions, split the policy"
        }
    }
}
