"""D6: fills the file system of a running log, looks at it, and frees it again. Needs root and a loop device.

    disk_full.py EXERCISER
"""

import os
import subprocess
import sys
import threading
import time

from strace_faults import acknowledged, check, integrity, remove, run, scratch, stored

IMAGE_MEGABYTES = 24
NOT_POSSIBLE = 77
#: How often the full log refuses an append, and is read, before there is room again.
LOOKS = 20


def mount(root):
    """A small ext4 on a loop device, or None where this machine has none to give."""
    image, point = os.path.join(root, "image"), os.path.join(root, "mount")
    with open(image, "wb") as file:
        file.truncate(IMAGE_MEGABYTES << 20)
    os.mkdir(point)
    try:
        subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", image], check=True, stderr=subprocess.DEVNULL)
        subprocess.run(["mount", "-o", "loop", image, point], check=True, stderr=subprocess.PIPE)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"no loop device here: {error}")
        return None
    return point


def fill(path):
    """Takes every free block."""
    with open(path, "wb", buffering=0) as file:
        for size in (1 << 20, 4096, 512):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                pass
        try:
            os.fsync(file.fileno())
        except OSError:
            pass


def wait_for(lines, word, seconds, after=0):
    """The moment a line of `word`, or one that goes on after it, appears behind so many lines."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for line in lines[after:]:
            if f"{line.strip()} ".startswith(word + " "):
                return time.monotonic()
        time.sleep(0.01)
    raise AssertionError(f"no `{word}` within {seconds} s: {lines[-3:]}")


def main():
    exerciser = os.path.abspath(sys.argv[1])
    root = scratch()
    point = mount(root)
    if point is None:
        remove(root)
        return NOT_POSSIBLE
    child = None
    try:
        data, filler = os.path.join(point, "data"), os.path.join(point, "filler")
        child = subprocess.Popen([exerciser, "fill", data, "20", str(LOOKS)], stdout=subprocess.PIPE, text=True)
        lines = []
        collect = threading.Thread(target=lambda: [lines.append(line) for line in child.stdout])
        collect.start()
        wait_for(lines, "ack", 5)
        fill(filler)
        wait_for(lines, f"looked {LOOKS}", 5)
        seen, freed = len(lines), time.monotonic()
        os.unlink(filler)
        recovered = wait_for(lines, "room", 5, after=seen) - freed
        code = child.wait(timeout=30)
        collect.join()
        acks = acknowledged(lines)
        found, _ = stored(exerciser, data)
        lost, extra = check(acks, found)
        integrity(data)
        if code != 0 or lines[-1] != "end\n" or "unreadable\n" in lines:
            raise AssertionError(f"the log did not stay readable: exit {code}")
        fill(filler)
        code, said = run([exerciser, "trim", data])
        words = [line.split()[0] for line in said]
        if code != 0 or "trimmed" not in words or "ack" not in words:
            raise AssertionError(f"no deletes on a full disk: {code} {said}")
        print(
            f"disk full: {len(acks)} acknowledged, {len(lost)} lost, {extra} stored without an answer, room again "
            f"{recovered:.2f} s after space was freed; on the full disk deletes commit and appends go on")
        return 1 if lost else 0
    finally:
        if child:
            child.kill()
        subprocess.run(["umount", "-l", point], check=False)
        remove(root)


if __name__ == "__main__":
    sys.exit(main())
