import JSON

// Feeds the JSON parser as a PutEvents body arrives, and the owned tree, the writer and the canonical form after it.
//
// Oracles: what is read, written and read again is the same tree; the canonical form is its own canonical form; a
// document whose objects repeat no key has a tree and one that repeats a key has none.

private let parser = Parser()

/// libFuzzer calls from one thread.
private final class Parser: @unchecked Sendable {
    let parser = JSONParser(maximumBytes: 1 << 20)
}

private func bytes(of value: JSONValue) -> Int {
    var total = value.string?.count ?? 0
    if let object = value.object {
        for member in object { total += member.key.count + bytes(of: member.value) }
    } else if let array = value.array {
        for element in array { total += bytes(of: element) }
    }
    return total
}

private func check(_ input: UnsafeRawBufferPointer) throws(JSONError) {
    let holdsRepeat = try parser.parser.withDocument(input) { (root) throws(JSONError) in
        precondition(bytes(of: root) <= input.count)
        precondition((root.repeatedKeyPath() != nil) == root.holdsRepeatedKey())
        return root.holdsRepeatedKey()
    }
    let tree: JSONNode
    do throws(JSONError) { tree = try JSONNode(parsing: input) } catch {
        guard case .duplicateKey = error, holdsRepeat else { preconditionFailure("\(error)") }
        return
    }
    precondition(!holdsRepeat)
    let written = tree.bytes()
    let again: JSONNode
    do throws(JSONError) { again = try JSONNode(parsing: written, maximumBytes: 8 << 20) } catch {
        preconditionFailure("\(error)")
    }
    precondition(again.bytes() == written)
    let canonical = try CanonicalJSON.bytes(of: tree)
    let canonicalAgain = try CanonicalJSON.bytes(of: JSONNode(parsing: canonical, maximumBytes: 8 << 20))
    precondition(canonicalAgain == canonical)
}

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzJSONBody(_ start: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
    do throws(JSONError) {
        try check(UnsafeRawBufferPointer(start: start, count: count))
    } catch {
        precondition(!error.description.isEmpty)
    }
    return 0
}
