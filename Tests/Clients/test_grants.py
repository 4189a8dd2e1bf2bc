"""Grants across accounts of which one side is missing: `isthmus check` looks at the saved policies, not at their seeds."""

import json

import pytest

from gateway import BUS_ARN, OWNER, SENDER, Gateway
from test_organizations import client

SENDER_FILE = f"""
account: "{SENDER}"
principals:
  - name: role/publisher
    policies:
      - Version: "2012-10-17"
        Statement: [{{Effect: Allow, Action: "events:PutEvents", Resource: "*"}}]
  - name: role/other
"""
OTHER = f"arn:aws:iam::{SENDER}:role/other"


@pytest.fixture
def gateway():
    running = Gateway()
    (running.folder / "accounts" / "sender.yaml").write_text(SENDER_FILE)
    yield running
    running.remove()


def one_sided(gateway):
    """What `isthmus check` says of grants with one side."""
    done = gateway.run("check", "--config", str(gateway.config))
    assert "cannot be read" not in done.stderr, done.stderr
    return [line for line in done.stderr.splitlines() if "only one side grants" in line]


def test_a_policy_that_was_saved_is_looked_at_beside_the_gateway_and_without_it(gateway):
    assert one_sided(gateway) == [], "both sides of the seed are there, and no data directory"
    gateway.start()
    assert one_sided(gateway) == []
    seed = json.loads((gateway.folder / "orders-bus.json").read_text())
    saved = {"Version": "2012-10-17", "Statement": [
        {**seed["Statement"][0], "Sid": "Forgotten", "Principal": {"AWS": OTHER}}]}
    client(gateway, OWNER, "role/administrator").put_permission(EventBusName="orders", Policy=json.dumps(saved))
    running = one_sided(gateway)
    assert len(running) == 1 and "Forgotten" in running[0] and OTHER in running[0] and BUS_ARN in running[0], running
    gateway.reload()
    assert '"configuration-warning"' in gateway.logged() and "only one side grants" in gateway.logged()
    gateway.stop()
    assert one_sided(gateway) == running
    gateway.start()
    client(gateway, OWNER, "role/administrator").put_permission(EventBusName="orders", Policy=json.dumps(seed))
    assert one_sided(gateway) == [], "the saved policy has both sides again"
    gateway.kill()
    assert one_sided(gateway) == [], "the write-ahead log of a gateway that was killed"


def test_a_data_directory_that_is_no_gateways_is_named_with_the_cause(gateway):
    gateway.data.mkdir()
    (gateway.data / "control.sqlite").write_bytes(b"no database" * 100)
    done = gateway.run("check", "--config", str(gateway.config))
    assert f"the buses saved in `{gateway.data}` cannot be read: " in done.stderr, done.stderr
