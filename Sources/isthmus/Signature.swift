import ArgumentParser
import Glibc
import Identity
import JSON

/// `isthmus signature`: the gateway's own SigV4 verifier on recorded requests.
struct Signature: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Verify SigV4 signatures with the gateway's own verifier.", subcommands: [Verify.self])

    struct Verify: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Verify recorded requests: JSON lines in, JSON lines out.",
            discussion: """
                A line of standard input: {"id", "request": {"method", "target", "headers": [["name", "value"], …], \
                "bodyBase64"}, "credentials": {"accessKeyId", "secretAccessKey", "sessionToken"?}, "region", \
                "service", "now"}. A line of standard output: {"id", "verified", "reason"?, "code"?, \
                "canonicalRequest", "stringToSign"}. Exit status 0 however the signatures \
                turn out; 1 when the input cannot be read.
                """)

        @Flag(help: "Read JSON lines from standard input.")
        var batch = false

        @Option(help: "Whether the path is normalized before it is encoded (false for Amazon S3's way).")
        var normalizePath = true

        func validate() throws {
            if !batch {
                throw ValidationError("give `--batch`: requests are read from standard input, for they hold secrets")
            }
        }

        func run() throws {
            let verifier = SigV4Batch(normalizesPath: normalizePath)
            var lines = LineReader(STDIN_FILENO, maximumLineBytes: SigV4Batch.maximumLineBytes)
            while let line = try lines.next() {
                switch line {
                case .whole(let bytes): Output.line(verifier.verify(line: bytes).line)
                case .tooLong:
                    let limit = SigV4Batch.maximumLineBytes
                    Output.line(#"{"id":null,"verified":false,"reason":"the line is longer than \#(limit) bytes"}"#)
                }
            }
        }
    }
}
