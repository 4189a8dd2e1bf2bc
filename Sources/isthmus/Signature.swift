import ArgumentParser
import Glibc
import Identity
import JSON

/// `isthmus signature`: the gateway's own verifiers on recorded requests.
struct Signature: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Verify signatures with the gateway's own verifiers.", subcommands: [Verify.self])

    struct Verify: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Verify recorded requests: JSON lines in, JSON lines out.",
            discussion: """
                A line of standard input: {"id", "request": {"method", "target", "headers": [["name", "value"], …], \
                "bodyBase64"}, "credentials": {"accessKeyId", "secretAccessKey", "sessionToken"?}, "region", \
                "service", "now"}. A line of standard output: {"id", "verified", "reason"?, "code"?, \
                "canonicalRequest", "stringToSign"}.

                With another --scheme, a line has instead of credentials, region and service: "keys": [the secret as \
                the vendor shows it, or {"id"?, "algorithm"?, "publicKeyPem" | "secretBase64"}, …], \
                "toleranceSeconds"?; for hmac besides "scheme": {"header", "encoding"?: "hex" | "base64", "digest"?: \
                "sha256" | "sha512", "prefix"?, "timestampHeader"?, "idHeader"?, "template"?: "{body}"}, where the \
                template may hold {timestamp}, {id}, {method}, {target}, {header:NAME} and ends in {body}; for \
                rfc9421 besides "components"?: [what must be covered], "tag"?, "profile"?: "webhook", \
                "relatedRequest"?, and in a request "scheme"?: "https" | "http" or, for a response, "status". The \
                answer is {"id", "verified", "reason"?, "code"?, …}.

                Exit status 0 however the signatures turn out; 1 when the input cannot be read.
                """)

        @Flag(help: "Read JSON lines from standard input.")
        var batch = false

        @Option(help: "What the requests are signed with.")
        var scheme = SignatureScheme.sigV4

        @Option(help: "Whether the path is normalized before it is encoded (false for Amazon S3's way).")
        var normalizePath = true

        func validate() throws {
            if !batch {
                throw ValidationError("give `--batch`: requests are read from standard input, for they hold secrets")
            }
        }

        func run() throws {
            let batch = SignatureBatch(scheme, normalizesPath: normalizePath)
            var lines = LineReader(STDIN_FILENO, maximumLineBytes: SigV4Batch.maximumLineBytes)
            while let line = try lines.next() {
                switch line {
                case .whole(let bytes): Output.line(batch.verify(line: bytes))
                case .tooLong:
                    let limit = SigV4Batch.maximumLineBytes
                    Output.line(#"{"id":null,"verified":false,"reason":"the line is longer than \#(limit) bytes"}"#)
                }
            }
        }
    }
}
