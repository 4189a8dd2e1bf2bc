"""What is too large over HTTP/2: refused at its limit, by the API and by a webhook, before more of it is kept."""

import contextlib

import pytest

from attacks import (
    CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, FRAME_SIZE_ERROR, HEADERS, PADDED, Attacker, Usage,
    block, frame, headers, literal, ping)
from canary import body_of
from gateway import wait_until
from hook import hooked
from measures import report  # noqa: F401

#: Content of a request, and the window of a stream, which is never opened again for what is thrown away.
CAP, WINDOW = 2 << 20, 65_535
#: So many open header blocks at once fill what the handshakes before them gave back; so many more are measured.
BLOCKS = 45


@pytest.fixture(scope="module")
def gateway():
    with hooked() as running:
        yield running


def unread(port):
    """Bytes that the kernel holds for the listener's connections. Source: proc(5), `/proc/net/tcp`."""
    with open("/proc/net/tcp") as table:
        rows = [line.split() for line in table][1:]
    return sum(int(row[4].split(":")[1], 16) for row in rows if row[1].endswith(f":{port:04X}"))


def test_h10_the_ratio_rule_ends_what_no_other_limit_sees(gateway, report):  # noqa: F811
    """One byte of content in each frame and 255 of padding: 258 bytes a frame are more than eight times the content."""
    piece = frame(DATA, PADDED, 1, b"\xff" + b" " + b"\0" * 255)
    length = len(piece) - 9
    # Bytes in all, divided by eight, pass the content by 1 MiB.
    due = (8 << 20) // (len(piece) - 8)
    with Attacker(gateway) as peer:
        peer.send(headers(1, block(method=b"POST"), END_HEADERS))
        sent, room = 0, lambda: min(peer.windows[0], peer.windows[1]) // length
        while peer.closed is None and sent < 2 * due:
            if not peer.pump(until=lambda: peer.closed is not None or room() > 0):
                break
            count = min(room(), 64)
            sent += count
            for window in (0, 1):
                peer.windows[window] -= count * length
            peer.pump(piece * count)
        report("H10", "1 byte of content in 266: frames until the close; due", f"{sent}; {due}")
        assert peer.until_closed() and peer.goaway == ENHANCE_YOUR_CALM
        assert due <= sent <= due + WINDOW // length + 1
    assert "HTTP/2 connection was ended: overhead" in gateway.logged()


FIELD = literal(b"x-filler", b"f" * 7_400)
#: How a block begins, and what follows three times or more: together just under the 30 KiB that a block may have.
FILLERS = {
    "fields of 7,400 bytes": (FIELD, FIELD),
    "one value without end": (literal(b"x-filler", b"f" * 65_536)[:-65_536] + b"f" * 7_400, b"f" * 7_400),
    # A name of 60,000 bytes in the shortest Huffman code, five bits for a `0`.
    "one name without end, Huffman": (b"\x00\xff" + b"\xe1\xd3\x03" + b"\0" * 7_400, b"\0" * 7_400),
}


@pytest.mark.parametrize("name", FILLERS)
def test_h7_an_open_header_block_holds_at_most_64_kib(gateway, report, name):  # noqa: F811
    """HEADERS and CONTINUATION frames up to the bytes that are taken, on many connections; one more frame ends each."""
    first, filler = FILLERS[name]
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(Attacker(gateway)) for _ in range(2 * BLOCKS)]
        for half in (peers[:BLOCKS], peers[BLOCKS:]):
            usage = Usage(gateway)
            for peer in half:
                octets = frame(HEADERS, END_STREAM, 1, block() + first) + frame(CONTINUATION, 0, 1, filler) * 3
                peer.send(octets)
            wait_until(lambda: unread(gateway.port) == 0, what="the end of reading")
            gateway.metric("isthmus_connections")
            held = usage.rise_kib / BLOCKS
        report("H7", f"{len(octets)} bytes of an open header block, {name}: KiB held", f"{held:.1f}")
        for peer in peers:
            peer.send(frame(CONTINUATION, 0, 1, filler))
            assert peer.until_closed() and peer.goaway == ENHANCE_YOUR_CALM
        assert held <= 64


def sized_fields(total, path):
    """A header block whose names and values are `total` bytes together."""
    fields = (b":method", b"GET", b":scheme", b"https", b":authority", b"localhost", b":path", path)
    base = sum(map(len, fields))
    return block((b"x-fill", b"f" * (total - base - 6)))


def test_h15_header_bytes_at_the_limit_are_taken_and_one_more_is_431(gateway, way):
    with Attacker(gateway) as peer:
        for total, status in ((16_384, 405), (16_385, 431), (17 * 1024, 431)):
            fields, stream = sized_fields(total, way.path), peer.stream()
            octets = frame(HEADERS, END_STREAM, stream, fields[:16_384])
            answer = peer.ask(octets + frame(CONTINUATION, END_HEADERS, stream, fields[16_384:]), stream)
            assert answer.status == status, total
        assert peer.goaways == []


def test_h15_100_fields_are_taken_and_101_are_431(gateway, way):
    with Attacker(gateway) as peer:
        for count, status in ((100, 405), (101, 431)):
            answer = peer.get(*((b"x-%d" % n, b"") for n in range(count - 4)))
            assert answer.status == status, count


def sent_after_the_refusal(peer, streams):
    """Sends content on streams that are answered for as long as their windows let it; how many bytes on each."""
    sent = dict.fromkeys(streams, 0)
    while peer.closed is None:
        octets, pongs = b"", peer.pongs
        for stream in streams:
            room = min(peer.windows[0], peer.windows[stream])
            for window in (0, stream):
                peer.windows[window] -= room
            sent[stream] += room
            for length in [16_384] * (room // 16_384) + [room % 16_384] * (room % 16_384 > 0):
                octets += frame(DATA, 0, stream, b" " * length)
        if not octets:
            return sent
        # The answer to the PING comes behind every window that the content opens.
        peer.pump(octets + ping(), until=lambda: peer.pongs > pongs)
    return sent


def test_h15_bodies_declared_too_long_are_refused_before_they_come_and_never_kept(gateway, way, report):  # noqa: F811
    with Attacker(gateway) as peer:
        assert peer.get().status == 405
        usage, streams = Usage(gateway), [peer.stream() for _ in range(30)]
        fields = block(*way.fields(b""), (b"content-length", b"%d" % (CAP + 1)), method=b"POST")
        for stream in streams:
            assert peer.ask(headers(stream, fields, END_HEADERS), stream).status == 413
        sent = sent_after_the_refusal(peer, streams)
        report("H15", "30 bodies declared 2 MiB + 1: bytes of one read after its refusal; memory rise at its peak KiB",
               f"{max(sent.values())}; {usage.peak_rise_kib}")
        assert max(sent.values()) <= WINDOW
        assert sum(sent.values()) > 1 << 20 and usage.peak_rise_kib <= 512
        assert peer.get().status == 405 and peer.goaways == []


@pytest.mark.parametrize("size, status", [(CAP, 400), (CAP + 1, 413), (4 * CAP, 413)])
def test_h15_an_undeclared_body_is_cut_at_the_limit(gateway, way, report, size, status):  # noqa: F811
    with Attacker(gateway) as peer:
        stream, usage = peer.stream(), Usage(gateway)
        peer.send(headers(stream, block(*way.fields(b" " * size), method=b"POST"), END_HEADERS))
        sent = peer.upload(stream, size)
        answered = peer.pump(until=lambda: stream in peer.responses and peer.responses[stream].done)
        assert answered and peer.responses[stream].status == status
        if sent < size:
            sent += sent_after_the_refusal(peer, [stream])[stream]
        report("H15", f"body of {size}: {status}; bytes read in all; memory rise at its peak KiB",
               f"{sent}; {usage.peak_rise_kib}")
        assert sent <= min(size, CAP + WINDOW)
        # The content moves into a place twice as large when its own is full.
        assert usage.peak_rise_kib <= 3 * CAP // 1024 + 1024


@pytest.mark.parametrize("length, ends", [(16_384, False), (16_385, True)])
def test_h15_a_frame_over_16_384_bytes_ends_the_connection(gateway, way, length, ends):
    with Attacker(gateway) as peer:
        fields = block(*way.fields(b" " * length + b"{}"), method=b"POST")
        peer.send(headers(1, fields, END_HEADERS) + frame(DATA, 0, 1, b" " * length))
        if ends:
            assert peer.until_closed() and peer.goaway == FRAME_SIZE_ERROR
        else:
            assert peer.ask(frame(DATA, END_STREAM, 1, b"{}"), 1).status == 400


@pytest.mark.parametrize("count, size", [(6, 1_000_000), (100, 70_000)])
def test_h15_uploads_beside_each_other_all_get_an_answer(gateway, way, report, count, size):  # noqa: F811
    """Together they are more than a connection may hold: the first are taken, the last are asked to come again."""
    with Attacker(gateway) as peer:
        streams = range(1, 2 * count, 2)
        fields = (*way.fields(b""), (b"content-length", b"%d" % size))
        peer.send(b"".join(headers(stream, block(*fields, method=b"POST"), END_HEADERS) for stream in streams))
        left = dict.fromkeys(streams, size)

        def room(stream):
            return min(peer.windows[0], peer.windows[stream], left[stream], 16_384)

        def moves():
            return peer.closed is not None or all(
                stream in peer.responses for stream in left) or any(map(room, left))

        while left and peer.closed is None and peer.pump(until=moves, seconds=5):
            for stream in list(left):
                length = room(stream)
                if stream in peer.responses:
                    del left[stream]
                elif length:
                    left[stream] -= length
                    for window in (0, stream):
                        peer.windows[window] -= length
                    peer.send(frame(DATA, 0 if left[stream] else END_STREAM, stream, b" " * length))
            left = {stream: rest for stream, rest in left.items() if rest}
        peer.pump(until=lambda: all(stream in peer.responses and peer.responses[stream].done for stream in streams))
        statuses = [peer.responses[stream].status for stream in streams if stream in peer.responses]
        report("H15", f"{count} uploads of {size} bytes at once: whole; asked to come again",
               f"{len(statuses) - statuses.count(503)}; {statuses.count(503)}")
        assert len(statuses) == count and 0 < statuses.count(503) < count
        # A content of blanks is no event: what is whole is refused for that.
        assert statuses[0] in (400, 403) and set(statuses) <= {400, 403, 503}
        late = next(answer for answer in peer.responses.values() if answer.status == 503)
        assert late.fields["retry-after"] == "1" and late.json["__type"] == "ServiceUnavailable"
        assert peer.goaways == [] and not any(answer.reset for answer in peer.responses.values())


def test_s4_a_client_that_waits_for_leave_to_send_its_content_is_given_it(gateway, way):
    body = body_of()
    with Attacker(gateway) as peer:
        fields = (*way.fields(body), (b"content-length", b"%d" % len(body)), (b"expect", b"100-continue"))
        peer.send(headers(1, block(*fields, method=b"POST"), END_HEADERS))
        assert peer.pump(until=lambda: 1 in peer.responses, seconds=4)
        assert peer.responses[1].status == 100 and not peer.responses[1].done
        assert peer.ask(frame(DATA, END_STREAM, 1, body), 1).status == 200
