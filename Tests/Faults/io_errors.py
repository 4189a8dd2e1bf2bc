"""D5: EIO at every sync and write of a run. The waiting request is answered "unknown" or refused, nothing is
acknowledged afterwards, the process ends within a second, and a retry of everything with the same keys gives exactly one event each.

    io_errors.py EXERCISER [EVENTS] [STEP]
"""

import collections
import os
import sys

from strace_faults import acknowledged, begin, check, integrity, places, remove, run, run_failing, scratch, stored

#: From the call that fails to the end of the process.
END_SECONDS = 1


def ending(code, lines):
    """What a run came to. Only these exit codes are known, each with its last word: all else is a crash."""
    words = [line.split()[0] for line in lines]
    if code == 3 and words.count("fatal") == 1:
        return "stopped"
    if "fatal" not in words:
        if code == 2 and words[-1:] == ["refused"] and not lines[-1].split()[1].isdigit():
            return "refused to open"
        if code == 0 and words[-1:] == ["end"]:
            return "went on"
    raise AssertionError(f"exit code {code} after {lines[-3:]}")


def one(exerciser, data, events, place, trace):
    """Returns (how it ended, acknowledged after the error, ghosts, duplicates, seconds from the error to the end)."""
    begun, call, when = place
    before = begin(data, begun)
    code, lines, failed, took = run_failing([exerciser, "append", data, events], call, when, trace)
    came_to = ending(code, lines)
    if failed is None:
        return "not reached", 0, 0, 0, 0
    # SQLite's own sync of the directory: it takes no notice of the outcome, and the log has synced it before, since the
    # files are there. Source: sqlite.org/src/file/src/os_unix.c, unixSync.
    if came_to == "went on" and not ("fdatasync(" in failed and f"<{data}>)" in failed):
        raise AssertionError(f"went on after {failed}")
    if took > END_SECONDS:
        raise AssertionError(f"{took:.2f} s until the end")
    words = [line.split()[0] for line in lines]
    late = words[words.index("fatal"):].count("ack") if "fatal" in words else 0
    acks = before | acknowledged(lines)
    found, _ = stored(exerciser, data)
    gone, ghosts = check(acks, found)
    if gone:
        raise AssertionError(f"lost {gone}")
    code, lines = run([exerciser, "append", data, events])
    answers = acknowledged(lines)
    if code != 0 or len(answers) != int(events):
        raise AssertionError(f"the retry failed: {code} {lines[-2:]}")
    for number, sequence in acks.items():
        if answers[number] != sequence:
            raise AssertionError(f"event {number} was {sequence}, then {answers[number]}")
    found, _ = stored(exerciser, data)
    check(answers, found)
    integrity(data)
    return came_to, late, ghosts, len(found) - int(events), took


def main():
    exerciser = os.path.abspath(sys.argv[1])
    events = sys.argv[2] if len(sys.argv) > 2 else "20"
    step = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    root = scratch()
    data, trace = os.path.join(root, "data"), os.path.join(root, "fault.txt")
    endings = collections.Counter()
    ghosts = duplicates = late = 0
    slowest = 0.0
    for place in places(exerciser, root, events, step, ("fdatasync", "fsync", "pwrite64")):
        try:
            came_to, after, ghost, twice, took = one(exerciser, data, events, place, trace)
        except AssertionError as error:
            raise AssertionError(f"{place}: {error}") from error
        endings[came_to] += 1
        late += after
        ghosts += ghost
        duplicates += twice
        slowest = max(slowest, took)
    remove(root)
    print(
        f"EIO: {endings.total()} positions ({', '.join(f'{count} {name}' for name, count in endings.items())}), "
        f"{late} acknowledged after the error, {ghosts} ghosts (stored, answered unknown), "
        f"{duplicates} duplicates after the retry, at most {slowest:.2f} s from the error to the end")
    return 1 if late or duplicates or not endings["stopped"] or endings["not reached"] > endings.total() // 50 else 0


if __name__ == "__main__":
    sys.exit(main())
