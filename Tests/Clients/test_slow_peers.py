"""Peers that send a byte a second, or nothing: each is cut at its deadline, and memory stays bounded.

All of them run at once, for most of the time is waiting: a few of each slow kind, for each costs this test a thread.
The 2,000 connections of row H13 are silent ones, which cost none. ISTHMUS_SLOW_PEERS=full takes 3,000 slow ones. The
minute of row H12 begins before and passes beside; test_unread_answers.py judges it.
"""

import concurrent.futures
import json
import os
import resource
import select
import socket
import ssl
import time

import pytest

from attacks import (
    CANCEL, DATA, END_HEADERS, END_STREAM, GOAWAY, NO_ERROR, PREFACE, REQUIRED, Attacker, Usage, block, client_context,
    connect_tls, frame, headers, reset, settings)
from canary import Canary, body_of
from hook import hooked
from http1 import Peer
from measures import report  # noqa: F401
from signing import call

FULL = os.environ.get("ISTHMUS_SLOW_PEERS") == "full"
EACH = 170 if FULL else 5
#: Of the deadlines, which are looked at twice a second; and of a machine of two cores that runs all this at once.
TOLERANCE = 1.0
#: Over 2,000 threads of one Python see the end of their connections seconds after it came.
LATE = 10.0 if FULL else TOLERANCE


@pytest.fixture(scope="module")
def gateway():
    names = ("connections", "connectionsPerAddress", "connectionsPerPrincipal")
    with hooked(limits=dict.fromkeys(names, 20_000)) as running:
        yield running


def trickle(connection, octets, start, pace=1, seconds=30):
    """Sends `pace` bytes a second until the peer ends the connection; returns (after how long, how, what came)."""
    received, at, due = b"", 0, start
    while time.monotonic() - start < seconds:
        try:
            if at < len(octets):
                connection.send(octets[at:at + pace])
                at += pace
            due += 1
            connection.settimeout(max(0.01, due - time.monotonic()))
            piece = connection.recv(65536)
        except (socket.timeout, ssl.SSLWantReadError):
            continue
        except OSError as error:
            return time.monotonic() - start, type(error).__name__, received
        if not piece:
            return time.monotonic() - start, "EOF", received
        received += piece
    return float("inf"), "still open", received


def client_hello():
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        session.do_handshake()
    return outgoing.read()


def api(gateway):
    return REQUIRED


def webhook(gateway):
    return gateway.hook.way


def context_of(gateway, way, alpn):
    return client_context(gateway, gateway.publisher if way.presents else None, alpn=[alpn])


def over_tls(alpn, before, octets, where=api):
    """Sends `before` at once and `octets` slowly; either may be a function of the way."""
    def run(gateway):
        way = where(gateway)
        first, slowly = (one(way) if callable(one) else one for one in (before, octets))
        with connect_tls(getattr(gateway, way.port), context_of(gateway, way, alpn)) as connection:
            connection.sendall(first)
            return trickle(connection, slowly, time.monotonic())
    return run


def over_tcp(octets):
    def run(gateway):
        with socket.create_connection(("127.0.0.1", gateway.port)) as connection:
            return trickle(connection, octets, time.monotonic())
    return run


def post(way, stream, body, *more):
    """The HEADERS of a request whose content the way would take."""
    return headers(stream, block(*way.fields(body), *more, method=b"POST", path=way.path), END_HEADERS)


def head(way, length=None):
    """The head of a request; without a length it does not end."""
    fields = b"".join(b"%s: %s\r\n" % field for field in way.fields(b" " * (length or 0)))
    ending = b"" if length is None else b"Content-Length: %d\r\n\r\n" % length
    return b"POST %s HTTP/1.1\r\nHost: localhost\r\n%s%s" % (way.path, fields, ending)


def opened(gateway, way, **arguments):
    return Attacker(gateway, port=getattr(gateway, way.port), context=context_of(gateway, way, "h2"), **arguments)


def slow_http2_body(pace, where=api):
    """Content at `pace` bytes a second: (until the stream is reset or the connection ends, how, what came)."""
    def run(gateway):
        way = where(gateway)
        with opened(gateway, way) as peer:
            start = time.monotonic()
            peer.send(post(way, 1, b" " * 100_000, (b"content-length", b"100000")))
            done = lambda: peer.closed is not None or (1 in peer.responses and peer.responses[1].done)
            due = start
            while not done() and time.monotonic() - start < 30:
                peer.pump(frame(DATA, 0, 1, b" " * pace))
                due += 1
                peer.pump(until=done, seconds=max(0, due - time.monotonic()))
            response = peer.responses.get(1)
            was_reset = response is not None and response.reset is not None
            how = f"reset {response.reset}" if was_reset else str(peer.close_error or "EOF")
            return time.monotonic() - start, how, b""
    return run


def slow_http1_body(pace, where=api):
    def run(gateway):
        way = where(gateway)
        with connect_tls(getattr(gateway, way.port), context_of(gateway, way, "http/1.1")) as connection:
            connection.sendall(head(way, 100_000))
            return trickle(connection, b" " * 100_000, time.monotonic(), pace)
    return run


def head_of_100(way):
    return head(way, 100)


#: name: (attack, seconds until the cut)
SLOW = {
    "TCP, silent": (over_tcp(b""), 5),
    "TLS, ClientHello at 1 B/s": (over_tcp(client_hello()), 5),
    "HTTP/2, silent after the handshake": (over_tls("h2", b"", b""), 3),
    "HTTP/2, preface at 1 B/s": (over_tls("h2", b"", PREFACE), 3),
    "HTTP/2, HEADERS at 1 B/s": (over_tls("h2", PREFACE + settings(), headers(1)), 5),
    "HTTP/2, CONTINUATION never comes": (over_tls("h2", PREFACE + settings() + headers(1, flags=END_STREAM), b""), 5),
    "HTTP/2, body at 1 B/s": (slow_http2_body(1), 5),
    "HTTP/2, body at 1.5 KiB/s": (slow_http2_body(1536), 15),
    "HTTP/1.1, silent after the handshake": (over_tls("http/1.1", b"", b""), 5),
    "HTTP/1.1, head at 1 B/s": (over_tls("http/1.1", b"", head), 5),
    "HTTP/1.1, body at 1 B/s": (over_tls("http/1.1", head_of_100, b" " * 100), 6),
    "HTTP/1.1, body at 1.5 KiB/s": (slow_http1_body(1536), 15),
    "HTTP/2, HEADERS at 1 B/s, webhook": (
        over_tls("h2", PREFACE + settings(), lambda way: post(way, 1, b""), webhook), 5),
    "HTTP/2, body at 1 B/s, webhook": (slow_http2_body(1, webhook), 5),
    "HTTP/2, body at 1.5 KiB/s, webhook": (slow_http2_body(1536, webhook), 15),
    "HTTP/1.1, head at 1 B/s, webhook": (over_tls("http/1.1", b"", head, webhook), 5),
    "HTTP/1.1, body at 1 B/s, webhook": (over_tls("http/1.1", head_of_100, b" " * 100, webhook), 6),
    "HTTP/1.1, body at 1.5 KiB/s, webhook": (slow_http1_body(1536, webhook), 15),
}


@pytest.fixture(scope="module")
def outcomes(unread_answers, gateway, report):  # noqa: F811
    """Runs every slow peer at once, the canary among them."""
    usage, results, key = Usage(gateway), {}, gateway.credentials()
    assert gateway.hook.takes()
    plan = [(name, run) for name, (run, _) in SLOW.items() for _ in range(EACH)]
    with Canary(gateway, key) as canary, concurrent.futures.ThreadPoolExecutor(len(plan)) as pool:
        running = [(name, pool.submit(run, gateway)) for name, run in plan]
        peak, held = 0, 0
        while not all(future.done() for _, future in running):
            concurrent.futures.wait([future for _, future in running], timeout=0.5)
            peak = max(peak, usage.rise_kib)
            held = max(held, gateway.metric("isthmus_connections"))
        for name, future in running:
            results.setdefault(name, []).append(future.result())
    report("H13", f"{len(plan)} slow connections at once, {held:.0f} held; canary", canary)
    report("H13", "peak memory rise KiB", peak)
    results["canary"], results["peak"], results["plan"], results["key"] = canary, peak, len(plan), key
    return results


@pytest.mark.parametrize("name", SLOW)
def test_h13_a_slow_peer_is_cut_at_its_deadline(outcomes, report, name):  # noqa: F811
    times = [after for after, _, _ in outcomes[name]]
    kinds = {how for _, how, _ in outcomes[name]}
    deadline = SLOW[name][1]
    report("H13", f"{name}: deadline {deadline} s, cut after",
           f"{min(times):.2f} to {max(times):.2f} s ({', '.join(kinds)})")
    assert min(times) >= deadline - TOLERANCE
    assert max(times) <= deadline + LATE


SILENT = 1_000


class Silent:
    """Connections that say nothing more, told apart by a name, and how long each lasted: one loop for all of them."""

    def __init__(self):
        self.epoll, self.open, self.lasted = select.epoll(), {}, {}

    def add(self, name, connection):
        connection.setblocking(False)
        self.epoll.register(connection, select.EPOLLIN)
        self.open[connection.fileno()] = (name, connection, time.monotonic())

    def look(self, seconds=0):
        for descriptor, _ in self.epoll.poll(seconds):
            name, connection, start = self.open[descriptor]
            try:
                if connection.recv(65536):
                    continue
            except (ssl.SSLWantReadError, BlockingIOError):
                continue
            except OSError:
                # A reset is an end, too.
                pass
            self.epoll.unregister(descriptor)
            del self.open[descriptor]
            connection.close()
            self.lasted.setdefault(name, []).append(time.monotonic() - start)


def test_h13_two_thousand_silent_connections_are_each_cut_at_their_deadline(gateway, outcomes, report):  # noqa: F811
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4 * SILENT)), hard))
    silent, context, most = Silent(), context_of(gateway, REQUIRED, "http/1.1"), 0
    with Canary(gateway, outcomes["key"]) as canary:
        for _ in range(SILENT):
            silent.add("TCP", socket.create_connection(("127.0.0.1", gateway.port)))
            silent.add("TLS", connect_tls(gateway.port, context))
            silent.look()
            most = max(most, len(silent.open))
        while silent.open:
            silent.look(1)
    for name, times in silent.lasted.items():
        report("H13", f"{len(times)} silent after {name}, {most} held at once: cut after",
               f"{min(times):.2f} to {max(times):.2f} s")
        assert len(times) == SILENT
        assert min(times) >= 5 - TOLERANCE and max(times) <= 5 + TOLERANCE
    report("H13", "canary beside them", canary)
    assert canary.failures == []


@pytest.mark.parametrize("name", [name for name in SLOW if name.startswith("HTTP/1.1, ") and "silent" not in name])
def test_h13_http1_says_408_before_it_closes(outcomes, name):
    assert all(received.startswith(b"HTTP/1.1 408 ") for _, _, received in outcomes[name])


def test_h13_http2_says_goaway_before_it_closes(outcomes):
    for name in ("HTTP/2, preface at 1 B/s", "HTTP/2, HEADERS at 1 B/s", "HTTP/2, CONTINUATION never comes",
                 "HTTP/2, HEADERS at 1 B/s, webhook"):
        for _, _, received in outcomes[name]:
            assert GOAWAY in {received[at + 3] for at in frame_starts(received)}, name


def frame_starts(octets):
    at = 0
    while at + 9 <= len(octets):
        yield at
        at += 9 + int.from_bytes(octets[at:at + 3], "big")


@pytest.mark.parametrize("name", [name for name in SLOW if name.startswith("HTTP/2, body")])
def test_h13_a_slow_body_costs_its_stream_and_not_the_connection(outcomes, name):
    assert {how for _, how, _ in outcomes[name]} == {f"reset {CANCEL}"}


def test_h13_memory_is_bounded(outcomes):
    # 100 KiB a connection.
    assert outcomes["peak"] <= outcomes["plan"] * 100 + 8 * 1024


def test_h13_a_legitimate_client_never_notices(outcomes):
    assert outcomes["canary"].failures == []


BODY = b" " * (1 << 20)


def elsewhere(body):
    """A call that is signed for another region, which is refused before the key is looked for."""
    return call(("AKIAIOSFODNN7EXAMPLE", "nobody's"), "PutEvents", body, region="us-east-1")


def test_a_slow_upload_that_its_head_refuses_is_answered_before_its_body_over_http1(gateway):
    with Peer(gateway) as whole, Peer(gateway) as slow:
        whole.send(elsewhere(b"{}").wire())
        slow.send(elsewhere(BODY).wire()[:-len(BODY)])
        status, fields, body = slow.response()
        assert fields["connection"] == "close"
        assert (status, body) == whole.response()[::2]
        assert json.loads(body)["__type"] == "InvalidSignatureException" and b"us-east-1" in body
        assert slow.response() is None


def test_a_slow_upload_that_its_head_refuses_is_answered_before_its_body_over_http2(gateway):
    signed = elsewhere(BODY)
    fields = [*signed.fields()[1:], ("authorization", signed.authorization()), ("content-length", str(len(BODY)))]
    request = block(*((name.lower().encode(), value.encode()) for name, value in fields), method=b"POST")
    with Attacker(gateway) as peer:
        stream = peer.stream()
        response = peer.ask(headers(stream, request, END_HEADERS), stream)
        assert response.status == 400 and response.json["__type"] == "InvalidSignatureException"
        peer.pump(frame(DATA, 0, stream, BODY[:16384]))
        # What still comes is thrown away for a second, then the stream ends without an error.
        assert peer.pump(until=lambda: response.reset is not None, seconds=5) and response.reset == 0
        assert peer.post(body_of()).status == 200
        assert peer.goaways == []


def test_a_client_that_gives_up_its_refused_uploads_keeps_its_connection(gateway):
    """RFC 9113 section 8.1: once the answer is whole, the rest of a request is of no use, and a reset says so."""
    signed = elsewhere(BODY)
    fields = [*signed.fields()[1:], ("authorization", signed.authorization()), ("content-length", str(len(BODY)))]
    request = block(*((name.lower().encode(), value.encode()) for name, value in fields), method=b"POST")
    with Attacker(gateway) as peer:
        for _ in range(300):
            stream = peer.stream()
            response = peer.ask(headers(stream, request, END_HEADERS) + frame(DATA, 0, stream, BODY[:1000]), stream)
            assert response.status == 400 and response.ended
            peer.send(reset(stream, NO_ERROR))
        assert peer.post(body_of()).status == 200
        assert peer.goaways == [] and peer.resets == 0


def test_every_slow_peer_is_gone_and_the_gateway_serves(gateway, outcomes):
    with Attacker(gateway) as peer:
        assert peer.post(body_of()).status == 200
        assert gateway.hook.takes()
        assert gateway.metric("isthmus_connections") <= 3
