"""strace as the maker of faults in the disk under the real gateway."""

import pathlib
import shutil


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
