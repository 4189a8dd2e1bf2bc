"""Partner event sources, end to end: the handshake with boto3, the binding of who may send, consent."""

import contextlib
import json
import socket

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from gateway import BUS_ARN, OWNER, REGION, SENDER, STRANGER, Gateway
from publishing import Publisher

PARTNERS = f"""
partners:
  - {{name: acme.example, account: "{SENDER}"}}
  - {{name: globex.example, account: "{OWNER}"}}
  - {{name: initech.example, account: "{STRANGER}"}}
"""
TARGET = "AWSEvents.PutPartnerEvents"


@pytest.fixture(scope="module")
def gateway():
    running = Gateway(extra=PARTNERS).start()
    yield running
    running.stop()
    running.remove()


def client(gateway, key, leaf=None):
    return boto3.client(
        "events", region_name=REGION, endpoint_url=gateway.url if leaf else gateway.open_url, aws_access_key_id=key[0],
        aws_secret_access_key=key[1], verify=str(gateway.servers.bundle),
        config=Config(client_cert=leaf.pair if leaf else None, retries={"total_max_attempts": 1}))


@pytest.fixture(scope="module")
def keys(gateway):
    return {"partner": gateway.credentials(), "customer": gateway.credentials(OWNER, "role/administrator"),
            "reader": gateway.credentials(OWNER, "role/reader")}


@pytest.fixture(scope="module")
def partner(gateway, keys):
    return client(gateway, keys["partner"], gateway.publisher)


@pytest.fixture(scope="module")
def customer(gateway, keys):
    return client(gateway, keys["customer"])


def name(last):
    return f"aws.partner/acme.example/shop/{last}"


def event(source, number=0, **more):
    return {"Source": source, "DetailType": "Numbered", "Detail": json.dumps({"n": number}), **more}


def refusal(call, **parameters):
    """The code and message that a call is refused with."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def verb(gateway, **members):
    """Asks the control socket, as the operator does."""
    with socket.socket(socket.AF_UNIX) as wire:
        wire.settimeout(20)
        wire.connect(str(gateway.data / "control.sock"))
        wire.sendall(json.dumps(members).encode() + b"\n")
        return json.loads(wire.makefile().readline())


def active(partner, customer, last):
    """A source with its bus; its name."""
    source = name(last)
    partner.create_partner_event_source(Name=source, Account=OWNER)
    customer.create_event_bus(Name=source, EventSourceName=source)
    return source


def put(partner, *entries):
    answer = partner.put_partner_events(Entries=list(entries))
    return [(entry.get("ErrorCode"), entry.get("ErrorMessage"), entry.get("EventId")) for entry in answer["Entries"]]


def code(partner, *entries):
    return [one[0] for one in put(partner, *entries)]


def numbers(gateway, source):
    return [event["detail"]["n"] for event in gateway.events(bus=source)]


def test_the_handshake_from_creation_to_deletion(gateway, partner, customer):
    source = name("orders")
    arn = partner.create_partner_event_source(Name=source, Account=OWNER)["EventSourceArn"]
    assert arn == f"arn:aws:events:{REGION}::event-source/{source}"
    described = partner.describe_partner_event_source(Name=source)
    assert (described["Arn"], described["Name"]) == (arn, source)
    assert [one["Name"] for one in partner.list_partner_event_sources(
        NamePrefix="aws.partner/acme.example/")["PartnerEventSources"]] == [source]
    account = partner.list_partner_event_source_accounts(EventSourceName=source)["PartnerEventSourceAccounts"][0]
    assert (account["Account"], account["State"]) == (OWNER, "PENDING")
    assert (account["ExpirationTime"] - account["CreationTime"]).total_seconds() == 14 * 86400
    seen = customer.describe_event_source(Name=source)
    assert (seen["Arn"], seen["CreatedBy"], seen["State"]) == (arn, "acme.example", "PENDING")
    refused = put(partner, event(source))[0]
    assert refused[0] == "InvalidStateException" and f"account {OWNER} calls CreateEventBus with EventSourceName" in refused[1]
    bus = customer.create_event_bus(Name=source, EventSourceName=source)
    assert bus["EventBusArn"] == f"arn:aws:events:{REGION}:{OWNER}:event-bus/{source}"
    assert customer.describe_event_source(Name=source)["State"] == "ACTIVE"
    answers = put(partner, *[event(source, number) for number in range(20)])
    assert [one[0] for one in answers] == [None] * 20
    stored = gateway.events(bus=source)
    assert [one["id"] for one in stored] == [one[2] for one in answers]
    assert {(one["source"], one["account"], one["region"]) for one in stored} == {(source, SENDER, REGION)}
    customer.deactivate_event_source(Name=source)
    assert "calls ActivateEventSource" in put(partner, event(source))[0][1]
    assert customer.describe_event_source(Name=source)["State"] == "PENDING"
    customer.activate_event_source(Name=source)
    assert code(partner, event(source, 20)) == [None]
    partner.delete_partner_event_source(Name=source, Account=OWNER)
    refused = put(partner, event(source))[0]
    assert refused[0] == "InvalidStateException" and "DELETED: its partner deleted it at" in refused[1]
    assert customer.describe_event_source(Name=source)["State"] == "DELETED"
    assert customer.describe_event_bus(Name=source)["Name"] == source
    with Publisher(gateway, leaf=gateway.administrator) as wire:
        told = wire.post(json.dumps({"Name": source}), target="AWSEvents.DescribeEventBus").json["EventSource"]
    assert told["State"] == "DELETED" and told["Reason"].startswith("its partner deleted it at ")
    assert numbers(gateway, source) == list(range(21))
    customer.delete_event_bus(Name=source)
    assert refusal(customer.describe_event_source, Name=source)[0] == "ResourceNotFoundException"
    assert partner.list_partner_event_sources(NamePrefix="aws.partner/acme.example/")["PartnerEventSources"] == []


def test_each_step_out_of_order_names_the_call_to_make(partner, customer):
    source = name("steps")
    assert refusal(customer.create_event_bus, Name=source, EventSourceName=source) == (
        "ResourceNotFoundException",
        f"Event source {source} does not exist for account {OWNER}; its partner calls CreatePartnerEventSource first.")
    assert "CreatePartnerEventSource first" in put(partner, event(source))[0][1]
    partner.create_partner_event_source(Name=source, Account=OWNER)
    assert refusal(partner.create_partner_event_source, Name=source, Account=OWNER)[0] == "ResourceAlreadyExistsException"
    assert refusal(customer.activate_event_source, Name=source) == (
        "InvalidStateException",
        f"Event source {source} has no event bus yet; call CreateEventBus with Name and EventSourceName {source} first, which "
        "activates it.")
    assert "give EventSourceName too" in refusal(customer.create_event_bus, Name=source)[1]
    assert f"has its name, {source}" in refusal(customer.create_event_bus, Name="orders2", EventSourceName=source)[1]
    assert "call CreateEventBus" in refusal(customer.deactivate_event_source, Name=source)[1]
    customer.create_event_bus(Name=source, EventSourceName=source)
    assert refusal(customer.create_event_bus, Name=source, EventSourceName=source)[0] == "ResourceAlreadyExistsException"
    assert "is ACTIVE already" in refusal(customer.activate_event_source, Name=source)[1]
    assert f"bound to account {OWNER}" in refusal(partner.delete_partner_event_source, Name=source, Account=SENDER)[1]
    customer.delete_event_bus(Name=source)
    assert customer.describe_event_source(Name=source)["State"] == "PENDING"
    partner.delete_partner_event_source(Name=source, Account=OWNER)
    assert refusal(customer.describe_event_source, Name=source)[0] == "ResourceNotFoundException"
    partner.delete_partner_event_source(Name=source, Account=OWNER)


def test_names_limits_and_pages_are_those_of_the_model(partner, customer):
    for wrong in ["aws.partner/acme.example", "aws.partner/acme.example/", "aws.partner/acme.example//x", "acme.example/a/b",
                  "aws.partner/acme.example/ä", "aws.partner/acme.example/" + "x" * 240]:
        assert refusal(partner.create_partner_event_source, Name=wrong, Account=OWNER)[0] == "ValidationException", wrong
    longest = "aws.partner/acme.example/" + "x" * (256 - len("aws.partner/acme.example/"))
    assert partner.create_partner_event_source(Name=longest, Account=OWNER)
    partner.delete_partner_event_source(Name=longest, Account=OWNER)
    assert refusal(partner.create_partner_event_source, Name=name("x"), Account=STRANGER)[0] == "ValidationException"
    assert refusal(partner.list_partner_event_sources, NamePrefix="aws.partner/acme.example")[0] == "ValidationException"
    for last in range(5):
        partner.create_partner_event_source(Name=name(f"page-{last}"), Account=OWNER)
    found, more = [], {}
    while True:
        page = partner.list_partner_event_sources(NamePrefix=name("page-"), Limit=2, **more)
        found += [one["Name"] for one in page["PartnerEventSources"]]
        if "NextToken" not in page:
            break
        assert len(page["PartnerEventSources"]) == 2
        more = {"NextToken": page["NextToken"]}
    assert found == [name(f"page-{last}") for last in range(5)]
    assert len(customer.list_event_sources(NamePrefix=name("page-"), Limit=3)["EventSources"]) == 3
    assert refusal(customer.list_event_sources, NextToken="nonsense")[0] == "ValidationException"
    for last in range(5):
        partner.delete_partner_event_source(Name=name(f"page-{last}"), Account=OWNER)
    source = active(partner, customer, "limits")
    assert code(partner, *[event(source, number) for number in range(20)]) == [None] * 20
    with_21 = refusal(partner.put_partner_events, Entries=[event(source, number) for number in range(21)])
    assert with_21[0] == "ValidationException" and with_21[1].endswith("Member must have length less than or equal to 20")


def test_only_its_partner_sends_by_a_source_and_both_sides_are_named(gateway, partner, customer, keys):
    """T4, P8: every claim that does not agree with what was proven."""
    source = active(partner, customer, "bound")
    other = put(customer, event(source))[0]
    assert other[0] == "NotAuthorizedForSourceException"
    assert f"partner acme.example is account {SENDER}, the caller is of account {OWNER}." in other[1]
    unknown = put(partner, event("aws.partner/initech.example/help/tickets"))[0]
    assert unknown[0] == "NotAuthorizedForSourceException" and STRANGER in unknown[1] and SENDER in unknown[1]
    assert put(partner, event("aws.partner/nobody.example/a/b"))[0][0] == "NotAuthorizedForSourceException"
    assert put(partner, event("com.acme.orders"))[0][0] == "NotAuthorizedForSourceException"
    # Whether a source exists is nobody's but its partner's to know.
    absent = put(customer, event(source + "-absent"))[0]
    assert absent[:2] == (other[0], other[1].replace(source, source + "-absent").split(" (decision id")[0] +
                          absent[1][absent[1].index(" (decision id"):])
    # The Kelvin sign is K to a careless comparison.
    kelvin = active(partner, customer, "KELVIN")
    assert code(partner, event(kelvin.replace("K", "\u212a")), event(kelvin)) == ["InvalidArgument", None]
    # PutEvents brings neither a partner's source nor anything to a partner's bus.
    by_sender = partner.put_events(Entries=[
        {**event(source), "EventBusName": BUS_ARN}, {**event("com.acme.orders"), "EventBusName": BUS_ARN.replace("orders", source)}])
    assert [one["ErrorCode"] for one in by_sender["Entries"]] == ["NotAuthorizedForSourceException", "InvalidArgument"]
    by_owner = customer.put_events(Entries=[{**event("com.globex"), "EventBusName": source}])["Entries"][0]
    assert "receives from its partner event source only" in by_owner["ErrorMessage"]
    for call in (customer.create_partner_event_source, customer.delete_partner_event_source):
        refused = refusal(call, Name=name("foreign"), Account=OWNER)
        assert refused[0] == "AccessDeniedException" and SENDER in refused[1] and OWNER in refused[1]
    for call in (customer.describe_partner_event_source,):
        assert refusal(call, Name=source)[0] == "AccessDeniedException"
    reader = client(gateway, keys["reader"])
    assert reader.describe_event_source(Name=source)["State"] == "ACTIVE"
    assert refusal(reader.deactivate_event_source, Name=source)[0] == "AccessDeniedException"
    assert refusal(partner.describe_event_source, Name=source)[0] == "AccessDeniedException"
    assert refusal(partner.activate_event_source, Name=source)[0] == "AccessDeniedException"


def test_whoever_comes_after_a_partner_does_not_send_by_its_source(gateway, partner, customer):
    """Each event loop remembers the source that was named last: the next to name it must be whose it is."""
    source = active(partner, customer, "after")
    asked = json.dumps({"Entries": [event(source)]})
    with contextlib.ExitStack() as stack:
        # Several of each, so that both kinds stand on every loop.
        own, others = ([stack.enter_context(Publisher(gateway, leaf=leaf)) for _ in range(6)]
                       for leaf in (gateway.publisher, gateway.administrator))
        for _ in range(2):
            for wire in own:
                assert wire.post(asked, target=TARGET).ids
            for wire in others:
                refused = wire.post(asked, target=TARGET).json["Entries"][0]
                assert refused["ErrorCode"] == "NotAuthorizedForSourceException", refused
                assert f"partner acme.example is account {SENDER}, the caller is of account {OWNER}." in refused["ErrorMessage"]
    assert len(numbers(gateway, source)) == 12


def test_account_region_id_and_provenance_cannot_be_forged(gateway, partner, customer):
    source = active(partner, customer, "forged")
    forged = {**event(source, 1), "account": OWNER, "region": "us-east-1", "id": "00000000-0000-4000-8000-000000000000",
              "EventBusName": BUS_ARN, "isthmus": {"principal": "root"}, "Time": 1,
              "Detail": json.dumps({"n": 1, "isthmus": {"principal": "root"}, "account": OWNER})}
    with Publisher(gateway) as wire:
        answer = wire.post(json.dumps({"Entries": [forged]}), target=TARGET)
    assert answer.json["FailedEntryCount"] == 0, answer
    stored = gateway.events(bus=source)[-1]
    assert (stored["account"], stored["region"], stored["id"]) == (SENDER, REGION, answer.ids[0])
    assert stored["time"] == "1970-01-01T00:00:01Z" and stored["isthmus"]["receivedAt"] > "2026"
    assert stored["isthmus"]["principal"] == f"arn:aws:iam::{SENDER}:role/publisher"
    assert gateway.events() == [], "nothing stands on the bus that was named"


def test_another_domains_authority_cannot_speak_for_the_partner(gateway, partner, customer):
    """T4: globex's own CA signs a name of acme.example."""
    source = active(partner, customer, "authority")
    impostor = gateway.globex.principal("impostor", f"spiffe://acme.example/account/{SENDER}/role/publisher")
    with pytest.raises(OSError), Publisher(gateway, leaf=impostor) as wire:
        wire.post(json.dumps({"Entries": [event(source)]}), target=TARGET)
    crossed = gateway.globex.principal("crossed", f"spiffe://globex.example/account/{SENDER}/role/publisher")
    with Publisher(gateway, leaf=crossed) as wire:
        answer = wire.post(json.dumps({"Entries": [event(source)]}), target=TARGET)
    assert answer.status != 200 and SENDER in str(answer), answer
    assert numbers(gateway, source) == []


def test_a_deny_of_the_bus_policy_wins_over_the_binding(gateway, partner, customer):
    source = active(partner, customer, "denied")
    arn = f"arn:aws:events:{REGION}:{OWNER}:event-bus/{source}"
    for action in ("events:PutPartnerEvents", "events:PutEvents", "events:*"):
        customer.put_permission(EventBusName=source, Policy=json.dumps({
            "Version": "2012-10-17", "Statement": [{
                "Sid": "no", "Effect": "Deny", "Principal": "*", "Action": action, "Resource": arn,
                "Condition": {"StringEquals": {"events:detail-type": "Secret"}}}]}))
        denied, admitted = put(partner, {**event(source), "DetailType": "Secret"}, event(source))
        assert denied[0] == "AccessDeniedException" and "explicit deny in a resource-based policy" in denied[1], action
        assert admitted[0] is None
    customer.remove_permission(EventBusName=source, RemoveAllPermissions=True)


def test_a_customer_that_wants_to_be_asked_is_asked(gateway, partner):
    owner = gateway.folder / "accounts" / "owner.yaml"
    whole = owner.read_text()
    owner.write_text(whole.replace("name: globex\n", "name: globex\npartnerConsent: required\n"))
    gateway.reload()
    source = name("consent")
    refused = refusal(partner.create_partner_event_source, Name=source, Account=OWNER)
    assert refused[0] == "AccessDeniedException"
    assert f"isthmus partner authorize --account {OWNER} --partner acme.example" in refused[1]
    given = verb(gateway, verb="partner.authorize", account=OWNER, partner="acme.example", expiresSeconds=60)
    assert given["expiresAt"] > "2026" and verb(gateway, verb="partner.authorizations")["authorizations"] == [given]
    partner.create_partner_event_source(Name=source, Account=OWNER)
    verb(gateway, verb="partner.withdraw", account=OWNER, partner="acme.example")
    assert refusal(partner.create_partner_event_source, Name=name("consent-2"), Account=OWNER)[0] == "AccessDeniedException"
    for wrong in ({"account": "1"}, {"account": OWNER, "partner": "a/b"}, {"account": OWNER, "partner": "a", "expiresSeconds": 0},
                  {"account": OWNER, "partner": "a", "expiresSeconds": 1, "expiresAt": 1}):
        assert verb(gateway, verb="partner.authorize", **wrong)["error"]["code"] == "InvalidRequest", wrong
    assert verb(gateway, verb="partner.authorize", account=OWNER, partner="a", expiresAt=1)["error"]["code"] == \
        "ValidationException"
    owner.write_text(whole)
    gateway.reload()


def test_consents_are_listed_in_order_from_the_one_that_is_named(gateway):
    def consents(**after):
        return [one["partner"] for one in verb(gateway, verb="partner.authorizations", **after)["authorizations"]]

    partners = ["c.example", "a.example", "b.example"]
    for partner in partners:
        verb(gateway, verb="partner.authorize", account=OWNER, partner=partner)
    assert consents() == sorted(partners)
    assert consents(after=f"{OWNER}/a.example") == ["b.example", "c.example"]
    assert consents(after=f"{OWNER}/c.example") == []
    for partner in partners:
        verb(gateway, verb="partner.withdraw", account=OWNER, partner=partner)
    assert consents() == []


def test_a_partner_whose_name_is_taken_away_sends_no_more(gateway, partner, customer):
    source = active(partner, customer, "renamed")
    assert code(partner, event(source)) == [None]
    whole = gateway.config.read_text()
    for line in ("", f'  - {{name: acme.example, account: "{OWNER}"}}\n'):
        gateway.config.write_text(whole.replace(f'  - {{name: acme.example, account: "{SENDER}"}}\n', line))
        gateway.reload()
        assert code(partner, event(source)) == ["NotAuthorizedForSourceException"]
        assert code(customer, event(source)) == ["NotAuthorizedForSourceException"], "the creator is another account"
    gateway.config.write_text(whole)
    gateway.reload()
    assert code(partner, event(source)) == [None]
