"""L2: a sender at ten times its quota, 99 others at half of theirs: the others lose nothing, whatever form they use."""

import asyncio
import base64
import dataclasses
import datetime
import email
import http.client
import json
import secrets
import socket
import ssl
import statistics
import time
import types
import uuid
from collections.abc import Callable

import pytest
from standardwebhooks import Webhook

from gateway import BUS_ARN, OWNER, Gateway, wait_until
from measures import report  # noqa: F401 (a fixture)
from publishing import Answer, body_of, entry
from signing import Signed, call

NOISY = "222200000000"
QUIET = [f"2222000000{number:02}" for number in range(1, 100)]
# One small entry costs two units: itself, and one for the first 64 KiB of its content.
COST = 2
PER_SECOND = 10
#: Requests a second that a sender may make.
QUOTA = PER_SECOND / COST
#: One window, in which the 99 ask 495 times: five are slower than its p99.
SECONDS = 2
#: Windows of each kind, one alone and one beside the noisy sender in turn. A disk that stands still now and then spoils
#: the p99 of a window of either kind; what is judged is the middle of the ratios of neighbours.
WINDOWS = 7


def partner(account):
    return f"aws.partner/tenant{account[-2:]}.example"


def source(account):
    return f"{partner(account)}/orders/new"


#: Of this run alone: what a partner signs its webhooks with.
SECRETS = {account: "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode() for account in [NOISY, *QUIET]}
PARTNERS = f"""
partners: [{", ".join(f'{{name: tenant{account[-2:]}.example, account: "{account}"}}' for account in SECRETS)}]
webhooks: [{", ".join(
    f"{{source: {source(account)}, scheme: standard-webhooks, detailType: {{value: N}}}}" for account in SECRETS)}]
"""


def put_events(sender, number):
    return call(sender.key, "PutEvents", body_of(entry(number, source=sender.form.source))).wire()


def cloud_event(sender, number):
    event = {"specversion": "1.0", "id": str(uuid.uuid4()), "source": sender.form.source, "type": "N",
             "data": {"n": number}}
    return Signed(sender.key, json.dumps(event).encode(), [("Content-Type", "application/cloudevents+json")],
                  target=f"/accounts/{OWNER}/buses/orders/events").wire()


def webhook(sender, number):
    identifier, now = f"msg_{uuid.uuid4()}", datetime.datetime.now(datetime.timezone.utc)
    body = json.dumps({"n": number})
    signature = Webhook(SECRETS[sender.account]).sign(identifier, now, body)
    return (f"POST /webhooks/{source(sender.account)} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nWebhook-Id: {identifier}\r\nWebhook-Timestamp: {int(now.timestamp())}\r\n"
            f"Webhook-Signature: {signature}\r\n\r\n{body}").encode()


@dataclasses.dataclass
class Form:
    """How all send in one test; whose quota the noisy one spends, its events' source, and the bus they stand on."""

    name: str
    wire: Callable
    source: str
    sender: str = f"account {NOISY}"
    bus: str = "orders"


FORMS = [Form("PutEvents", put_events, "com.acme.put"), Form("CloudEvents", cloud_event, "com.acme.cloud"),
         Form("webhooks", webhook, source(NOISY), f"partner {partner(NOISY)}", source(NOISY))]


def client_context(gateway):
    context = ssl.create_default_context(cafile=str(gateway.servers.bundle))
    context.set_alpn_protocols(["http/1.1"])
    return context


class Sender:
    """One connection that signs for one account."""

    def __init__(self, gateway, key):
        self.key = key
        self.connection = http.client.HTTPSConnection(
            "localhost", gateway.open_port, context=client_context(gateway), timeout=20)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def put(self, *entries):
        return self.call("PutEvents", body_of(*entries))

    def call(self, operation, body):
        signed = call(self.key, operation, body)
        fields = dict(signed.fields()[1:])
        self.connection.putrequest("POST", "/", skip_host=True, skip_accept_encoding=True)
        for name, value in [("Host", "localhost"), *fields.items(), ("Authorization", signed.authorization()),
                            ("Content-Length", str(len(body)))]:
            self.connection.putheader(name, value)
        self.connection.endheaders(body)
        return Answer(self.connection.getresponse())


class Paced:
    """Asks so many times a second on a connection of its own, and keeps every answer of a window with its time."""

    def __init__(self, form, account, key, rate, late=0.0):
        self.form, self.account, self.key, self.rate, self.late, self.windows = form, account, key, rate, late, []

    async def open(self, gateway, context):
        self.reader, self.writer = await asyncio.open_connection(
            "127.0.0.1", gateway.open_port, ssl=context, server_hostname="localhost")

    def sign(self):
        """What the next window sends: nobody waits for the signatures of the others."""
        self.wires = [self.form.wire(self, number) for number in range(int(self.rate * SECONDS))]

    async def run(self, begin):
        window = []
        self.windows.append(window)
        for number, wire in enumerate(self.wires):
            await asyncio.sleep(begin + self.late + number / self.rate - time.monotonic())
            began = time.monotonic()
            answer = await self.ask(wire)
            window.append((answer, time.monotonic() - began))

    async def ask(self, wire):
        self.writer.write(wire)
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        fields = email.message_from_string(head.split("\r\n", 1)[1])
        content = await self.reader.readexactly(int(fields["Content-Length"]))
        return Answer(types.SimpleNamespace(status=int(head.split()[1]), headers=fields, read=lambda: content))

    async def close(self):
        self.writer.close()
        await self.writer.wait_closed()

    @property
    def answers(self):
        return [answer for window in self.windows for answer, _ in window]

    @property
    def taken(self):
        return list(filter(event_id, self.answers))


def event_id(answer):
    """The id of the one event of a request; `None` when it was not accepted."""
    if answer.ids:
        return answer.ids[0]
    return answer.json.get("EventId") if answer.status == 200 else None


async def window(senders):
    """All senders at once, each at its pace; nothing is signed while it is measured."""
    for sender in senders:
        sender.sign()
    begin = time.monotonic() + 0.1
    await asyncio.wait_for(asyncio.gather(*(sender.run(begin) for sender in senders)), 12 * SECONDS)


def quiet_senders(form, gateway):
    """One a tenant at half its quota; their requests are spread over the time between two of one sender."""
    rate = 0.5 * QUOTA
    apart = 1 / rate / len(QUIET)
    return [Paced(form, account, gateway.keys[account], rate, index * apart) for index, account in enumerate(QUIET)]


def p99(senders, number):
    """Milliseconds, of one window."""
    took = sorted(seconds for sender in senders for _, seconds in sender.windows[number])
    return took[len(took) * 99 // 100] * 1000


def jain(shares):
    """Jain's index of fairness: 1 where all have the same share, 1/n where one has everything."""
    return sum(shares) ** 2 / (len(shares) * sum(share * share for share in shares))


def quotas(per_second, burst):
    both = f"{{perSecond: {per_second}, burst: {burst}}}"
    return f"quotas: {{everybody: {{events:PutEvents: {both}, events:PutPartnerEvents: {both}}}}}\n"


def ask(gateway, question):
    """As the command would, without a hundred starts of a program."""
    with socket.socket(socket.AF_UNIX) as control:
        control.settimeout(10)
        control.connect(str(gateway.data / "control.sock"))
        control.sendall(json.dumps(question).encode() + b"\n")
        return json.loads(control.makefile().readline())


def access_key(gateway, account, name="role/publisher"):
    answer = ask(gateway, {"verb": "credentials.create", "principal": f"arn:aws:iam::{account}:{name}"})
    return answer["accessKeyId"], answer["secretAccessKey"]


def open_sources(gateway):
    """Makes the source of each partner active and gives its webhook the secret."""
    with Sender(gateway, access_key(gateway, OWNER, "role/administrator")) as customer:
        for account, secret in SECRETS.items():
            name = source(account)
            with Sender(gateway, gateway.keys[account]) as partner:
                asked = [
                    partner.call("CreatePartnerEventSource", json.dumps({"Name": name, "Account": OWNER}).encode()),
                    customer.call("CreateEventBus", json.dumps({"Name": name, "EventSourceName": name}).encode())]
            assert [answer.status for answer in asked] == [200, 200], asked
            assert "id" in ask(gateway, {"verb": "webhook.secret.create", "source": name, "key": secret})


@pytest.fixture(scope="module")
def gateway():
    made = Gateway(extra=quotas(PER_SECOND, PER_SECOND) + PARTNERS,
                   limits={"connectionsPerAddress": 500, "busesPerAccount": 200})
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
    made.keys = {account: access_key(made, account) for account in accounts}
    open_sources(made)
    yield made
    made.stop()
    made.remove()


def change(gateway, old, new):
    text = gateway.config.read_text()
    assert old in text
    gateway.config.write_text(text.replace(old, new))
    gateway.reload()


class Contest:
    """The 99 alone, then beside one at ten times its quota, and again, on the connections they have."""

    def __init__(self, form, gateway):
        self.alone, self.quiet = quiet_senders(form, gateway), quiet_senders(form, gateway)
        self.noisy = [Paced(form, NOISY, gateway.keys[NOISY], 2.5 * QUOTA) for _ in range(4)]
        asyncio.run(self.run(client_context(gateway), gateway))
        if self.ratio > 2:
            # Judged by all of them: a gateway that is slower stays so in twice as many.
            asyncio.run(self.run(client_context(gateway), gateway))

    async def run(self, context, gateway):
        everybody = self.alone + self.quiet + self.noisy
        for sender in everybody:
            await sender.open(gateway, context)
        for _ in range(WINDOWS):
            await window(self.alone)
            await window(self.noisy + self.quiet)
        for sender in everybody:
            await sender.close()

    @property
    def heard(self):
        return [answer for sender in self.alone + self.quiet for answer in sender.answers]

    @property
    def asked(self):
        return [answer for sender in self.noisy for answer in sender.answers]

    @property
    def taken(self):
        return [answer for sender in self.noisy for answer in sender.taken]

    @property
    def windows(self):
        return len(self.noisy[0].windows)

    @property
    def p99s(self):
        """Of each window alone and of the next beside the noisy one."""
        return [(p99(self.alone, number), p99(self.quiet, number)) for number in range(self.windows)]

    @property
    def ratio(self):
        return statistics.median(beside / alone for alone, beside in self.p99s)

    @property
    def allowed(self):
        """What the noisy one may have: in each window what it saved up, and its rate."""
        return self.windows * QUOTA * (1 + SECONDS)

    @property
    def fairness(self):
        return jain([*(len(one.taken) / len(one.answers) for one in self.quiet), len(self.taken) / self.allowed])


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_a_noisy_sender_leaves_the_others_their_successes_and_their_p99(gateway, report, form):
    throttled = gateway.metric("isthmus_requests_throttled_total")
    contest = Contest(form, gateway)
    heard, asked, taken = contest.heard, contest.asked, contest.taken
    report("L2", f"{form.name}, {len(QUIET)} senders at half their quota, alone and beside the noisy one: success",
           f"{sum(event_id(answer) is not None for answer in heard)} of {len(heard)}")
    alone, beside = (statistics.median(side) for side in zip(*contest.p99s))
    report("L2", f"{form.name}, their p99 alone, beside the noisy one, ratio of neighbours: middles of {contest.windows}",
           f"{alone:.1f} ms, {beside:.1f} ms, {contest.ratio:.2f}")
    report("L2", f"{form.name}, the p99 of each window, alone/beside",
           " ".join(f"{first:.1f}/{second:.1f}" for first, second in contest.p99s))
    report("L2", f"{form.name}, Jain's index of what each sender got of what it may have", f"{contest.fairness:.4f}")
    report("L2", f"{form.name}, one sender at ten times its quota: asked, taken, allowed by burst and rate",
           f"{len(asked)}, {len(taken)}, {contest.allowed:.0f}")
    assert all(map(event_id, heard)), [answer for answer in heard if not event_id(answer)][:3]
    assert contest.ratio <= 2
    assert contest.fairness >= 0.95
    assert contest.allowed * 0.6 <= len(taken) <= contest.allowed * 1.3
    refused = [answer for answer in asked if not event_id(answer)]
    assert_throttled(gateway, form, refused, len(asked), throttled)
    stored = [event["id"] for event in gateway.events(form.bus)
              if event["account"] == NOISY and event["source"] == form.source]
    assert sorted(stored) == sorted(map(event_id, taken)), "a throttled event was stored, or an answered one was not"


def assert_throttled(gateway, form, refused, asked, before):
    """Each refusal says whose quota is used up and when to come back, and is counted and logged."""
    assert len(refused) > asked / 2
    assert {(answer.status, answer.code) for answer in refused} == {(400, "ThrottlingException")}
    assert {int(answer.fields["Retry-After"]) for answer in refused} <= {1, 2}
    assert len({answer.fields["Retry-After"] for answer in refused}) == 2, "there is no jitter"
    assert all(form.sender in answer.json["message"] for answer in refused)
    assert gateway.metric("isthmus_requests_throttled_total") - before == len(refused)
    assert '"event":"quota-refused"' in gateway.logged() and f'"sender":"{form.sender}"' in gateway.logged()


def test_who_cannot_sign_spends_nothing_of_a_partners_quota(gateway):
    form, forged, throttled = FORMS[2], [], gateway.metric("isthmus_requests_throttled_total")
    stranger, tenant = (Paced(form, QUIET[1], None, QUOTA) for _ in range(2))

    async def run():
        for one in (stranger, tenant):
            await one.open(gateway, client_context(gateway))
        for number in range(4 * PER_SECOND):
            wire = webhook(stranger, number)
            forged.append(await stranger.ask(wire[:-1] + b" "))
        last = await tenant.ask(webhook(tenant, 0))
        for one in (stranger, tenant):
            await one.close()
        return last

    last = asyncio.run(run())
    assert {(answer.status, answer.code) for answer in forged} == {(400, "InvalidSignatureException")}
    assert event_id(last), last
    assert gateway.metric("isthmus_requests_throttled_total") == throttled


def test_a_reload_changes_the_quota_and_forgives_nothing(gateway):
    with Sender(gateway, gateway.keys[QUIET[0]]) as sender:
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
