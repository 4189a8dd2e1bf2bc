"""The policies of config/policies/ in force on a real gateway: each allows what it is for, and denies what lies beside it.

Their accounts 111111111111 and 222222222222 stand for the sender and the owner of the buses.
"""

import json
import re

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from gateway import BUS_ARN, OWNER, REGION, ROOT, SENDER, Gateway

FOLDER = ROOT / "config" / "policies"
IDENTITIES = ("publisher", "bus-administrator", "reader", "by-session-tags")
NO_SESSION = {"team": "a", "environment": "test", "application": "shop"}


def shipped(name, **changes):
    text = (FOLDER / f"{name}.json").read_text().replace("222222222222", OWNER).replace("111111111111", SENDER)
    for old, new in changes.items():
        text = text.replace(old, new)
    return json.loads(text)


@pytest.fixture(scope="module")
def gateway():
    made = Gateway(extra=f"""
  - {{account: "{OWNER}", name: shop, tags: {json.dumps(NO_SESSION)}}}
  - {{account: "{OWNER}", name: audit}}
""")
    trust = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{OWNER}:role/administrator"},
         "Action": ["sts:AssumeRole", "sts:TagSession"]}]}
    all_of_it = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    principals = [{"name": "role/administrator", "policies": [all_of_it]}]
    principals += [{"name": f"role/{name}", "policies": [shipped(name)], "trust": trust} for name in IDENTITIES]
    principals += [
        {"name": "role/bound", "policies": [all_of_it], "permissionsBoundary": shipped("boundary-events-only"), "trust": trust},
        {"name": "role/external", "policies": [all_of_it], "trust": shipped("trust-external-account", **{"role/r": "role/publisher"})},
        {"name": "role/tagged", "policies": [all_of_it], "trust": shipped("trust-with-session-tags")}]
    # JSON is YAML.
    (made.folder / "accounts" / "owner.yaml").write_text(json.dumps({"account": OWNER, "principals": principals}))
    made.start()
    yield made
    made.stop()
    made.remove()


def client(gateway, service, key, token=None, leaf=None):
    return boto3.client(
        service, region_name=REGION, endpoint_url=gateway.url if leaf else gateway.open_url, aws_access_key_id=key[0],
        aws_secret_access_key=key[1], aws_session_token=token, verify=str(gateway.servers.bundle),
        config=Config(client_cert=leaf.pair if leaf else None, retries={"total_max_attempts": 1}))


@pytest.fixture(scope="module")
def administrator_key(gateway):
    return gateway.credentials(OWNER, "role/administrator")


@pytest.fixture(scope="module")
def publisher_key(gateway):
    return gateway.credentials()


@pytest.fixture(scope="module")
def publisher(gateway, publisher_key):
    return client(gateway, "events", publisher_key)


@pytest.fixture(scope="module")
def session(gateway, administrator_key):
    sts = client(gateway, "sts", administrator_key)

    def assumed(name, **more):
        made = sts.assume_role(RoleArn=f"arn:aws:iam::{OWNER}:role/{name}", RoleSessionName="test", **more)["Credentials"]
        return client(gateway, "events", (made["AccessKeyId"], made["SecretAccessKey"]), made["SessionToken"])

    return assumed


def entry(bus="orders", source="com.acme.orders", kind="OrderPlaced"):
    return {"Source": source, "DetailType": kind, "Detail": "{}", "EventBusName": BUS_ARN.replace("orders", bus)}


def is_sent(events, *arguments, **more):
    answer = events.put_events(Entries=[entry(*arguments, **more)])["Entries"][0]
    assert answer.get("ErrorCode") in (None, "AccessDeniedException")
    return "EventId" in answer


def is_allowed(call, **parameters):
    try:
        call(**parameters)
        return True
    except ClientError as error:
        assert error.response["Error"]["Code"] in ("AccessDeniedException", "AccessDenied"), error
        return False


def test_a_publisher_publishes_to_its_bus_and_does_nothing_else(session):
    events = session("publisher")
    assert is_sent(events)
    assert not is_sent(events, "shop")
    assert not is_allowed(events.describe_event_bus, Name="orders")
    assert not is_allowed(events.create_event_bus, Name="other")


def test_a_bus_administrator_administers_buses_but_cannot_open_or_delete_the_audit_bus(session):
    events = session("bus-administrator")
    assert is_allowed(events.create_event_bus, Name="made")
    assert is_allowed(events.delete_event_bus, Name="made")
    assert is_allowed(events.describe_event_bus, Name="audit")
    assert not is_allowed(events.delete_event_bus, Name="audit")
    assert not is_allowed(
        events.put_permission, EventBusName="audit", Action="events:PutEvents", Principal=SENDER, StatementId="s")


def test_a_reader_reads(session):
    events = session("reader")
    assert is_allowed(events.describe_event_bus, Name="orders")
    assert not is_allowed(events.delete_event_bus, Name="orders")
    assert not is_sent(events)


def test_tags_of_session_and_bus_must_agree(session):
    tags = [{"Key": key, "Value": value} for key, value in NO_SESSION.items()]
    assert is_sent(session("by-session-tags", Tags=tags), "shop")
    assert not is_sent(session("by-session-tags", Tags=tags[1:]), "shop")
    assert not is_sent(session("by-session-tags", Tags=[{"Key": "team", "Value": "b"}, *tags[1:]]), "shop")
    assert not is_sent(session("by-session-tags", Tags=tags), "orders")


def test_a_boundary_leaves_events_and_nothing_else(gateway, administrator_key, session):
    assert is_sent(session("bound"))
    sts = client(gateway, "sts", administrator_key)
    made = sts.assume_role(RoleArn=f"arn:aws:iam::{OWNER}:role/bound", RoleSessionName="test")["Credentials"]
    bound = client(gateway, "sts", (made["AccessKeyId"], made["SecretAccessKey"]), made["SessionToken"])
    assert not is_allowed(bound.assume_role, RoleArn=f"arn:aws:iam::{OWNER}:role/tagged", RoleSessionName="test")


def test_a_session_policy_leaves_one_source(session):
    events = session("bound", Policy=json.dumps(shipped("session-one-source")))
    assert is_sent(events)
    assert not is_sent(events, source="com.acme.refunds")
    assert not is_allowed(events.describe_event_bus, Name="orders")


def test_trust_policies_ask_for_the_external_id_and_for_tags(gateway, publisher_key, administrator_key):
    sender = client(gateway, "sts", publisher_key)
    external = {"RoleArn": f"arn:aws:iam::{OWNER}:role/external", "RoleSessionName": "test"}
    assert is_allowed(sender.assume_role, **external, ExternalId="acme-7")
    assert not is_allowed(sender.assume_role, **external, ExternalId="acme-8")
    assert not is_allowed(sender.assume_role, **external)
    own = client(gateway, "sts", administrator_key)
    tagged = {"RoleArn": f"arn:aws:iam::{OWNER}:role/tagged", "RoleSessionName": "test"}
    test = {"Key": "environment", "Value": "test"}
    assert is_allowed(own.assume_role, **tagged, Tags=[test])
    assert not is_allowed(own.assume_role, **tagged, Tags=[{**test, "Value": "live"}])
    assert not is_allowed(own.assume_role, **tagged, Tags=[test, {"Key": "owner", "Value": "x"}])
    assert not is_allowed(own.assume_role, **tagged)


@pytest.fixture
def bus_policy(gateway, administrator_key):
    """Puts a policy on the bus `audit`, whose name the shipped ones do not have."""
    events = client(gateway, "events", administrator_key)

    def put(name, **changes):
        text = re.sub("event-bus/orders", "event-bus/audit", json.dumps(shipped(name, **changes)))
        events.put_permission(EventBusName="audit", Policy=text)

    yield put
    events.remove_permission(EventBusName="audit", RemoveAllPermissions=True)


def test_only_one_account(publisher, bus_policy):
    assert not is_sent(publisher, "audit")
    bus_policy("only-account")
    assert is_sent(publisher, "audit")
    bus_policy("only-account", **{SENDER: "999988887777"})
    assert not is_sent(publisher, "audit")


def test_only_one_source_and_detail_type(publisher, bus_policy):
    bus_policy("only-source-and-detail-type")
    assert is_sent(publisher, "audit")
    assert not is_sent(publisher, "audit", kind="OrderLost")
    assert not is_sent(publisher, "audit", source="com.acme.refunds")


def test_only_through_one_endpoint_and_network(gateway, publisher, publisher_key, bus_policy):
    mutual = client(gateway, "events", publisher_key, leaf=gateway.publisher)
    # The policy binds the bus's administrators too; narrowed to publishing, so that this test can take it back.
    own = {"events:*": "events:PutEvents", "vpce-partners": "vpce-mutual"}
    bus_policy("only-endpoint", **own, **{"10.20.0.0/16": "127.0.0.0/8", "2001:db8:20::/48": "::1/128"})
    assert is_sent(mutual, "audit")
    assert not is_sent(publisher, "audit"), "the other listener"
    bus_policy("only-endpoint", **own)
    assert not is_sent(mutual, "audit"), "another network"
