"""strace as the maker of faults in the disk under the real gateway."""

import os
import pathlib
import shutil
import signal
import subprocess

from gateway import wait_until


def killing(call, count, trace=os.devnull):
    return ["-o", str(trace), "-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={count}"]


def kill_at(call, count):
    """A wrapper that kills a program at its so manieth call."""
    return ["strace", "-f", "-qq", *killing(call, count)]


class Traced:
    """strace on a running gateway until the end of the block. The kernel lets the gateway go when strace is killed;
    asked to leave while the gateway dies, strace 6.1 may wait for a thread that is gone."""

    def __init__(self, gateway, *options):
        self.strace = subprocess.Popen(
            ["strace", "-f", "-qq", "-p", str(gateway.process.pid), *options], stderr=subprocess.PIPE)
        threads = pathlib.Path(f"/proc/{gateway.process.pid}/task")
        wait_until(lambda: all("TracerPid:\t0" not in (thread / "status").read_text() for thread in threads.iterdir()),
                   10, "the tracer")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.strace.kill()
        self.strace.communicate(timeout=20)


class Strace:
    """A wrapper for `Gateway.start`: traces one call into `trace` with wall-clock times, and injects a fault into it."""

    def __init__(self, trace, call, inject):
        strace = shutil.which("strace")
        assert strace, "strace is missing: install the packages of config/packages.apt, section test"
        self.command = [strace, "-f", "--seccomp-bpf", "-qq", "-ttt", "-o", str(trace), "-e", f"trace={call}", "-e", "signal=none",
                        "-e", f"inject={inject}"]

    @staticmethod
    def first_failure(trace):
        """The moment, by the wall clock, of the first call that was made to fail."""
        for line in pathlib.Path(trace).read_text().splitlines():
            if "(INJECTED)" in line and "= -1" in line:
                return float(line.split()[1])
        raise AssertionError("no call was made to fail")


class FileFault:
    """One call on one file fails in a process that runs, from `with` on until its end."""

    def __init__(self, process, path, call, error):
        self.process = process
        self.command = ["strace", "-f", "-qq", "-o", os.devnull, "-p", str(process), "-P", str(path), "-e", f"trace={call}",
                        "-e", "signal=none", "-e", f"inject={call}:error={error}"]

    def __enter__(self):
        self.strace = subprocess.Popen(self.command)
        wait_until(lambda: self.tracers() == {self.strace.pid}, 10, "strace on every thread")
        return self

    def __exit__(self, *_):
        self.strace.send_signal(signal.SIGINT)
        self.strace.wait(timeout=10)

    def tracers(self):
        found = set()
        for status in pathlib.Path(f"/proc/{self.process}/task").glob("*/status"):
            found |= {int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("TracerPid:")}
        return found
