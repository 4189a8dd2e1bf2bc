"""D8: settings and places that would weaken the promise are refused with an exit code and a reason.

    refused_starts.py EXERCISER
"""

import os
import subprocess
import sys

from strace_faults import remove, run, scratch


def refusal(arguments, must_say, **options):
    code, lines = run(arguments, **options)
    text = lines[-1] if lines else ""
    is_refused = code == 2 and text.startswith("refused ") and must_say in text
    print(f"{'refused' if is_refused else 'NOT REFUSED'}: {text or code}")
    return is_refused


def main():
    exerciser = os.path.abspath(sys.argv[1])
    root = scratch()
    data = os.path.join(root, "data")
    results = [
        refusal([exerciser, "open", data, "normal", "wal"], "synchronous is `normal`"),
        refusal([exerciser, "open", data, "off", "wal"], "synchronous is `off`"),
        refusal([exerciser, "open", data, "full", "memory"], "journal_mode is `memory`"),
        refusal([exerciser, "open", data, "full", "delete"], "journal_mode is `delete`"),
        refusal([exerciser, "open", data, "full", "wal"], "fsync failed", inject="fsync:error=EINVAL:when=1+"),
    ]
    if os.access("/dev/shm", os.W_OK):
        place = scratch("/dev/shm")
        results.append(refusal([exerciser, "open", os.path.join(place, "data"), "full", "wal"], "tmpfs"))
        remove(place)
    holder = subprocess.Popen([exerciser, "fill", data, "2", "1"], stdout=subprocess.PIPE, text=True)
    holder.stdout.readline()
    results.append(refusal([exerciser, "open", data, "full", "wal"], "in use"))
    holder.communicate()
    os.chmod(os.path.join(data, "master.key"), 0o640)
    results.append(refusal([exerciser, "open", data, "full", "wal"], "chmod 600"))
    os.chmod(os.path.join(data, "master.key"), 0o600)
    with open(os.path.join(data, "master.key"), "wb") as file:
        file.write(bytes(32))
    results.append(refusal([exerciser, "open", data, "full", "wal"], "not the key"))
    os.unlink(os.path.join(data, "master.key"))
    results.append(refusal([exerciser, "open", data, "full", "wal"], "missing"))
    remove(root)
    print(f"refused starts: {sum(results)} of {len(results)}")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
