import Testing

@testable import isthmus

@Suite struct AddressTests {
    @Test(
        "a network holds its addresses and no others",
        arguments: [
            ("10.0.0.0/8", "10.255.0.1", true), ("10.0.0.0/8", "11.0.0.1", false), ("0.0.0.0/0", "8.8.8.8", true),
            ("192.0.2.7", "192.0.2.7", true), ("192.0.2.7/32", "192.0.2.8", false), ("10.0.0.0/9", "10.128.0.0", false),
            ("fd00::/8", "fdff::1", true), ("fd00::/8", "fe00::1", false), ("0.0.0.0/0", "::1", false),
            ("::/0", "127.0.0.1", false), ("10.0.0.0/8", "::ffff:10.1.1.1", true),
        ])
    func contains(network: String, address: String, isInside: Bool) throws {
        let block = try #require(CIDRBlock(parsing: network))
        #expect(block.contains(try #require(IPAddress(parsing: address))) == isInside)
    }

    @Test(
        "what is not a network is refused",
        arguments: [
            "", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/", "10.0.0/8", "10.1.0.0/8", "fd00::/129", "example.com",
            "1.2.3.4/8/8",
        ])
    func refuses(text: String) {
        #expect(CIDRBlock(parsing: text) == nil)
    }

    @Test(
        "loopback addresses are known",
        arguments: [("127.0.0.1", true), ("127.9.9.9", true), ("::1", true), ("::2", false), ("10.0.0.1", false)])
    func loopback(text: String, isLoopback: Bool) throws {
        #expect(try #require(IPAddress(parsing: text)).isLoopback == isLoopback)
    }
}
