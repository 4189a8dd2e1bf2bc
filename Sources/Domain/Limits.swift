/// Limits that more than one module keeps, each with its source.
package enum Limits {
    /// The content of a request on the wire; past it the answer is 413. Source: THREATS 2.1, row "Oversized".
    package static let wireBodyBytes = 2 * 1024 * 1024
    /// The sum of the sizes of a request's entries must stay below this. Source: PutEvents, botocore 1.44.5.
    package static let entriesBytes = 1024 * 1024
    /// Entries in one `PutEvents`. Source: botocore `PutEventsRequestEntryList`.
    package static let entriesPerRequest = 10
    /// Entries in one `PutPartnerEvents`. Source: botocore `PutPartnerEventsRequestEntryList`.
    package static let partnerEntriesPerRequest = 20
    /// Header fields of a request: names and values together. Past it the answer is 431.
    package static let headerBytes = 16 * 1024
    /// Header fields of a request. Past it the answer is 431.
    package static let headerFields = 100
    /// Nesting of a JSON text. Source: THREATS F3; EventBridge documents 1,000 levels nowhere, patterns at most 5.
    package static let jsonDepth = 128
    /// Characters of a policy document. Source: POLICY 3.
    package static let policyCharacters = 10_240
    /// Tags on one resource. Source: docs.aws.amazon.com/tag-editor/latest/userguide/tagging.html
    package static let tagsPerResource = 50
    /// Bytes of a peer's own words that a message repeats: enough for every name the API has.
    package static let excerptBytes = 64
}
