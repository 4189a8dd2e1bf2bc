"""Attacks over HTTP/2 by name: their frames, of which a test sends as many as it needs, and how they are ended."""

import attacks
from attacks import (
    CONTINUATION, DATA, END_HEADERS, END_STREAM, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, HEADER_TABLE_SIZE, HEADERS,
    PRIORITY, PROTOCOL_ERROR, STREAM_CLOSED, block, frame, headers, literal, ping, priority, reset, settings,
    window_update)


def overflow_of(n, method):
    ends = END_STREAM if method == b"GET" else 0
    return headers(n, block(method=method), END_HEADERS | ends) + window_update(n, 0x7FFFFFFF)


INVITED_RESETS = {
    "H2-post": lambda n: overflow_of(n, b"POST"),
    "H2-get": lambda n: overflow_of(n, b"GET"),
    "H3-short": lambda n: headers(n, block((b"content-length", b"5"), method=b"POST")),
    "H3-long": lambda n: headers(n, block((b"content-length", b"5"), method=b"POST"), END_HEADERS)
    + frame(DATA, END_STREAM, n, b"x" * 10),
    "H3-twice": lambda n: headers(n, block((b"content-length", b"0"), (b"content-length", b"1"))),
    "H4-upper": lambda n: headers(n, block((b"Upper", b"x"))),
    "H4-hop": lambda n: headers(n, block((b"connection", b"close"))),
    "H4-nul": lambda n: headers(n, block((b"a", b"x\0y"))),
    "H4-newline": lambda n: headers(n, block((b"a", b"x\r\ny: z"))),
    "H4-pseudo": lambda n: headers(n, block((b":path", b"/two"))),
    "H4-method": lambda n: headers(n, b"".join(literal(*f) for f in ((b":scheme", b"https"), (b":path", b"/")))),
    "H2-self": lambda n: headers(n, block(method=b"POST"), END_HEADERS) + window_update(n, 0x7FFFFFFF) + reset(n),
}

ENDS_AT_ONCE = {
    "stream window update of 0": (lambda n: headers(n, flags=END_HEADERS) + window_update(n, 0), {PROTOCOL_ERROR}),
    "connection window update of 0": (lambda n: window_update(0, 0), {PROTOCOL_ERROR}),
    "connection window overflow": (lambda n: window_update(0, 0x7FFFFFFF), {FLOW_CONTROL_ERROR}),
    "priority of 4 bytes": (lambda n: frame(PRIORITY, stream=n, payload=b"\0" * 4), {FRAME_SIZE_ERROR}),
    "headers after the end": (lambda n: headers(n) + headers(n), {STREAM_CLOSED, PROTOCOL_ERROR}),
    "data after the end": (lambda n: headers(n) + frame(DATA, 0, n, b"x"), {STREAM_CLOSED, PROTOCOL_ERROR}),
    "data on stream 0": (lambda n: frame(DATA, 0, 0, b"x"), {PROTOCOL_ERROR}),
    "an even stream": (lambda n: headers(2), {PROTOCOL_ERROR}),
    "a push promise": (lambda n: frame(5, END_HEADERS, 1, b"\0\0\0\2"), {PROTOCOL_ERROR}),
}


def nothing():
    return b""


def opened():
    """A request whose content is still to come."""
    return headers(99, block(*attacks.WAY.fields(b""), method=b"POST"), END_HEADERS)


FLOODS = {
    # name: (one frame, how many are harmless, how many are surely too many, what comes first)
    "H8 ping": (lambda n: ping(n), 19, 60, nothing),
    "H9 settings": (lambda n: settings(), 8, 40, nothing),
    "H9 table size 0, 4096": (lambda n: settings((HEADER_TABLE_SIZE, 4096 * (n % 2))), 8, 40, nothing),
    "H10 priority": (lambda n: priority(101), 170, 260, nothing),
    "H10 window update of 1": (lambda n: window_update(0, 1), 70, 160, nothing),
    "H10 unknown type": (lambda n: frame(0xFA), 170, 260, nothing),
    "H10 unknown type of 1 KiB": (lambda n: frame(0xFA, payload=b"u" * 1024), 170, 260, nothing),
    "H10 empty data": (lambda n: frame(DATA, 0, 99, b""), 80, 160, opened),
    "H10 padded empty data": (lambda n: frame(DATA, 0x8, 99, b"\x0f" + b"\0" * 15), 80, 160, opened),
}


def bomb(stream, references, size=4000):
    """One field put into the dynamic table, then named again and again by one byte."""
    long = b"\x40" + literal(b"x-bomb", b"b" * size)[1:]
    first, rest = block() + long, b"\xbe" * references
    if len(first + rest) <= 16_384:
        return headers(stream, first + rest)
    pieces = [rest[at:at + 16_384] for at in range(0, len(rest), 16_384)]
    return frame(HEADERS, END_STREAM, stream, first) + b"".join(
        frame(CONTINUATION, END_HEADERS if n == len(pieces) - 1 else 0, stream, p) for n, p in enumerate(pieces))


def huffman_heavy(stream):
    """The shortest Huffman code has five bits: 125 zero bytes are 200 times `0`, together 18 kB out of 12."""
    fields = b""
    for n in range(90):
        name = b"h%02d" % n
        fields += b"\x00" + bytes([len(name)]) + name + bytes([0x80 | 125]) + b"\x00" * 125
    return headers(stream, block() + fields)


BOMBS = {
    "9 frames' worth of references in 4": lambda n: bomb(n, 4 * 16_384),
    "12,000 references in one frame": lambda n: bomb(n, 12_000),
    "4,096 fields": lambda n: headers(n, block() + b"\x40\x01a\x01b" + b"\xbe" * 4096),
    "huffman": huffman_heavy,
}
