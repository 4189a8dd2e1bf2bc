"""What is too large over HTTP/2: refused at its limit, by the API and by a webhook, before more of it is kept."""

import pytest

from attacks import (
    CONTINUATION, DATA, END_HEADERS, END_STREAM, FRAME_SIZE_ERROR, HEADERS, Attacker, Usage, block, frame, headers)
from hook import hooked
from measures import report  # noqa: F401


@pytest.fixture(scope="module")
def gateway():
    with hooked() as running:
        yield running


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


def test_h15_a_body_declared_too_long_is_refused_before_it_comes(gateway, way, report):  # noqa: F811
    with Attacker(gateway) as peer:
        stream = peer.stream()
        octets = headers(stream, block(*way.fields(b""), (b"content-length", b"2097153"), method=b"POST"), END_HEADERS)
        assert peer.ask(octets, stream).status == 413
        report("H15", "bytes of body read before a declared 2 MiB + 1 is refused", 0)
        assert peer.get().status == 405 and peer.goaways == []


@pytest.mark.parametrize("size, status", [(2 << 20, 400), ((2 << 20) + 1, 413)])
def test_h15_an_undeclared_body_is_cut_at_the_limit(gateway, way, report, size, status):  # noqa: F811
    with Attacker(gateway) as peer:
        stream, usage = peer.stream(), Usage(gateway)
        peer.send(headers(stream, block(*way.fields(b" " * size), method=b"POST"), END_HEADERS))
        sent = peer.upload(stream, size)
        answered = peer.pump(until=lambda: stream in peer.responses and peer.responses[stream].done)
        assert answered and peer.responses[stream].status == status
        report("H15", f"body of {size}: {status} after bytes; memory rise KiB", f"{sent}; {usage.rise_kib}")


@pytest.mark.parametrize("length, ends", [(16_384, False), (16_385, True)])
def test_h15_a_frame_over_16_384_bytes_ends_the_connection(gateway, way, length, ends):
    with Attacker(gateway) as peer:
        fields = block(*way.fields(b" " * length + b"{}"), method=b"POST")
        peer.send(headers(1, fields, END_HEADERS) + frame(DATA, 0, 1, b" " * length))
        if ends:
            assert peer.until_closed() and peer.goaway == FRAME_SIZE_ERROR
        else:
            assert peer.ask(frame(DATA, END_STREAM, 1, b"{}"), 1).status == 400
