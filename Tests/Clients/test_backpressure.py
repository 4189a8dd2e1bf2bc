"""A slow disk and slow readers: memory stays bounded, every request has an answer, nobody else is harmed."""

import os
import pathlib
import resource
import signal
import threading
import time

import pytest

import attacks
from gateway import Gateway
from measures import report  # noqa: F401 (a fixture)
from publishing import Flood, Publisher, assert_kept, body_of, entry, stored_until_mark
from stracing import Strace

LARGE = 900_000
SECONDS = 4
ANSWER_SECONDS = 8
# 64 MiB may wait for the disk (EventLogLimits.waitingBytes); a commit copies what it takes; 1 MiB a connection may be under way.
PEAK_MIB = 400
IDLE = 2_000
IDLE_KIB = 64


@pytest.fixture
def gateway():
    made = Gateway(limits={"connectionsPerPrincipal": 5000, "connectionsPerAddress": 5000})
    yield made
    made.remove()


def gateway_pid(gateway):
    pid = gateway.process.pid
    if gateway.process.args[0].endswith("strace"):
        return int(pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])
    return pid


def resident_kib(pid, field="VmRSS"):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1])
    raise AssertionError(f"no {field}")


def is_answered(gateway, number, acknowledged):
    """Whether a new connection's request is answered."""
    try:
        with Publisher(gateway, timeout=3) as publisher:
            answer = publisher.put(entry(number))
    except OSError:
        return False
    if answer.ids:
        acknowledged[number] = answer.ids[0]
    return True


@pytest.mark.parametrize("milliseconds", [50])
def test_a_slow_disk_bounds_memory_and_loses_nothing(gateway, report, milliseconds):
    gateway.start().stop()
    gateway.start(wrapper=Strace(
        gateway.folder / "trace.txt", "fdatasync", f"fdatasync:delay_exit={milliseconds * 1000}").command)
    pid = gateway_pid(gateway)
    before = resident_kib(pid)
    flood = Flood(gateway, connections=40, size=LARGE, timeout=ANSWER_SECONDS).start()
    waiting, slowest, end, number, silent = 0, 0, time.monotonic() + SECONDS, 100_000_000, 0
    while time.monotonic() < end:
        number += 1
        began = time.monotonic()
        try:
            with Publisher(gateway, timeout=ANSWER_SECONDS) as small:
                answer = small.put(entry(number))
        except OSError as error:
            flood.broken.append(error)
            break
        slowest = max(slowest, time.monotonic() - began)
        status, page = gateway.page("/metrics", missing=(0, ""))
        silent += status != 200
        for line in page.splitlines():
            if line.startswith("isthmus_log_waiting_bytes "):
                waiting = max(waiting, float(line.split()[1]))
        if answer.ids:
            flood.acknowledged[number] = answer.ids[0]
        else:
            flood.refused.append(answer)
    flood.stop()
    peak = resident_kib(pid, "VmHWM") // 1024
    statuses = sorted({answer.status for answer in flood.refused})
    report("D6", f"{milliseconds} ms a sync, 40 senders of 900 KB: RSS before, peak",
           f"{before // 1024} MiB, {peak} MiB (limit {PEAK_MIB}); most waiting for the disk {waiting / 2**20:.0f} MiB")
    report("D6", f"{milliseconds} ms a sync: acknowledged; refused; slowest answer to a small request",
           f"{len(flood.acknowledged)}; {len(flood.refused)} {statuses}; {slowest * 1000:.0f} ms")
    report("D6", f"{milliseconds} ms a sync: senders without an answer in {ANSWER_SECONDS} s; /metrics without an answer",
           f"{len(flood.broken)}; {silent}")
    after = [is_answered(gateway, 200_000_000 + index, flood.acknowledged) for index in range(8)]
    os.kill(pid, signal.SIGKILL)
    gateway.process.wait()
    gateway.log.close()
    gateway.start()
    found = stored_until_mark(gateway)
    gateway.stop()
    assert all(after), f"after the flood has ended {after.count(False)} of {len(after)} new connections get no answer"
    assert silent == 0, "the admin listener is silent while the disk is slow"
    assert not flood.broken, flood.broken
    assert set(statuses) <= {503}
    assert_kept(flood.acknowledged, found)
    assert len(found) == len(flood.acknowledged), "a request that was refused is stored"
    assert peak < PEAK_MIB


def test_a_reader_that_does_not_read_holds_little_and_harms_nobody(gateway, report):
    """Answers pile up for a peer that keeps asking and never reads: its socket is not read any more."""
    gateway.start()
    pid = gateway_pid(gateway)
    before = resident_kib(pid)
    ask = (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-amz-json-1.1\r\n"
           b"X-Amz-Target: AWSEvents.ListEventBuses\r\nContent-Length: 2\r\n\r\n{}")
    context = attacks.client_context(gateway, gateway.administrator, alpn=["http/1.1"])
    mute = attacks.connect_tls(gateway.port, context)
    mute.setblocking(False)
    sent, stalled = 0, None
    end = time.monotonic() + 8
    with Publisher(gateway) as publisher:
        number = 0
        while time.monotonic() < end and (stalled is None or time.monotonic() < stalled + 1):
            try:
                sent += mute.send(ask * 50) // len(ask)
                stalled = None
            except (BlockingIOError, attacks.ssl.SSLWantWriteError, attacks.ssl.SSLWantReadError):
                stalled = stalled or time.monotonic()
                number += 1
                assert publisher.put(entry(number)).ids
            except OSError:
                break
        rise = resident_kib(pid) - before
        report("H12", "requests of a peer that never reads; rise of RSS", f"{sent}; {rise / 1024:.1f} MiB")
        assert publisher.put(entry(0)).ids
    mute.close()
    gateway.stop()
    assert sent < 200_000 and rise < 32 * 1024


def test_a_slow_reader_gets_all_its_answers(gateway, report):
    """An HTTP/2 peer that opens its window byte by byte: every answer is whole in the end."""
    gateway.start()
    with attacks.Attacker(gateway, first=attacks.settings((attacks.INITIAL_WINDOW_SIZE, 16))) as peer:
        streams = [peer.stream() for _ in range(20)]
        peer.send(b"".join(attacks.put_events(stream, body_of(entry(stream))) for stream in streams))
        peer.pump(until=lambda: sum(len(one.body) for one in peer.responses.values()) >= 16 * len(streams), seconds=10)
        held = [len(peer.responses[stream].body) for stream in streams]
        assert held == [16] * len(streams), held
        for stream in streams:
            peer.send(attacks.window_update(stream, 100))
        assert peer.pump(until=lambda: all(peer.responses[stream].ended for stream in streams), seconds=10)
        assert all(peer.responses[stream].json["FailedEntryCount"] == 0 for stream in streams)
        report("H12", "answers held back by the peer's window, then whole", len(streams))
    assert len(stored_until_mark(gateway)) == len(streams)
    gateway.stop()


def test_two_thousand_idle_connections_cost_little_and_a_request_is_served(gateway, report):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 3 * IDLE)), hard))
    gateway.start()
    pid = gateway_pid(gateway)
    context = attacks.client_context(gateway, gateway.publisher)
    idle, lock, failures = [], threading.Lock(), []
    before = resident_kib(pid)

    def connect(count):
        try:
            for _ in range(count):
                connection = attacks.connect_tls(gateway.port, context)
                connection.sendall(attacks.PREFACE + attacks.settings())
                with lock:
                    idle.append(connection)
        except (OSError, attacks.ssl.SSLError) as error:
            failures.append(error)

    threads = [threading.Thread(target=connect, args=(IDLE // 4,)) for _ in range(4)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    took = time.monotonic() - began
    assert not failures, failures[:3]
    with Publisher(gateway) as publisher:
        assert publisher.put(entry(1)).ids
        began = time.monotonic()
        answers = [publisher.put(entry(number)) for number in range(2, 52)]
        per_request = (time.monotonic() - began) / len(answers)
        assert all(answer.ids for answer in answers)
    each = (resident_kib(pid) - before) / IDLE
    report("L1", f"{IDLE} idle HTTP/2 connections: RSS each", f"{each:.1f} KiB (limit {IDLE_KIB}); opened in {took:.1f} s")
    report("L1", "a request beside them", f"{per_request * 1000:.1f} ms")
    assert gateway.metric("isthmus_connections") >= IDLE
    assert each < IDLE_KIB
    for connection in idle:
        connection.close()
    gateway.stop()
