/// Finds the word somebody probably meant.
enum Suggestion {
    /// The longest word that is looked at; longer ones get no suggestion.
    static let maximumCharacters = 64

    /// The one of `words` nearest to `text`, if a third of its letters or fewer differ.
    static func nearest(to text: String, among words: [String]) -> String? {
        guard text.count <= maximumCharacters else { return nil }
        let letters = Array(text.lowercased())
        var best: (word: String, distance: Int)?
        for word in words {
            let distance = distance(letters, Array(word.lowercased()))
            guard distance <= max(1, word.count / 3) else { continue }
            if best.map({ distance < $0.distance }) ?? true { best = (word, distance) }
        }
        return best?.word
    }

    /// How many letters must be changed, added, removed or swapped with a neighbour.
    ///
    /// Source: Damerau, "A technique for computer detection and correction of spelling errors", 1964 (restricted form).
    static func distance(_ left: [Character], _ right: [Character]) -> Int {
        var beforeLast: [Int] = []
        var last = Array(0...right.count)
        for (row, letter) in left.enumerated() {
            var current = [row + 1]
            for (column, other) in right.enumerated() {
                var cost = min(last[column] + (letter == other ? 0 : 1), last[column + 1] + 1, current[column] + 1)
                if row > 0, column > 0, letter == right[column - 1], left[row - 1] == other {
                    cost = min(cost, beforeLast[column - 1] + 1)
                }
                current.append(cost)
            }
            beforeLast = last
            last = current
        }
        return last[right.count]
    }
}
