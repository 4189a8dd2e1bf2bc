import Testing

@testable import isthmus

@Suite struct SuggestionTests {
    @Test(
        "a misspelt key finds the key that was meant",
        arguments: [
            ("adress", "address"), ("clientcertificate", "clientCertificate"), ("prot", "port"),
            ("listener", "listeners"),
        ])
    func finds(misspelt: String, meant: String) {
        let keys = ["address", "clientCertificate", "port", "listeners", "region"]
        #expect(Suggestion.nearest(to: misspelt, among: keys) == meant)
    }

    @Test(
        "a key that resembles nothing finds nothing", arguments: ["xyzzy", "", String(repeating: "region", count: 20)])
    func findsNothing(word: String) {
        #expect(Suggestion.nearest(to: word, among: ["address", "port", "region"]) == nil)
    }
}
