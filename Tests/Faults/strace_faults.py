"""Runs the exerciser under strace, counts its system calls and injects faults into them."""

import atexit
import collections
import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import typing

CALLS = ["pwrite64", "fdatasync", "fsync", "ftruncate", "unlink", "rename"]

# Whoever is asked to end lets go of what it started and mounted.
signal.signal(signal.SIGTERM, signal.default_int_handler)


def scratch(root=None):
    """A fresh directory on a disk: the log refuses a tmpfs. It is gone at the end."""
    directory = tempfile.mkdtemp(prefix="isthmus-faults-", dir=root or os.environ.get("ISTHMUS_FAULTS_DIR", "/var/tmp"))
    atexit.register(remove, directory)
    return directory


def run(arguments, inject=None, trace=None, output=None, timeout=60, extra=()):
    """Runs a command, under strace where something is injected or traced. Returns (exit code, stdout lines)."""
    command = list(arguments)
    if inject or trace:
        strace = ["strace", "-f", "-qq", "-o", output or "/dev/null"]
        strace += ["-e", "trace=" + ",".join(trace or CALLS)]
        if inject:
            strace += ["-e", "inject=" + inject]
        command = strace + list(extra) + command
    # A group of its own: strace leaves what it traces running when it is killed.
    child = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True)
    try:
        said, _ = child.communicate(timeout=timeout)
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        raise
    return child.returncode, said.splitlines()


def run_failing(arguments, call, when, output):
    """Runs a command one of whose calls fails with EIO. Returns (exit code, stdout lines, the call as strace shows it,
    seconds from it to the end): the last two are `None` where no thread came so far."""
    code, lines = run(
        arguments, inject=f"{call}:error=EIO:when={when}", trace=[call], output=output, timeout=30, extra=["-ttt", "-y"])
    ended = time.time()
    with open(output) as text:
        failed = next((line for line in text if line.rstrip().endswith("(INJECTED)")), None)
    return code, lines, failed, ended - float(failed.split()[1]) if failed else None


class Calls(typing.NamedTuple):
    """How often the thread that opens the log makes a call, and the busiest of the others, as strace counts them."""

    opening: int
    after: int


def count_calls(arguments, directory):
    """The calls of an undisturbed run: {call: Calls}."""
    output = os.path.join(directory, "trace.txt")
    code, lines = run(arguments, trace=CALLS, output=output)
    if code != 0 or lines[-1:] != ["end"]:
        raise SystemExit(f"the undisturbed run failed: {code} {lines[-3:]}")
    with open(output) as text:
        # Only where a call begins: the end of one that was interrupted may name its error in brackets, too.
        begun = [re.match(r"(\d+) +(\w+)\(", line) for line in text]
    made = collections.Counter(call.groups() for call in begun if call)
    first = min(int(thread) for thread, _ in made)
    return {call: Calls(made[str(first), call], max(
        (count for (thread, name), count in made.items() if name == call and int(thread) != first), default=0))
        for call in CALLS}


def places(exerciser, root, events, step=1, calls=CALLS):
    """Every place for a fault in `append`: (directory to begin with or `None`, call, how manieth).

    A fault at the so manieth call of a thread comes first to the one that opens the log, so what it calls on a fresh
    directory hides as much of the writer. On a log that was begun before it calls less.
    """
    fresh = count_calls([exerciser, "append", os.path.join(root, "whole"), events], root)
    begun, copy = os.path.join(root, "begun"), os.path.join(root, "copy")
    run([exerciser, "append", begun, "1"])
    shutil.copytree(begun, copy)
    later = count_calls([exerciser, "append", copy, events], root)
    for call in calls:
        yield from ((None, call, when) for when in range(1, max(fresh[call]) + 1, step))
        hidden = range(later[call].opening + 1, min(fresh[call].opening, later[call].after) + 1, step)
        yield from ((begun, call, when) for when in hidden)


def begin(data, begun):
    """Makes `data` what a run begins with; returns what was acknowledged in it."""
    remove(data)
    if begun is None:
        return {}
    shutil.copytree(begun, data)
    return {1: 1}


def acknowledged(lines):
    """The events an exerciser's output acknowledges: {number: sequence}."""
    found = {}
    for line in lines:
        words = line.split()
        if words and words[0] in ("ack", "again") and len(words) == 3:
            found[int(words[1])] = int(words[2])
    return found


def stored(exerciser, directory):
    """What a restart finds: ({sequence: number}, milliseconds to open), or raises."""
    code, lines = run([exerciser, "verify", directory])
    if code != 0 or not lines or not lines[-1].startswith("ok "):
        raise AssertionError(f"the log does not open again: {code} {lines[-2:]}")
    events = {}
    for line in lines[:-1]:
        _, sequence, detail = line.split(" ", 2)
        match = re.fullmatch(r'\{"i":(\d+)\}', detail)
        if not match:
            raise AssertionError(f"an event was altered: {detail[:80]}")
        events[int(sequence)] = int(match.group(1))
    return events, int(lines[-1].split()[1])


def check(acks, events):
    """(lost, extra): acknowledged events that are not where they were said to be; stored ones never acknowledged."""
    lost = [number for number, sequence in acks.items() if events.get(sequence) != number]
    if sorted(events) != list(range(1, len(events) + 1)):
        raise AssertionError("the sequences are not dense")
    if len(set(events.values())) != len(events):
        raise AssertionError("an event is stored twice")
    return lost, len(events) - len(acks) + len(lost)


def integrity(directory):
    """SQLite's own check of the databases of a data directory."""
    import sqlite3

    for name in ("log.sqlite",):
        path = os.path.join(directory, name)
        if os.path.exists(path):
            connection = sqlite3.connect(path)
            try:
                answer = connection.execute("PRAGMA integrity_check").fetchone()[0]
            finally:
                connection.close()
            if answer != "ok":
                raise AssertionError(f"integrity_check: {answer}")


def remove(directory):
    shutil.rmtree(directory, ignore_errors=True)
