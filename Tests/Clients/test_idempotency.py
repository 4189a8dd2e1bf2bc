"""A retry is one event (D10): the explicit key, the SDK's own retries through a network that fails, and who may share a key."""

import json
import threading

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from gateway import BUS_ARN, OWNER, REGION, SENDER, Gateway
from measures import report  # noqa: F401 (a fixture)
from publishing import TARGET, Publisher, body_of, entry, stored
from wires import FaultProxy

KEY = "Isthmus-Idempotency-Key"
ATTEMPTS = 5


@pytest.fixture
def gateway():
    made = Gateway()
    yield made
    if made.process:
        made.stop()
    made.remove()


def signed_fields(gateway, key, body, extra, sign_extra=True):
    """The fields of a signed PutEvents; `extra` inside or outside the signature."""
    request = AWSRequest("POST", gateway.url + "/", data=body, headers={
        "Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": TARGET, **(extra if sign_extra else {})})
    SigV4Auth(Credentials(*key), "events", REGION).add_auth(request)
    return {**dict(request.headers), **extra}


def test_the_same_key_and_body_are_exactly_one_event_over_a_kill(gateway, report):
    gateway.start()
    with Publisher(gateway) as publisher:
        first = publisher.put(entry(1), entry(2), headers={KEY: "order-7"})
        again = [publisher.put(entry(1), entry(2), headers={KEY: "order-7"}) for _ in range(ATTEMPTS)]
    assert first.ids and [answer.ids for answer in again] == [first.ids] * ATTEMPTS
    with Publisher(gateway) as other:
        assert other.put(entry(1), entry(2), headers={KEY: "order-7"}).ids == first.ids
    gateway.kill()
    gateway.start()
    with Publisher(gateway) as publisher:
        assert publisher.put(entry(1), entry(2), headers={KEY: "order-7"}).ids == first.ids
    found = stored(gateway)
    report("D10", "same key and body, sends; events", f"{ATTEMPTS + 3}; {len(found)} of 2")
    assert found == dict(zip((1, 2), first.ids))
    assert gateway.metric("isthmus_put_events_entries_repeated_total") == 2


def test_the_same_key_with_another_body_is_refused_also_after_a_kill(gateway):
    gateway.start()
    with Publisher(gateway) as publisher:
        assert publisher.put(entry(1), headers={KEY: "k"}).ids
        other = publisher.put(entry(2), headers={KEY: "k"})
        assert (other.status, other.code) == (400, "ValidationException"), other
        assert "Isthmus-Idempotency-Key" in other.json["message"]
    gateway.kill()
    gateway.start()
    with Publisher(gateway) as publisher:
        other = publisher.put(entry(2), headers={KEY: "k"})
        assert (other.status, other.code) == (400, "ValidationException"), other
        assert publisher.put(entry(2), headers={KEY: "k2"}).ids
    assert stored(gateway).keys() == {1, 2}


def test_a_key_that_was_refused_may_be_used_again(gateway):
    """Nothing stored, nothing remembered: a request that failed as a whole does not burn its key."""
    gateway.start()
    with Publisher(gateway) as publisher:
        assert publisher.post(b"{", headers={KEY: "k"}).status == 400
        denied = publisher.put(entry(1, source="com.other"), headers={KEY: "k"})
        assert denied.json["Entries"][0]["ErrorCode"] == "AccessDeniedException"
        assert publisher.put(entry(1), headers={KEY: "k"}).ids
    assert stored(gateway).keys() == {1}


@pytest.mark.parametrize("key, expected", [("x", 200), ("x" * 64, 200), ("x" * 65, 400), ("", 400), ("a b", 400), ("a\tb", 400)])
def test_a_key_has_1_to_64_printable_characters(shared, key, expected):
    with Publisher(shared) as publisher:
        answer = publisher.put(entry(1), headers={KEY: key})
    assert answer.status == expected, answer
    assert expected == 200 or answer.code == "ValidationException"


@pytest.fixture(scope="module")
def shared():
    made = Gateway().start()
    yield made
    made.stop()
    made.remove()


def test_concurrent_duplicates_are_one_event(gateway, report):
    gateway.start()
    rounds, senders, wrong = 40, 6, []
    barrier, answers = threading.Barrier(senders), [[None] * senders for _ in range(rounds)]

    def send(index):
        with Publisher(gateway) as publisher:
            for number in range(rounds):
                barrier.wait(30)
                answers[number][index] = publisher.put(entry(number), headers={KEY: f"round-{number}"})

    threads = [threading.Thread(target=send, args=(index,)) for index in range(senders)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    found = stored(gateway)
    for number, row in enumerate(answers):
        if {tuple(answer.ids or ()) for answer in row} != {(found[number],)}:
            wrong.append((number, row))
    report("D10", "concurrent duplicates: requests; events", f"{rounds * senders}; {len(found)} of {rounds}")
    assert not wrong and len(found) == rounds


def test_principals_do_not_share_keys(gateway):
    other = gateway.acme.principal("other", f"spiffe://acme.example/account/{SENDER}/role/other")
    policy = json.loads((gateway.folder / "orders-bus.json").read_text())
    policy["Statement"][0]["Principal"]["AWS"] = [f"arn:aws:iam::{SENDER}:role/{name}" for name in ("publisher", "other")]
    (gateway.folder / "orders-bus.json").write_text(json.dumps(policy))
    gateway.start()
    with Publisher(gateway) as first, Publisher(gateway, leaf=other) as second:
        mine = first.put(entry(1), headers={KEY: "same", "amz-sdk-invocation-id": "i"})
        theirs = second.put(entry(2), headers={KEY: "same"})
        assert mine.ids and theirs.ids and mine.ids != theirs.ids, (mine, theirs)
        # The implicit key, too: one invocation id and body, two principals, two events.
        one = first.put(entry(3), headers={"amz-sdk-invocation-id": "5b0d"})
        assert first.put(entry(3), headers={"amz-sdk-invocation-id": "5b0d"}).ids == one.ids
        assert second.put(entry(4), headers={"amz-sdk-invocation-id": "5b0d"}).ids != one.ids
    assert stored(gateway).keys() == {1, 2, 3, 4}


def test_the_key_of_a_signed_request_must_be_signed(gateway):
    """DURABILITY 1: signed where the request is signed. Else whoever stands between could fold two requests into one."""
    gateway.start()
    key, body = gateway.credentials(), body_of(entry(1))
    with Publisher(gateway) as publisher:
        first = publisher.post(body, signed_fields(gateway, key, body, {KEY: "signed"}))
        assert first.ids, first
        assert publisher.post(body, signed_fields(gateway, key, body, {KEY: "signed"})).ids == first.ids
        body = body_of(entry(2))
        answer = publisher.post(body, signed_fields(gateway, key, body, {KEY: "unsigned"}, sign_extra=False))
        assert answer.status == 400, f"an unsigned key beside a signature was taken: {answer}"
        assert answer.code in ("InvalidSignatureException", "IncompleteSignatureException"), answer
    assert stored(gateway).keys() == {1}


@pytest.mark.parametrize("fault", ["reset-before", "reset-after", "drop-after", "half-answer"])
def test_the_sdks_own_retries_are_one_event_each(gateway, report, fault):
    """boto3 unchanged, its retries through a proxy that breaks the connection before or after the gateway has committed."""
    gateway.start()
    key, calls = gateway.credentials(OWNER, "role/administrator"), 8
    with FaultProxy(gateway.open_port, fault) as proxy:
        client = boto3.client(
            "events", region_name=REGION, endpoint_url=f"https://localhost:{proxy.port}", aws_access_key_id=key[0],
            aws_secret_access_key=key[1], verify=str(gateway.servers.bundle),
            config=Config(retries={"total_max_attempts": ATTEMPTS}, read_timeout=2, max_pool_connections=1))
        answered = {}
        for number in range(calls):
            answer = client.put_events(Entries=[{**entry(number), "EventBusName": BUS_ARN}])
            assert answer["FailedEntryCount"] == 0, answer
            answered[number] = answer["Entries"][0]["EventId"]
    found = stored(gateway)
    report("D10", f"{fault}: calls, faults, requests that arrived; events",
           f"{calls}, {proxy.faults}, {int(gateway.metric('isthmus_http1_requests_total'))}; {len(found)}")
    assert proxy.faults >= calls // 2
    assert found == answered
