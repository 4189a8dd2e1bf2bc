"""A raw HTTP/2 client over TLS: hand-made frames with nothing between them and the gateway, and what came back."""

import collections
import json
import os
import select
import socket
import ssl
import struct
import threading
import time
import typing

import hpack

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, END_HEADERS, ACK, PADDED = 0x1, 0x4, 0x1, 0x8
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, STREAM_CLOSED, FRAME_SIZE_ERROR = 0, 1, 2, 3, 5, 6
CANCEL, COMPRESSION_ERROR, ENHANCE_YOUR_CALM = 8, 9, 11
INITIAL_WINDOW_SIZE, HEADER_TABLE_SIZE = 4, 1


PUT_EVENTS = ((b"content-type", b"application/x-amz-json-1.1"), (b"x-amz-target", b"AWSEvents.PutEvents"))


class Way(typing.NamedTuple):
    """Where an attack goes: a listener of the gateway, with or without a client certificate, a path, a bus behind it.

    `fields` makes the fields with which the path takes a content: the names of an operation, or a fresh signature.
    """

    port: str
    presents: bool
    path: bytes
    bus: str = "orders"
    fields: typing.Callable = lambda body: PUT_EVENTS


REQUIRED = Way("port", True, b"/")
#: The way of all that says no other; the fixture `way` changes it for one test.
WAY = REQUIRED


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def settings(*pairs):
    return frame(SETTINGS, payload=b"".join(struct.pack(">HI", name, value) for name, value in pairs))


def window_update(stream, increment):
    return frame(WINDOW_UPDATE, stream=stream, payload=struct.pack(">I", increment))


def reset(stream, code=CANCEL):
    return frame(RST_STREAM, stream=stream, payload=struct.pack(">I", code))


def ping(number=0):
    return frame(PING, payload=struct.pack(">Q", number))


def priority(stream, on=0, weight=16):
    return frame(PRIORITY, stream=stream, payload=struct.pack(">IB", on, weight))


def literal(name, value):
    """A field as a literal without indexing, byte for byte: no library has a say in what it may hold."""
    def text(octets):
        length, out = len(octets), b""
        if length < 127:
            return bytes([length]) + octets
        out, length = b"\x7f", length - 127
        while length >= 128:
            out, length = out + bytes([length % 128 + 128]), length // 128
        return out + bytes([length]) + octets
    return b"\x00" + text(name) + text(value)


def block(*extra, method=b"GET", path=None, scheme=b"https", authority=b"localhost"):
    """A header block of literals."""
    fields = [(b":method", method), (b":scheme", scheme), (b":authority", authority),
              (b":path", path or WAY.path), *extra]
    return b"".join(literal(name, value) for name, value in fields)


def headers(stream, fields=None, flags=END_HEADERS | END_STREAM):
    return frame(HEADERS, flags, stream, block() if fields is None else fields)


def put_events(stream, body, declared=None):
    """A request whose content the way in force takes; `declared` is another length than the content's."""
    length = str(len(body) if declared is None else declared).encode()
    out = headers(stream, block(*WAY.fields(body), (b"content-length", length), method=b"POST"), END_HEADERS)
    pieces = [body[at:at + 16384] for at in range(0, len(body), 16384)] or [b""]
    for piece in pieces[:-1]:
        out += frame(DATA, 0, stream, piece)
    return out + frame(DATA, END_STREAM, stream, pieces[-1])


def client_context(gateway, leaf=None, alpn=("h2",), authority=None):
    context = ssl.create_default_context(cafile=str(authority or gateway.servers.bundle))
    context.set_alpn_protocols(list(alpn))
    if leaf:
        context.load_cert_chain(*leaf.pair)
    return context


#: So many handshakes at once: thousands in one Python would keep each other past the gateway's deadline.
HANDSHAKES = threading.BoundedSemaphore(16)


def connect_tls(port, context, timeout=10, before=lambda plain: None):
    """A TLS connection; `before` may set options of the socket that is not connected yet."""
    with HANDSHAKES:
        plain = socket.socket()
        try:
            plain.settimeout(timeout)
            before(plain)
            plain.connect(("127.0.0.1", port))
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return context.wrap_socket(plain, server_hostname="localhost")
        except BaseException:
            plain.close()
            raise


class Response:
    def __init__(self):
        self.fields, self.body, self.ended, self.reset = {}, b"", False, None

    @property
    def status(self):
        return int(self.fields.get(":status", 0))

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def done(self):
        return self.ended or self.reset is not None


class Attacker:
    """One HTTP/2 connection. Everything received is counted; nothing is answered unless asked for."""

    def __init__(self, gateway, leaf=None, port=None, context=None, preface=True, first=settings(),
                 before=lambda plain: None):
        context = context or client_context(gateway, leaf or (gateway.publisher if WAY.presents else None))
        self.socket = connect_tls(port or getattr(gateway, WAY.port), context, before=before)
        assert self.socket.selected_alpn_protocol() == "h2"
        self.socket.setblocking(False)
        self.counts, self.responses = collections.Counter(), {}
        self.goaways, self.closed, self.close_error = [], None, None
        self.acks, self.pongs = 0, 0
        self.reads, self.sent_frames, self.sent_bytes = True, 0, 0
        self.decoder, self.pending = hpack.Decoder(), b""
        self.next_stream = 1
        self.windows, self.uncredited = collections.defaultdict(lambda: 65_535), 0
        if preface:
            self.send(PREFACE + first)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    # What came

    def take(self, octets):
        self.pending += octets
        while len(self.pending) >= 9:
            length = int.from_bytes(self.pending[:3], "big")
            if len(self.pending) < 9 + length:
                return
            kind, flags, stream = struct.unpack(">BBI", self.pending[3:9])
            payload, self.pending = self.pending[9:9 + length], self.pending[9 + length:]
            self.counts[kind] += 1
            self.took(kind, flags, stream, payload)

    def took(self, kind, flags, stream, payload):
        if kind == GOAWAY:
            last, code = struct.unpack(">II", payload[:8])
            self.goaways.append((code, last))
        elif kind == SETTINGS and flags & ACK:
            self.acks += 1
        elif kind == PING and flags & ACK:
            self.pongs += 1
        elif kind == WINDOW_UPDATE:
            self.windows[stream] += struct.unpack(">I", payload)[0]
        elif kind in (HEADERS, DATA, RST_STREAM):
            response = self.responses.setdefault(stream, Response())
            if kind == HEADERS:
                response.fields.update(self.decoder.decode(payload))
            elif kind == DATA:
                response.body += payload
                self.uncredited += len(payload)
            else:
                response.reset = struct.unpack(">I", payload)[0]
            response.ended |= kind != RST_STREAM and bool(flags & END_STREAM)

    # Bytes

    def pump(self, octets=b"", until=lambda: True, seconds=20):
        """Writes everything while reading what comes; ends when all is written and `until()`, or the peer is gone."""
        if self.uncredited > 16_384:
            # The connection's window goes back, or a long series of answers would stop.
            octets, self.uncredited = window_update(0, self.uncredited) + octets, 0
        view, end = memoryview(octets), time.monotonic() + seconds
        while self.closed is None:
            wants_read, progressed = self.reads, False
            if self.reads:
                progressed = self.read_some()
            if view and self.closed is None:
                try:
                    count = self.socket.send(view[:65536])
                    view, progressed = view[count:], True
                    self.sent_bytes += count
                except ssl.SSLWantWriteError:
                    pass
                except ssl.SSLWantReadError:
                    wants_read = True
                except (OSError, ssl.SSLError) as error:
                    # What the peer said before it closed is still to be read.
                    while self.reads and self.read_some():
                        pass
                    self.ended(error)
            if not view and until():
                return True
            if time.monotonic() > end:
                return False
            if not progressed and self.closed is None:
                poll = select.poll()
                poll.register(self.socket, (select.POLLIN if wants_read else 0) | (select.POLLOUT if view else 0))
                poll.poll(200)
        return not view and bool(until())

    def read_some(self):
        try:
            octets = self.socket.recv(65536)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return False
        except (OSError, ssl.SSLError) as error:
            self.ended(error)
            return False
        if not octets:
            self.ended(None)
            return False
        self.take(octets)
        return True

    def ended(self, error):
        if self.closed is None:
            self.closed, self.close_error = time.monotonic(), error

    def send(self, octets):
        return self.pump(octets)

    # Asking

    def stream(self):
        self.next_stream += 2
        return self.next_stream - 2

    def ask(self, octets, stream, seconds=20):
        """Sends a request and returns what came on its stream; `None` when the connection ended first."""
        self.pump(octets, until=lambda: stream in self.responses and self.responses[stream].done, seconds=seconds)
        response = self.responses.get(stream)
        return response if response is not None and response.done else None

    def get(self, *extra):
        stream = self.stream()
        return self.ask(headers(stream, block(*extra)), stream)

    def post(self, body):
        stream = self.stream()
        return self.ask(put_events(stream, body), stream)

    def flood(self, octets, batch=1, seconds=20):
        """Sends frames out of an iterator until they are all gone or the peer is; returns how many were written."""
        waiting, self.sent_frames = [], 0
        for piece in octets:
            waiting.append(piece)
            if len(waiting) < batch:
                continue
            if not self.pump(b"".join(waiting), seconds=seconds):
                break
            self.sent_frames += len(waiting)
            waiting = []
            if self.closed is not None:
                return self.sent_frames
        if waiting and self.closed is None and self.pump(b"".join(waiting), seconds=seconds):
            self.sent_frames += len(waiting)
        return self.sent_frames

    def upload(self, stream, size):
        """Sends content of `size` spaces as the windows allow, until all is sent or answered; returns what was sent."""
        sent = 0
        stopped = lambda: self.closed is not None or (stream in self.responses and self.responses[stream].done)
        while sent < size and not stopped():
            length = min(16_384, size - sent)
            room = lambda: min(self.windows[0], self.windows[stream]) >= length
            if not self.pump(until=lambda: stopped() or room()) or stopped():
                break
            sent += length
            self.windows[0] -= length
            self.windows[stream] -= length
            self.pump(frame(DATA, END_STREAM if sent == size else 0, stream, b" " * length))
        return sent

    def until_closed(self, seconds=10):
        self.pump(until=lambda: False, seconds=seconds)
        return self.closed is not None

    @property
    def goaway(self):
        """The last GOAWAY: its code, or `None`."""
        return self.goaways[-1][0] if self.goaways else None

    @property
    def resets(self):
        return self.counts[RST_STREAM]


class Usage:
    """CPU and memory of the gateway between two moments, from /proc."""

    def __init__(self, gateway):
        self.pid = gateway.process.pid
        # Source: proc(5), `clear_refs`: 5 makes the peak begin anew.
        with open(f"/proc/{self.pid}/clear_refs", "w") as peak:
            peak.write("5")
        self.cpu, self.memory = self.read_cpu(), self.read_memory()

    def read_cpu(self):
        with open(f"/proc/{self.pid}/stat") as facts:
            fields = facts.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")

    def read_memory(self, field="VmRSS"):
        with open(f"/proc/{self.pid}/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith(field))

    @property
    def cpu_ms(self):
        return self.read_cpu() - self.cpu

    @property
    def rise_kib(self):
        return self.read_memory() - self.memory

    @property
    def peak_rise_kib(self):
        """The most it rose in between."""
        return self.read_memory("VmHWM") - self.memory
