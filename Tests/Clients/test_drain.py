"""SIGTERM: nothing that was accepted is left without an answer, and what was acknowledged is there afterwards."""

import http.client
import pathlib
import signal
import subprocess
import threading
import time

import pytest

import attacks
from gateway import Gateway, wait_until
from measures import report  # noqa: F401 (a fixture)
from publishing import Flood, Publisher, assert_kept, body_of, entry, stored, stored_until_mark
from stracing import Strace

LAST_STREAM = 2**31 - 1
IDLE_SECONDS = 3
DRAIN_SECONDS = 2


@pytest.fixture
def gateway():
    made = Gateway()
    yield made
    made.remove()


class Stream(attacks.Attacker):
    """An HTTP/2 client that keeps `depth` requests under way and honours GOAWAY as RFC 9113, 6.8 asks."""

    def __init__(self, gateway, begin, depth=10):
        super().__init__(gateway)
        self.first, self.depth, self.streams = begin, depth, {}
        self.began, self.unanswered = threading.Event(), None
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    @property
    def last_taken(self):
        """The highest stream the gateway has said it takes."""
        return min((last for _, last in self.goaways), default=LAST_STREAM)

    def open_streams(self):
        return [stream for stream in self.streams if stream not in self.responses or not self.responses[stream].done]

    def run(self):
        while self.closed is None and (not self.goaways or self.open_streams()):
            octets = b""
            while not self.goaways and len(self.open_streams()) < self.depth:
                stream = self.stream()
                number = self.first + len(self.streams)
                self.streams[stream] = number
                octets += attacks.put_events(stream, body_of(entry(number)))
                if len(octets) > 4096:
                    break
            before = len(self.open_streams())
            self.pump(octets, until=lambda: self.goaways or len(self.open_streams()) < max(1, before), seconds=40)
            if self.responses:
                self.began.set()
        self.pump(until=lambda: False, seconds=40)

    def acknowledged(self):
        found = {}
        for stream, number in self.streams.items():
            response = self.responses.get(stream)
            if response is not None and response.ended and response.status == 200 and not response.json["FailedEntryCount"]:
                found[number] = response.json["Entries"][0]["EventId"]
        return found

    def lost(self):
        """Streams that the gateway took (at or below the last id of its GOAWAY) and did not answer."""
        return [stream for stream in self.open_streams() if stream <= self.last_taken]


@pytest.mark.parametrize("slow", [False, True], ids=["fast-disk", "slow-disk"])
def test_a_drain_answers_everything_it_took_over_http2(gateway, report, slow):
    wrapper = Strace(gateway.folder / "trace.txt", "fdatasync", "fdatasync:delay_exit=30000").command if slow else ()
    gateway.start(wrapper=wrapper)
    peers = [Stream(gateway, 1_000_000 * index) for index in range(4)]
    for peer in peers:
        assert peer.began.wait(20)
    began = time.monotonic()
    signal_to(gateway, signal.SIGTERM)
    code = gateway.process.wait(timeout=40)
    took = time.monotonic() - began
    for peer in peers:
        peer.thread.join(50)
        assert not peer.thread.is_alive()
        peer.socket.close()
    acknowledged, goaways = {}, [peer.goaways for peer in peers]
    for peer in peers:
        acknowledged.update(peer.acknowledged())
    lost = [peer.lost() for peer in peers]
    report("H14", f"drain over HTTP/2 ({'30 ms a sync' if slow else 'fast disk'}): streams; answered; taken without an answer",
           f"{sum(len(peer.streams) for peer in peers)}; {sum(len(peer.responses) for peer in peers)}; {sum(map(len, lost))}")
    report("H14", "drain took", f"{took:.2f} s; exit code {code}; GOAWAY last ids {goaways[0]}")
    assert code == 0, gateway.logged()
    for sequence in goaways:
        assert sequence[0] == (attacks.NO_ERROR, LAST_STREAM), "the first GOAWAY does not announce the end"
        assert len(sequence) == 2 and sequence[1][0] == attacks.NO_ERROR and sequence[1][1] < LAST_STREAM, sequence
    assert not any(lost), lost
    assert all(response.reset is None and response.status == 200 for peer in peers for response in peer.responses.values())
    gateway.log.close()
    gateway.start()
    assert_kept(acknowledged, stored_until_mark(gateway))
    gateway.stop()


def signal_to(gateway, number):
    """Sends a signal to the gateway itself, also when strace stands before it."""
    children = pathlib.Path(f"/proc/{gateway.process.pid}/task/{gateway.process.pid}/children").read_text().split()
    is_traced = gateway.process.args[0].endswith("strace")
    subprocess.run(["kill", f"-{int(number)}", children[0] if is_traced else str(gateway.process.pid)], check=True)


def test_requests_sent_between_the_two_goaways_are_still_taken(gateway, report):
    """The point of the first GOAWAY: what was on its way when it was sent is not lost."""
    gateway.start()
    with attacks.Attacker(gateway) as peer:
        assert peer.post(body_of(entry(0))).status == 200
        gateway.process.send_signal(signal.SIGTERM)
        assert peer.pump(until=lambda: peer.goaways, seconds=10)
        late = peer.post(body_of(entry(1)))
        assert late is not None and late.status == 200 and late.json["FailedEntryCount"] == 0
        peer.until_closed(10)
        report("H14", "GOAWAYs (code, last stream) around a late request", peer.goaways)
        assert [last for _, last in peer.goaways] == [LAST_STREAM, 3]
    assert gateway.process.wait(timeout=40) == 0
    gateway.log.close()
    gateway.start()
    assert stored(gateway).keys() == {0, 1}
    gateway.stop()


def test_a_drain_answers_everything_it_took_over_http1(gateway, report):
    """An HTTP/1.1 client sees an answer, or the end of the connection between two requests: never half of one."""
    gateway.start()
    flood = Flood(gateway, connections=6, per_request=3).start()
    wait_until(lambda: len(flood.acknowledged) > 300, 20, "load")
    began = time.monotonic()
    gateway.process.send_signal(signal.SIGTERM)
    code = gateway.process.wait(timeout=40)
    took = time.monotonic() - began
    flood.wait()
    report("H14", "drain over HTTP/1.1: answered entries; refused; connections ended", f"{len(flood.acknowledged)}; {len(flood.refused)}; {len(flood.broken)}")
    assert code == 0 and took < 10
    assert not flood.refused
    # http.client opens again after `Connection: close`, which is then refused by the closed port.
    allowed = (http.client.RemoteDisconnected, ConnectionRefusedError, ConnectionResetError, BrokenPipeError)
    assert all(isinstance(error, allowed) for error in flood.broken), flood.broken
    gateway.log.close()
    gateway.start()
    found = stored_until_mark(gateway)
    assert_kept(flood.acknowledged, found)
    unknown = len(found) - len(flood.acknowledged)
    report("H14", "HTTP/1.1: stored without an answer", unknown)
    assert unknown == 0, "requests were taken and committed but not answered"
    gateway.stop()


def test_an_idle_gateway_ends_at_once_and_starts_again_on_the_same_port(gateway, report):
    gateway.start()
    idle = attacks.Attacker(gateway)
    assert idle.post(body_of(entry(0))).status == 200
    with Publisher(gateway) as kept:
        assert kept.put(entry(1)).ids
        times = []
        for turn in range(3):
            began = time.monotonic()
            gateway.stop()
            times.append(time.monotonic() - began)
            gateway.start()
    idle.socket.close()
    report("H14", "SIGTERM to exit with idle connections, then without", [f"{one:.2f} s" for one in times])
    assert stored(gateway).keys() == {0, 1}
    gateway.stop()
    assert max(times) < IDLE_SECONDS


def test_readiness_ends_before_the_listener_does(gateway):
    """A balancer is told first: /readyz says no while what is under way is finished."""
    wrapper = Strace(gateway.folder / "trace.txt", "fdatasync", "fdatasync:delay_exit=700000").command
    gateway.start().stop()
    gateway.start(wrapper=wrapper)
    with Publisher(gateway) as publisher:
        answers = []
        thread = threading.Thread(target=lambda: answers.append(publisher.put(entry(0))))
        thread.start()
        while not gateway.metric("isthmus_http1_requests_total"):
            pass
        signal_to(gateway, signal.SIGTERM)
        seen = set()
        while thread.is_alive():
            seen.add(gateway.page("/readyz", missing=(0, ""))[0])
        thread.join()
    assert 503 in seen, seen
    assert answers[0].ids
    assert gateway.process.wait(timeout=40) == 0
    gateway.log.close()
    gateway.start()
    assert stored(gateway) == {0: answers[0].ids[0]}
    gateway.stop()


def test_a_second_sigterm_during_the_drain_does_no_harm(gateway):
    gateway.start()
    flood = Flood(gateway, connections=2).start()
    for _ in range(3):
        gateway.process.send_signal(signal.SIGTERM)
    assert gateway.process.wait(timeout=40) == 0
    flood.wait()
    gateway.log.close()
    gateway.start()
    assert_kept(flood.acknowledged, stored_until_mark(gateway))
    gateway.stop()


@pytest.mark.parametrize("leaves", [False, True], ids=["stays", "leaves"])
def test_a_drain_ends_in_its_time_although_a_peer_does_not_read_its_answers(gateway, report, leaves):
    """DRAIN_SECONDS is what requests in flight get; a peer that pipelines and never reads gets no more."""
    gateway.limits = {"drainSeconds": DRAIN_SECONDS}
    gateway.write_configuration()
    gateway.start()
    ask = (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-amz-json-1.1\r\n"
           b"X-Amz-Target: AWSEvents.ListEventBuses\r\nContent-Length: 2\r\n\r\n{}") * 50
    mute = attacks.connect_tls(
        gateway.port, attacks.client_context(gateway, gateway.administrator, alpn=["http/1.1"]), timeout=1)
    with pytest.raises(TimeoutError):
        while True:
            mute.sendall(ask)
    if leaves:
        mute.close()
    began = time.monotonic()
    gateway.process.send_signal(signal.SIGTERM)
    try:
        code = gateway.process.wait(timeout=DRAIN_SECONDS + 8)
    except subprocess.TimeoutExpired:
        code = "still draining"
    took = time.monotonic() - began
    mute.close()
    report("H14", f"drain with a mute HTTP/1.1 peer that {'leaves' if leaves else 'stays'}", f"{took:.1f} s; exit {code}")
    assert code == 0 and took < DRAIN_SECONDS + 3
