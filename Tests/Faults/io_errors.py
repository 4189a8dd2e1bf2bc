"""D5: EIO at every sync and write of a run. The waiting request is answered "unknown" or refused, nothing is
acknowledged afterwards, the process ends within a second, and a retry of everything with the same keys gives exactly one event each.

    io_errors.py EXERCISER [EVENTS] [STEP]
"""

import os
import sys
import time

from strace_faults import acknowledged, check, count_calls, integrity, remove, run, scratch, stored


def one(exerciser, data, events, call, when):
    """Returns (acknowledged after the error, ghosts, duplicates, seconds until the end)."""
    remove(data)
    started = time.monotonic()
    code, lines = run(
        [exerciser, "append", data, events], inject=f"{call}:error=EIO:when={when}", trace=[call], timeout=30)
    took = time.monotonic() - started
    words = [line.split()[0] for line in lines]
    late = 0
    if "fatal" in words:
        late = sum(1 for word in words[words.index("fatal") + 1:] if word == "ack")
        if code != 3:
            raise AssertionError(f"{call} {when}: exit code {code}, expected 3")
    elif code == 0 and words[-1:] != ["end"]:
        raise AssertionError(f"{call} {when}: ended without a word")
    acks = acknowledged(lines)
    found, _ = stored(exerciser, data)
    gone, ghosts = check(acks, found)
    if gone:
        raise AssertionError(f"{call} {when}: lost {gone}")
    code, lines = run([exerciser, "append", data, events])
    answers = acknowledged(lines)
    if code != 0 or len(answers) != int(events):
        raise AssertionError(f"{call} {when}: the retry failed: {code} {lines[-2:]}")
    for number, sequence in acks.items():
        if answers[number] != sequence:
            raise AssertionError(f"{call} {when}: event {number} was {sequence}, then {answers[number]}")
    found, _ = stored(exerciser, data)
    check(answers, found)
    integrity(data)
    return late, ghosts, len(found) - int(events), took


def main():
    exerciser = os.path.abspath(sys.argv[1])
    events = sys.argv[2] if len(sys.argv) > 2 else "20"
    step = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    root = scratch()
    counts = count_calls([exerciser, "append", os.path.join(root, "whole"), events], root)
    positions = ghosts = duplicates = late = 0
    slowest = 0.0
    for call in ("fdatasync", "fsync", "pwrite64"):
        for when in range(1, counts[call] + 1, step):
            after, ghost, twice, took = one(exerciser, os.path.join(root, "data"), events, call, when)
            positions += 1
            late += after
            ghosts += ghost
            duplicates += twice
            slowest = max(slowest, took)
    remove(root)
    print(
        f"EIO: {positions} positions, {late} acknowledged after the error, {ghosts} ghosts (stored, answered unknown), "
        f"{duplicates} duplicates after the retry, whole run at most {slowest:.1f} s")
    return 1 if late or duplicates or positions == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
