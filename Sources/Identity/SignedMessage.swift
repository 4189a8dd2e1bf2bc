package import Domain

/// A message as its signature sees it: a request, or a response and the request it answers.
package struct SignedMessage: Sendable {
    /// The control data of a request.
    package struct RequestHead: Sendable {
        package let method: [UInt8]
        /// The request target as sent: origin form (`/a?b`), absolute form, `*` or an authority.
        package let target: [UInt8]
        /// `Host` or `:authority` as sent.
        package let authority: [UInt8]
        /// `https`, or `http` on a listener without TLS.
        package let scheme: String
        package let fields: HeaderFields

        package init(_ request: Request, scheme: String) {
            method = Array(request.method)
            target = Array(request.target)
            authority = Array(request.authority)
            self.scheme = scheme
            fields = request.fields
        }
    }

    package enum Role: Sendable {
        case request(RequestHead)
        /// Components with `req` are read from the request.
        case response(status: Int, to: RequestHead?)
    }

    package let role: Role
    package let fields: HeaderFields
    package let body: [UInt8]

    /// A request that came over TLS, unless `scheme` says otherwise.
    package init(_ request: Request, scheme: String = "https") {
        role = .request(RequestHead(request, scheme: scheme))
        fields = request.fields
        body = request.body
    }

    /// A response, for the standard's own vectors and for what a target answers.
    package init(status: Int, fields: HeaderFields, body: [UInt8], to request: RequestHead?) {
        role = .response(status: status, to: request)
        self.fields = fields
        self.body = body
    }
}

extension HeaderFields {
    /// The values of every field of that name (lower case) in their order, spaces and tabs around them removed.
    func lines(of name: some Collection<UInt8>) -> [Bytes] {
        var lines: [Bytes] = []
        for index in 0..<count where self.name(at: index).elementsEqual(name) {
            lines.append(trimmed(value(at: index)))
        }
        return lines
    }

    /// The field's lines joined by a comma and a space (RFC 9110 § 5.3); nil when there is none.
    func combined(_ name: some Collection<UInt8>) -> [UInt8]? {
        let lines = lines(of: name)
        return lines.isEmpty ? nil : Array(lines.joined(separator: ", ".utf8))
    }
}

/// Source: RFC 9110 § 5.6.3, `OWS`.
func trimmed(_ value: Bytes) -> Bytes {
    var rest = value
    while let first = rest.first, first == UInt8(ascii: " ") || first == UInt8(ascii: "\t") { rest.removeFirst() }
    while let last = rest.last, last == UInt8(ascii: " ") || last == UInt8(ascii: "\t") { rest.removeLast() }
    return rest
}
