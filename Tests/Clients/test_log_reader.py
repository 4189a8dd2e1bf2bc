"""A log that nobody reads: the gateway starts, serves and stops; what it had to say comes when somebody reads."""

import fcntl
import json
import os
import subprocess
import time

from gateway import Gateway, binary, wait_until
from publishing import Publisher, entry


def full_pipe():
    """A pipe without any room, and how many bytes are in it."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETFL, os.O_NONBLOCK)
    filled = 0
    try:
        while True:
            filled += os.write(writing, b"\n" * 4096)
    except BlockingIOError:
        fcntl.fcntl(writing, fcntl.F_SETFL, 0)
    return reading, writing, filled


def start(gateway, writing):
    gateway.log = open(gateway.log_path, "ab")
    gateway.process = subprocess.Popen(
        [binary(), "serve", "--config", str(gateway.config)], stdout=subprocess.DEVNULL, stderr=writing,
        env={**os.environ, "SWIFT_BACKTRACE": "enable=no"})
    wait_until(gateway.is_ready, 20, "readiness")


def test_a_full_pipe_stops_neither_start_nor_requests_nor_the_end():
    gateway = Gateway()
    reading, writing, _ = full_pipe()
    start(gateway, writing)
    with Publisher(gateway) as publisher:
        for number in range(50):
            assert publisher.put(entry(number)).ids
            # Each of these is a line of the log.
            assert publisher.put(entry(number, source="com.stranger.x")).json["FailedEntryCount"] == 1
    gateway.reload()
    began = time.monotonic()
    gateway.stop()
    assert time.monotonic() - began < 10
    os.close(reading)
    os.close(writing)
    gateway.remove()


def test_what_waits_is_written_whole_and_in_order_when_somebody_reads():
    gateway = Gateway()
    reading, writing, filled = full_pipe()
    start(gateway, writing)
    os.close(writing)
    with Publisher(gateway) as publisher:
        for number in range(20):
            assert publisher.put(entry(number, source="com.stranger.x")).json["FailedEntryCount"] == 1
    text = b""
    while len(text) < filled:
        text += os.read(reading, 65536)
    gateway.process.terminate()
    while chunk := os.read(reading, 65536):
        text += chunk
    assert gateway.process.wait(20) == 0
    events = [json.loads(line)["event"] for line in text[filled:].splitlines()]
    assert events[:2] == ["listening", "listening"] and "ready" in events and events[-1] == "stopped"
    assert events.count("entry-denied") == 20
    os.close(reading)
    gateway.log.close()
    gateway.remove()
