"""The states a power cut can leave: a run's writes and syncs as strace saw them, replayed on a model of the disk.

What was synced is there; of what was written since, all, none, all but one, only the last, or one torn at a 512-byte
sector is there. A file that was created, renamed or removed is so for certain after its directory was synced.
"""

import os
import re
import shutil

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
    for call in begun.values():
        yield f"{call}) = ?"


def operations(trace, data, spoken, known=()):
    """The run as a list of operations inside the directory `data`; shared memory of SQLite is not on the disk.

    `spoken(descriptor, octets)` makes an operation of a `write` outside of it, or says `None`; also of one whose end the
    kill of the process hid from strace, for what it said may have been read. `known` are the files that are there already.
    """
    found, known = [], set(known)
    inside = lambda path: path is not None and path.startswith(data + os.sep) and not path.endswith("-shm")
    with open(trace) as text:
        for line in joined(text):
            match = re.match(r"(\w+)\((.*)\)\s+= (-?\d+|\?)", line)
            if not match or match.group(3).startswith("-") or (match.group(3) == "?" and match.group(1) != "write"):
                continue
            call, arguments, result = match.groups()
            strings = [unhex(item) for item in QUOTED.findall(arguments)]
            if call == "openat":
                path = strings[0].decode()
                if inside(path) and path not in known and "O_CREAT" in arguments:
                    known.add(path)
                    found.append(("create", path))
            elif call == "write":
                if (said := spoken(arguments.partition(", ")[0], strings[-1])) is not None:
                    found.append(said)
            elif call == "pwrite64" and inside(path_of(arguments)):
                offset = int(arguments.rsplit(",", 1)[1])
                found.append(("write", path_of(arguments), offset, strings[-1][: int(result)]))
            elif call == "ftruncate" and inside(path_of(arguments)):
                found.append(("truncate", path_of(arguments), int(arguments.rsplit(",", 1)[1])))
            elif call in ("fdatasync", "fsync"):
                path = path_of(arguments)
                if path in known:
                    found.append(("sync", path))
                elif path == data or inside(path):
                    found.append(("syncdir", path))
            elif call == "unlink" and inside(strings[0].decode()):
                known.discard(strings[0].decode())
                found.append(("unlink", strings[0].decode()))
            elif call == "rename" and inside(strings[0].decode()):
                known.add(strings[1].decode())
                found.append(("rename", strings[0].decode(), strings[1].decode()))
    return found


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
            elsewhere = {path: inode for path, inode in self.certain.items() if os.path.dirname(path) != operation[1]}
            here = {path: inode for path, inode in self.names.items() if os.path.dirname(path) == operation[1]}
            self.certain = elsewhere | here
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

    def cuts(self):
        """Every (names, fate) a cut at this moment could leave; `state` makes {path: content} of one."""
        for names in (self.names, self.certain):
            inodes = set(names.values())
            unsynced = [(inode, index) for inode in sorted(inodes) for index in range(len(self.pending[inode]))]
            yield names, lambda *_: "keep"
            yield names, lambda *_: "drop"
            for chosen in unsynced:
                yield names, lambda *one, chosen=chosen: "drop" if one == chosen else "keep"
                yield names, lambda *one, chosen=chosen: "tear" if one == chosen else "keep"
            for chosen in unsynced[-1:]:
                yield names, lambda *one, chosen=chosen: "keep" if one == chosen else "drop"
                yield names, lambda *one, chosen=chosen: "tear" if one == chosen else "drop"
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
    """Makes the directory `data` hold exactly `files`; zeros at a file's end are left to the file system."""
    shutil.rmtree(data, ignore_errors=True)
    os.mkdir(data, 0o700)
    for path, content in files.items():
        os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
        with open(path, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(content.rstrip(b"\0"))
            file.truncate(len(content))
