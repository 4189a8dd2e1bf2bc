"""G5: on a listener with `replay: refuse` a signed request has one effect, whoever sends it again, however."""

import json
import subprocess
import time

import pytest

from attacks import client_context
from gateway import Gateway, wait_until
from http1 import Peer
from publishing import body_of, entry
from signing import Signed, stamp


@pytest.fixture(scope="module")
def gateway():
    made = Gateway()
    text = made.config.read_text()
    made.config.write_text(text.replace("clientCertificate: optional,", "clientCertificate: optional, replay: refuse,"))
    made.start()
    yield made
    made.stop()
    made.remove()


@pytest.fixture(scope="module")
def key(gateway):
    return gateway.credentials()


def signed(key, source="com.acme.once", shift=0):
    return Signed(key, body_of(entry(1, source=source)), [
        ("Content-Type", "application/x-amz-json-1.1"), ("X-Amz-Target", "AWSEvents.PutEvents")], date=stamp(shift))


def send(gateway, request):
    """(status, code or None) over a new HTTP/1.1 connection."""
    with Peer(gateway, client_context(gateway, alpn=["http/1.1"]), gateway.open_port) as peer:
        peer.send(request.wire())
        status, _, body = peer.response()
        return status, json.loads(body).get("__type")


def send_http2(gateway, request):
    command = ["curl", "--silent", "--http2", "--cacert", str(gateway.servers.bundle), "--data-binary", "@-",
               "--write-out", "\n%{http_code}", f"https://localhost:{gateway.open_port}/",
               "--header", f"Authorization: {request.authorization()}"]
    for name, value in request.fields():
        command += ["--header", f"{name}: {value}"]
    text = subprocess.run(command, input=request.body, capture_output=True, check=True).stdout.decode()
    body, _, status = text.rpartition("\n")
    return int(status), json.loads(body).get("__type")


def warm(gateway, key):
    """Waits until what is signed now counts."""
    wait_until(lambda: send(gateway, signed(key, f"com.acme.warm{time.time()}"))[0] == 200, 15, "the memory's beginning")


def stored(gateway, source):
    return sum(event["source"] == source for event in gateway.events())


def test_one_effect_over_both_protocols_and_after_a_restart(gateway, key):
    warm(gateway, key)
    once = signed(key)
    assert send(gateway, once) == (200, None)
    assert send(gateway, once) == (400, "InvalidSignatureException")
    assert send_http2(gateway, once) == (400, "InvalidSignatureException")
    again = signed(key, "com.acme.http2")
    assert send_http2(gateway, again) == (200, None)
    assert send(gateway, again) == (400, "InvalidSignatureException")
    assert '"reason":"signature-repeated"' in gateway.logged()
    gateway.kill()
    gateway.start()
    for request in (once, again):
        assert send(gateway, request) == (503, "ServiceUnavailable")
        assert send_http2(gateway, request) == (503, "ServiceUnavailable")
    warm(gateway, key)
    assert send(gateway, once) == (503, "ServiceUnavailable")
    assert stored(gateway, "com.acme.once") == 1 and stored(gateway, "com.acme.http2") == 1


def test_a_clock_ahead_is_refused_and_one_behind_is_served(gateway, key):
    warm(gateway, key)
    assert send(gateway, signed(key, "com.acme.ahead", shift=8)) == (400, "InvalidSignatureException")
    assert send(gateway, signed(key, "com.acme.ahead", shift=3)) == (200, None)
    assert stored(gateway, "com.acme.ahead") == 1


def test_the_other_listener_serves_a_signature_again(gateway, key):
    request = signed(key, "com.acme.twice")
    context = client_context(gateway, alpn=["http/1.1"], leaf=gateway.publisher)
    for _ in range(2):
        with Peer(gateway, context) as peer:
            peer.send(request.wire())
            assert peer.response()[0] == 200
    assert stored(gateway, "com.acme.twice") == 2
