"""L2: a sender at ten times its quota, many others at half of theirs: the others lose nothing."""

import http.client
import json
import ssl
import threading
import time

import pytest

from gateway import BUS_ARN, Gateway, wait_until
from measures import report  # noqa: F401 (a fixture)
from publishing import Answer, body_of, entry
from signing import Signed

NOISY = "222200000000"
QUIET = [f"2222000000{number:02}" for number in range(1, 17)]
# One small entry costs two units: itself, and one for the first 64 KiB of its content.
COST = 2
PER_SECOND = 40
SECONDS = 5


class Sender:
    """One connection that signs for one account."""

    def __init__(self, gateway, key):
        self.key = key
        context = ssl.create_default_context(cafile=str(gateway.servers.bundle))
        context.set_alpn_protocols(["http/1.1"])
        self.connection = http.client.HTTPSConnection("localhost", gateway.open_port, context=context, timeout=20)

    def put(self, *entries):
        return self.call("PutEvents", body_of(*entries))

    def call(self, operation, body):
        signed = Signed(self.key, body, [
            ("Content-Type", "application/x-amz-json-1.1"), ("X-Amz-Target", f"AWSEvents.{operation}")])
        fields = dict(signed.fields()[1:])
        self.connection.putrequest("POST", "/", skip_host=True, skip_accept_encoding=True)
        for name, value in [("Host", "localhost"), *fields.items(), ("Authorization", signed.authorization()),
                            ("Content-Length", str(len(body)))]:
            self.connection.putheader(name, value)
        self.connection.endheaders(body)
        return Answer(self.connection.getresponse())


class Paced(threading.Thread):
    """Asks so many times a second and keeps every answer with its time."""

    def __init__(self, sender, rate, begin, source):
        super().__init__(daemon=True)
        self.sender, self.rate, self.begin, self.source, self.answers, self.failure = sender, rate, begin, source, [], None

    def run(self):
        try:
            for number in range(int(self.rate * SECONDS)):
                time.sleep(max(0, self.begin + number / self.rate - time.monotonic()))
                began = time.monotonic()
                self.answers.append((self.sender.put(entry(number, source=self.source)), time.monotonic() - began))
        except (OSError, http.client.HTTPException) as error:
            self.failure = error


def quotas(per_second, burst):
    return f"quotas: {{everybody: {{events:PutEvents: {{perSecond: {per_second}, burst: {burst}}}}}}}\n"


@pytest.fixture(scope="module")
def gateway():
    made = Gateway(extra=quotas(PER_SECOND, PER_SECOND), limits={"connectionsPerAddress": 500})
    accounts = [NOISY, *QUIET]
    for account in accounts:
        (made.folder / "accounts" / f"{account}.yaml").write_text(
            f'account: "{account}"\nlocal: false\nprincipals: [{{name: role/publisher}}]\n')
    (made.folder / "orders-bus.json").write_text(json.dumps({
        "Version": "2012-10-17",
        "Statement": [{"Sid": "All", "Effect": "Allow",
                       "Principal": {"AWS": [f"arn:aws:iam::{account}:root" for account in accounts]},
                       "Action": "events:PutEvents", "Resource": BUS_ARN}]}))
    made.start()
    made.keys = {account: made.credentials(account, "role/publisher") for account in accounts}
    yield made
    made.stop()
    made.remove()


def change(gateway, old, new):
    text = gateway.config.read_text()
    assert old in text
    gateway.config.write_text(text.replace(old, new))
    gateway.reload()


def test_a_noisy_sender_leaves_the_others_their_successes(gateway, report):
    begin = time.monotonic() + 0.5
    quota = PER_SECOND / COST
    noisy = [Paced(Sender(gateway, gateway.keys[NOISY]), 2.5 * quota, begin, "noisy") for _ in range(4)]
    quiet = [Paced(Sender(gateway, gateway.keys[account]), 0.5 * quota, begin, "quiet") for account in QUIET]
    for sender in noisy + quiet:
        sender.start()
    for sender in noisy + quiet:
        sender.join(60)
    assert not [sender.failure for sender in noisy + quiet if sender.failure]
    heard = [answer for sender in quiet for answer, _ in sender.answers]
    asked = [answer for sender in noisy for answer, _ in sender.answers]
    taken = sum(answer.ids is not None for answer in asked)
    took = sorted(seconds for sender in quiet for _, seconds in sender.answers)
    report("L2", f"{len(QUIET)} senders at half their quota: success",
           f"{sum(answer.ids is not None for answer in heard)} of {len(heard)}; p99 {took[len(took) * 99 // 100] * 1000:.0f} ms")
    report("L2", "one sender at ten times its quota: asked, taken, allowed by burst and rate",
           f"{len(asked)}, {taken}, {quota + quota * SECONDS:.0f}")
    assert all(answer.ids for answer in heard), [answer for answer in heard if not answer.ids][:3]
    assert quota * SECONDS * 0.7 <= taken <= quota + quota * (SECONDS + 3)
    refused = [answer for answer in asked if not answer.ids]
    assert len(refused) > len(asked) / 2
    assert {(answer.status, answer.code) for answer in refused} == {(400, "ThrottlingException")}
    assert {int(answer.fields["Retry-After"]) for answer in refused} <= {1, 2}
    assert len({answer.fields["Retry-After"] for answer in refused}) == 2, "there is no jitter"
    assert all(NOISY in answer.json["message"] for answer in refused)
    assert gateway.metric("isthmus_requests_throttled_total") == len(refused)
    assert '"event":"quota-refused"' in gateway.logged()
    stored = [event for event in gateway.events() if event["source"] == "noisy"]
    assert len(stored) == taken, "a throttled request was stored, or an answered one was not"


def test_a_reload_changes_the_quota_and_forgives_nothing(gateway):
    sender = Sender(gateway, gateway.keys[QUIET[0]])
    change(gateway, quotas(PER_SECOND, PER_SECOND), quotas(1, 20))
    # Small requests spend the bucket to its last unit; a large one would be refused with many left.
    wait_until(lambda: sender.put(entry(0)).code == "ThrottlingException", 20, "the quota")
    change(gateway, quotas(1, 20), quotas(1, 21))
    assert sender.put(*[entry(number) for number in range(10)]).code == "ThrottlingException"
    change(gateway, quotas(1, 21), quotas(1000, 10_000))
    wait_until(lambda: sender.put(entry(0)).ids, 5, "the larger quota")
    assert all(sender.put(*[entry(number) for number in range(10)]).ids for _ in range(50))


def test_a_wrong_quota_is_refused_and_the_one_in_force_stays(gateway):
    failures = gateway.metric("isthmus_reload_failures_total")
    text = gateway.config.read_text()
    gateway.config.write_text(text.replace("events:PutEvents: {perSecond", "events:PutEvent: {perSecond"))
    gateway.reload()
    assert gateway.metric("isthmus_reload_failures_total") == failures + 1
    assert "did you mean `events:PutEvents`?" in gateway.logged()
    gateway.config.write_text(text)


def test_check_prints_the_quotas(gateway):
    shown = gateway.run("check", "--config", str(gateway.config)).stdout
    assert "quotas:\n  everybody:\n" in shown and '"events:PutPartnerEvents":' in shown
