"""The HTTP/2 rows of the test matrix: every attack is ended by its limit, and a legitimate client does not notice."""

import contextlib
import itertools
import re
import time

import pytest

from attacks import (
    CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, HEADERS, PREFACE, PROTOCOL_ERROR, Attacker, Usage,
    block, frame, headers, literal, ping, priority, put_events, reset, settings, window_update)
from canary import Canary, body_of
from floods import BOMBS, ENDS_AT_ONCE, FLOODS, INVITED_RESETS
from gateway import wait_until
from hook import hooked
from measures import report  # noqa: F401
from publishing import Publisher, entry
from working import Work, slow_disk

COUNT = 10_000
MANY = 100_000
#: What may be on its way before the gateway's verdict is carried out: one slice of HEADERS and rounding.
SLACK = 32
#: How many resets, the peer's or the gateway's, a connection is allowed at once, and again each second; and after how
#: many of the gateway's the peer is told to calm down.
RESETS, RESETS_PER_SECOND, WARNING = 100, 10, 75
#: How long an attack is repeated while the canary is watched: over 100 of its requests, so that one that waits for
#: the disk, which every acknowledgement does, is not the p99.
WATCHED = 5.2
#: What a GET is answered on a path that is served: only POST is.
UNSERVED = 405


@pytest.fixture(scope="module")
def gateway():
    with hooked() as running:
        yield running


@pytest.fixture(scope="module")
def key(gateway):
    return gateway.credentials()


@pytest.fixture(scope="module")
def quiet(gateway, key, report):  # noqa: F811
    """The canary's p99 with nothing else going on, in milliseconds: the least until a moment is quiet."""
    heard = []
    for _ in range(4):
        with Canary(gateway, key) as canary:
            canary.process.join(WATCHED)
        assert canary.failures == []
        report("H", "canary, quiet", canary)
        heard.append(canary.p99)
        if canary.p99 <= 75:
            break
    return min(heard)


@contextlib.contextmanager
def opened_now(gateway):
    """A connection that knows when it was begun."""
    begun = time.monotonic()
    with Attacker(gateway) as peer:
        peer.opened = begun
        yield peer


@contextlib.contextmanager
def watched(gateway, key, quiet, report, row):  # noqa: F811
    """The canary and the gateway's memory and CPU around an attack."""
    usage = Usage(gateway)
    with Canary(gateway, key) as canary:
        yield usage
    report(row, "canary", canary)
    assert canary.failures == []
    # 2 cores carry the gateway, the attacker and the canary: the floor is what the scheduler alone may cost.
    assert canary.p99 <= max(2 * quiet, 150)


def for_seconds(seconds):
    """An attack is over in milliseconds: the canary must see some of it."""
    end = time.monotonic() + seconds
    yield 0
    while time.monotonic() < end:
        yield 0


def still_serves(gateway):
    with Publisher(gateway) as publisher:
        assert publisher.put(entry(1)).ids


def calmed(peer):
    """The peer is told to calm down, and is gone."""
    assert peer.until_closed(), f"still open after {peer.sent_frames} frames"
    assert peer.goaway == ENHANCE_YOUR_CALM
    named = [last for _, last in peer.goaways]
    answered = [stream for stream, response in peer.responses.items() if response.status]
    assert named == sorted(named, reverse=True) and max(answered, default=0) <= named[-1], (named, max(answered))


def allowed(peer, resets=RESETS):
    """So many at once, and those that were allowed again while the connection was open."""
    return resets + int(RESETS_PER_SECOND * (peer.closed - peer.opened))


def streams_of(peer):
    """How many streams the gateway worked on, as its last GOAWAY has it."""
    return max((last + 1) // 2 for _, last in peer.goaways)


def test_h1_rapid_reset_ends_the_connection_after_the_burst(gateway, way, key, quiet, report):  # noqa: F811
    with watched(gateway, key, quiet, report, "H1") as usage:
        streams = []
        for _ in for_seconds(WATCHED):
            with opened_now(gateway) as peer:
                peer.flood((headers(n) + reset(n) for n in range(1, 2 * COUNT, 2)), batch=50)
                calmed(peer)
                streams.append(streams_of(peer))
                # The stream whose reset is one too many is the last.
                assert streams[-1] <= allowed(peer) + 1
        report("H1", f"most streams worked on, of {len(streams)} attacks (unprotected: 1,001)", max(streams))
        report("H1", "CPU ms per 1,000 streams, the canary's and the handshakes' among them",
               f"{usage.cpu_ms * 1000 / sum(streams):.0f}")
    still_serves(gateway)


def test_h1_resets_within_the_burst_are_a_clients_right(gateway, way):
    with Attacker(gateway) as peer:
        peer.flood((headers(n) + reset(n) for n in range(1, 2 * 90, 2)), batch=10)
        peer.next_stream = 201
        assert peer.get().status == UNSERVED
        assert peer.goaways == []


@pytest.mark.parametrize("name", INVITED_RESETS)
def test_h2_to_h4_resets_invited_by_the_peer_are_counted(gateway, way, report, name):  # noqa: F811
    """MadeYouReset: the peer makes the gateway send the RST_STREAM, which no reset limit counts."""
    usage = Usage(gateway)
    with opened_now(gateway) as peer:
        peer.flood((INVITED_RESETS[name](n) for n in range(1, 2 * COUNT, 2)), batch=50)
        calmed(peer)
        report(name[:2], f"{name[3:]}: resets sent by the gateway (unprotected: 5,000 of 5,000)", peer.resets)
        report(name[:2], f"{name[3:]}: CPU ms until the close", f"{usage.cpu_ms:.0f}")
        assert peer.resets <= allowed(peer)
        assert streams_of(peer) <= 100 + 2 * SLACK


@pytest.mark.parametrize("name", [name for name in INVITED_RESETS if name.startswith("H3")])
def test_h3_resets_invited_one_after_the_other_are_counted_too(gateway, way, report, name):  # noqa: F811
    """Paced: each request waits for the reset of the one before, so that none meets a connection that is ending."""
    with opened_now(gateway) as peer:
        for n in range(1, 2 * COUNT, 2):
            peer.pump(
                INVITED_RESETS[name](n), until=lambda: peer.goaways or n in peer.responses and peer.responses[n].done)
            if peer.goaways:
                break
        calmed(peer)
        report("H3", f"{name[3:]}, paced: resets sent by the gateway", peer.resets)
        assert peer.resets == len(peer.responses) and WARNING <= peer.resets <= allowed(peer, WARNING)


def test_h2_to_h4_leave_the_others_alone(gateway, way, key, quiet, report):  # noqa: F811
    with watched(gateway, key, quiet, report, "H2"):
        names = itertools.cycle(INVITED_RESETS)
        for _ in for_seconds(WATCHED):
            name = next(names)
            with Attacker(gateway) as peer:
                peer.flood((INVITED_RESETS[name](n) for n in range(1, 2 * COUNT, 2)), batch=50)
                calmed(peer)


@pytest.mark.parametrize("name", ENDS_AT_ONCE)
def test_h5_what_is_an_error_of_the_connection_ends_it_at_the_first_frame(gateway, way, report, name):  # noqa: F811
    build, codes = ENDS_AT_ONCE[name]
    with Attacker(gateway) as peer:
        peer.send(build(1))
        assert peer.until_closed()
        report("H5", f"{name}: GOAWAY", peer.goaway)
        assert peer.goaway in codes


def test_h5_a_priority_on_itself_is_passed_over_as_all_priorities_are(gateway, way):
    """The gateway announces SETTINGS_NO_RFC7540_PRIORITIES: the meter counts PRIORITY, nobody reads it."""
    with Attacker(gateway) as peer:
        assert peer.ask(headers(1, flags=END_HEADERS) + priority(1, on=1) + frame(DATA, END_STREAM, 1), 1).status == 405


RESETTING = {"the peer's": reset, "the gateway's (MadeYouReset)": lambda n: window_update(n, 0x7FFFFFFF)}


def test_h6_resets_never_let_more_than_100_requests_work_at_once(gateway, way, report):  # noqa: F811
    """Every fdatasync takes 2 s here: what the log has begun with is at work long after its stream was reset."""
    work, streams = Work(gateway), {}
    with slow_disk(gateway, 2):
        slowed = time.monotonic()
        for whose, resetting in RESETTING.items():
            with Attacker(gateway) as peer:
                for batch in range(COUNT // 40):
                    ids = range(80 * batch + 1, 80 * batch + 81, 2)
                    peer.send(b"".join(put_events(n, body_of()) for n in ids))
                    # The answer to the PING says that the requests before it are at work.
                    if not peer.pump(ping(), until=lambda: peer.pongs > batch or peer.closed is not None):
                        break
                    assert work.in_flight <= 100
                    peer.send(b"".join(map(resetting, ids)))
                    if peer.closed is not None:
                        break
                calmed(peer)
                streams[whose] = streams_of(peer)
        took = time.monotonic() - slowed
    wait_until(lambda: work.in_flight == 0, what="the end of the commit")
    accepted = work.accepted
    report("H6", "streams until the close, of both kinds of reset; stored; cancelled; most at work at once; in s",
           f"{streams}; {accepted:.0f}; {work.cancelled:.0f}; {work.most:.0f}; {took:.2f}")
    assert took < 2, "the resets did not meet the commit"
    assert max(streams.values()) <= 100 + SLACK
    assert 0 < accepted <= 100
    assert 0 < work.cancelled and accepted + work.cancelled <= len(streams) * (100 + SLACK)
    still_serves(gateway)


ENDINGS = {
    "reset by the peer": lambda peer, ids: peer.send(b"".join(reset(n) for n in ids)),
    "reset by the gateway (MadeYouReset)":
        lambda peer, ids: peer.send(b"".join(window_update(n, 0x7FFFFFFF) for n in ids)),
    "GOAWAY for abuse": lambda peer, ids: peer.send(b"".join(ping(n) for n in range(100))),
    "GOAWAY for an error": lambda peer, ids: peer.send(window_update(0, 0x7FFFFFFF)),
    "connection closed": lambda peer, ids: peer.socket.close(),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_h6_what_waits_for_the_log_is_cancelled_within_100_ms_of_its_end(gateway, way, report, ending):  # noqa: F811
    """Every fdatasync takes 5 s here; one request opens a commit, and what comes then waits for the next."""
    work = Work(gateway)
    with Attacker(gateway) as opener, Attacker(gateway) as peer:
        with slow_disk(gateway, 5):
            opener.send(put_events(opener.stream(), body_of()))
            wait_until(lambda: work.in_flight == 1, what="the request that opens the commit")
            ids = [peer.stream() for _ in range(90)]
            peer.pump(b"".join(put_events(n, body_of()) for n in ids) + ping(), until=lambda: peer.pongs == 1)
            assert work.in_flight == 91
            ENDINGS[ending](peer, ids)
            took = work.ms_until(in_flight=1)
            assert work.cancelled == 90
            opener.pump(until=lambda: 1 in opener.responses and opener.responses[1].done)
        assert opener.responses[1].status == 200
    report("H6", f"{ending}: ms from the end of 90 requests until none is at work; most at once",
           f"{took:.0f}; {work.most:.0f}")
    assert took <= 100 and work.most <= 100
    still_serves(gateway)
    assert work.accepted == 2, "nothing that was cancelled is stored"


def test_h6_on_a_disk_that_keeps_up_nothing_is_at_work_100_ms_after_its_reset(gateway, way, report):  # noqa: F811
    """What the log has begun with is not taken back, so that no event is stored by halves: it is soon done instead."""
    took, cancelled = [], 0
    # A disk may stall for a moment of its own.
    for _ in range(5):
        with Attacker(gateway) as peer:
            work, ids = Work(gateway), [peer.stream() for _ in range(90)]
            peer.pump(b"".join(put_events(n, body_of()) for n in ids) + ping(), until=lambda: peer.pongs == 1)
            start = time.monotonic()
            peer.send(b"".join(reset(n) for n in ids))
            wait_until(lambda: work.accepted + work.cancelled >= len(ids), what="the end of what was at work")
            took.append((time.monotonic() - start) * 1000)
            assert work.accepted + work.cancelled == len(ids) and work.in_flight == 0
            cancelled += work.cancelled
    report("H6", "ms from the reset of 90 requests until none is at work; cancelled of 450",
           ", ".join(f"{one:.0f}" for one in sorted(took)) + f"; {cancelled:.0f}")
    assert min(took) <= 100


def open_block(stream):
    return frame(HEADERS, END_STREAM, stream, block())


def test_h7_four_continuations_are_taken_and_the_fifth_ends_the_connection(gateway, way):
    with Attacker(gateway) as peer:
        pieces = [literal(b"x-%d" % n, b"y") for n in range(4)]
        frames = [frame(CONTINUATION, END_HEADERS if n == 3 else 0, 1, piece) for n, piece in enumerate(pieces)]
        assert peer.ask(open_block(1) + b"".join(frames), 1).status == UNSERVED
        peer.send(open_block(3) + b"".join(frame(CONTINUATION, 0, 3, piece) for piece in (*pieces, b"")))
        calmed(peer)


@pytest.mark.parametrize("name, size, count", [("10,000 empty", 0, COUNT), ("9 of 16 KiB", 16_384, 9)])
def test_h7_a_continuation_flood_is_not_kept(gateway, way, key, quiet, report, name, size, count):  # noqa: F811
    filler = (literal(b"x-filler", b"f" * 16_000) * 2)[:size]
    with Attacker(gateway) as peer:
        peer.send(open_block(1) + frame(CONTINUATION, 0, 1, filler) * 5)
        calmed(peer)
    with watched(gateway, key, quiet, report, "H7") as usage:
        for _ in for_seconds(WATCHED):
            with Attacker(gateway) as peer:
                flood = (frame(CONTINUATION, 0, 1, filler) for _ in range(count))
                peer.flood(itertools.chain([open_block(1)], flood), batch=100)
                calmed(peer)
        report("H7", f"{name}: memory rise KiB", usage.rise_kib)
        assert usage.rise_kib <= 1024


@pytest.mark.parametrize("name", FLOODS)
def test_h8_to_h10_a_flood_is_borne_up_to_its_limit_and_no_further(gateway, way, report, name):  # noqa: F811
    build, harmless, too_many, before = FLOODS[name]
    with Attacker(gateway) as peer:
        peer.send(before())
        peer.flood((build(n) for n in range(harmless)), batch=harmless)
        peer.next_stream = 101
        answer = peer.get()
        assert answer is not None and answer.status == UNSERVED, f"{harmless} frames are too many: {peer.goaways}"
        assert peer.goaways == []
        peer.flood((build(n) for n in range(too_many - harmless)), batch=too_many)
        calmed(peer)
    report(name.split()[0], f"{name.split(' ', 1)[1]}: closed between", f"{harmless} and {too_many} frames")


@pytest.mark.parametrize("reads", [True, False], ids=["reading", "not-reading"])
def test_h8_to_h10_floods_do_not_disturb_others(gateway, key, quiet, report, reads):  # noqa: F811
    usage, closed_after, frames_per_second = Usage(gateway), {}, {}
    with watched(gateway, key, quiet, report, "H8"):
        for name, _ in zip(itertools.cycle(FLOODS), for_seconds(WATCHED)):
            build, _, _, before = FLOODS[name]
            with Attacker(gateway) as peer:
                peer.send(before())
                peer.reads, began = reads, time.monotonic()
                peer.flood((build(n) for n in range(MANY)), batch=1000)
                peer.reads = True
                assert peer.until_closed(), name
                closed_after[name] = max(peer.sent_frames, closed_after.get(name, 0))
                frames_per_second[name] = peer.sent_frames / (peer.closed - began)
    assert closed_after.keys() == FLOODS.keys()
    assert not reads or max(closed_after.values()) < MANY
    report("H8", f"{'reading' if reads else 'not reading'}: most frames of 100,000 written until the close; rise KiB",
           f"{max(closed_after.values())}; {usage.rise_kib}")
    report("H8", f"{'reading' if reads else 'not reading'}: frames a second absorbed, PING and at most; CPU ms of all floods",
           f"{frames_per_second['H8 ping']:.0f}, {max(frames_per_second.values()):.0f}; {usage.cpu_ms:.0f}")
    assert usage.rise_kib <= 2048


@pytest.mark.parametrize("entries, taken", [(16, True), (17, False), (33, False)])
def test_h9_one_settings_frame_has_at_most_16_entries(gateway, way, entries, taken):
    with Attacker(gateway) as peer:
        peer.send(settings(*((0x1000 + n, n) for n in range(entries))))
        if taken:
            assert peer.get().status == UNSERVED and peer.goaways == []
        else:
            calmed(peer)


@pytest.mark.parametrize("name", BOMBS)
def test_h11_a_header_bomb_is_refused_without_its_bytes_being_kept(gateway, way, report, name):  # noqa: F811
    with Attacker(gateway) as peer:
        assert peer.get().status == UNSERVED
        usage, stream = Usage(gateway), peer.stream()
        answer = peer.ask(BOMBS[name](stream), stream)
        outcome = f"status {answer.status}, reset {answer.reset}" if answer else f"GOAWAY {peer.goaway}"
        report("H11", f"{name}: {outcome}; memory rise at its peak KiB; CPU ms",
               f"{usage.peak_rise_kib}; {usage.cpu_ms:.0f}")
        assert answer is None or answer.status == 431 or answer.reset is not None
        assert answer is not None or peer.goaway is not None
        assert usage.peak_rise_kib <= 1024
    still_serves(gateway)


def test_a_wrong_preface_gets_goaway_and_nothing_else(gateway, way):
    for octets in (PREFACE[:-1] + b"X", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"\0" * 24):
        with Attacker(gateway, preface=False) as peer:
            peer.send(octets)
            assert peer.until_closed() and peer.goaway == PROTOCOL_ERROR and peer.counts[HEADERS] == 0


def test_the_gateway_went_on_and_said_why_each_connection_ended(gateway, report):  # noqa: F811
    still_serves(gateway)
    wait_until(lambda: gateway.metric("isthmus_connections") <= 1, what="closed connections")
    reasons = set(re.findall(r"HTTP/2 connection was ended: ([a-z_]+)", gateway.logged()))
    report("H", "reasons in the log", ", ".join(sorted(reasons)))
    assert {"rapid_reset", "glitches", "continuation_flood", "ping_flood", "settings_flood"} <= reasons
    assert "Fatal error" not in gateway.logged()
