"""What an acknowledgement is worth: kills, failing and full disks, and places where it could not be kept (D1, D5, D6, D8)."""

import http.client
import itertools
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import threading
import time

import pytest

from gateway import Gateway, binary, wait_until
from measures import report  # noqa: F401 (a fixture)
from publishing import Flood, Publisher, assert_kept, assert_not_stored, entry, stored, stored_until_mark
from stracing import Strace

KILLS = 30
SEED = 20_260_101


def refused_start(gateway, *words, seconds=20):
    """Runs `serve`, which must end by itself, not bind, and say all `words`; returns what it said."""
    done = subprocess.run(
        [binary(), "serve", "--config", str(gateway.config)], capture_output=True, text=True, timeout=seconds,
        env={**os.environ, "SWIFT_BACKTRACE": "enable=no"})
    said = done.stdout + done.stderr
    assert done.returncode in (1, 3), f"{done.returncode}: {said}"
    for word in words:
        assert word in said, said
    assert '"listening"' not in said and '"ready"' not in said, said
    return said


def ends_at_once(gateway, trace):
    """Waits for the end of a gateway whose disk failed; returns how many seconds after the first failing call it came."""
    code = gateway.process.wait(timeout=30)
    ended = time.time()
    gateway.log.close()
    assert code == 5, gateway.logged()
    took = ended - Strace.first_failure(trace)
    assert took <= 1, f"{took:.2f} s from the failing call to the end"
    assert '"fail-stop"' in gateway.logged()
    return took


@pytest.fixture
def gateway():
    made = Gateway()
    yield made
    made.remove()


def test_what_was_acknowledged_survives_kill_9_at_random_moments(gateway, report):
    rolling, acknowledged, restarts = random.Random(SEED), {}, []
    gateway.start()
    for kill in range(KILLS):
        flood = Flood(gateway, connections=4, begin=10_000_000 * kill).start()
        # Not a wait for something: the moment of the kill is what is drawn.
        threading.Event().wait(rolling.uniform(0, 0.15))
        gateway.kill()
        flood.wait()
        acknowledged.update(flood.acknowledged)
        began = time.monotonic()
        gateway.start()
        restarts.append(time.monotonic() - began)
    found = stored_until_mark(gateway)
    gateway.stop()
    report("D1", "kills, acknowledged, stored, lost",
           f"{KILLS}, {len(acknowledged)}, {len(found)}, {len(acknowledged.keys() - found.keys())}")
    report("D1", "slowest restart to ready", f"{max(restarts):.2f} s (limit 2 s)")
    assert_kept(acknowledged, found)
    assert len(acknowledged) > 10 * KILLS and max(restarts) <= 2


def test_a_failing_fdatasync_stops_the_gateway_with_nothing_acknowledged_after(gateway, report):
    trace = gateway.folder / "trace.txt"
    # Whatever a first start makes is there, so that the failing sync is one of the flood's.
    gateway.start().stop()
    gateway.start(wrapper=Strace(trace, "fdatasync", "fdatasync:error=EIO:when=30+").command)
    flood = Flood(gateway, connections=4).start()
    took = ends_at_once(gateway, trace)
    flood.wait()
    answers = [answer for answer in flood.refused if answer.status == 500]
    report("D5", "seconds from the failed fdatasync to the end", f"{took:.2f} s (limit 1 s)")
    report("D5", "acknowledged; answered 500; closed without an answer",
           f"{len(flood.acknowledged)}; {len(answers)}; {len(flood.broken)}")
    # What was in the failed commit is unknown (500); what waited behind it never reached one (503).
    behind = [answer for answer in flood.refused if answer.status == 503]
    assert len(answers) + len(behind) == len(flood.refused), flood.refused
    assert answers, "nobody heard of the unknown outcome"
    assert {answer.code for answer in answers} == {"InternalFailure"}
    assert {answer.code for answer in behind} <= {"ServiceUnavailable"}
    # What was acknowledged was so by a sync that succeeded: none after the first failure.
    gateway.start()
    found = stored_until_mark(gateway)
    assert_kept(flood.acknowledged, found)
    assert_not_stored([number for answer in behind for number in answer.numbers], found)
    ghosts = found.keys() - flood.acknowledged.keys()
    report("D5", "answered 503, all absent; stored without an acknowledgement (allowed: the outcome was unknown)",
           f"{len(behind)}; {len(ghosts)}")
    gateway.stop()


@pytest.mark.parametrize("commit", [3, 5, 8, 13, 21])
def test_the_sender_at_a_failing_sync_is_told_that_the_outcome_is_unknown_and_its_retry_is_one_event(gateway, report, commit):
    """One request alone is at the failing sync: its answer has to leave before the process ends."""
    trace = gateway.folder / "trace.txt"
    gateway.start().stop()
    gateway.start(wrapper=Strace(trace, "fdatasync", f"fdatasync:error=EIO:when={commit}+").command)
    with Publisher(gateway) as publisher:
        for number in range(100):
            key = {"Isthmus-Idempotency-Key": f"event-{number}"}
            try:
                answer = publisher.put(entry(number), headers=key)
            except OSError as error:
                answer = error
            if getattr(answer, "ids", None) is None:
                break
    took = ends_at_once(gateway, trace)
    gateway.start()
    with Publisher(gateway) as publisher:
        again = publisher.put(entry(number), headers=key)
        assert again.ids, again
    assert stored(gateway)[number] == again.ids[0]
    report("D5", f"answer at the failing sync {commit}; s to the end", f"{repr(answer)[:40]}; {took:.2f}")
    gateway.stop()
    assert getattr(answer, "status", None) == 500, f"no answer but {answer!r}"
    assert answer.code == "InternalFailure"


put_small = lambda publisher, administrator, number: publisher.put(entry(number))
put_large = lambda publisher, administrator, number: publisher.put(entry(number, size=900_000))
create_bus = lambda publisher, administrator, number: administrator.post(
    json.dumps({"Name": f"bus-{number}"}).encode(), target="AWSEvents.CreateEventBus")


# strace counts the calls of each thread: the one that starts the gateway makes 42 writes, the log's makes one after the other.
@pytest.mark.parametrize("call, fault, ask", [
    ("pwrite64", "error=EIO:when=60+", put_small), ("pwrite64", "error=EIO:when=300+", put_large),
    ("fdatasync", "error=EIO:when=12", put_large), ("fdatasync", "error=EIO:when=14", put_large),
    ("fdatasync", "error=EIO:when=5+", create_bus)],
    ids=["write-ahead log", "large writes", "sync among large commits", "sync near a checkpoint", "control tables"])
def test_any_failing_write_or_sync_ends_the_gateway_with_status_5(gateway, report, call, fault, ask, request):
    trace = gateway.folder / "trace.txt"
    gateway.start().stop()
    gateway.start(wrapper=Strace(trace, call, f"{call}:{fault}").command)
    acknowledged, answered, status = {}, 0, None
    with Publisher(gateway) as publisher, Publisher(gateway, leaf=gateway.administrator) as administrator:
        for number in range(200):
            try:
                answer = ask(publisher, administrator, number)
            except (OSError, http.client.HTTPException):
                break
            if answer.status != 200:
                status = answer.status
                break
            answered += 1
            if answer.ids:
                acknowledged[number] = answer.ids[0]
    took = ends_at_once(gateway, trace)
    gateway.start()
    found = stored_until_mark(gateway)
    assert_kept(acknowledged, found)
    with Publisher(gateway, leaf=gateway.administrator) as administrator:
        listed = administrator.post(b"{}", target="AWSEvents.ListEventBuses").json["EventBuses"]
    if ask is create_bus:
        assert len(listed) - 2 in (answered, answered + 1), listed
    report("D5", f"failing {request.node.callspec.id}: answered before; then; s to the end",
           f"{answered}; {status}; {took:.2f}")
    # Unknown is 500. A request that comes after the failure reaches no commit: 503, or no answer any more.
    assert status in (500, 503, None)
    if status == 503:
        assert_not_stored([number], found)
        assert len(listed) - 2 <= (answered if ask is create_bus else 0)
    gateway.stop()


@pytest.mark.parametrize("error", ["ENOSPC", "EDQUOT"])
def test_a_disk_or_quota_that_is_full_for_a_while_is_a_503_for_that_while(gateway, report, error):
    """By strace at the writes of the log: unlike a small disk it ends by itself."""
    gateway.start().stop()
    gateway.start(wrapper=Strace(gateway.folder / "trace.txt", "pwrite64", f"pwrite64:error={error}:when=60..80").command)
    statuses, kept = [], {}
    with Publisher(gateway) as publisher:

        def again_after_full():
            answer = publisher.put(entry(len(statuses)))
            if answer.ids:
                kept[len(statuses)] = answer.ids[0]
            statuses.append(answer.status)
            return answer.ids and 503 in statuses

        wait_until(again_after_full, 20, "recovery")
    assert set(statuses) == {200, 503}
    report("D6", f"{error} at 21 writes: 503; then served again", statuses.count(503))
    assert_kept(kept, stored(gateway))
    assert set(stored(gateway)) == set(kept), "a request that was refused is stored"
    signal_traced(gateway)


def signal_traced(gateway):
    """SIGTERM for a gateway that stands behind strace."""
    children = pathlib.Path(f"/proc/{gateway.process.pid}/task/{gateway.process.pid}/children").read_text().split()
    os.kill(int(children[0]), signal.SIGTERM)
    assert gateway.process.wait(timeout=40) == 0
    gateway.log.close()


@pytest.fixture
def small_disk(monkeypatch):
    """A gateway whose data and temporary files stand on an ext4 of 256 MiB, of which the reserve file takes 64."""
    made = Gateway()
    image, place = made.folder / "disk.img", made.folder / "disk"
    place.mkdir()
    with open(image, "wb") as file:
        file.truncate(256 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", image], check=True, capture_output=True)
    mounted = subprocess.run(["mount", "-o", "loop", image, place], capture_output=True, text=True)
    if mounted.returncode != 0:
        made.remove()
        pytest.skip(f"a loop device cannot be mounted here: {mounted.stderr.strip()}")
    made.data = place / "data"
    made.write_configuration()
    (place / "temp").mkdir()
    for name in ("TMPDIR", "SQLITE_TMPDIR"):
        monkeypatch.setenv(name, str(place / "temp"))
    try:
        yield made
    finally:
        if made.process and made.process.poll() is None:
            made.kill()
        subprocess.run(["umount", place], check=True)
        made.remove()


class Told:
    """Events one at a time, and what each was told: `kept` has the ids of those accepted, `refused` the others' numbers."""

    def __init__(self, publisher):
        self.publisher, self.kept, self.refused = publisher, {}, []

    def put(self, number, size=0):
        answer = self.publisher.put(entry(number, size=size))
        if answer.ids:
            self.kept[number] = answer.ids[0]
        else:
            assert (answer.status, answer.code) == (503, "ServiceUnavailable"), answer
            assert int(answer.fields["Retry-After"]) >= 1
            self.refused.append(number)
        return answer.ids


def test_a_full_disk_is_a_503_and_the_gateway_recovers_unattended(small_disk, report):
    gateway = small_disk
    gateway.start()
    filler, numbers = gateway.data.parent / "filler", itertools.count()
    with Publisher(gateway) as publisher, Publisher(gateway, gateway.administrator) as administrator:
        ask = lambda operation, name: administrator.post(
            json.dumps({"Name": name}).encode(), target=f"AWSEvents.{operation}")
        told = Told(publisher)
        assert told.put(next(numbers)) and ask("CreateEventBus", "gone").status == 200
        free = shutil.disk_usage(filler.parent).free
        with open(filler, "wb"):
            subprocess.run(["fallocate", "-l", str(max(1, free - (1 << 20))), filler], check=True)
        while told.put(next(numbers), size=200_000):
            assert len(told.kept) < 2000, "the disk does not become full"
        before = len(told.kept)
        for _ in range(20):
            told.put(next(numbers))
        small = len(told.kept) - before
        assert_kept(told.kept, stored(gateway))
        assert ask("DescribeEventBus", "orders").json.get("Name") == "orders"
        assert ask("DeleteEventBus", "gone").status == 200
        assert gateway.page("/healthz")[0] == 200
        assert gateway.process.poll() is None, gateway.logged()
        filler.unlink()
        began = time.monotonic()
        wait_until(lambda: told.put(next(numbers)), 15, "recovery")
        took = time.monotonic() - began
    assert '"disk-full"' in gateway.logged() and '"disk-has-room"' in gateway.logged()
    report("D6", "events before full; small ones taken when full, of 20; refused; seconds to recover",
           f"{before}; {small}; {len(told.refused)}; {took:.2f} s")
    found = stored_until_mark(gateway)
    assert_kept(told.kept, found)
    assert_not_stored(told.refused, found)
    gateway.stop()


def test_a_full_disk_keeps_what_was_acknowledged_over_a_kill_and_starts_again(small_disk, report):
    gateway = small_disk
    gateway.start()
    kept, number = {}, 0
    with Publisher(gateway) as publisher:
        answer = publisher.put(entry(number))
        while answer.ids:
            kept[number] = answer.ids[0]
            number += 1
            assert number < 1000, "the disk does not become full"
            answer = publisher.put(entry(number, size=900_000))
        assert answer.status == 503, answer
    gateway.kill()
    gateway.start()
    found = stored_until_mark(gateway)
    report("D6", "acknowledged on a disk that became full by itself; lost", f"{len(kept)}; {len(kept.keys() - found.keys())}")
    assert_kept(kept, found)
    gateway.stop()


def test_a_nearly_full_disk_is_started_on_and_keeps_its_last_room(small_disk, report):
    """The write-ahead log finds no room of its own: what it could take is what the others need to start."""
    gateway = small_disk
    gateway.start().stop()
    filler = gateway.data.parent / "filler"
    free = shutil.disk_usage(filler.parent).free
    subprocess.run(["fallocate", "-l", str(free - (2060 << 10)), filler], check=True)
    gateway.start()
    left = shutil.disk_usage(filler.parent).free
    report("D6", "KiB free before and after a start", f"2060; {left >> 10}")
    assert left > 1 << 20, "the room was taken for nothing"
    with Publisher(gateway) as publisher:
        assert publisher.put(entry(1)).ids
    assert gateway.data.joinpath("reserve").stat().st_size == 64 << 20
    gateway.stop()


def test_a_data_directory_in_memory_is_refused(gateway, report):
    place = f"/dev/shm/{gateway.folder.name}"
    os.mkdir(place)
    try:
        gateway.data = f"{place}/data"
        gateway.write_configuration()
        said = refused_start(gateway, "tmpfs", "put the data directory on a disk")
        report("D8", "tmpfs", said.strip().splitlines()[-1])
    finally:
        shutil.rmtree(place)


@pytest.mark.parametrize("value", ["normal", "off"])
def test_a_weaker_durability_is_refused_with_its_line(gateway, report, value):
    gateway.extra = f"durability:\n  synchronous: {value}\n"
    gateway.write_configuration()
    line = gateway.config.read_text().splitlines().index(f"  synchronous: {value}") + 1
    said = refused_start(gateway, f"isthmus.yaml:{line}:", "no setting weakens it")
    assert not gateway.data.exists(), "nothing may be half applied"
    report("D8", value, said.strip().splitlines()[0].split("/")[-1])


def test_a_directory_that_cannot_fsync_is_refused(gateway, report):
    done = subprocess.run(
        [*Strace(gateway.folder / "trace.txt", "fsync", "fsync:error=EINVAL:when=1+").command, binary(), "serve",
         "--config", str(gateway.config)], capture_output=True, text=True, timeout=30)
    assert done.returncode == 1 and "cannot be made durable" in done.stderr, done
    report("D8", "no fsync", done.stderr.strip().splitlines()[-1])


def test_a_second_gateway_on_the_same_data_directory_is_refused(gateway, report):
    gateway.start()
    other = Gateway()
    try:
        other.data = gateway.data
        other.write_configuration()
        report("D8", "second gateway", refused_start(other, "in use by another gateway").strip().splitlines()[-1])
    finally:
        other.remove()
    with Publisher(gateway) as publisher:
        assert publisher.put(entry(1)).ids
    assert stored(gateway).keys() == {1}
    gateway.stop()


def test_a_master_key_that_is_open_wrong_short_or_missing_is_refused(gateway, report):
    gateway.start().stop()
    path = gateway.data / "master.key"
    assert path.stat().st_mode & 0o777 == 0o600
    right = path.read_bytes()
    for mode in (0o640, 0o604, 0o660):
        path.chmod(mode)
        refused_start(gateway, f"mode {mode:o}", "chmod 600")
    path.chmod(0o600)
    path.write_bytes(bytes(byte ^ 1 for byte in right))
    refused_start(gateway, "not the key this log was begun with")
    path.write_bytes(right[:31])
    refused_start(gateway, "has 31 bytes")
    path.unlink()
    refused_start(gateway, "is missing", "restore it")
    assert not path.exists(), "a new key must not be made beside an old log"
    path.write_bytes(right)
    path.chmod(0o600)
    gateway.start().stop()
    report("D8", "master keys refused", 6)
