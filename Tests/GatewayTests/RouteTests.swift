import Domain
import Testing

@testable import Gateway

@Suite("Methods of paths")
struct RouteTests {
    private static let methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "post", "get"]

    private static func refusal(_ method: String, _ target: String) -> Fault? {
        let request = Request(
            version: .http2, method: method, target: target, authority: "localhost", fields: [], body: [])
        do throws(Fault) {
            try Route(request.target).checkMethod(request)
            return nil
        } catch {
            return error
        }
    }

    @Test(
        "every method but that of the path is 405 and names it",
        arguments: [
            ("/", Response.AllowedMethod.post), ("/accounts/444455556666/buses/orders/events", .post),
            ("/join", .post), ("/renew", .post), ("/webhooks/aws.partner/acme.example/shop/orders", .post),
            ("/decisions/00000000-0000-4000-8000-000000000000", .get),
        ])
    func other(target: String, taken: Response.AllowedMethod) {
        for method in Self.methods {
            let refusal = Self.refusal(method, target)
            #expect((refusal == nil) == (method == "\(taken.text)"), "\(method)")
            guard let response = refusal?.response(UniqueID(high: 1, low: 2)) else { continue }
            #expect(response.status == 405 && response.allow == taken, "\(method)")
        }
    }

    @Test("a path that leads nowhere is 404 whatever the method, and names none")
    func nowhere() {
        for method in Self.methods {
            let response = Self.refusal(method, "/x")?.response(UniqueID(high: 1, low: 2))
            #expect(response?.status == 404 && response?.allow == nil, "\(method)")
        }
    }
}
