/// RFC 4648 base 32 without padding: what access key ids, secrets and the ids of principals are written in.
package enum Base32 {
    /// 8 characters for each 5 bytes; `bytes.count` must be a multiple of 5.
    package static func text(_ bytes: [UInt8]) -> String {
        precondition(bytes.count % 5 == 0)
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".utf8)
        var text: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: 5) {
            let group = bytes[start..<start + 5].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            for shift in stride(from: UInt64(35), through: 0, by: -5) {
                text.append(alphabet[Int(group >> shift & 31)])
            }
        }
        return String(decoding: text, as: UTF8.self)
    }
}
