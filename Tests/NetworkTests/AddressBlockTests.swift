import TestKit
import Testing

@testable import Network

@Suite("Addresses that are counted together")
struct AddressBlockTests {
    @Test(
        "an IPv4 address is its own block, an IPv6 address its /64, and IPv4 inside IPv6 is IPv4",
        arguments: [
            ("192.0.2.7", "192.0.2.7"), ("2001:db8:1:2::7", "2001:db8:1:2::/64"),
            ("2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::/64"), ("2001:db8:1:3::7", "2001:db8:1:3::/64"),
            ("2001:db8::7", "2001:db8::/64"), ("::1", "::/64"), ("::ffff:10.1.2.3", "10.1.2.3"),
            ("::ffff:a01:203", "10.1.2.3"), ("64:ff9b::c000:207", "192.0.2.7"), ("64:ff9b::1:c000:207", "64:ff9b::/64"),
            ("fe80::1%eth0", "fe80::/64"), ("", ""), ("%", "%"), (":", ":"),
            (String(repeating: "1:", count: 400), String(repeating: "1:", count: 400)),
        ])
    func blocks(address: String, block: String) {
        #expect(AddressBlock.name(of: address) == block)
    }

    @Test("whoever changes its address within one /64 has the handshakes of one, and the next /64 has its own")
    func handshakes() {
        var budgets = ConnectionBudgets()
        budgets.handshakingPerAddress = 50
        let gate = AcceptGate(budgets: budgets)
        let admitted = (0..<1000).filter { index in
            gate.enter(block: AddressBlock.name(of: "2001:db8:0:1::\(String(index, radix: 16))")) == .admitted
        }
        #expect(admitted == Array(0..<50))
        #expect(gate.openConnections == 50)
        #expect(gate.enter(block: AddressBlock.name(of: "2001:db8:0:2::1")) == .admitted)
        gate.finishHandshake(block: AddressBlock.name(of: "2001:db8:0:1:ffff::"))
        #expect(gate.enter(block: AddressBlock.name(of: "2001:db8:0:1::ffff")) == .admitted)
        #expect(gate.enter(block: AddressBlock.name(of: "2001:db8:0:1::ffff")) == .overHandshaking)
    }
}
