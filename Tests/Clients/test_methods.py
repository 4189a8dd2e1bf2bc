"""A method that a path does not take is 405 with the one that it takes in Allow, which no other answer has.

Source: RFC 9110 section 15.5.6.
"""

import http.client

import pytest

from attacks import Attacker, block, client_context, headers
from canary import body_of
from gateway import OWNER
from hook import PATH, hooked

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]
TAKEN = {
    "/": "POST", f"/accounts/{OWNER}/buses/orders/events": "POST", "/join": "POST", "/renew": "POST", PATH: "POST",
    "/decisions/00000000-0000-4000-8000-000000000000": "GET"}
NOWHERE = ["/x", "/webhooks/aws.partner/acme.example/attacked/nobody", "/decisions/x"]


@pytest.fixture(scope="module")
def gateway():
    with hooked() as running:
        yield running


@pytest.fixture(scope="module", params=["HTTP/1.1", "HTTP/2"])
def ask(request, gateway):
    """Sends a request without content; its status, and every `Allow` of the answer."""
    if request.param == "HTTP/2":
        with Attacker(gateway) as peer:
            def over_http2(method, path):
                stream = peer.stream()
                answer = peer.ask(headers(stream, block(method=method.encode(), path=path.encode())), stream)
                return answer.status, [value for name, value in answer.fields.items() if name == "allow"]
            yield over_http2
        return
    context = client_context(gateway, gateway.publisher, alpn=["http/1.1"])
    connection = http.client.HTTPSConnection("localhost", gateway.port, context=context, timeout=10)
    yield lambda method, path: over_http1(connection, method, path)
    connection.close()


def over_http1(connection, method, path, body=None, fields=None):
    connection.request(method, path, body, fields or {})
    answer = connection.getresponse()
    answer.read()
    return answer.status, answer.headers.get_all("allow", [])


@pytest.mark.parametrize("path", TAKEN)
def test_a_405_names_the_method_that_is_taken(ask, path):
    for method in METHODS:
        status, allowed = ask(method, path)
        if method == TAKEN[path]:
            assert status != 405 and allowed == [], (method, status, allowed)
        else:
            assert (status, allowed) == (405, [TAKEN[path]]), method


def test_where_nothing_is_no_method_is_named(ask):
    for path in NOWHERE:
        for method in METHODS:
            assert ask(method, path) == (404, []), (method, path)


def test_a_405_before_the_content_has_come_names_the_method_too(gateway):
    context = client_context(gateway, gateway.publisher, alpn=["http/1.1"])
    connection = http.client.HTTPSConnection("localhost", gateway.port, context=context, timeout=10)
    connection.putrequest("PUT", "/")
    connection.putheader("Content-Length", "1000000")
    connection.endheaders()
    answer = connection.getresponse()
    assert (answer.status, answer.headers.get_all("allow")) == (405, ["POST"])
    connection.close()


def test_an_answer_of_200_names_none(gateway):
    context = client_context(gateway, gateway.publisher, alpn=["http/1.1"])
    connection = http.client.HTTPSConnection("localhost", gateway.port, context=context, timeout=10)
    fields = {"X-Amz-Target": "AWSEvents.PutEvents", "Content-Type": "application/x-amz-json-1.1"}
    assert over_http1(connection, "POST", "/", body_of(), fields) == (200, [])
    connection.close()
    with Attacker(gateway) as peer:
        answer = peer.post(body_of())
        assert answer.status == 200 and "allow" not in answer.fields


def test_the_admin_pages_take_get(gateway):
    connection = http.client.HTTPConnection("127.0.0.1", gateway.admin_port, timeout=10)
    for page in ("/healthz", "/readyz", "/metrics"):
        assert over_http1(connection, "GET", page) == (200, [])
        for method in ("HEAD", "POST", "DELETE"):
            assert over_http1(connection, method, page) == (405, ["GET"])
    for method in ("GET", "POST"):
        assert over_http1(connection, method, "/x") == (404, [])
    connection.close()
