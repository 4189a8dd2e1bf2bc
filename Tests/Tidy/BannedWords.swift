/// What must not be written, with what to write instead.
struct BannedWord: Sendable {
    /// A regular expression over code, comments and strings blanked.
    let pattern: String
    let instead: String
    /// Only below `Sources/`.
    var inSourcesOnly = true

    static let all: [BannedWord] = [
        BannedWord(pattern: #"\btry\?"#, instead: "`do throws(XError) … catch`, where it is known what to do"),
        BannedWord(pattern: #"\btry!"#, instead: "`do throws(XError) … catch`"),
        BannedWord(pattern: #"\bfatalError\("#, instead: "`precondition` for our own bug, a typed error for theirs"),
        BannedWord(pattern: #"(?:^|[^.\w])(?:debugP|p)rint\("#, instead: "the logger, or `Output` in the program"),
        BannedWord(pattern: #"\bDispatchQueue\b"#, instead: "an event loop, the log writer or the cooperative pool"),
        BannedWord(pattern: #"\bTask\.detached\b"#, instead: "a child task with an owner"),
        BannedWord(pattern: #"\bTask\.sleep\b"#, instead: "await the event; a timer of Network", inSourcesOnly: false),
        BannedWord(pattern: #"\bThread\.sleep\b"#, instead: "await the event", inSourcesOnly: false),
        BannedWord(pattern: #"\bDate\(\)"#, instead: "a `WallClock` parameter"),
        BannedWord(pattern: #"\bUUID\(\)"#, instead: "`UniqueID` from a `RandomBytes` parameter"),
        BannedWord(pattern: #"\bJSON(?:De|En)coder\b|\bJSONSerialization\b"#, instead: "module JSON"),
        BannedWord(pattern: #"\blocalizedDescription\b"#, instead: "the error's own `description`"),
        BannedWord(
            pattern:
                #"\b(?:class|struct|enum|actor|protocol|typealias)\s+\w*(?:Manager|Helper|Util|Utils|Impl)\b"#,
            instead: "the noun it is", inSourcesOnly: false),
        BannedWord(
            pattern: #"\b(?:class|struct|enum|actor)\s+Mock\w*"#, instead: "a fake that works", inSourcesOnly: false),
        BannedWord(pattern: #"\bXCTest\b"#, instead: "`import Testing`", inSourcesOnly: false),
        BannedWord(pattern: #"^\s*public\s"#, instead: "`package`"),
        BannedWord(pattern: #"\bthrows\((?:any )?Error\)"#, instead: "the module's own error"),
    ]
}
