/// Returns when `condition` holds; a test that was cancelled, by its time limit for one, waits no longer.
package func until(_ condition: () -> Bool) async throws {
    while !condition() {
        try Task.checkCancellation()
        await Task.yield()
    }
}
