"""What holds between a partner that joined and its customer: the contract, what is held, the bundles, consent, and the end."""

import datetime
import http.client
import json
import ssl

import pytest
from standardwebhooks import Webhook

from gateway import OWNER, REGION, STRANGER
from publishing import Answer, Publisher
from test_onboarding import Invitations

HOOKED, KEPT, HELD, BUNDLED, ENDED, METERED = range(1, 7)
TARGET = "AWSEvents."


@pytest.fixture(scope="module")
def side():
    running = Invitations()
    running.gateway.extra += "webhooks:\n" + "".join(
        f"  - {{source: {source}, scheme: standard-webhooks, detailType: {{pointer: /type}}}}\n"
        for source in (running.source(HOOKED), running.source(ENDED), running.source(METERED, "metered.com")))
    running.gateway.write_configuration()
    running.gateway.reload()
    yield running
    running.remove()


@pytest.fixture
def customer(side):
    with Publisher(side.gateway, leaf=side.gateway.administrator) as wire:
        yield lambda operation, **parameters: wire.post(json.dumps(parameters), target=TARGET + operation)


def joined(side, number):
    done = side.join(side.invite(number), number)
    assert done.returncode == 0, done.stderr
    return side.source(number)


def asked(side, number, operation, **parameters):
    """A call by the partner's certificate."""
    connection = side.connect(number)
    try:
        connection.request("POST", "/", json.dumps(parameters), {
            "Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": TARGET + operation})
        return Answer(connection.getresponse())
    finally:
        connection.close()


def sent(side, number, detail_type="order.placed"):
    """The code that an event of the partner is refused with; `None` when it is not."""
    connection = side.connect(number)
    try:
        return side.put(connection, number, detail_type)[1]["Entries"][0].get("ErrorCode")
    finally:
        connection.close()


class Hook:
    """The webhook of a source, and who signs for it."""

    def __init__(self, side, source):
        lines = side.gateway.run(
            "webhook", "secret", "create", "--source", source, "--config", str(side.gateway.config)).stdout
        self.text = dict(line.split(None, 1) for line in lines.splitlines())["secret"]
        self.secret, self.signatures = Webhook(self.text), []
        self.side, self.source = side, source

    def post(self, identifier, detail_type):
        body, moment = json.dumps({"type": detail_type}), datetime.datetime.now(datetime.timezone.utc)
        self.signatures.append(self.secret.sign(identifier, moment, body))
        context = ssl.create_default_context(cafile=str(self.side.gateway.servers.bundle))
        context.set_alpn_protocols(["http/1.1"])
        connection = http.client.HTTPSConnection("localhost", self.side.gateway.open_port, context=context, timeout=10)
        try:
            connection.request("POST", f"/webhooks/{self.source}", body, {
                "Content-Type": "application/json", "webhook-id": identifier,
                "webhook-timestamp": str(int(moment.timestamp())),
                "webhook-signature": self.signatures[-1]})
            return Answer(connection.getresponse())
        finally:
            connection.close()


def test_the_contract_binds_every_way_in(side):
    source = joined(side, HOOKED)
    assert [sent(side, HOOKED, kind) for kind in ("order.placed", "invoice.made", "Order.placed", "order")] == [
        None] + ["NotAuthorizedForDetailTypeException"] * 3
    hook = Hook(side, source)
    assert hook.post("msg_1", "order.placed").status == 200
    refused = hook.post("msg_2", "invoice.made")
    assert (refused.status, refused.code) == (400, "NotAuthorizedForDetailTypeException")
    assert source in refused.json["message"] and "`invoice.made`" in refused.json["message"]
    event = {"specversion": "1.0", "id": "1", "source": source, "type": "order.placed", "data": {}}
    connection = side.connect(HOOKED)
    for bus in ("orders", source):
        connection.request("POST", f"/accounts/{OWNER}/buses/{bus}/events", json.dumps(event), {
            "Content-Type": "application/cloudevents+json"})
        answer = Answer(connection.getresponse())
        assert (answer.status, answer.code) == (400, "NotAuthorizedForSourceException"), bus
    connection.close()


def test_a_partner_is_not_rid_of_its_contract_by_making_its_source_again(side, customer):
    source = joined(side, KEPT)
    assert asked(side, KEPT, "DeletePartnerEventSource", Name=source, Account=OWNER).status == 200
    assert asked(side, KEPT, "CreatePartnerEventSource", Name=source, Account=OWNER).status == 200
    assert customer("ActivateEventSource", Name=source).status == 200
    assert sent(side, KEPT, "invoice.made") == "NotAuthorizedForDetailTypeException"
    assert sent(side, KEPT) is None
    assert asked(side, KEPT, "DeletePartnerEventSource", Name=source, Account=OWNER).status == 200
    assert customer("DeleteEventBus", Name=source).status == 200
    assert side.sources(KEPT) == []
    assert asked(side, KEPT, "CreatePartnerEventSource", Name=source, Account=OWNER).status == 200
    assert customer("CreateEventBus", Name=source, EventSourceName=source).status == 200
    assert sent(side, KEPT, "invoice.made") == "NotAuthorizedForDetailTypeException"
    assert sent(side, KEPT) is None


def test_a_customer_cannot_throw_away_what_the_operator_holds(side, customer):
    source = joined(side, HELD)
    config = ("--config", str(side.gateway.config))
    side.gateway.run("partner", "suspend", "--hold", source, *config)
    assert sent(side, HELD) is None
    refused = customer("DeleteEventBus", Name=source)
    assert (refused.status, refused.code) == (400, "InvalidStateException")
    assert "`isthmus partner resume` first" in refused.json["message"]
    assert customer("DescribeEventBus", Name=source).json["EventSource"]["Reason"].endswith("its events are held")
    side.gateway.run("partner", "resume", source, *config)
    assert len(side.gateway.events(source)) == 2, "the test event and the one that was held"
    assert customer("DeleteEventBus", Name=source).status == 200


def test_a_partner_bus_is_tagged_as_any_other(side, customer):
    arn = f"arn:aws:events:{REGION}:{OWNER}:event-bus/{side.source(HOOKED)}"
    assert customer("TagResource", ResourceARN=arn, Tags=[{"Key": "team", "Value": "shop"}]).status == 200
    assert customer("ListTagsForResource", ResourceARN=arn).json["Tags"] == [{"Key": "team", "Value": "shop"}]
    assert customer("UntagResource", ResourceARN=arn, TagKeys=["team"]).status == 200
    source = f"arn:aws:events:{REGION}::event-source/{side.source(HOOKED)}"
    refused = customer("TagResource", ResourceARN=source, Tags=[{"Key": "team", "Value": "shop"}])
    assert refused.code == "ValidationException" and "ResourceARN" in refused.json["message"]


def test_trust_bundles_are_exchanged_both_ways(side):
    theirs = side.gateway.acme.bundle
    folder = side.folder(BUNDLED)
    token = side.invite(BUNDLED)
    leaf = side.join(token, BUNDLED, more=("--trust-bundle", str(side.gateway.publisher.path)))
    assert leaf.returncode == 1 and "a certificate that is no authority's" in leaf.stderr
    assert side.state(BUNDLED) == ["invited"]
    done = side.join(token, BUNDLED, more=("--trust-bundle", str(theirs)))
    assert done.returncode == 0, done.stderr
    assert (folder / "gateway-ca.pem").read_text() == side.gateway.servers.bundle.read_text()
    shown = side.gateway.run("partner", "show", side.source(BUNDLED), "--config", str(side.gateway.config)).stdout
    assert json.loads(shown.splitlines()[0])["trustBundle"] == theirs.read_text()
    assert all("trustBundle" not in item for item in side.invitations()), "a list of thousands holds no bundles"


def test_consents_are_given_listed_and_taken_back_on_the_command_line(side):
    def partner(*arguments, check=True):
        return side.gateway.run("partner", *arguments, "--config", str(side.gateway.config), check=check)

    names = ("--account", OWNER, "--partner", "acme.com")
    given = json.loads(partner("authorize", *names, "--expires", "1h").stdout)
    assert json.loads(partner("list", "--json").stdout.splitlines()[2]) == {"authorizations": [given]}
    assert f"consent {OWNER} takes sources of acme.com until {given['expiresAt']}" in partner("list").stdout
    assert json.loads(partner("withdraw", *names).stdout) == {"account": OWNER, "partner": "acme.com"}
    assert json.loads(partner("list", "--json").stdout.splitlines()[2]) == {"authorizations": []}
    wrong = partner("withdraw", "--account", "1", "--partner", "acme.com", check=False)
    assert wrong.returncode == 1 and "write exactly 12 digits" in wrong.stderr


def test_a_revoked_partners_webhook_ends_with_its_rights(side):
    source = joined(side, ENDED)
    hook = Hook(side, source)
    assert hook.post("msg_3", "order.placed").status == 200
    side.gateway.run("partner", "revoke", source, "--config", str(side.gateway.config))
    refused = hook.post("msg_4", "order.placed")
    assert refused.status == 400 and "DELETED" in refused.json["message"], refused
    assert len(side.gateway.events(source)) == 2, "the test event and the one before"
    assert STRANGER in side.gateway.logged()


def test_the_quota_of_an_invitation_holds_for_webhooks_and_calls_together(side):
    source = side.source(METERED, "metered.com")
    token = side.invite(METERED, "--rate", "1", "--burst", "8", partner="metered.com")
    assert side.join(token, METERED).returncode == 0
    hook = Hook(side, source)
    answers = [hook.post(f"metered_{number}", "order.placed") for number in range(12)]
    refused = [answer for answer in answers if answer.status != 200]
    assert refused and {answer.code for answer in refused} == {"ThrottlingException"}
    assert all("the quota of partner aws.partner/metered.com" in answer.json["message"] for answer in refused)
    connection = side.connect(METERED)
    status, answer = side.put_sources(connection, *[source] * 6)
    assert (status, answer["__type"]) == (400, "ThrottlingException"), "one bucket, whichever way they come: 7 of its 8 units"
    connection.close()
    assert len(side.gateway.events(source)) == 1 + len(answers) - len(refused)


def test_renewing_what_was_never_joined_makes_nothing(side):
    absent = side.folder("absent")
    done = side.gateway.run("partner", "renew", "--directory", str(absent), check=False)
    assert done.returncode == 1 and f"`{absent}` holds no membership: run `isthmus partner join` first" in done.stderr
    assert not absent.exists()
