"""D2: records the writes and syncs of a run, then builds the states a power cut could have left and opens each one.

    power_cut.py EXERCISER [EVENTS] [--every N] [--normal]

`--normal` forgets the syncs that SQLite would not make with synchronous=NORMAL: the method must then find losses, or it finds nothing.
"""

import hashlib
import os
import sys

from disk_states import Disk, TRACED, operations, place, without_commit_syncs
from strace_faults import acknowledged, check, remove, run, scratch, stored


def record(exerciser, data, events, output):
    """The run as a list of operations inside `data`, and of what it said."""
    extra = ["-y", "-xx", "-s", "2200000"]
    code, lines = run([exerciser, "append", data, events], trace=TRACED, output=output, extra=extra)
    if code != 0 or lines[-1:] != ["end"]:
        raise SystemExit(f"the undisturbed run failed: {code} {lines[-3:]}")
    return operations(output, data, lambda file, octets: ("say", octets.decode()) if file.startswith("1<") else None)


def main():
    arguments = [word for word in sys.argv[1:] if not word.startswith("--")]
    every = int(sys.argv[sys.argv.index("--every") + 1]) if "--every" in sys.argv else 1
    if "--every" in sys.argv:
        arguments.remove(str(every))
    exerciser = os.path.abspath(arguments[0])
    events = arguments[1] if len(arguments) > 1 else "30"
    is_normal = "--normal" in sys.argv
    root = os.path.realpath(scratch())
    data = os.path.join(root, "data")
    os.mkdir(data, 0o700)
    run_of = record(exerciser, data, events, os.path.join(root, "trace.txt"))
    if is_normal:
        run_of = without_commit_syncs(run_of)
    disk, said, seen = Disk(), [], set()
    states = losing = broken = 0
    for index, operation in enumerate(run_of):
        if operation[0] == "say":
            said.extend(operation[1].splitlines())
            continue
        disk.step(operation)
        if index % every and operation[0] != "sync":
            continue
        acks = acknowledged(said)
        for cut in disk.cuts():
            files = disk.state(*cut)
            digest = hashlib.sha256(repr((sorted(files.items()), len(acks))).encode()).digest()
            if digest in seen:
                continue
            seen.add(digest)
            place(files, data)
            states += 1
            try:
                found, _ = stored(exerciser, data)
                lost, _ = check(acks, found)
            except AssertionError as error:
                if not is_normal:
                    print(f"after {operation[:2]}: {error}")
                broken += 1
                continue
            losing += 1 if lost else 0
            if lost and not is_normal:
                print(f"LOST after {operation[:2]}: {lost}")
    remove(root)
    name = "synchronous=NORMAL, to show that the method finds losses" if is_normal else "synchronous=FULL"
    print(
        f"power cut, {name}: {len(run_of)} operations, {states} states, {losing} with losses, "
        f"{broken} that do not open")
    if is_normal:
        return 0 if losing else 1
    return 1 if losing or broken or states == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
