"""Reads what the machine says: CPU of a process tree, resident memory, a core's time, a disk's fdatasync.

No figure here comes from the program that is measured.
"""

import dataclasses
import os
import pathlib
import time

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
SYNC_BYTES = 4096
MEMORY_FILE_SYSTEMS = {"tmpfs", "ramfs", "devtmpfs"}


def tree(pid):
    """The process and all that descend from it."""
    found = [pid]
    for parent in found:
        for children in pathlib.Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                found += [int(word) for word in children.read_text().split()]
            except (FileNotFoundError, ProcessLookupError):
                continue
    return found


def cpu_seconds(pid):
    """User and system time of all threads of the tree, children that ended included.

    /proc/PID/stat counts in ticks of 10 ms, but the sum of both comes from the scheduler's own clock, so the
    error of a difference is one tick, not one tick a sample.
    """
    ticks = 0
    for each in tree(pid):
        fields = pathlib.Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        ticks += sum(int(field) for field in fields[11:15])  # utime stime cutime cstime, proc(5) 14 to 17
    return ticks / TICKS_A_SECOND


def resident_bytes(pid):
    """VmRSS of the tree; pages that a master and its worker share count twice, so compare differences."""
    total = 0
    for each in tree(pid):
        for line in pathlib.Path(f"/proc/{each}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                total += int(line.split()[1]) * 1024
    return total


def core_busy_seconds(core):
    """Time one core was neither idle nor waiting for a disk; time stolen by the host is part of it."""
    for line in pathlib.Path("/proc/stat").read_text().splitlines():
        fields = line.split()
        if fields[0] == f"cpu{core}":
            user, nice, system, _, _, interrupt, soft, steal = (int(field) for field in fields[1:9])
            return (user + nice + system + interrupt + soft + steal) / TICKS_A_SECOND
    raise RuntimeError(f"no core {core} in /proc/stat")


@dataclasses.dataclass(frozen=True)
class Sample:
    """One look at a server: `wall` is seconds since the epoch, as h2load's log counts."""

    wall: float
    cpu: float
    core_busy: float


def sample(pid, core):
    return Sample(wall=time.time(), cpu=cpu_seconds(pid), core_busy=core_busy_seconds(core))


def percentile(ordered, share):
    """The smallest value that at least `share` of the sorted values do not exceed."""
    if not ordered:
        return float("nan")
    rank = -(-len(ordered) * share // 1)
    return ordered[max(0, min(len(ordered) - 1, int(rank) - 1))]


def file_system(path):
    """Type of the file system under a directory, by the longest mount point that holds it."""
    path = pathlib.Path(path).resolve()
    best = (-1, "unknown")
    for line in pathlib.Path("/proc/self/mounts").read_text().splitlines():
        _, mount, kind = line.split()[:3]
        mount = pathlib.Path(mount.encode().decode("unicode_escape"))
        if (path == mount or mount in path.parents) and len(str(mount)) >= best[0]:
            best = (len(str(mount)), kind)
    return best[1]


def sync_times(directory, count):
    """Microseconds of `count` times fdatasync after a 4 KiB append, as (p50, p99).

    Appends as a write-ahead log does when it grows, so the file's length is made durable each time too.
    """
    path = pathlib.Path(directory) / "fdatasync.probe"
    times = []
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    try:
        block = os.urandom(SYNC_BYTES)
        for _ in range(count):
            os.write(descriptor, block)
            before = time.perf_counter_ns()
            os.fdatasync(descriptor)
            times.append((time.perf_counter_ns() - before) / 1000)
    finally:
        os.close(descriptor)
        path.unlink()
    times.sort()
    return percentile(times, 0.50), percentile(times, 0.99)
