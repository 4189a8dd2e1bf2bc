"""boto3 from the call to the explanation: allowed, and denied by each layer, with the words of the answer and of `isthmus explain`."""

import datetime
import json
import pathlib
import re
import time

import boto3
import pytest
from botocore.config import Config
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from gateway import BUS_ARN, OWNER, REGION, SENDER
from test_decisions import (  # noqa: F401 (one is a fixture)
    ALLOW_ALL, ENDPOINT, SECRET_SID, SECRET_SOURCE, UNIT, UUID, explain, gateway, set_endpoint_policy)

PUBLISHER = f"arn:aws:iam::{SENDER}:role/publisher"
BOUNDED = f"arn:aws:iam::{OWNER}:role/bounded"
ORDER = {"Source": "com.acme.orders", "DetailType": "OrderPlaced", "Detail": "{}", "EventBusName": BUS_ARN}


def client(gateway, account, name, leaf):  # noqa: F811
    """A client that signs and presents a certificate, at the listener that has a policy."""
    key = gateway.credentials(account, name)
    return boto3.client(
        "events", region_name=REGION, endpoint_url=gateway.url, aws_access_key_id=key[0], aws_secret_access_key=key[1],
        verify=str(gateway.servers.bundle), config=Config(client_cert=leaf.pair, retries={"total_max_attempts": 1}))


@pytest.fixture(scope="module")
def publisher(gateway):  # noqa: F811
    return client(gateway, SENDER, "role/publisher", gateway.publisher)


def refused(events, user, because, **more):
    """Sends one entry, which must be denied in AWS's words; the id of the decision."""
    answer = events.put_events(Entries=[{**ORDER, **more}])
    outcome = answer["Entries"][0]
    assert answer["FailedEntryCount"] == 1 and outcome["ErrorCode"] == "AccessDeniedException", answer
    words = f"User: {user} is not authorized to perform: events:PutEvents on resource: {BUS_ARN} {because}"
    found = re.fullmatch(re.escape(words) + rf" \(decision id: ({UUID})\)", outcome["ErrorMessage"])
    assert found, outcome["ErrorMessage"]
    return found[1]


def assert_explained(gateway, decision, user, *words):  # noqa: F811
    text = explain(gateway, decision).stdout
    for word in (f"decision {decision}", f"who:      {user}", "wanted:   events:PutEvents", f"on:       {BUS_ARN}", *words):
        assert word in text, (word, text)


def test_an_allow_names_the_statement_that_made_it(gateway, publisher):  # noqa: F811
    answer = publisher.put_events(Entries=[ORDER])
    assert answer["FailedEntryCount"] == 0
    event = next(e for e in gateway.events() if e["id"] == answer["Entries"][0]["EventId"])
    assert_explained(
        gateway, event["isthmus"]["decisionId"], PUBLISHER, f"statement 0 `{SECRET_SID}` of the resource policy allows it.")


def test_a_denial_by_the_bus_policy(gateway, publisher):  # noqa: F811
    decision = refused(
        publisher, PUBLISHER, "because no resource-based policy allows the events:PutEvents action", Source="com.evil.orders")
    assert_explained(
        gateway, decision, PUBLISHER, "nothing in the resource policy allows it. The statement that came closest:",
        f"its condition StringLike on `events:source` wants one of `com.acme.*`, `{SECRET_SOURCE}`; "
        "the request has `com.evil.orders`",
        "if it should pass, add `com.evil.orders` to the condition StringLike on `events:source`")


def test_a_denial_by_a_control_policy(gateway, publisher):  # noqa: F811
    policy = {"name": "NoOrders", "targets": [UNIT], "policy": {"Version": "2012-10-17", "Statement": [
        {"Sid": "Stop", "Effect": "Deny", "Action": "events:PutEvents", "Resource": "*"}, ALLOW_ALL]}}
    gateway.manifests.sign(serviceControlPolicies=[policy])
    gateway.reload()
    try:
        decision = refused(publisher, PUBLISHER, "with an explicit deny in a service control policy")
    finally:
        gateway.manifests.sign()
        gateway.reload()
    assert_explained(
        gateway, decision, PUBLISHER, "`Stop` of the service control policy `NoOrders`",
        "denies it, and a deny wins over every allow", "if this should pass, narrow or remove statement 0 `Stop`")


def test_a_denial_by_the_endpoint_policy(gateway, publisher):  # noqa: F811
    set_endpoint_policy(gateway, {
        "Sid": "NotThisWay", "Effect": "Deny", "Principal": "*", "Action": "events:PutEvents", "Resource": BUS_ARN})
    gateway.reload()
    try:
        decision = refused(publisher, PUBLISHER, "with an explicit deny in a VPC endpoint policy")
    finally:
        set_endpoint_policy(gateway)
        gateway.reload()
    assert_explained(
        gateway, decision, PUBLISHER, "statement 1 `NotThisWay` of the endpoint policy",
        "denies it, and a deny wins over every allow")
    assert publisher.put_events(Entries=[ORDER])["FailedEntryCount"] == 0


def test_a_denial_by_a_permissions_boundary(gateway):  # noqa: F811
    bounded = client(gateway, OWNER, "role/bounded", gateway.bounded)
    decision = refused(bounded, BOUNDED, "because no permissions boundary allows the events:PutEvents action")
    assert_explained(
        gateway, decision, BOUNDED, "nothing in the permissions boundary allows it. The statement that came closest:",
        "`LookOnly` of the permissions boundary", "its Action is `events:Describe*`; the request is `events:PutEvents`")


def test_the_record_has_every_context_key_that_the_call_proved_and_no_other(gateway, publisher):  # noqa: F811
    decision = refused(
        publisher, PUBLISHER, "because no resource-based policy allows the events:PutEvents action", Source="com.evil.orders")
    context = json.loads(explain(gateway, decision, "--json").stdout)["context"]
    leaf = x509.load_pem_x509_certificate(pathlib.Path(gateway.publisher.pair[0]).read_bytes())
    found = {name: values for part in context.values() for name, values in part.items()}
    moment = datetime.datetime.strptime(found.pop("aws:CurrentTime"), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.timezone.utc)
    assert abs(moment.timestamp() - time.time()) < 60 and int(found.pop("aws:EpochTime")) == moment.timestamp()
    assert "Boto3" in found.pop("aws:UserAgent") and found.pop("aws:userid").startswith("AROA")
    assert str(found.pop("aws:PrincipalOrgPaths")).strip("[']").startswith("o-exampleorgid/r-")
    for name in ("aws:ResourceOrgID", "aws:ResourceOrgPaths"):
        assert "o-exampleorgid" in str(found.pop(name, "o-exampleorgid"))
    assert found == {
        "aws:PrincipalArn": PUBLISHER, "aws:PrincipalAccount": SENDER, "aws:PrincipalOrgID": "o-exampleorgid",
        "aws:PrincipalType": "AssumedRole", "aws:PrincipalIsAWSService": "false", "aws:ResourceAccount": OWNER,
        "aws:SourceVpce": ENDPOINT, "aws:SourceIp": "127.0.0.1", "aws:VpcSourceIp": "127.0.0.1",
        "aws:SecureTransport": "true", "aws:RequestedRegion": REGION, "isthmus:SignatureScheme": "sigV4",
        "isthmus:TrustDomain": "acme.example", "isthmus:CertificateFingerprint": leaf.fingerprint(hashes.SHA256()).hex(),
        "events:source": "com.evil.orders", "events:detail-type": "OrderPlaced"}
