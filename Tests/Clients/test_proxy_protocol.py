"""Behind HAProxy with `send-proxy-v2`: policies and networks read the client's address, and nobody else may name one."""

import json
import select
import socket
import ssl
import struct
import subprocess

import pytest

from attacks import client_context
from gateway import BUS_ARN, SENDER, Gateway, free_port, wait_until
from publishing import body_of, entry

BALANCER = "127.0.0.9"
CLIENT = "127.0.0.2"
OTHER = "127.0.0.3"
CHECK = "127.0.0.4"
SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"


@pytest.fixture(scope="module")
def gateway():
    made = Gateway()
    text = made.config.read_text()
    wanted = "clientCertificate: required,"
    assert wanted in text
    made.config.write_text(text.replace(
        wanted, f"{wanted} networks: [{CLIENT}/32, {CHECK}/32], proxyProtocol: {{from: [{BALANCER}/32, {CHECK}/32]}},"))
    (made.folder / "orders-bus.json").write_text(json.dumps({
        "Version": "2012-10-17",
        "Statement": [{"Sid": "FromThere", "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{SENDER}:role/publisher"},
                       "Action": "events:PutEvents", "Resource": BUS_ARN,
                       "Condition": {"IpAddress": {"aws:SourceIp": f"{CLIENT}/32"}}}]}))
    made.start()
    yield made
    made.stop()
    made.remove()


@pytest.fixture(params=["", "proxy-v2-options crc32c,unique-id"], ids=["plain", "additions"])
def balancer(request, gateway):
    port = free_port()
    unique = "unique-id-format %[uuid()]" if request.param else ""
    config = gateway.folder / "haproxy.cfg"
    config.write_text(f"""
global
  maxconn 100
defaults
  mode tcp
  timeout connect 5s
  timeout client 20s
  timeout server 20s
frontend clients
  bind 127.0.0.1:{port}
  {unique}
  default_backend gateway
backend gateway
  server gateway 127.0.0.1:{gateway.port} send-proxy-v2 {request.param} source {BALANCER}
""")
    process = subprocess.Popen(["haproxy", "-db", "-f", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def listens():
        assert process.poll() is None, "haproxy ended"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return True
        except OSError:
            return False

    wait_until(listens, 10, "haproxy")
    yield port
    process.terminate()
    process.wait()


def connect(gateway, port, source, first=b""):
    """A connection from `source` with `first` sent before TLS; OSError when it is refused."""
    raw = socket.create_connection(("127.0.0.1", port), timeout=10, source_address=(source, 0))
    try:
        raw.sendall(first)
        return client_context(gateway, alpn=["http/1.1"], leaf=gateway.publisher).wrap_socket(
            raw, server_hostname="localhost")
    except OSError:
        raw.close()
        raise


def put(connection, more=b""):
    body, answer = body_of(entry(1)), b""
    with connection:
        connection.sendall(
            b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-amz-json-1.1\r\n%s"
            b"X-Amz-Target: AWSEvents.PutEvents\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % (more, len(body)) + body)
        while chunk := connection.recv(65536):
            answer += chunk
    return json.loads(answer.partition(b"\r\n\r\n")[2])


def header(source, command=0x21, family=0x11):
    return SIGNATURE + struct.pack("!BBH4s4sHH", command, family, 12, socket.inet_aton(source), socket.inet_aton("127.0.0.1"), 1, 2)


def refused(gateway, port, source, first=b""):
    """Whether the connection ends before a request is answered."""
    try:
        put(connect(gateway, port, source, first))
    except (OSError, ssl.SSLError, ValueError):
        return True
    return False


def test_policies_read_the_clients_address_behind_haproxy(gateway, balancer):
    answer = put(connect(gateway, balancer, CLIENT))
    assert answer["FailedEntryCount"] == 0, answer


def test_the_allow_list_is_held_against_the_client_behind_haproxy(gateway, balancer):
    assert refused(gateway, balancer, OTHER)
    wait_until(lambda: f'"sourceAddress":"{OTHER}","reason":"the listener is not for this network"' in gateway.logged(), 5,
               "the log line")


def test_only_the_balancer_is_believed_and_it_must_speak(gateway):
    assert put(connect(gateway, gateway.port, BALANCER, header(CLIENT)))["FailedEntryCount"] == 0
    assert put(connect(gateway, gateway.port, CLIENT))["FailedEntryCount"] == 0
    assert refused(gateway, gateway.port, BALANCER), "a balancer without a header"
    assert refused(gateway, gateway.port, CLIENT, header(CLIENT)), "a header of somebody else"
    assert refused(gateway, gateway.port, OTHER, header(CLIENT)), "a header of somebody outside the networks"
    assert refused(gateway, gateway.port, BALANCER, header(OTHER)), "a client outside the networks"
    assert refused(gateway, gateway.port, BALANCER, header(CLIENT, family=0x12)), "UDP"
    assert refused(gateway, gateway.port, BALANCER, b"PROXY TCP4 127.0.0.2 127.0.0.1 1 2\r\n"), "version 1"
    assert "the PROXY protocol header was refused: " in gateway.logged()


def test_a_health_check_keeps_the_balancers_own_address(gateway):
    answer = put(connect(gateway, gateway.port, CHECK, header(CLIENT, command=0x20)))
    assert answer["Entries"][0]["ErrorCode"] == "AccessDeniedException", "LOCAL must not lend the client's address"
    assert refused(gateway, gateway.port, BALANCER, header(CLIENT, command=0x20)), "outside the networks"


def test_every_address_as_a_balancer_is_refused_by_check(gateway):
    other = gateway.folder / "open.yaml"
    other.write_text(gateway.config.read_text().replace(f"from: [{BALANCER}/32", "from: [0.0.0.0/0"))
    done = gateway.run("check", "--config", str(other), check=False)
    assert done.returncode == 3 and "anyone could say to be anyone" in done.stderr


def test_no_header_field_names_the_clients_address(gateway):
    """On the listener without a balancer, whose connections are what they are."""
    said = b"X-Forwarded-For: %s\r\nForwarded: for=%s\r\nX-Real-IP: %s\r\nTrue-Client-IP: %s\r\n"
    for source, claimed, code in ((OTHER, CLIENT, "AccessDeniedException"), (CLIENT, OTHER, None)):
        answer = put(connect(gateway, gateway.open_port, source), said % ((claimed.encode(),) * 4))
        assert answer["Entries"][0].get("ErrorCode") == code, answer


def header_of_six(source):
    addresses = socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, "2001:db8::1")
    return SIGNATURE + struct.pack("!BBH", 0x21, 0x21, 36) + addresses + struct.pack("!HH", 1, 2)


def test_a_client_that_changes_its_address_within_one_64_has_the_handshakes_of_one():
    made = Gateway(limits={"connectionsPerAddress": 5})
    text = made.config.read_text()
    wanted = "clientCertificate: required,"
    made.config.write_text(text.replace(wanted, f"{wanted} proxyProtocol: {{from: [{BALANCER}/32]}},", 1))
    made.start()
    sockets = []

    def begun(source):
        raw = socket.create_connection(("127.0.0.1", made.port), timeout=10, source_address=(BALANCER, 0))
        sockets.append(raw)
        raw.sendall(header_of_six(source))
        return raw

    def ended(raws):
        """How many of them the gateway has closed; those that still stand have said nothing."""
        readable, _, _ = select.select(raws, [], [], 0)
        assert not any(raw.recv(1, socket.MSG_PEEK) for raw in readable)
        return len(readable)

    try:
        same = [begun(f"2001:db8:0:1:{n:x}::{n:x}") for n in range(1, 21)]
        wait_until(lambda: ended(same) >= 15, 4, "the refusals")
        assert ended(same) == 15
        neighbours = [begun(f"2001:db8:0:2::{n}") for n in range(1, 6)] + [
            begun(f"::ffff:192.0.2.{n}") for n in range(1, 6)]
        last = begun("2001:db8:0:1::99")
        wait_until(lambda: ended([last]) == 1, 4, "one refusal more")
        assert ended(neighbours) == 0 and ended(same) == 15
    finally:
        for raw in sockets:
            raw.close()
        made.stop()
        made.remove()
