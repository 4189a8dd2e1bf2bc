"""Peers that ask and read no answer: 100 connections of 100 streams in each of several ways, for a minute (row H12).

They live in a process of their own, so that other tests go on beside them: nearly all of the minute is waiting.
"""

import collections
import concurrent.futures
import contextlib
import functools
import http.client
import json
import multiprocessing
import select
import socket
import struct
import threading
import time
import typing

from attacks import (
    DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, INITIAL_WINDOW_SIZE, REQUIRED, RST_STREAM, Attacker, Usage, block,
    client_context, frame, headers, settings, window_update)
from canary import body_of
from gateway import OWNER, Gateway
from hook import hooked
from publishing import Publisher, entry
from socket_diagnosis import SocketDiagnosis

CONNECTIONS, STREAMS = 100, 100
#: From the last request on.
HELD_SECONDS = 60
#: When the peers of one way give each stream a byte of window.
BYTE_AFTER_SECONDS = 4
LOOK_SECONDS = 0.5

#: A hundred events that are none: their refusals are a large answer to a small request.
BATCH = b"[" + b",".join([b"{}"] * 100) + b"]"
BATCH_PATH = f"/accounts/{OWNER}/buses/orders/events"
BATCH_FIELDS = {"content-type": "application/cloudevents-batch+json"}


def post(stream, fields, path, body):
    head = headers(stream, block(*fields, method=b"POST", path=path), END_HEADERS)
    return head + frame(DATA, END_STREAM, stream, body)


def error(gateway, stream):
    return headers(stream)


def event(gateway, stream):
    body = body_of()
    return post(stream, REQUIRED.fields(body), REQUIRED.path, body)


def message(gateway, stream):
    body, way = body_of(), gateway.hook.way
    return post(stream, way.fields(body), way.path, body)


def batch(gateway, stream):
    fields = [(name.encode(), value.encode()) for name, value in BATCH_FIELDS.items()]
    return post(stream, fields, BATCH_PATH.encode(), BATCH)


class Manner(typing.NamedTuple):
    """The window of each stream, what is asked, and what else the peer does."""

    window: int
    ask: typing.Callable
    gives_a_byte: bool = False
    is_large: bool = False
    #: Whether it looks at its socket, though it takes nothing that needs a window.
    reads: bool = True


MANNERS = {
    "window 0, errors": Manner(0, error),
    "window 0, PutEvents": Manner(0, event),
    "window 0, webhook": Manner(0, message),
    "window 1, errors": Manner(1, error),
    "window 0, large answers": Manner(0, batch, is_large=True),
    "socket never read": Manner((1 << 31) - 1, batch, is_large=True, reads=False),
    # Last, for their bytes must come long before the deadline.
    "window 0, then 1 byte": Manner(0, error, gives_a_byte=True),
}


class Mute(Attacker):
    """One connection. Answers are not even decoded: there are tens of thousands."""

    def __init__(self, gateway, name, contexts):
        self.name, self.manner, self.gateway = name, MANNERS[name], gateway
        way = gateway.hook.way if self.manner.ask is message else REQUIRED
        self.heads, self.ends, self.content = {}, {}, 0
        self.began = self.asked = None
        super().__init__(
            gateway, port=getattr(gateway, way.port), context=contexts[way.presents],
            first=settings((INITIAL_WINDOW_SIZE, self.manner.window)),
            before=narrow if not self.manner.reads else lambda plain: None)

    def took(self, kind, flags, stream, payload):
        if kind == RST_STREAM:
            now = time.monotonic()
            waited = now - max(self.began, self.heads.get(stream, self.began))
            self.ends[stream] = (now - self.began, waited, struct.unpack(">I", payload)[0])
        elif kind == GOAWAY:
            self.goaways.append(struct.unpack(">I", payload[4:8])[0])
        elif kind == HEADERS:
            self.heads[stream] = time.monotonic()
        elif kind == DATA:
            self.content += len(payload)

    @property
    def streams(self):
        return range(1, 2 * STREAMS, 2)

    def asks(self):
        self.began, self.reads = time.monotonic(), self.manner.reads
        requests = b"".join(self.manner.ask(self.gateway, stream) for stream in self.streams)
        self.pump((b"" if self.reads else window_update(0, 1 << 30)) + requests)
        self.asked = time.monotonic()

    def gives(self):
        """The only progress there is: from here on the deadline counts."""
        self.began = time.monotonic()
        self.pump(b"".join(window_update(stream, 1) for stream in self.streams))
        self.asked = time.monotonic()

    def outcome(self):
        return {
            "asking": self.asked - self.began, "ends": list(self.ends.values()), "goaways": self.goaways,
            "heads": len(self.heads), "content": self.content,
            "closed": None if self.closed is None else self.closed - self.began}


def narrow(plain):
    """Small buffers in the kernel, at both ends: a few answers fill them."""
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)


class Watch:
    """Memory and connections of a gateway, looked at every half second, and a request that a good client sends then."""

    def __init__(self, gateway):
        self.gateway, self.usage = gateway, Usage(gateway)
        self.looks, self.failures, self.slowest = [], [], 0.0
        self.publisher, self.number = Publisher(gateway), 0

    def look(self, at):
        began, connections = time.monotonic(), float("inf")
        self.number += 1
        try:
            answer = self.publisher.put(entry(self.number))
            if not answer.ids:
                self.failures.append(str(answer))
            self.slowest = max(self.slowest, time.monotonic() - began)
            connections = self.gateway.metric("isthmus_connections")
        except (OSError, http.client.HTTPException) as error:
            self.failures.append(repr(error))
            self.publisher.connection.close()
        self.looks.append((at, self.usage.rise_kib, connections))

    def outcome(self):
        self.publisher.connection.close()
        return {"peak": self.usage.peak_rise_kib, "looks": self.looks, "served": self.number, "failures": self.failures,
                "slowest": self.slowest}


class Stall(typing.NamedTuple):
    """Of one connection, when the kernel took the last byte, and when the gateway let go: each within two looks."""

    taken: int
    since: tuple
    gone: tuple | None = None


class Stalls:
    """The connections whose sockets are never read, as the kernel has the gateway's side of them."""

    def __init__(self, gateway, peers, start):
        self.port, self.start, self.before = gateway.port, start, time.monotonic()
        self.of = {peer.socket.getsockname()[1]: Stall(0, (0, 0)) for peer in peers if not peer.manner.reads}
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()

    def watch(self):
        with SocketDiagnosis() as diagnosis:
            while not self.ending.wait(LOOK_SECONDS):
                self.look(diagnosis)

    def look(self, diagnosis):
        began = time.monotonic()
        seen = {port: diagnosis.sent(self.port, port) for port, stall in self.of.items() if stall.gone is None}
        within = (self.before - self.start, time.monotonic() - self.start)
        for port, sent in seen.items():
            if sent is None or not sent.is_established:
                self.of[port] = self.of[port]._replace(gone=within)
            elif sent.taken != self.of[port].taken:
                self.of[port] = Stall(sent.taken, within)
        self.before = began

    def outcome(self):
        self.ending.set()
        self.thread.join()
        return [stall._asdict() for stall in self.of.values()]


class Listening:
    """Reads what comes to the peers that look at their sockets."""

    def __init__(self, peers):
        self.poll = select.poll()
        self.peers = {peer.socket.fileno(): peer for peer in peers if peer.manner.reads}
        for descriptor in self.peers:
            self.poll.register(descriptor, select.POLLIN)

    def listen(self, seconds):
        for descriptor, _ in self.poll.poll(seconds * 1000):
            peer = self.peers[descriptor]
            while peer.closed is None and peer.read_some():
                pass
            if peer.closed is not None:
                self.poll.unregister(descriptor)


def wait(listening, peers, watches, start):
    """Until the minute is over."""
    givers = [peer for peer in peers if peer.manner.gives_a_byte]
    due = time.monotonic()
    byte_at, end = due + BYTE_AFTER_SECONDS, due + HELD_SECONDS
    while (now := time.monotonic()) < end:
        while givers and now >= byte_at:
            givers.pop().gives()
        if now >= due:
            due = now + LOOK_SECONDS
            for watch in watches:
                watch.look(now - start)
        listening.listen(max(0, min(due, end) - time.monotonic()))


def answered(gateway):
    """Bytes of the large answer."""
    with Publisher(gateway) as publisher:
        publisher.connection.request("POST", BATCH_PATH, BATCH, BATCH_FIELDS)
        content = publisher.connection.getresponse().read()
    assert len(json.loads(content)["Entries"]) == 100
    return len(content)


def hold(pipe, small, large):
    """The whole of it, in its own process: says `asked`, and in the end what was seen."""
    length = answered(large)
    watches = {"small": Watch(small), "large": Watch(large)}
    contexts = {gateway: {presents: client_context(gateway, gateway.publisher if presents else None)
                          for presents in (True, False)} for gateway in (small, large)}

    def made(name):
        gateway = large if MANNERS[name].is_large else small
        return Mute(gateway, name, contexts[gateway])

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        peers = list(pool.map(made, [name for name in MANNERS for _ in range(CONNECTIONS)]))
    start, listening = time.monotonic(), Listening(peers)
    stalls = Stalls(large, peers, start)
    for peer in peers:
        peer.asks()
        listening.listen(0)
    asked = time.monotonic() - start
    pipe.send("asked")
    wait(listening, peers, watches.values(), start)
    outcomes = {}
    for peer in peers:
        outcomes.setdefault(peer.name, []).append(peer.outcome())
    closed = max(peer.closed - start for peer in peers if peer.closed is not None)
    pipe.send({"length": length, "asked": asked, "peers": outcomes, "closed": closed, "stalls": stalls.outcome(),
               **{name: watch.outcome() for name, watch in watches.items()}})
    for peer in peers:
        peer.socket.close()


@contextlib.contextmanager
def generous(limits):
    """A gateway whose senders may send as many events as they can."""
    running = Gateway(
        "quotas: {everybody: {events:PutEvents: {perSecond: 1000000, burst: 10000000}}}", limits=limits).start()
    try:
        yield running
        running.stop()
    finally:
        running.remove()


class Unread:
    """The peers; `outcome` waits for the end of their minute."""

    def __init__(self, stack):
        limits = dict.fromkeys(("connections", "connectionsPerAddress", "connectionsPerPrincipal"), 20_000)
        small, large = stack.enter_context(hooked(limits=limits)), stack.enter_context(generous(limits))
        self.pipe, theirs = multiprocessing.Pipe()
        # A fork has the gateways' names, keys and certificates at hand; it only opens sockets of its own.
        self.process = multiprocessing.get_context("fork").Process(target=hold, args=(theirs, small, large))
        self.process.start()
        theirs.close()
        stack.callback(self.end)
        assert self.pipe.poll(60) and self.pipe.recv() == "asked"

    @functools.cached_property
    def outcome(self):
        assert self.pipe.poll(HELD_SECONDS + 30), "the peers do not come back"
        return self.pipe.recv()

    def end(self):
        self.process.kill()
        self.process.join()
        self.process.close()
        self.pipe.close()
