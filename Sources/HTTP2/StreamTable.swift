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
    /// What works on the request, from when it is handed out.
    var work = HTTP2ServerSession.noWork
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

    /// Bytes of content that the stream's request holds.
    func contentBytes(at place: Int) -> Int { places[place].request?.body.count ?? 0 }

    /// Adds content to the stream's request. Here and not through the subscript: behind an optional that is a
    /// coroutine with a frame of its own on the heap, twice for every request.
    mutating func append(content: UnsafeBufferPointer<UInt8>, at place: Int) {
        places[place].request?.body.append(contentsOf: content)
    }

    /// The stream's request is here but for its content, of which `declared` bytes were promised (-1: not said).
    ///
    /// - Parameter reserved: how many of them memory is set aside for.
    mutating func expectContent(of request: Request, declared: Int, reserved: Int, at place: Int, since now: UInt64) {
        places[place].request = request
        places[place].stage = .content
        places[place].declaredBytes = declared
        places[place].since = now
        if reserved > 0 { places[place].request?.body.reserveCapacity(reserved + Request.bodySlackBytes) }
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
