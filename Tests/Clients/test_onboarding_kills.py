"""Joins and renewals that are cut short at every step, on either side: they end whole, and no certificate is left over."""

import collections
import re
import time

import pytest

from gateway import wait_until
from stracing import FileFault, Traced, kill_at, killing
from test_onboarding import side  # noqa: F401 (a fixture)

# What a gateway may ask of its disk while a partner joins: rename is renameat or renameat2 on other machines.
DISK_CALLS = ("fdatasync", "fsync", "pwrite64", "openat", "rename", "renameat", "renameat2")
# Of files that are opened so many steps are taken, evenly spread: the most are only read.
OPENINGS = 16
# One join writes more than another, by what a commit finds half done: each step gets so many joins to happen in.
TRIES = 3
# Joins differ in how many writes they make: a step that three made is met again sooner or later.
KILL_TRIES = 20


@pytest.fixture(autouse=True)
def took():
    began = time.monotonic()
    yield
    print(f"took {time.monotonic() - began:.0f} s")


def assert_no_stray(side):
    """The authority's certificates that count are those that invitations know; the others are on its list."""
    wait_until(lambda: side.standing() == side.known(), 15, "the end of certificates nobody knows")
    assert not side.standing() & side.listed()


def test_a_partner_killed_at_every_step_joins_exactly_once(side):  # noqa: F811
    number = 100
    for call in ("rename", "link", "fsync", "openat", "write", "sendto", "recvfrom", "connect", "close"):
        # Most of what is opened and closed are the program's own libraries.
        stride = 7 if call in ("openat", "close") else 1
        for count in range(1, 400, stride):
            number += 1
            token = side.invite(number)
            cut = side.join(token, number, kill_at(call, count))
            if cut.returncode == 0:
                break
            again = side.join(token, number)
            assert again.returncode == 0, f"{call} {count}: {again.stderr}"
            side.assert_joined_once(number)
        else:
            raise AssertionError(f"the join makes over 400 calls of {call}")
        print(f"{call}: killed at {(count - 1) // stride} steps")
        assert count > 1, f"no kill at {call}"
    assert_no_stray(side)


def disk_calls_of_a_join(side, number):  # noqa: F811
    """By call, how often the thread makes it that makes it most: strace counts for each thread."""
    token, trace = side.invite(number), side.gateway.folder / "disk.trace"
    with Traced(side.gateway, "-o", str(trace), "-e", "trace=" + ",".join(f"?{call}" for call in DISK_CALLS)):
        assert side.join(token, number).returncode == 0
    return {call: most_calls(trace, call) for call in DISK_CALLS}


def most_calls(trace, call):
    made = collections.Counter(re.findall(rf"^(\d+) +{call}\(", trace.read_text(), re.MULTILINE))
    return max(made.values(), default=0)


def killed_gateway(side, call, count, number):  # noqa: F811
    """Lets a partner join while the gateway dies at the call, and again; whether it died. It may make fewer such calls."""
    gateway, token, trace = side.gateway, side.invite(number), side.gateway.folder / "kill.trace"
    with Traced(gateway, *killing(call, count, trace)):
        cut = side.join(token, number)
        dead = wait_until(lambda: gateway.process.poll() is not None or cut.returncode == 0, 20, "an end") and (
            gateway.process.poll() is not None)
    if not dead:
        made = most_calls(trace, call)
        assert made < count, f"{call} {count}: it was made {made} times and did not kill"
        return False
    gateway.log.close()
    gateway.start()
    again = side.join(token, number)
    assert again.returncode == 0, f"{call} {count}: {again.stderr}"
    side.assert_joined_once(number)
    return True


def test_a_gateway_killed_at_every_step_to_its_disk_lets_the_partner_join_exactly_once(side):  # noqa: F811
    numbers = iter(range(2000, 10_000))
    measured = [disk_calls_of_a_join(side, next(numbers)) for _ in range(TRIES)]
    calls = {call: min(made[call] for made in measured) for call in DISK_CALLS}
    assert all(calls[call] for call in ("fdatasync", "fsync", "pwrite64", "openat")), calls
    for call, made in calls.items():
        steps = range(1, made + 1, -(-made // OPENINGS) if call == "openat" and made else 1)
        missed = [count for count in steps
                  if not any(killed_gateway(side, call, count, next(numbers)) for _ in range(KILL_TRIES))]
        assert not missed, f"the gateway was not killed at {call} {missed}"
        # What one join does and another does not, such as moving the write-ahead log's pages: as far as it goes.
        most = max(counted[call] for counted in measured) if call != "openat" else made
        further = [count for count in range(made + 1, most + 1) if killed_gateway(side, call, count, next(numbers))]
        killed = list(steps) + further
        print(f"{call}: made {[counted[call] for counted in measured]} times, killed at {killed}")
    assert_no_stray(side)


def test_a_full_disk_under_the_commit_leaves_the_certificate_revoked(side):  # noqa: F811
    gateway, token, before = side.gateway, side.invite(9001), side.standing()
    with FileFault(gateway.process.pid, gateway.data / "control.sqlite-wal", "pwrite64", "ENOSPC"):
        refused = side.join(token, 9001)
    assert refused.returncode == 1 and "the disk is full: nothing was changed" in refused.stderr, refused.stderr
    assert side.state(9001) == ["invited"]
    assert_no_stray(side)
    assert side.standing() == before and "revoked" in gateway.run("pki", "list", "--directory", str(side.authority)).stdout
    again = side.join(token, 9001)
    assert again.returncode == 0, again.stderr
    side.assert_joined_once(9001)


def test_a_full_disk_under_a_renewal_leaves_the_new_certificate_revoked_and_the_old_one_good(side):  # noqa: F811
    gateway = side.gateway
    assert side.join(side.invite(9002), 9002).returncode == 0
    before, listed = side.standing(), side.listed()
    renew = ["partner", "renew", "--directory", str(side.folder(9002)), "--force"]
    with FileFault(gateway.process.pid, gateway.data / "control.sqlite-wal", "pwrite64", "ENOSPC"):
        refused = gateway.run(*renew, check=False)
    assert refused.returncode == 1 and "the disk is full" in refused.stderr, refused.stderr
    assert_no_stray(side)
    assert side.standing() == before and len(side.listed() - listed) == 1
    assert side.put(side.connect(9002), 9002)[1]["FailedEntryCount"] == 0, "the old certificate is good"
    assert "renewed" in gateway.run(*renew).stdout


def test_a_disk_that_fails_under_the_commit_leaves_the_certificate_revoked_after_the_restart(side):  # noqa: F811
    gateway, token, before = side.gateway, side.invite(9003), side.standing()
    with FileFault(gateway.process.pid, gateway.data / "control.sqlite-wal", "fdatasync", "EIO"):
        assert side.join(token, 9003).returncode != 0
        assert gateway.process.wait(timeout=20) != 0
    gateway.log.close()
    gateway.start()
    assert_no_stray(side)
    again = side.join(token, 9003)
    assert again.returncode == 0, again.stderr
    side.assert_joined_once(9003)
    assert side.standing() - before <= side.known()
