"""Runs the exerciser under strace, counts its system calls and injects faults into them."""

import os
import re
import shutil
import subprocess
import tempfile

CALLS = ["pwrite64", "fdatasync", "fsync", "ftruncate", "unlink", "rename"]


def scratch(root=None):
    """A fresh directory on a disk: the log refuses a tmpfs."""
    return tempfile.mkdtemp(prefix="isthmus-faults-", dir=root or os.environ.get("ISTHMUS_FAULTS_DIR", "/var/tmp"))


def run(arguments, inject=None, trace=None, output=None, timeout=60, extra=()):
    """Runs a command, under strace where something is injected or traced. Returns (exit code, stdout lines)."""
    command = list(arguments)
    if inject or trace:
        strace = ["strace", "-f", "-qq", "-o", output or "/dev/null"]
        strace += ["-e", "trace=" + ",".join(trace or CALLS)]
        if inject:
            strace += ["-e", "inject=" + inject]
        command = strace + list(extra) + command
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout, text=True)
    return done.returncode, done.stdout.splitlines()


def count_calls(arguments, directory):
    """How often each call of CALLS happens in an undisturbed run."""
    output = os.path.join(directory, "trace.txt")
    code, lines = run(arguments, trace=CALLS, output=output)
    if code != 0 or lines[-1:] != ["end"]:
        raise SystemExit(f"the undisturbed run failed: {code} {lines[-3:]}")
    counts = {call: 0 for call in CALLS}
    with open(output) as text:
        for line in text:
            match = re.match(r"\d+ +(\w+)\(", line)
            if match and match.group(1) in counts:
                counts[match.group(1)] += 1
    return counts


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
