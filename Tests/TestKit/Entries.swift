package import Domain

extension Entry {
    /// An entry out of text.
    package init(
        source: String = "com.acme.orders", detailType: String = "OrderPlaced", detail: String = "{}",
        time: Timestamp? = nil
    ) {
        let (source, detailType, detail) = (Array(source.utf8), Array(detailType.utf8), Array(detail.utf8))
        let none = UnsafeBufferPointer<UInt8>(start: nil, count: 0)
        self = source.withUnsafeBufferPointer { source in
            detailType.withUnsafeBufferPointer { detailType in
                detail.withUnsafeBufferPointer { detail in
                    Entry(
                        source: source, detailType: detailType, detail: detail, resources: none, resourceCount: 0,
                        traceHeader: none, time: time)
                }
            }
        }
    }
}
