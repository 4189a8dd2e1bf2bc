"""D2: records the writes and syncs of a run, then builds the states a power cut could have left and opens each one.

    power_cut.py EXERCISER [EVENTS] [--every N] [--normal]

What was synced is there; of what was written since, all, none, all but one, only the last, or one torn at a 512-byte
sector is there. A file that was created, renamed or removed is so for certain after its directory was synced.
`--normal` forgets the syncs that SQLite would not make with synchronous=NORMAL: the method must then find losses, or it finds nothing.
"""

import hashlib
import os
import re
import sys

from strace_faults import acknowledged, check, remove, run, scratch, stored

SECTOR = 512
TRACED = ["openat", "pwrite64", "write", "fdatasync", "fsync", "ftruncate", "unlink", "rename"]
QUOTED = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')


def unhex(text):
    return bytes.fromhex(text.replace("\\x", ""))


def path_of(text):
    """The path that strace -y puts behind a descriptor."""
    match = re.match(r"\d+<([^>]*)>", text)
    if not match:
        return None
    inner = match.group(1)
    return unhex(inner).decode() if inner.startswith("\\x") else inner


def joined(lines):
    """One line a call: strace splits a call that another thread's overtakes."""
    begun = {}
    for line in lines:
        thread, _, rest = line.rstrip("\n").partition(" ")
        rest = rest.strip()
        if rest.endswith("<unfinished ...>"):
            begun[thread] = rest[: -len("<unfinished ...>")]
        elif rest.startswith("<..."):
            yield begun.pop(thread, "") + re.sub(r"^<\.\.\. \w+ resumed>", "", rest)
        else:
            yield rest


def record(exerciser, data, events, output):
    """The run as a list of operations inside `data`."""
    extra = ["-y", "-xx", "-s", "2200000"]
    code, lines = run([exerciser, "append", data, events], trace=TRACED, output=output, extra=extra)
    if code != 0 or lines[-1:] != ["end"]:
        raise SystemExit(f"the undisturbed run failed: {code} {lines[-3:]}")
    operations = []
    known = set()
    inside = lambda path: path is not None and os.path.dirname(path) == data and not path.endswith("-shm")
    with open(output) as text:
        for line in joined(text):
            match = re.match(r"(\w+)\((.*)\)\s+= (-?\d+)", line)
            if not match or int(match.group(3)) < 0:
                continue
            call, arguments, result = match.group(1), match.group(2), int(match.group(3))
            strings = [unhex(item) for item in QUOTED.findall(arguments)]
            if call == "openat":
                path = strings[0].decode()
                if inside(path) and path not in known and "O_CREAT" in arguments:
                    known.add(path)
                    operations.append(("create", path))
            elif call == "write" and arguments.startswith("1<"):
                operations.append(("say", strings[0].decode()))
            elif call == "pwrite64" and inside(path_of(arguments)):
                offset = int(arguments.rsplit(",", 1)[1])
                operations.append(("write", path_of(arguments), offset, strings[0][:result]))
            elif call == "ftruncate" and inside(path_of(arguments)):
                operations.append(("truncate", path_of(arguments), int(arguments.rsplit(",", 1)[1])))
            elif call in ("fdatasync", "fsync"):
                path = path_of(arguments)
                if path == data:
                    operations.append(("syncdir",))
                elif inside(path):
                    operations.append(("sync", path))
            elif call == "unlink" and inside(strings[0].decode()):
                known.discard(strings[0].decode())
                operations.append(("unlink", strings[0].decode()))
            elif call == "rename" and inside(strings[0].decode()):
                known.add(strings[1].decode())
                operations.append(("rename", strings[0].decode(), strings[1].decode()))
    return operations


def without_commit_syncs(operations):
    """What NORMAL leaves: the log's syncs only where a copy into the database follows."""
    kept = []
    for index, operation in enumerate(operations):
        if operation[0] == "sync" and operation[1].endswith("-wal"):
            later = (op for op in operations[index + 1:] if op[0] in ("write", "sync", "unlink"))
            following = next(later, None)
            if following is None or following[0] != "write" or not following[1].endswith(".sqlite"):
                continue
        kept.append(operation)
    return kept


class Disk:
    """What is certain, and what has been written since the last sync."""

    def __init__(self):
        self.durable = {}
        self.pending = {}
        self.names = {}
        self.certain = {}
        self.inode = 0

    def step(self, operation):
        kind = operation[0]
        if kind == "create":
            self.inode += 1
            self.names[operation[1]] = self.inode
            self.durable[self.inode] = b""
            self.pending[self.inode] = []
        elif kind in ("write", "truncate"):
            self.pending[self.names[operation[1]]].append(operation)
        elif kind == "sync":
            inode = self.names[operation[1]]
            self.durable[inode] = self.content(inode, self.pending[inode])
            self.pending[inode] = []
        elif kind == "syncdir":
            self.certain = dict(self.names)
        elif kind == "unlink":
            self.names.pop(operation[1], None)
        elif kind == "rename":
            self.names[operation[2]] = self.names.pop(operation[1])

    def content(self, inode, operations):
        content = bytearray(self.durable[inode])
        for operation in operations:
            if operation[0] == "truncate":
                del content[operation[2]:]
                content.extend(bytes(operation[2] - len(content)))
            else:
                offset, piece = operation[2], operation[3]
                content.extend(bytes(max(0, offset - len(content))))
                content[offset:offset + len(piece)] = piece
        return bytes(content)

    def states(self):
        """Every {path: content} a cut at this moment could leave."""
        for names in (self.names, self.certain):
            inodes = set(names.values())
            unsynced = [(inode, index) for inode in sorted(inodes) for index in range(len(self.pending[inode]))]
            yield self.state(names, lambda inode, index: "keep")
            yield self.state(names, lambda inode, index: "drop")
            for chosen in unsynced:
                yield self.state(names, lambda inode, index: "drop" if (inode, index) == chosen else "keep")
                yield self.state(names, lambda inode, index: "tear" if (inode, index) == chosen else "keep")
            for chosen in unsynced[-1:]:
                yield self.state(names, lambda inode, index: "keep" if (inode, index) == chosen else "drop")
                yield self.state(names, lambda inode, index: "tear" if (inode, index) == chosen else "drop")
            if self.names == self.certain:
                return

    def state(self, names, fate):
        files = {}
        for path, inode in names.items():
            kept = []
            for index, operation in enumerate(self.pending[inode]):
                what = fate(inode, index)
                if what == "keep" or (what == "tear" and operation[0] == "truncate"):
                    kept.append(operation)
                elif what == "tear":
                    whole = len(operation[3]) // SECTOR // 2 * SECTOR
                    if whole:
                        kept.append(("write", path, operation[2], operation[3][:whole]))
            files[path] = self.content(inode, kept)
        return files


def place(files, data):
    remove(data)
    os.mkdir(data, 0o700)
    for path, content in files.items():
        with open(path, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(content)


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
    operations = record(exerciser, data, events, os.path.join(root, "trace.txt"))
    if is_normal:
        operations = without_commit_syncs(operations)
    disk, said, seen = Disk(), [], set()
    states = losing = broken = 0
    for index, operation in enumerate(operations):
        if operation[0] == "say":
            said.extend(operation[1].splitlines())
            continue
        disk.step(operation)
        if index % every and operation[0] != "sync":
            continue
        acks = acknowledged(said)
        for files in disk.states():
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
        f"power cut, {name}: {len(operations)} operations, {states} states, {losing} with losses, "
        f"{broken} that do not open")
    if is_normal:
        return 0 if losing else 1
    return 1 if losing or broken or states == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
