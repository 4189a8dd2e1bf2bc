"""SIGHUP: what was changed is in force at once, what is wrong changes nothing, and no request fails meanwhile (T8)."""

import datetime
import http.client
import json
import os
import socket
import ssl
import threading
import time

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

import attacks
from authority import Authority, now
from gateway import OWNER, REGION, SENDER, STRANGER, Gateway, wait_until
from measures import report  # noqa: F401 (a fixture)
from publishing import TARGET, Answer, Flood, Publisher, assert_kept, body_of, entry, stored, stored_until_mark

RELOADS = int(os.environ.get("RELOADS") or 24)
EFFECTIVE_SECONDS = 1
# What a revocation list is still good for past its next update. Source: the gateway's certificate store.
GRACE = datetime.timedelta(hours=1)


@pytest.fixture
def gateway():
    made = Gateway().start()
    yield made
    if made.process.poll() is None:
        made.stop()
    made.remove()


class Streams:
    """One HTTP/2 connection that sends one event after the other until told to stop; opens a new one after GOAWAY."""

    def __init__(self, gateway, begin):
        self.gateway, self.number = gateway, begin
        self.acknowledged, self.failed, self.ending = {}, [], threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        with attacks.Attacker(self.gateway) as peer:
            while not self.ending.is_set():
                self.number += 1
                response = peer.post(body_of(entry(self.number)))
                if response is None or response.status != 200 or response.json["FailedEntryCount"]:
                    self.failed.append(response and (response.status, response.body))
                    return
                self.acknowledged[self.number] = response.json["Entries"][0]["EventId"]

    def stop(self):
        self.ending.set()
        self.thread.join(30)
        assert not self.thread.is_alive()


def presented_serial(gateway):
    """The serial number of the certificate that a new connection is shown."""
    from cryptography import x509
    context = attacks.client_context(gateway, gateway.publisher)
    with attacks.connect_tls(gateway.port, context) as connection:
        return x509.load_der_x509_certificate(connection.getpeercert(binary_form=True)).serial_number


def test_no_request_fails_while_server_certificate_client_ca_and_lists_are_rotated(gateway, report):
    # The next CA of acme.example: its certificate joins the bundle, the publisher moves to it, then the old one leaves.
    following = Authority("acme-next", gateway.folder)
    moved = following.principal("moved", f"spiffe://acme.example/account/{SENDER}/role/publisher")
    flood = Flood(gateway, connections=3).start()
    streams = [Streams(gateway, 10_000_000 * (index + 1)) for index in range(2)]
    lasting, serials, times = Publisher(gateway, leaf=moved), set(), []
    text = gateway.config.read_text()
    joined = gateway.folder / "joined-ca.pem"
    joined.write_bytes(gateway.acme.bundle.read_bytes() + following.bundle.read_bytes())
    both = (text.replace(str(gateway.acme.bundle), str(joined))
            .replace(f'"{gateway.acme.pin()}"', f'"{gateway.acme.pin()}", "{following.pin()}"')
            .replace(str(gateway.acme.crl), f"{gateway.acme.crl}, {following.crl}"))
    for turn in range(RELOADS):
        gateway.config.write_text(both if turn % 2 == 0 else text)
        server = gateway.servers.server("server")
        gateway.acme.write_crl()
        began = time.monotonic()
        gateway.reload()
        times.append(time.monotonic() - began)
        serials.add(presented_serial(gateway))
        assert server.certificate.serial_number in serials, "the new server certificate is not shown"
        # The CA that joined is trusted at once, and not any more once it has left.
        if turn % 2 == 0:
            lasting.connection.close()
            assert lasting.put(entry(50_000_000 + turn)).ids
        else:
            lasting.connection.sock.settimeout(EFFECTIVE_SECONDS)
            assert lasting.connection.sock.recv(1) == b"", "a connection outlives its CA"
            assert refused(gateway, moved)
    flood.stop()
    lasting.connection.close()
    for one in streams:
        one.stop()
    failed = flood.refused + flood.broken + [failure for one in streams for failure in one.failed]
    acknowledged = {**flood.acknowledged, **streams[0].acknowledged, **streams[1].acknowledged}
    report("T8", "reloads; requests over HTTP/1.1 and HTTP/2; failed",
           f"{RELOADS}; {len(flood.acknowledged)} and {len(acknowledged) - len(flood.acknowledged)}; {len(failed)}")
    report("T8", "slowest reload", f"{max(times) * 1000:.0f} ms")
    assert not failed, failed[:3]
    assert len(serials) == RELOADS and len(acknowledged) > RELOADS
    assert gateway.metric("isthmus_reload_failures_total") == 0
    assert_kept(acknowledged, stored_until_mark(gateway))


def refused(gateway, leaf):
    """Whether a new connection with this certificate gets no answer to a request but a refusal."""
    try:
        with Publisher(gateway, leaf=leaf) as publisher:
            return publisher.put(entry(-1)).ids is None
    except (ssl.SSLError, OSError):
        return True


@pytest.mark.parametrize("breakage, words", [
    ("unknown key", ["isthmus.yaml:", "`bogus`"]),
    ("not YAML", ["isthmus.yaml:"]),
    ("missing file", ["isthmus.yaml:", "no-such-file.pem"]),
    ("key of another certificate", ["isthmus.yaml:", "is not the key of"]),
    ("account file", ["accounts/owner.yaml:", "`nmae`"]),
])
def test_a_broken_configuration_changes_nothing_and_is_logged_with_its_line(gateway, report, breakage, words):
    text = gateway.config.read_text()
    with Publisher(gateway) as publisher:
        assert publisher.put(entry(1)).ids
        serial = presented_serial(gateway)
        # Something right is changed as well: nothing may be half applied.
        gateway.servers.server("server")
        if breakage == "unknown key":
            gateway.config.write_text(text + "bogus: 1\n")
        elif breakage == "not YAML":
            gateway.config.write_text(text + "  - {[\n")
        elif breakage == "missing file":
            gateway.config.write_text(text.replace(str(gateway.globex.bundle), "no-such-file.pem"))
        elif breakage == "key of another certificate":
            gateway.server.key_path.write_bytes(gateway.publisher.key_path.read_bytes())
        else:
            path = gateway.folder / "accounts" / "owner.yaml"
            path.write_text(path.read_text().replace("name: globex", "nmae: globex"))
        gateway.reload()
        assert gateway.metric("isthmus_reload_failures_total") == 1
        assert gateway.metric("isthmus_reloads_total") == 0
        assert presented_serial(gateway) == serial
        assert publisher.put(entry(2)).ids
    lines = [json.loads(line) for line in gateway.logged().splitlines()]
    errors = [line["message"] for line in lines if line["event"] == "configuration-error"]
    assert errors and all(word in " ".join(errors) for word in words), errors
    assert [line["event"] for line in lines].count("reload-refused") == 1
    report("T8", breakage, errors[0].split("/")[-1][:110])


def test_a_trust_domain_that_is_removed_loses_its_live_connections_within_a_second(gateway, report):
    connections = [Publisher(gateway) for _ in range(5)]
    stream = attacks.Attacker(gateway)
    kept = Publisher(gateway, leaf=gateway.administrator)
    for number, one in enumerate(connections):
        assert one.put(entry(number)).ids
    assert stream.post(body_of(entry(100))).status == 200
    assert kept.post(b'{"Name":"orders"}', target="AWSEvents.DescribeEventBus").status == 200
    text = gateway.config.read_text()
    begin, end = text.index("  - name: acme.example"), text.index("  - name: globex.example")
    gateway.config.write_text(text[:begin] + text[end:])
    began = time.monotonic()
    gateway.reload()
    for one in connections:
        one.connection.sock.settimeout(5)
        assert one.connection.sock.recv(1) == b"", "the connection of a removed trust domain stays open"
    stream.until_closed(5)
    took = time.monotonic() - began
    report("T8", "connections of a removed trust domain closed in", f"{took * 1000:.0f} ms (limit 1 s)")
    assert stream.closed is not None and took <= EFFECTIVE_SECONDS
    # Another trust domain's connection is the same one and goes on.
    assert kept.connection.sock is not None
    assert kept.post(b'{"Name":"orders"}', target="AWSEvents.DescribeEventBus").status == 200
    assert refused(gateway, gateway.publisher)
    for one in [*connections, kept]:
        one.connection.close()
    stream.socket.close()


DESCRIBE = {"target": "AWSEvents.DescribeEventBus"}


@pytest.mark.parametrize("what", ["principal", "account"])
def test_a_local_principal_or_account_that_is_removed_is_refused_at_the_next_request(gateway, report, what):
    key = gateway.credentials(OWNER, "role/administrator")
    with Publisher(gateway, leaf=gateway.administrator) as one, attacks.Attacker(gateway, leaf=gateway.administrator) as stream:
        ask = lambda: stream.ask(
            attacks.headers(stream.next_stream, attacks.block(
                (b"content-type", b"application/x-amz-json-1.1"), (b"x-amz-target", DESCRIBE["target"].encode()),
                method=b"POST"), attacks.END_HEADERS) + attacks.frame(
                    attacks.DATA, attacks.END_STREAM, stream.next_stream, b'{"Name":"orders"}'), stream.stream())
        assert one.post(b'{"Name":"orders"}', **DESCRIBE).status == 200
        assert ask().status == 200 and signed_as(gateway, key).status == 200
        path = gateway.folder / "accounts" / "owner.yaml"
        text = path.read_text()
        if what == "principal":
            begin, end = text.index("  - name: role/administrator"), text.index("  - name: role/reader")
            path.write_text(text[:begin] + text[end:])
        else:
            path.unlink()
            # A bus cannot be seeded for an account that is not there, nor a certificate name it.
            config = gateway.config.read_text()
            config = config[:config.index("buses:")] + config[config.index("policy: orders-bus.json}") + 25:]
            gateway.config.write_text(config.replace(f'accounts: ["{OWNER}"]', f'accounts: ["{STRANGER}"]'))
        gateway.reload()
        assert gateway.metric("isthmus_reloads_total") == 1, gateway.logged()
        outcomes = []
        for call in (lambda: one.post(b'{"Name":"orders"}', **DESCRIBE), ask, lambda: signed_as(gateway, key)):
            try:
                answer = call()
                outcomes.append(answer and answer.status)
            except (OSError, http.client.HTTPException) as error:
                outcomes.append(type(error).__name__)
        report("T8", f"local {what} removed: next over HTTP/1.1, HTTP/2, signed", outcomes)
        assert 200 not in outcomes


def test_an_access_key_of_a_principal_that_is_removed_is_refused_at_the_next_request(gateway, report):
    key = gateway.credentials(OWNER, "role/reader")
    assert signed_as(gateway, key).status == 200
    path = gateway.folder / "accounts" / "owner.yaml"
    text = path.read_text()
    path.write_text(text[:text.index("  - name: role/reader")])
    gateway.reload()
    answer = signed_as(gateway, key)
    report("T8", "key of a removed principal: next request", f"{answer.status} {answer.code}")
    assert answer.status in (400, 403) and answer.code in ("UnrecognizedClientException", "AccessDeniedException")


def signed_as(gateway, key, body=b'{"Name":"orders"}', target=DESCRIBE["target"]):
    """A request by signature alone, on the listener that asks for no certificate."""
    request = AWSRequest("POST", gateway.open_url + "/", data=body, headers={
        "Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": target})
    SigV4Auth(Credentials(*key), "events", REGION).add_auth(request)
    context = attacks.client_context(gateway, alpn=["http/1.1"])
    connection = http.client.HTTPSConnection("localhost", gateway.open_port, context=context, timeout=10)
    try:
        connection.request("POST", "/", body, dict(request.headers))
        return Answer(connection.getresponse())
    finally:
        connection.close()


@pytest.mark.parametrize("what", ["principal", "account file"])
def test_an_access_key_of_a_foreign_principal_that_is_removed_is_refused_at_the_next_request(gateway, report, what):
    """A key is made only for a principal that is named; with the name its right to speak ends."""
    key = gateway.credentials()
    body = body_of(entry(1))
    assert signed_as(gateway, key, body, TARGET).json["FailedEntryCount"] == 0
    path = gateway.folder / "accounts" / "sender.yaml"
    if what == "principal":
        path.write_text(path.read_text().replace("  - name: role/publisher\n", ""))
    else:
        path.unlink()
    gateway.reload()
    assert gateway.metric("isthmus_reloads_total") == 1, gateway.logged()
    answer = signed_as(gateway, key, body_of(entry(2)), TARGET)
    report("T8", f"key of a removed foreign {what}: next request", f"{answer.status} {answer.code or answer.json}")
    assert answer.ids is None, f"the key still publishes: {answer}"


def test_an_account_taken_from_a_trust_domain_is_refused_at_the_next_request(gateway, report):
    with Publisher(gateway) as publisher, attacks.Attacker(gateway) as stream:
        assert publisher.put(entry(1)).ids
        assert stream.post(body_of(entry(2))).status == 200
        gateway.config.write_text(gateway.config.read_text().replace(f'accounts: ["{SENDER}"]', f'accounts: ["{STRANGER}"]'))
        gateway.reload()
        assert gateway.metric("isthmus_reloads_total") == 1, gateway.logged()
        outcomes = []
        for call in (lambda: publisher.put(entry(3)), lambda: stream.post(body_of(entry(4)))):
            try:
                answer = call()
                outcomes.append(answer and answer.status)
            except (OSError, http.client.HTTPException) as error:
                outcomes.append(type(error).__name__)
        report("T8", "account taken from its trust domain: next requests", outcomes)
        assert refused(gateway, gateway.publisher)
    assert stored(gateway).keys() == {1, 2}


def test_a_revoked_certificate_is_refused_within_a_second(gateway, report):
    other = gateway.acme.principal("spare", f"spiffe://acme.example/account/{SENDER}/role/publisher")
    with Publisher(gateway) as publisher, Publisher(gateway, leaf=other) as spare:
        assert publisher.put(entry(1)).ids and spare.put(entry(2)).ids
        gateway.acme.revoke(gateway.publisher)
        began = time.monotonic()
        gateway.reload()

        def is_refused():
            try:
                return publisher.put(entry(3)).ids is None
            except OSError:
                return True

        wait_until(is_refused, 5, "the refusal")
        took = time.monotonic() - began
        assert refused(gateway, gateway.publisher)
        report("T8", "revoked certificate refused after", f"{took * 1000:.0f} ms (limit 1 s)")
        assert took <= EFFECTIVE_SECONDS
        assert spare.put(entry(4)).ids, "another certificate of the same CA is refused"


def test_a_revocation_list_past_its_time_and_grace_refuses_the_certificates_of_its_authority(gateway):
    with Publisher(gateway) as publisher:
        assert publisher.put(entry(1)).ids
        gateway.acme.write_crl(next_update=now() - GRACE + datetime.timedelta(seconds=2), last_update=now() - 2 * GRACE)
        gateway.reload()
        assert publisher.put(entry(2)).ids

        def is_refused():
            try:
                return publisher.put(entry(int(time.monotonic() * 1000))).ids is None
            except OSError:
                return True

        wait_until(is_refused, 5, "the refusal")
        assert refused(gateway, gateway.publisher)
    gateway.acme.write_crl()
    gateway.reload()
    with Publisher(gateway) as publisher:
        assert publisher.put(entry(3)).ids


def test_what_needs_a_restart_is_said_and_the_listener_stays(gateway):
    text = gateway.config.read_text()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        other = taken.getsockname()[1]
    gateway.config.write_text(text.replace(f"port: {gateway.open_port}", f"port: {other}"))
    gateway.reload()
    assert '"restart-needed"' in gateway.logged()
    key = gateway.credentials(OWNER, "role/administrator")
    assert key[0].startswith("AKIA")
    with Publisher(gateway, port=gateway.open_port) as publisher:
        assert publisher.put(entry(1)).ids
