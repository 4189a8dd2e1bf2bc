"""The archive of decisions under faults: what cannot be recorded is not told, and one sender does not take it from the others."""

import os
import re

import pytest

from gateway import OWNER, Gateway, wait_until
from publishing import Publisher, entry
from stracing import FileFault

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
# Half of what may wait is anybody's. Source: DecisionShares, SQLiteDecisionArchive.QueueLimits.
ANYBODYS = 16_384 // 2


@pytest.fixture
def gateway():
    made = Gateway()
    made.reader = made.globex.principal("reader", f"spiffe://globex.example/account/{OWNER}/role/reader")
    made.start()
    yield made
    made.remove()


def denied(publisher, **more):
    """The outcome of one entry that no policy allows."""
    answer = publisher.put(entry(1, source="com.evil.orders"), **more)
    return answer.json["Entries"][0] if answer.status == 200 else {"ErrorCode": answer.code}


def decision(outcome):
    assert outcome["ErrorCode"] == "AccessDeniedException", outcome
    return re.search(rf"\(decision id: ({UUID})\)", outcome["ErrorMessage"])[1]


def explained(gateway, name):
    return "nothing in the" in gateway.run("explain", name, "--config", str(gateway.config), check=False).stdout


def test_on_a_full_disk_one_sender_fills_half_of_what_may_wait_and_the_others_still_read_their_denials(gateway):
    evil = [entry(number, source="com.evil.orders") for number in range(10)]
    with (Publisher(gateway) as noisy, Publisher(gateway, leaf=gateway.reader) as bystander):
        first = decision(denied(noisy))
        assert explained(gateway, first)
        told = []
        with FileFault(gateway.process.pid, gateway.data / "decisions.sqlite-wal", "pwrite64", "ENOSPC"):
            while len(told) <= ANYBODYS:
                answer = noisy.put(*evil)
                outcomes = answer.json["Entries"] if answer.status == 200 else [{"ErrorCode": answer.code}]
                told += [decision(one) for one in outcomes if one["ErrorCode"] == "AccessDeniedException"]
                if any(one["ErrorCode"] == "ThrottlingException" for one in outcomes):
                    break
            # What the writer holds in its hands waits no more.
            assert ANYBODYS - 10 <= len(told) <= ANYBODYS + 1024
            assert denied(noisy)["ErrorCode"] == "ThrottlingException"
            assert '"decision-records-full"' in gateway.logged()
            assert gateway.metric("isthmus_decisions_unrecorded_total") > 0
            # Nobody has to explain an allow, and others have room of their own.
            assert noisy.put(entry(2)).ids
            other = decision(denied(bystander))
        wait_until(lambda: '"decision-records-have-room"' in gateway.logged(), 10, "room")
        for name in (told[0], told[-1], other):
            wait_until(lambda: explained(gateway, name), 10, "the record")
        assert explained(gateway, decision(denied(noisy)))
    gateway.stop()


def test_a_disk_that_fails_leaves_no_denial_told_until_the_restart_and_allows_go_on(gateway):
    with Publisher(gateway) as publisher:
        assert explained(gateway, decision(denied(publisher)))
        with FileFault(gateway.process.pid, gateway.data / "decisions.sqlite-wal", "fdatasync", "EIO"):
            denied(publisher)
            wait_until(lambda: '"decision-records-failed"' in gateway.logged(), 10, "the failure")
        assert_closed(gateway, publisher)


@pytest.mark.parametrize("name", ["decisions.sqlite", "decisions.sqlite-wal"])
def test_an_archive_that_was_removed_beneath_the_gateway_is_noticed_and_a_restart_begins_another(gateway, name):
    with Publisher(gateway) as publisher:
        assert explained(gateway, decision(denied(publisher)))
        os.unlink(gateway.data / name)
        denied(publisher)
        wait_until(lambda: '"decision-records-failed"' in gateway.logged(), 10, "the failure")
        assert f"{name}` was removed or replaced" in gateway.logged()
        assert_closed(gateway, publisher)


def assert_closed(gateway, publisher):
    """Denials are not told, allows are; after a restart both are."""
    for _ in range(3):
        assert denied(publisher)["ErrorCode"] == "ThrottlingException"
        assert publisher.put(entry(2)).ids
    gateway.stop()
    gateway.start()
    with Publisher(gateway) as again:
        assert explained(gateway, decision(denied(again)))
        assert again.put(entry(3)).ids
    gateway.stop()
