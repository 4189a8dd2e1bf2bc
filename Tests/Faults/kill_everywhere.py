"""D1: kill -9 at every write, sync, truncation and removal of a run; nothing acknowledged may be lost.

    kill_everywhere.py EXERCISER [EVENTS] [STEP]
"""

import os
import sys

from strace_faults import CALLS, acknowledged, check, count_calls, integrity, remove, run, scratch, stored


def main():
    exerciser = os.path.abspath(sys.argv[1])
    events = sys.argv[2] if len(sys.argv) > 2 else "50"
    step = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    root = scratch()
    counts = count_calls([exerciser, "append", os.path.join(root, "whole"), events], root)
    points = lost = extra = 0
    slowest = 0
    for call in CALLS:
        for when in range(1, counts[call] + 1, step):
            data = os.path.join(root, "data")
            remove(data)
            inject = f"{call}:signal=KILL:when={when}"
            _, lines = run([exerciser, "append", data, events], inject=inject, trace=[call])
            acks = acknowledged(lines)
            if os.path.isdir(data):
                found, milliseconds = stored(exerciser, data)
                integrity(data)
                slowest = max(slowest, milliseconds)
            else:
                found = {}
            gone, more = check(acks, found)
            points += 1
            extra += more
            if gone:
                lost += len(gone)
                print(f"LOST at {call} {when}: {gone}")
    remove(root)
    print(f"kill -9: {points} crash points, {lost} lost, {extra} stored without an answer, restart at most {slowest} ms")
    print("calls: " + ", ".join(f"{call} {counts[call]}" for call in CALLS if counts[call]))
    return 1 if lost or slowest > 2000 or points == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
