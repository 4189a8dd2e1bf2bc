import Domain

/// One stream of a server session, from its first HEADERS to its close.
///
///     headers ─▶ content ─▶ offered ─▶ working ─▶ answering ─▶ (discarding) ─▶ (closed)
///        └──────────┼─▶ offered as refused ──▶ working ─▶ answering
///                   └─▶ refused by its head ─▶ working ─▶ answering
struct ServerStream {
    enum Stage {
        case headers
        case content
        /// An event for it waits in the inbox.
        case offered
        /// Handed out, not yet answered.
        case working
        case answering
        /// Answered; the rest of the request is thrown away.
        case discarding
    }

    var id: Int32 = 0
    var stage = Stage.headers
    var isHead = false
    /// Its content has still to come, and its head has not been asked about.
    var isHeadUnasked = false
    var request: Request?
    /// Of `content-length`, -1 when there was none.
    var declaredBytes = -1
    /// When the content, or then the answer, began to be due.
    var since: UInt64 = 0
    /// Content bytes of which the stream's window is to be told.
    var uncredited = 0
    var response: [UInt8] = []
    var responseSent = 0
    var nextFree: Int32 = -1
}

/// The open streams of a session, found by the place that nghttp2 keeps for each stream as user data.
///
/// Places are used again; storage for many streams is given back by `shrink()`.
struct StreamTable {
    private(set) var places: [ServerStream] = []
    private var firstFree: Int32 = -1
    private(set) var count = 0

    mutating func open(_ id: Int32) -> Int {
        count += 1
        if firstFree >= 0 {
            let place = Int(firstFree)
            firstFree = places[place].nextFree
            places[place].id = id
            places[place].stage = .headers
            places[place].nextFree = -1
            return place
        }
        places.append(ServerStream(id: id))
        return places.count - 1
    }

    mutating func close(_ place: Int) {
        places[place] = ServerStream(nextFree: firstFree)
        firstFree = Int32(place)
        count -= 1
    }

    // Inlined, for a coroutine that is called takes memory for its frame.
    subscript(place: Int) -> ServerStream {
        @inline(__always) _read { yield places[place] }
        @inline(__always) _modify { yield &places[place] }
    }

    mutating func shrink() {
        guard count == 0 else { return }
        places = []
        firstFree = -1
    }
}
