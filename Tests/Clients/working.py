"""The requests that the gateway works on, and a disk that keeps them at work."""

import contextlib
import subprocess
import time


@contextlib.contextmanager
def slow_disk(gateway, seconds):
    """Every fdatasync of the gateway takes so long."""
    tracer = subprocess.Popen(
        ["strace", "-f", "-p", str(gateway.process.pid), "-e", "trace=fdatasync", "-o", "/dev/null",
         "-e", f"inject=fdatasync:delay_exit={seconds * 1_000_000}"], stderr=subprocess.PIPE, text=True)
    try:
        assert "attached" in tracer.stderr.readline()
        yield
    finally:
        tracer.terminate()
        tracer.wait()


class Work:
    """What the gateway says of the requests it works on."""

    def __init__(self, gateway):
        self.gateway, self.most = gateway, 0
        self.accepted_before, self.cancelled_before = self.read("put_events_entries_accepted", "requests_cancelled")

    def read(self, *names):
        lines = dict(line.split(" ")[:2] for line in self.gateway.page("/metrics")[1].splitlines() if line[:1] != "#")
        return [float(lines[f"isthmus_{name}_total"]) for name in names]

    @property
    def in_flight(self):
        now = self.gateway.metric("isthmus_requests_in_flight")
        self.most = max(self.most, now)
        return now

    @property
    def accepted(self):
        return self.read("put_events_entries_accepted")[0] - self.accepted_before

    @property
    def cancelled(self):
        return self.read("requests_cancelled")[0] - self.cancelled_before

    def ms_until(self, in_flight):
        """How long it took from now until so many are left."""
        start = time.monotonic()
        while self.in_flight > in_flight:
            assert time.monotonic() < start + 10, f"{self.in_flight} are still at work"
        return (time.monotonic() - start) * 1000
