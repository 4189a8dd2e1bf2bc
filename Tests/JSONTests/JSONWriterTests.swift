import JSON
import TestKit
import Testing

@Suite struct JSONWriterTests {
    func text(_ body: (inout JSONWriter) -> Void) -> String {
        var writer = JSONWriter()
        body(&writer)
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    @Test("commas stand between members and elements and nowhere else")
    func commas() {
        let written = text { writer in
            writer.object {
                $0.member("a", 1)
                $0.key("b")
                $0.array {
                    $0.object { _ in }
                    $0.array { _ in }
                    $0.null()
                    $0.bool(false)
                }
                $0.member("c", "x")
                $0.member("d", true)
                $0.member("e", 0.5)
                $0.key(named: "f\"")
                $0.raw(Array(#"{ "kept" : -0 }"#.utf8))
                $0.member("g", ["h": [1, "i"]] as JSONNode)
            }
        }
        #expect(
            written
                == #"{"a":1,"b":[{},[],null,false],"c":"x","d":true,"e":0.5,"f\"":{ "kept" : -0 },"g":{"h":[1,"i"]}}"#)
    }

    @Test("every control character is escaped, other text passes as it is")
    func escapes() {
        #expect(text { $0.string("\u{08}\u{09}\u{0A}\u{0C}\u{0D}") } == #""\b\t\n\f\r""#)
        #expect(text { $0.string("\u{00}\u{1F}\u{7F}") } == "\"\\u0000\\u001f\u{7F}\"")
        #expect(text { $0.string("\"\\/é€😀\u{2028}") } == "\"\\\"\\\\/é€😀\u{2028}\"")
        #expect(text { $0.string("") } == "\"\"")
        #expect(text { $0.string("tail\n") } == #""tail\n""#)
    }

    @Test("integers of every width are written in full")
    func integers() {
        for number in [0, 1, 9, 10, 99, 100, -1, -10, Int.max, Int.min] {
            #expect(text { $0.integer(number) } == "\(number)")
        }
        #expect(text { $0.integer(UInt64.max) } == "18446744073709551615")
        #expect(text { $0.integer(Int8.min) } == "-128")
        #expect(text { $0.integer(UInt128.max) } == "\(UInt128.max)")
    }

    @Test("a double reads back as itself")
    func doubles() throws {
        for number in [0.1, -0.0, 1, 1e21, .leastNonzeroMagnitude, .greatestFiniteMagnitude, 1_700_000_000.25] {
            let node = try JSONNode(parsing: text { $0.double(number) })
            #expect(node.double?.bitPattern == number.bitPattern)
        }
    }

    @Test("a document is appended to a buffer in use, which keeps its storage, also when writing fails")
    func appends() {
        struct Stop: Error {}
        var buffer: [UInt8] = Array("head ".utf8)
        buffer.reserveCapacity(500)
        let capacity = buffer.capacity
        JSONWriter.append(to: &buffer) { $0.object { $0.member("a", 1) } }
        #expect(throws: Stop.self) {
            try JSONWriter.append(to: &buffer) { writer throws(Stop) in
                writer.beginArray()
                throw Stop()
            }
        }
        #expect(String(decoding: buffer, as: UTF8.self) == #"head {"a":1}["#)
        #expect(buffer.capacity == capacity)
    }

    @Test("what is written parses back to the same tree (10,000 random trees, seed 1)")
    func roundTrips() throws {
        var random = SeededRandom(1)
        for _ in 0..<10_000 {
            let node = random.node(depth: 4)
            #expect(try JSONNode(parsing: node.bytes()) == node)
        }
    }
}

/// Random trees.
extension SeededRandom {
    mutating func text() -> String {
        let alphabet: [Character] = ["a", "\"", "\\", "\n", "\u{0}", "é", "😀", "\u{7F}", "/", "~"]
        return String(
            (0..<Int.random(in: 0...6, using: &self)).map { _ in alphabet.randomElement(using: &self) ?? "a" })
    }

    mutating func node(depth: Int) -> JSONNode {
        switch Int.random(in: 0...(depth > 0 ? 7 : 5), using: &self) {
        case 0: return .null
        case 1: return .bool(Bool.random(using: &self))
        case 2: return .string(text())
        case 3: return .integer(Int64(bitPattern: next()) >> Int64.random(in: 0...63, using: &self))
        case 4: return .unsigned(next() | 1 << 63)
        case 5:
            let number = Double(bitPattern: next())
            // An integral double beyond 64 bits is written as an integer by the canonical form, and not read again.
            return .double(number.isFinite && !(1e15..<1e22).contains(number.magnitude) ? number : 0.1)
        case 6: return .array((0..<Int.random(in: 0...4, using: &self)).map { _ in node(depth: depth - 1) })
        default:
            return .object(
                (0..<Int.random(in: 0...4, using: &self)).map {
                    .init(key: "\($0)" + text(), value: node(depth: depth - 1))
                })
        }
    }
}
