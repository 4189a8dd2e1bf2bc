"""After the attacks of all groups of rows the gateway's memory is back within a tenth of what it was before, inside a minute.

Before means: warmed. What the gateway keeps on purpose is full by then: the blocks it holds for readers, its tables, a loop's buffers.
"""

import concurrent.futures
import contextlib
import itertools
import os
import socket
import time

import pytest

import attacks
import leaves
from attacks import (
    DATA, END_HEADERS, INITIAL_WINDOW_SIZE, Attacker, Usage, block, connect_tls, frame, headers, put_events, reset, settings)
from gateway import wait_until
from hook import hooked
from http1 import Peer
from measures import report  # noqa: F401
from publishing import Flood, Publisher, body_of, entry
from signing import call
from test_certificates import presentable
from test_http1_strictness import REFUSED
from test_http2_attacks import BOMBS, ENDS_AT_ONCE, FLOODS, INVITED_RESETS

#: Each group, after which the leftovers of the group follow.
SECONDS = 2
LARGE = 900_000
UPLOAD = 700_000


@pytest.fixture(scope="module")
def gateway():
    with hooked(limits={"connectionsPerPrincipal": 1000, "connectionsPerAddress": 1000}) as running:
        yield running


def for_seconds(names):
    end = time.monotonic() + SECONDS
    return itertools.takewhile(lambda _: time.monotonic() < end, itertools.cycle(names))


def frames():
    """Every attack of HTTP/2, as a function that makes one connection's worth of it."""
    yield "rapid reset", lambda: (headers(n) + reset(n) for n in range(1, 4001, 2))
    for name, build in INVITED_RESETS.items():
        yield name, lambda build=build: (build(n) for n in range(1, 2001, 2))
    for name, (build, _) in ENDS_AT_ONCE.items():
        yield name, lambda build=build: [build(1)]
    for name, (build, _, _, before) in FLOODS.items():
        yield name, lambda build=build, before=before: itertools.chain([before()], (build(n) for n in range(5000)))
    for name, build in BOMBS.items():
        yield name, lambda build=build: (build(n) for n in range(1, 41, 2))


def over_http2(gateway):
    for _, make in for_seconds(list(frames())):
        with Attacker(gateway) as peer:
            peer.flood(make(), batch=50)
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            peer = stack.enter_context(Attacker(gateway, first=settings((INITIAL_WINDOW_SIZE, 0))))
            peer.send(b"".join(put_events(n, body_of(entry(n))) for n in range(1, 181, 2)))
        for _ in range(20):
            peer = stack.enter_context(Attacker(gateway))
            fields = block(*attacks.WAY.fields(b""), (b"content-length", b"%d" % UPLOAD), method=b"POST")
            for n in range(1, 201, 2):
                peer.send(headers(n, fields, END_HEADERS) + frame(DATA, 0, n, b" " * 10_000))


def over_http1(gateway):
    for octets in for_seconds(list(REFUSED.values())):
        with Peer(gateway) as peer:
            peer.send(octets)
            peer.response()
    with contextlib.ExitStack() as stack:
        for _ in range(90):
            peer = stack.enter_context(Peer(gateway))
            peer.send(call(("AKIAIOSFODNN7EXAMPLE", "x"), "PutEvents", b" " * UPLOAD).wire(authorization=False)[:-1000])


def over_tls(gateway):
    def refused(leaf):
        context = attacks.client_context(gateway, alpn=["h2", "http/1.1"])
        context.set_ciphers("ALL:@SECLEVEL=0")
        if leaf:
            context.load_cert_chain(*leaf.pair)
        with contextlib.suppress(OSError), connect_tls(gateway.port, context) as connection:
            connection.recv(1)

    def garbage(octets):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", gateway.port)) as connection:
            connection.sendall(octets)
            connection.recv(1)

    strangers = [None, *(leaf for _, _, leaf in itertools.islice(leaves.corpus(gateway), 60) if presentable(leaf))]
    big_hello = b"\x16\x03\x01\x40\x00\x01\x00\xff\xff" + os.urandom(16_379)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for leaf in for_seconds(strangers):
            pool.submit(refused, leaf)
            pool.submit(garbage, big_hello).result()


def over_signatures(gateway):
    key = gateway.credentials()
    body = b'{"Entries":[]}' + b" " * LARGE
    wrong = [
        call((key[0], "wrong"), "PutEvents", body), call(("AKIAIOSFODNN7EXAMPLE", "x"), "PutEvents", body),
        call(key, "PutEvents", body, region="us-east-1"), call(key, "PutEvents", body, signature="0" * 64),
        call(key, "PutEvents", body, listed="host"), call(key, "PutEvents", body, payload="UNSIGNED-PAYLOAD")]
    for signed in for_seconds(wrong):
        with Peer(gateway) as peer:
            peer.send(signed.wire())
            assert peer.response()[0] in (400, 403)
    way = gateway.hook.way
    fields = "".join(f"{name.decode()}: {value.decode()}\r\n" for name, value in way.fields(body)[:-1])
    head = (f"POST {way.path.decode()} HTTP/1.1\r\nHost: localhost\r\n{fields}webhook-signature: v1,AAAA\r\n"
            f"Content-Length: {len(body)}\r\n\r\n")
    context = attacks.client_context(gateway, alpn=["http/1.1"])
    for _ in range(20):
        with Peer(gateway, context, gateway.open_port) as peer:
            peer.send(head.encode() + body)
            assert peer.response()[0] in (400, 403)


def over_load(gateway, connections=30):
    flood = Flood(gateway, connections=connections, size=LARGE).start()
    time_up = time.monotonic() + SECONDS
    wait_until(lambda: time.monotonic() > time_up, SECONDS + 1, "the end of the load")
    flood.stop()
    assert not flood.broken and {answer.status for answer in flood.refused} <= {400, 503}


GROUPS = {"H": over_http2, "S": over_http1, "T": over_tls, "G": over_signatures, "L": over_load}


def settled(usage, seconds=6):
    """The least resident memory, in KiB, once it has not fallen for longer than the gateway waits between two looks."""
    least, since = usage.read_memory(), time.monotonic()

    def is_settled():
        nonlocal least, since
        if usage.read_memory() < least:
            least, since = usage.read_memory(), time.monotonic()
        return time.monotonic() - since > seconds

    wait_until(is_settled, 60, "memory that does not fall")
    return least


def test_memory_is_back_within_a_tenth_of_what_it_was_inside_a_minute(gateway, report):  # noqa: F811
    over_load(gateway, connections=4)
    usage = Usage(gateway)
    start, highest = settled(usage), []
    for group, attack in GROUPS.items():
        attack(gateway)
        highest.append(f"{group} {usage.read_memory() / 1024:.0f}")
    ended = time.monotonic()
    try:
        wait_until(lambda: usage.read_memory() <= start * 1.1, 60, "memory as before")
    finally:
        report("H-L", "resident MiB when warmed; after each group; s until back; then",
               f"{start / 1024:.1f}; {', '.join(highest)}; {time.monotonic() - ended:.1f}; {usage.read_memory() / 1024:.1f}")
    with Publisher(gateway) as publisher:
        assert publisher.put(entry(1)).ids
    assert gateway.hook.takes()
