import Synchronization
package import TLS

/// The TLS context that new connections of a listener get. A reload puts another one in; open connections keep theirs.
package final class ServerContextSlot: Sendable {
    private let context: Mutex<ServerContext>

    package init(_ context: ServerContext) { self.context = Mutex(context) }

    /// The context in force.
    var current: ServerContext { context.withLock { $0 } }

    /// Puts another context in force for the connections that come from now on.
    package func replace(with next: ServerContext) { context.withLock { $0 = next } }
}
