"""H12: 100 connections of 100 streams in each of several ways ask and read nothing for a minute.

Each answer is over 15 s after the last byte of it moved, by a reset of its stream; the resets are violations of the
peer's, so many of them that GOAWAY and the end of the connection follow. What the answers held is given back long
before the minute is over. No more than 1 MiB of a connection's answers wait, no more than 256 KiB of a stream's: no
answer of the gateway is so long, and what would be is refused (HTTP2Tests/DeadlineTests).
"""

import pytest

from attacks import CANCEL, ENHANCE_YOUR_CALM
from measures import report  # noqa: F401
from unread import CONNECTIONS, HELD_SECONDS, LOOK_SECONDS, MANNERS, STREAMS

DEADLINE_SECONDS = 15
#: Deadlines are looked at twice a second; a machine of two cores does other things beside.
TOLERANCE = 1.0
CONNECTION_BYTES = 1 << 20
#: Of a connection whose socket is full: 256 KiB may wait in it, in buffers that grow by doubling.
SOCKET_BYTES = 512 << 10
#: KiB a connection, and a stream whose small answer waits.
CONNECTION_KIB, STREAM_KIB, PROCESS_KIB = 100, 4, 8 * 1024
#: From the end of the last of these connections on: spare memory is looked for every 5 s, and when hardly anything is asked.
BACK_SECONDS = 11
#: What may stay: buffers and tables that are as large as they ever were, 20,000 events and 10,000 messages in them.
BACK_KIB = 24 * 1024
#: The kernel takes a little of what waits for the first seconds after the last request: only then the socket stalls.
STALL_SECONDS = 8
#: How much later than 15 s after its last byte a socket may be closed: both moments are looked for twice a second.
STALL_TOLERANCE = 0.5 + TOLERANCE

LARGE = "window 0, large answers"
UNREAD = "socket never read"


@pytest.fixture(scope="module")
def outcome(unread_answers):
    return unread_answers.outcome


@pytest.mark.parametrize("name", [name for name, manner in MANNERS.items() if manner.reads])
def test_h12_an_answer_that_nobody_reads_is_over_after_15_s(outcome, report, name):  # noqa: F811
    peers = outcome["peers"][name]
    late = [[(when, waited) for when, waited, code in peer["ends"] if code == CANCEL] for peer in peers]
    waits = [waited for resets in late for _, waited in resets]
    report("H12", f"{name}: {len(peers)} x {STREAMS} streams reset after", f"{min(waits):.2f} to {max(waits):.2f} s")
    assert len(peers) == CONNECTIONS
    moved = 1 if name == "window 0, then 1 byte" else MANNERS[name].window
    for peer, resets in zip(peers, late):
        assert min(when for when, _ in resets) >= DEADLINE_SECONDS - TOLERANCE
        # From the answer's head on, or from the last window that let a byte of it move.
        assert max(waited for _, waited in resets) - peer["asking"] <= DEADLINE_SECONDS + TOLERANCE
        assert len(peer["ends"]) == STREAMS, "each stream is reset, before anything else ends it"
        assert set(peer["goaways"]) == {ENHANCE_YOUR_CALM}
        assert peer["closed"] - max(when for when, _ in resets) <= TOLERANCE
        if name != LARGE:
            assert (len(resets), peer["heads"], peer["content"]) == (STREAMS, STREAMS, STREAMS * moved)


def test_h12_a_connection_holds_1_mib_of_answers_and_not_one_more(outcome, report):  # noqa: F811
    length = outcome["length"]
    for peer in outcome["peers"][LARGE]:
        codes = [code for *_, code in peer["ends"]]
        held, refused = codes.count(CANCEL), codes.count(ENHANCE_YOUR_CALM)
        assert held + refused == STREAMS and held == peer["heads"]
        assert held * length <= CONNECTION_BYTES < (held + 1) * length
        assert all(when < DEADLINE_SECONDS - TOLERANCE for when, _, code in peer["ends"] if code == ENHANCE_YOUR_CALM)
    report("H12", f"answers of {length} bytes held for one connection, of {STREAMS}", f"{held}, {held * length} bytes")


def test_h12_a_peer_that_never_reads_its_socket_is_cut_off_15_s_after_its_last_byte(outcome, report):  # noqa: F811
    stalls = outcome["stalls"]
    assert len(stalls) == CONNECTIONS
    assert all(stall["gone"] and stall["taken"] for stall in stalls), stalls
    # Each moment lies between two looks: so long it was at the most, and at the least.
    most = [stall["gone"][1] - stall["since"][0] for stall in stalls]
    least = [stall["gone"][0] - stall["since"][1] for stall in stalls]
    begun = [stall["since"][1] - outcome["asked"] for stall in stalls]
    report("H12", f"{CONNECTIONS} sockets that are never read: s from the last request to the last byte taken",
           f"{min(begun):.1f} to {max(begun):.1f}")
    report("H12", f"{CONNECTIONS} sockets that are never read: s from the last byte taken to their end",
           f"between {min(least):.1f} and {max(most):.1f}")
    assert min(most) >= DEADLINE_SECONDS and max(least) <= DEADLINE_SECONDS + STALL_TOLERANCE
    assert max(begun) <= STALL_SECONDS
    assert max(long - short for long, short in zip(most, least)) <= 8 * LOOK_SECONDS, "the looks are too far apart to tell"
    assert {(peer["content"], len(peer["ends"])) for peer in outcome["peers"][UNREAD]} == {(0, 0)}


def test_h12_memory_is_bounded_for_a_minute_and_comes_back(outcome, report):  # noqa: F811
    small = sum(not manner.is_large for manner in MANNERS.values()) * CONNECTIONS
    # The buffer of an answer grew by doubling: it may be larger than what it holds, which is what is counted.
    buffers = CONNECTION_BYTES // outcome["length"] << (outcome["length"] - 1).bit_length()
    bounds = {
        "small": small * (CONNECTION_KIB + STREAMS * STREAM_KIB) + PROCESS_KIB,
        "large": CONNECTIONS * (2 * CONNECTION_KIB + (2 * buffers + SOCKET_BYTES) // 1024) + PROCESS_KIB}
    back = BACK_SECONDS + max(outcome["closed"], *(stall["gone"][1] for stall in outcome["stalls"]))
    for name, bound in bounds.items():
        seen = outcome[name]
        assert seen["looks"][-1][0] >= HELD_SECONDS - 1
        after = max(rise for at, rise, _ in seen["looks"] if at >= back)
        report("H12", f"{name} answers: peak rise of memory in {HELD_SECONDS} s; most from {back:.0f} s on",
               f"{seen['peak'] / 1024:.0f} MiB (limit {bound / 1024:.0f}); {after / 1024:.1f} MiB")
        assert seen["peak"] <= bound
        assert after <= BACK_KIB
    # Or the answers of the one way would never have waited.
    assert outcome["large"]["peak"] >= CONNECTIONS * CONNECTION_BYTES // 1024


def test_h12_a_legitimate_client_is_served_all_the_while(outcome, report):  # noqa: F811
    for name in ("small", "large"):
        seen = outcome[name]
        report("H12", f"{name} answers: requests of others beside them; the slowest",
               f"{seen['served']} served; {seen['slowest'] * 1000:.0f} ms")
        assert seen["served"] >= HELD_SECONDS and seen["failures"] == []
