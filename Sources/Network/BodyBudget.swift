import Synchronization

/// The content of requests that are not whole yet, of all connections of a process together. Source: THREATS 2.1.
///
/// Past the limit, connections that hold such content are not read, so none grows; small requests, which come whole in
/// one read, are still served. Past twice the limit nothing is read. Content that does not become whole by its deadline
/// is dropped, so the sum falls again.
final class BodyBudget: Sendable {
    private let limit: Int
    private let sum = Atomic(0)

    init(limit: Int) { self.limit = limit }

    /// Bytes held now.
    var held: Int { sum.load(ordering: .relaxed) }

    /// Whether a connection that holds `own` of these bytes must wait.
    func mustWait(own: Int) -> Bool { held > (own > 0 ? limit : 2 * limit) }

    /// A connection holds `bytes` more, or less.
    func add(_ bytes: Int) { sum.add(bytes, ordering: .relaxed) }
}
