"""D1: kill -9 at every write, sync, truncation and removal of a run; nothing acknowledged may be lost.

    kill_everywhere.py EXERCISER [EVENTS] [STEP]
"""

import collections
import os
import signal
import sys

from strace_faults import acknowledged, begin, check, integrity, places, remove, run, scratch, stored


def main():
    exerciser = os.path.abspath(sys.argv[1])
    events = sys.argv[2] if len(sys.argv) > 2 else "50"
    step = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    root = scratch()
    data = os.path.join(root, "data")
    points, survived, lost, extra = collections.Counter(), 0, 0, 0
    slowest = 0
    for begun, call, when in places(exerciser, root, events, step):
        before = begin(data, begun)
        code, lines = run(
            [exerciser, "append", data, events], inject=f"{call}:signal=KILL:when={when}", trace=[call])
        if code not in (0, -signal.SIGKILL):
            raise AssertionError(f"{call} {when}: exit code {code} after {lines[-3:]}")
        survived += code == 0
        acks = before | acknowledged(lines)
        if os.path.isdir(data):
            found, milliseconds = stored(exerciser, data)
            integrity(data)
            slowest = max(slowest, milliseconds)
        else:
            found = {}
        gone, more = check(acks, found)
        points[call] += 1
        extra += more
        if gone:
            lost += len(gone)
            print(f"LOST at {call} {when}: {gone}")
    remove(root)
    print(
        f"kill -9: {points.total() - survived} crash points, {lost} lost, {extra} stored without an answer, "
        f"restart at most {slowest} ms")
    print("calls: " + ", ".join(f"{call} {count}" for call, count in points.items()) + f"; not reached {survived}")
    return 1 if lost or slowest > 2000 or survived > points.total() // 50 else 0


if __name__ == "__main__":
    sys.exit(main())
