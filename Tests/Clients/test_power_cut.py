"""D2 on the gateway itself: its writes and syncs recorded while clients publish and change buses and keys, the states that a
power cut could have left replayed, and a gateway started on each. Whatever was answered with success before the cut is there."""

import concurrent.futures
import hashlib
import http.client
import json
import os
import pathlib
import random
import re
import shutil
import signal
import sys
import threading

import pytest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "Faults"))

from attacks import client_context
from disk_states import Disk, TRACED, operations, place
from gateway import BUS_ARN, OWNER, REGION, SENDER, Gateway
from measures import report  # noqa: F401
from publishing import Publisher, checked, entry
from signing import Signed

SEED = int(os.environ.get("ISTHMUS_SEED") or random.SystemRandom().randrange(1 << 32))
STATES = int(os.environ.get("POWER_CUT_STATES") or 160)
LATE_ARN = BUS_ARN.replace("orders", "late")
#: A TLS record of application data that is longer than an alert.
ANSWER = re.compile(rb"\x17\x03\x03(?!\x00\x13)")


class Recorded:
    """A gateway behind strace, and for each connection what its answers promised, in order."""

    def __init__(self, gateway, trace):
        self.gateway, self.trace, self.promises = gateway, trace, {}
        self.known = {str(path) for path in gateway.data.iterdir()}
        calls = ",".join(TRACED)
        gateway.start(wrapper=["strace", "-f", "--seccomp-bpf", "-qq", "-yy", "-xx", "-s", "2200000", "-o", str(trace), "-e",
                               f"trace={calls}", "-e", "signal=none"])

    def promise(self, publisher, answer, *facts):
        """Notes what an answer on a connection has promised."""
        assert answer.status == 200, answer
        port = publisher.connection.sock.getsockname()[1]
        self.promises.setdefault(port, []).append(facts)

    def publish(self, publisher, number, bus=BUS_ARN):
        answer = publisher.put({**entry(number), "EventBusName": bus})
        assert answer.ids, answer
        self.promise(publisher, answer, ("event", bus.split("/")[-1], number, answer.ids[0]))

    def administer(self, administrator, operation, content, *facts):
        answer = administrator.post(json.dumps(content).encode(), target=f"AWSEvents.{operation}")
        self.promise(administrator, answer, *facts)

    def credentials(self, is_kept=True):
        """A new key, made over the control socket; one that is to be disabled is promised nothing."""
        key = self.gateway.credentials()
        self.promises.setdefault("control", []).append((("key", *key),) if is_kept else ())
        return key

    def disable(self, key):
        self.gateway.run("credentials", "disable", "--config", str(self.gateway.config), "--access-key-id", key[0])
        self.promises.setdefault("control", []).append((("disabled", *key),))

    def end(self, number):
        child, = pathlib.Path(f"/proc/{self.gateway.process.pid}/task/{self.gateway.process.pid}/children").read_text().split()
        os.kill(int(child), number)
        self.gateway.process.wait(40)
        self.gateway.log.close()

    def operations(self):
        """The operations on the disk, and between them the promises at the moments their answers were written."""
        waiting = {name: iter(facts) for name, facts in self.promises.items()}

        def spoken(descriptor, octets):
            if "UNIX-STREAM:" in descriptor:
                return ("promise", next(waiting["control"]))
            peer = re.search(r"->127\.0\.0\.1:(\d+)\]", descriptor)
            if not peer or int(peer.group(1)) not in waiting or not ANSWER.match(octets):
                return None
            return ("promise", next(waiting[int(peer.group(1))]))
        found = operations(self.trace, str(self.gateway.data), spoken, self.known)
        left = {name: list(facts) for name, facts in waiting.items()}
        assert not any(left.values()), f"answers that the trace does not show: {left}"
        return found


def policy(bus):
    return {"EventBusName": bus, "Action": "events:PutEvents", "Principal": SENDER, "StatementId": "sender"}


def drive(recorded, begin):
    """Two senders, and beside them somebody who makes buses, policies, tags and keys."""
    gateway = recorded.gateway

    def send(start):
        with Publisher(gateway) as publisher:
            for number in range(start, start + 12):
                recorded.publish(publisher, number)
    senders = [threading.Thread(target=send, args=(begin + 100 * index,)) for index in (1, 2)]
    for sender in senders:
        sender.start()
    with Publisher(gateway) as publisher, Publisher(gateway, leaf=gateway.administrator) as administrator:
        if begin == 0:
            recorded.administer(administrator, "CreateEventBus", {"Name": "late"}, ("bus", "late"))
            recorded.administer(administrator, "PutPermission", policy("late"), ("sid", "late", "sender"))
        recorded.publish(publisher, begin + 1, LATE_ARN)
        recorded.administer(administrator, "TagResource", {
            "ResourceARN": LATE_ARN, "Tags": [{"Key": f"run-{begin}", "Value": "x"}]}, ("tag", f"run-{begin}"))
        recorded.credentials()
        if begin == 0:
            recorded.disable(recorded.credentials(is_kept=False))
        recorded.publish(publisher, begin + 2, LATE_ARN)
        recorded.administer(administrator, "CreateEventBus", {"Name": f"gone-{begin}"})
        recorded.administer(administrator, "DeleteEventBus", {"Name": f"gone-{begin}"}, ("gone", f"gone-{begin}"))
    for sender in senders:
        sender.join(60)


def identity_status(gateway, key):
    """What GetCallerIdentity signed with this key is answered."""
    form = ("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
    signed = Signed(key, b"Action=GetCallerIdentity&Version=2011-06-15", [form], service="sts")
    fields = {**dict(signed.fields()), "Authorization": signed.authorization()}
    connection = http.client.HTTPSConnection(
        "localhost", gateway.open_port, context=client_context(gateway, alpn=["http/1.1"]), timeout=10)
    connection.request("POST", "/", signed.body, fields)
    status = connection.getresponse().status
    connection.close()
    return status


class Rebuilt:
    """A gateway of the same authorities, on directories that power cuts left."""

    def __init__(self, original):
        self.gateway = Gateway(base=original.folder)
        for name in ("acme", "globex", "servers", "server", "publisher", "administrator"):
            setattr(self.gateway, name, getattr(original, name))
        self.original = original
        self.gateway.write_configuration()

    def lost(self, files, facts):
        """Which of the facts do not hold on this state of the disk."""
        gateway = self.gateway
        place({path.replace(str(self.original.data), str(gateway.data)): content for path, content in files.items()},
              str(gateway.data))
        try:
            gateway.start()
            seen = self.look()
            return [fact for fact in facts if not self.holds(fact, seen)]
        except AssertionError as error:
            return [("whole", str(error)[-300:])]
        finally:
            gateway.kill()
            shutil.rmtree(gateway.data)

    def look(self):
        """(buses, tags, events) of the gateway; sequences that are not dense and events stored twice are errors."""
        gateway = self.gateway
        with Publisher(gateway, leaf=gateway.administrator) as administrator:
            ask = lambda operation, **content: administrator.post(
                json.dumps(content).encode(), target=f"AWSEvents.{operation}").json
            buses = {bus["Name"]: bus for bus in ask("ListEventBuses")["EventBuses"]}
            tags = {tag["Key"] for tag in ask("ListTagsForResource", ResourceARN=LATE_ARN).get("Tags", [])}
        events = {name: checked(gateway.events(bus=name)) for name in ("orders", "late") if name in buses}
        return buses, tags, events

    def holds(self, fact, seen):
        buses, tags, events = seen
        match fact:
            case ("event", bus, number, name): return events.get(bus, {}).get(number) == name
            case ("bus", name): return name in buses
            case ("gone", name): return name not in buses
            case ("sid", bus, sid): return f'"{sid}"' in buses.get(bus, {}).get("Policy", "")
            case ("tag", key): return key in tags
            case ("key", *key): return identity_status(self.gateway, tuple(key)) == 200
            case ("disabled", *key): return identity_status(self.gateway, tuple(key)) != 200
        raise AssertionError(f"an unknown fact: {fact}")


def states(run, dice, most):
    """At most `most` states that cuts could have left, each with what had been promised by then.

    Half of them are cuts just after a promise that keep only what was synced: where a missing sync shows.
    """
    def walk():
        disk, promised = Disk(), []
        for index, operation in enumerate(run):
            if operation[0] == "promise":
                promised += operation[1]
            else:
                disk.step(operation)
            for place_of_cut, cut in enumerate(disk.cuts()):
                yield disk, (index, place_of_cut), cut, operation[0] == "promise" and place_of_cut == 1, promised
    bare, others = [], []
    for _, name, _, is_bare, _ in walk():
        (bare if is_bare else others).append(name)
    chosen = set(dice.sample(bare, min(len(bare), most // 2)))
    chosen |= set(dice.sample(others, min(len(others), most - len(chosen))))
    seen = set()
    for disk, name, cut, _, promised in walk():
        if name not in chosen:
            continue
        files = disk.state(*cut)
        digest = hashlib.blake2b(repr(sorted((path, hash(content)) for path, content in files.items())).encode()
                                 + str(len(promised)).encode()).digest()
        if digest not in seen:
            seen.add(digest)
            yield name, files, list(promised)


def replay(original, run, dice, most):
    """Starts a gateway on each state, two at a time: (states, [(state, lost facts)])."""
    count, losses = 0, []
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        free = [Rebuilt(original), Rebuilt(original)]

        def judge(state):
            name, files, facts = state
            rebuilt = free.pop()
            try:
                return name, rebuilt.lost(files, facts)
            finally:
                free.append(rebuilt)
        waiting = set()
        for state in states(run, dice, most):
            waiting.add(pool.submit(judge, state))
            count += 1
            if len(waiting) == 4:
                done, waiting = concurrent.futures.wait(waiting, return_when=concurrent.futures.FIRST_COMPLETED)
                losses += [one.result() for one in done if one.result()[1]]
        losses += [one.result() for one in waiting if one.result()[1]]
    return count, losses


@pytest.fixture(scope="module")
def recorded():
    """Two runs on one data directory: the first ends in order, the second by kill -9."""
    gateway = Gateway()
    gateway.data.mkdir(0o700)
    run = []
    for begin, ending in ((0, signal.SIGTERM), (1000, signal.SIGKILL)):
        recording = Recorded(gateway, gateway.folder / f"trace-{begin}.txt")
        drive(recording, begin)
        recording.end(ending)
        run += recording.operations()
    yield gateway, run
    gateway.remove()


def test_d2_whatever_was_answered_is_there_after_a_power_cut_at_any_moment(recorded, report):  # noqa: F811
    gateway, run = recorded
    promises = [fact for operation in run if operation[0] == "promise" for fact in operation[1]]
    assert {fact[0] for fact in promises} == {"event", "bus", "sid", "tag", "key", "disabled", "gone"}
    count, losses = replay(gateway, run, random.Random(SEED), STATES)
    report("D2", f"gateway's own trace, seed {SEED}: operations, promises, states, lost",
           f"{len(run)}, {len(promises)}, {count}, {len(losses)}")
    assert count > STATES // 2
    assert losses == []


def test_d2_the_method_finds_losses_when_syncs_are_left_out(recorded, report):  # noqa: F811
    gateway, run = recorded
    lazy = [operation for operation in run
            if operation[0] != "sync" or not operation[1].endswith(("log.sqlite-wal", "control.sqlite-wal", "control.sqlite"))]
    count, losses = replay(gateway, lazy, random.Random(SEED), 16)
    lost = {fact[0] for _, facts in losses for fact in facts}
    report("D2", "the same without the syncs of the logs: states, with losses", f"{count}, {len(losses)}: {sorted(lost)}")
    assert "event" in lost and lost - {"event"}
