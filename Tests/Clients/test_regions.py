"""An event stays in its region: every way of naming another is refused with both names, and ways out are only reported."""

import json

import pytest

from gateway import OWNER, REGION, SENDER, Gateway
from publishing import Publisher, body_of, entry
from signing import Signed
from attacks import client_context
from http1 import Peer

OTHER = "eu-west-1"
ELSEWHERE = f"arn:aws:events:{OTHER}:{OWNER}:event-bus/orders"
ROUTES = f"""crossRegionRoutes:
  - {{from: {{account: "{OWNER}", bus: orders}}, to: {OTHER}, through: dublin, as: role/administrator}}
  - {{from: {{account: "{OWNER}", bus: orders, rule: big}}, to: eu-south-2, through: madrid, as: role/administrator}}
  - {{from: {{account: "{OWNER}", bus: nope}}, to: {OTHER}, through: dublin, as: role/reader}}
"""
CARRIES = f"""      - Version: "2012-10-17"
        Statement: [{{Effect: Allow, Action: "isthmus:CrossRegion", Resource: "*",
                     Condition: {{StringEquals: {{"aws:RequestedRegion": {OTHER}}}}}}}]
"""


@pytest.fixture(scope="module")
def gateway():
    made = Gateway(extra=ROUTES)
    accounts = made.folder / "accounts" / "owner.yaml"
    text = accounts.read_text()
    wanted = "  - name: role/administrator\n    policies:\n"
    assert wanted in text
    accounts.write_text(text.replace(wanted, wanted + CARRIES))
    made.start()
    yield made
    made.stop()
    made.remove()


def test_another_regions_bus_is_refused_although_a_way_there_is_allowed(gateway):
    with Publisher(gateway) as publisher:
        answer = publisher.put({**entry(1), "EventBusName": ELSEWHERE}, entry(2)).json
    assert answer["FailedEntryCount"] == 1 and answer["Entries"][1]["EventId"]
    refused = answer["Entries"][0]
    assert refused["ErrorCode"] == "InvalidArgument"
    assert f"`{OTHER}`" in refused["ErrorMessage"] and f"`{REGION}`" in refused["ErrorMessage"]


@pytest.mark.parametrize("operation,body", [
    ("DescribeEventBus", {"Name": ELSEWHERE}), ("ListTagsForResource", {"ResourceARN": ELSEWHERE}),
    ("TagResource", {"ResourceARN": ELSEWHERE, "Tags": [{"Key": "a", "Value": "b"}]}),
])
def test_another_regions_arn_is_refused_by_the_control_plane(gateway, operation, body):
    with Publisher(gateway, leaf=gateway.administrator) as administrator:
        answer = administrator.post(json.dumps(body), target=f"AWSEvents.{operation}")
    assert (answer.status, answer.code) == (400, "ValidationException")
    assert f"`{OTHER}`" in answer.json["message"] and f"`{REGION}`" in answer.json["message"]


def test_another_regions_scope_is_refused(gateway):
    request = Signed(gateway.credentials(), body_of(entry(1)), [
        ("Content-Type", "application/x-amz-json-1.1"), ("X-Amz-Target", "AWSEvents.PutEvents")], region=OTHER)
    with Peer(gateway, client_context(gateway, alpn=["http/1.1"]), gateway.open_port) as peer:
        peer.send(request.wire())
        status, _, body = peer.response()
    answer = json.loads(body)
    assert (status, answer["__type"]) == (400, "InvalidSignatureException")
    assert f"'{OTHER}'" in answer["message"] and f"'{REGION}'" in answer["message"]


def test_another_regions_trust_domain_is_refused_from_the_reload_on(gateway):
    text = gateway.config.read_text()
    wanted = f'    accounts: ["{SENDER}"]\n'
    assert wanted in text
    with Publisher(gateway) as publisher:
        assert publisher.put(entry(1)).ids
        gateway.config.write_text(text.replace(wanted, f"{wanted}    regions: [{OTHER}]\n"))
        gateway.reload()
    with Publisher(gateway) as publisher:
        answer = publisher.put(entry(2))
    assert (answer.status, answer.code) == (400, "AccessDeniedException")
    assert "trust domain `acme.example`" in answer.json["message"] and f"`{REGION}`" in answer.json["message"]
    gateway.config.write_text(text)
    gateway.reload()


def test_check_and_the_report_show_each_way_with_its_decision(gateway):
    shown = gateway.run("check", "--config", str(gateway.config)).stdout
    assert f"# crossRegionRoutes: {OWNER} orders to {OTHER}: allowed" in shown
    assert f"# crossRegionRoutes: {OWNER} orders to eu-south-2: denied: User: arn:aws:iam::{OWNER}:role/administrator" in shown
    assert "events do not cross regions yet" in shown
    answer = json.loads(gateway.run("region", "report", "--config", str(gateway.config), "--json").stdout)
    assert answer["region"] == REGION and answer["crossings"] == 0 and answer["carriesEvents"] is False
    assert [(way["bus"], way["to"], way["decision"], way["crossings"]) for way in answer["routes"]] == [
        ("orders", OTHER, "allowed", 0), ("orders", "eu-south-2", "denied", 0), ("nope", OTHER, "no such bus", 0)]
    text = gateway.run("region", "report", "--config", str(gateway.config)).stdout
    assert f"region {REGION}: 0 events have left it\n" in text and "events do not cross regions yet" in text


def test_the_report_follows_the_policies_in_force(gateway):
    statement = {"Sid": "NoWayOut", "Effect": "Deny", "Principal": "*", "Action": "isthmus:CrossRegion",
                 "Resource": f"arn:aws:events:{REGION}:{OWNER}:event-bus/orders"}
    with Publisher(gateway, leaf=gateway.administrator) as administrator:
        policy = json.loads(administrator.post(
            json.dumps({"Name": "orders"}), target="AWSEvents.DescribeEventBus").json["Policy"])
        policy["Statement"].append(statement)
        answer = administrator.post(
            json.dumps({"EventBusName": "orders", "Policy": json.dumps(policy)}), target="AWSEvents.PutPermission")
        assert answer.status == 200, answer
    answer = json.loads(gateway.run("region", "report", "--config", str(gateway.config), "--json").stdout)
    assert [way["decision"] for way in answer["routes"]] == ["denied", "denied", "no such bus"]
    assert "explicit deny" in answer["routes"][0]["reason"]


def test_without_a_way_the_report_says_so(gateway):
    text = gateway.config.read_text()
    gateway.config.write_text(text.replace(ROUTES, ""))
    gateway.reload()
    shown = gateway.run("region", "report", "--config", str(gateway.config)).stdout
    assert shown == f"region {REGION}: 0 events have left it\nno way out of it is configured (`crossRegionRoutes`)\n"


def test_a_data_directory_serves_the_region_it_was_begun_in_and_no_other():
    made = Gateway()
    try:
        made.start()
        with Publisher(made) as publisher:
            assert publisher.put(entry(1)).ids
        made.stop()
        here = made.config.read_text()
        (made.folder / "orders-bus.json").unlink()
        made.config.write_text(here.replace(f"region: {REGION}", f"region: {OTHER}").replace(", policy: orders-bus.json", ""))
        done = made.run("serve", "--config", str(made.config), check=False)
        assert done.returncode != 0
        assert f"is of region `{REGION}`, the configuration says `{OTHER}`" in done.stderr
        assert "give each region a data directory of its own" in done.stderr
    finally:
        made.remove()
