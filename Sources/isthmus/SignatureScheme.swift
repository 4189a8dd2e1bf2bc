import ArgumentParser
import Identity

/// The signatures that `isthmus signature verify` knows, by their names on the command line.
enum SignatureScheme: ExpressibleByArgument, CaseIterable {
    case sigV4
    case webhook(WebhookBatch.Scheme)

    static var allCases: [SignatureScheme] { [.sigV4] + WebhookBatch.Scheme.allCases.map { .webhook($0) } }

    static var allValueStrings: [String] { allCases.map(\.defaultValueDescription) }

    init?(argument: String) {
        guard let scheme = Self.allCases.first(where: { $0.defaultValueDescription == argument }) else { return nil }
        self = scheme
    }

    var defaultValueDescription: String {
        switch self {
        case .sigV4: "sigv4"
        case .webhook(let scheme): scheme.rawValue
        }
    }
}

/// The verifier that lines are given to.
enum SignatureBatch {
    case sigV4(SigV4Batch)
    case webhook(WebhookBatch)

    init(_ scheme: SignatureScheme, normalizesPath: Bool) {
        switch scheme {
        case .sigV4: self = .sigV4(SigV4Batch(normalizesPath: normalizesPath))
        case .webhook(let scheme): self = .webhook(WebhookBatch(scheme))
        }
    }

    /// The answer to one line of JSON, without the line's end.
    func verify(line: [UInt8]) -> [UInt8] {
        switch self {
        case .sigV4(let batch): batch.verify(line: line).line
        case .webhook(let batch): batch.verify(line: line).line
        }
    }
}
