import Foundation
import Testing

@testable import isthmus

@Suite struct LineReaderTests {
    private func lines(_ text: String, limit: Int) throws -> [LineReader.Line] {
        let pipe = Pipe()
        pipe.fileHandleForWriting.write(Data(text.utf8))
        try pipe.fileHandleForWriting.close()
        var reader = LineReader(pipe.fileHandleForReading.fileDescriptor, maximumLineBytes: limit)
        var found: [LineReader.Line] = []
        while let line = try reader.next() { found.append(line) }
        return found
    }

    private func whole(_ text: String) -> LineReader.Line { .whole(Array(text.utf8)) }

    @Test("lines come one by one, empty ones are passed over, the last needs no line feed")
    func reads() throws {
        #expect(try lines("a\n\n \r\nbc\nd", limit: 10) == [whole("a"), whole("bc"), whole("d")])
    }

    @Test(
        "a line at the limit is read, one past it is passed over and the next is read again",
        arguments: [9, 10, 11, 60_000])
    func limits(count: Int) throws {
        let line = String(repeating: "x", count: count)
        #expect(try lines("\(line)\nnext\n", limit: 10) == [count <= 10 ? whole(line) : .tooLong, whole("next")])
        #expect(try lines(line, limit: 10) == [count <= 10 ? whole(line) : .tooLong])
    }
}
