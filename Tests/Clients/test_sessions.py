"""Sessions of roles by boto3 and the AWS CLI: assumed by key, by certificate and by session, narrowed, and refused."""

import http.client
import json
import os
import re
import shutil
import ssl
import subprocess

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from gateway import BUS_ARN, OWNER, REGION, ROOT, SENDER, Gateway, wait_until
from signing import Signed, stamp
from wallclock import WallClock

ROLE = f"arn:aws:iam::{OWNER}:role/delivery/worker"
CHAINED = f"arn:aws:iam::{OWNER}:role/chained"
BOUND = f"arn:aws:iam::{OWNER}:role/bound"
TAGGED = f"arn:aws:iam::{OWNER}:role/tagged"
ORDER = {"Source": "com.globex.orders", "DetailType": "OrderPlaced", "Detail": "{}", "EventBusName": "orders"}
EVERYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}

OWNER_FILE = """
account: "{owner}"
principals:
  - name: role/administrator
    policies: [{everything}]
  - name: user/nobody
  - name: role/delivery/worker
    policies: [{everything}]
    {worker}
    trust:
      Version: "2012-10-17"
      Statement:
        - Effect: Allow
          Principal: {{AWS: ["arn:aws:iam::{owner}:role/administrator"]}}
          Action: ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]
        - Effect: Allow
          Principal: {{AWS: ["arn:aws:iam::{sender}:role/publisher"]}}
          Action: "sts:AssumeRole"
          Condition: {{StringEquals: {{"sts:ExternalId": "acme-7"}}}}
  - name: role/chained
    policies: [{everything}]
    maxSessionSeconds: 43200
    trust:
      Version: "2012-10-17"
      Statement:
        - {{Effect: Allow, Principal: {{AWS: "{role}"}}, Action: "sts:AssumeRole"}}
  - name: role/bound
    policies: [{everything}]
    permissionsBoundary:
      Version: "2012-10-17"
      Statement: [{{Effect: Allow, Action: "events:Describe*", Resource: "*"}}]
    trust:
      Version: "2012-10-17"
      Statement: [{{Effect: Allow, Principal: {{AWS: "arn:aws:iam::{owner}:role/administrator"}}, Action: "sts:AssumeRole"}}]
  - name: role/tagged
    tags: {{team: none, application: shop}}
    policies:
      - Version: "2012-10-17"
        Statement:
          - Effect: Allow
            Action: "events:*"
            Resource: "*"
            Condition:
              StringEquals:
                "aws:ResourceTag/team": "${{aws:PrincipalTag/team}}"
                "aws:ResourceTag/environment": "${{aws:PrincipalTag/environment}}"
                "aws:ResourceTag/application": "${{aws:PrincipalTag/application}}"
    trust:
      Version: "2012-10-17"
      Statement:
        - {{Effect: Allow, Principal: {{AWS: "arn:aws:iam::{owner}:role/administrator"}}, Action: ["sts:AssumeRole", "sts:TagSession"]}}
"""


def write_owner(gateway, worker=""):
    everything = json.dumps({"Version": "2012-10-17", "Statement": EVERYTHING})
    (gateway.folder / "accounts" / "owner.yaml").write_text(OWNER_FILE.format(
        owner=OWNER, sender=SENDER, everything=everything, role=ROLE, worker=worker))


@pytest.fixture(scope="module")
def gateway():
    made = Gateway(extra=f"""
  - {{account: "{OWNER}", name: shop, tags: {{team: a, environment: test, application: shop}}}}
""")
    # The extra buses stand behind the one of every gateway, whose list ends the file.
    write_owner(made)
    made.start()
    yield made
    made.stop()
    made.remove()


def client(gateway, service, key=None, leaf=None, token=None):
    """A client that signs, or presents a certificate, or both."""
    # boto3 signs always unless it is told not to.
    signature = {"signature_version": UNSIGNED} if key is None else {}
    key = key or (None, None)
    return boto3.client(
        service, region_name=REGION, endpoint_url=gateway.url if leaf else gateway.open_url,
        aws_access_key_id=key[0], aws_secret_access_key=key[1], aws_session_token=token,
        verify=str(gateway.servers.bundle),
        config=Config(client_cert=leaf.pair if leaf else None, retries={"total_max_attempts": 1}, **signature))


@pytest.fixture(scope="module")
def administrator(gateway):
    return client(gateway, "sts", gateway.credentials(OWNER, "role/administrator"))


def with_session(gateway, credentials, service="events", leaf=None):
    return client(gateway, service, (credentials["AccessKeyId"], credentials["SecretAccessKey"]), leaf,
                  credentials["SessionToken"])


def assume(sts, role=ROLE, **more):
    return sts.assume_role(RoleArn=role, RoleSessionName="night-shift", **more)


def refusal(call):
    with pytest.raises(ClientError) as error:
        call()
    found = error.value.response
    return found["Error"]["Code"], found["ResponseMetadata"]["HTTPStatusCode"], found["Error"]["Message"]


def test_a_role_is_assumed_and_used(gateway, administrator):
    answer = assume(administrator, DurationSeconds=900)
    session = f"arn:aws:sts::{OWNER}:assumed-role/worker/night-shift"
    assert answer["AssumedRoleUser"]["Arn"] == session
    assert answer["AssumedRoleUser"]["AssumedRoleId"].startswith("AROA")
    credentials = answer["Credentials"]
    assert credentials["AccessKeyId"].startswith("ASIA")
    identity = with_session(gateway, credentials, "sts").get_caller_identity()
    assert (identity["Arn"], identity["Account"]) == (session, OWNER)
    assert identity["UserId"] == answer["AssumedRoleUser"]["AssumedRoleId"]
    sent = with_session(gateway, credentials).put_events(Entries=[ORDER])
    assert sent["FailedEntryCount"] == 0
    event = next(e for e in gateway.events() if e["id"] == sent["Entries"][0]["EventId"])
    assert event["isthmus"]["principal"] == session
    for secret in (credentials["SecretAccessKey"], credentials["SessionToken"]):
        assert secret not in gateway.logged()


def test_the_aws_cli_assumes_a_role_and_uses_it(gateway, tmp_path):
    key = gateway.credentials(OWNER, "role/administrator")
    cli = shutil.which("aws", path=str(ROOT / ".venv" / "bin")) or shutil.which("aws")
    assert cli, "the AWS CLI is among the tests' requirements"
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(tmp_path), "AWS_ACCESS_KEY_ID": key[0], "AWS_SECRET_ACCESS_KEY": key[1],
        "AWS_DEFAULT_REGION": REGION, "AWS_CA_BUNDLE": str(gateway.servers.bundle)}

    def run(*arguments, **more):
        done = subprocess.run([cli, *arguments, "--endpoint-url", gateway.open_url, "--output", "json"],
                              env={**environment, **more}, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    credentials = run("sts", "assume-role", "--role-arn", ROLE, "--role-session-name", "cli",
                      "--tags", "Key=team,Value=a", "--duration-seconds", "900")["Credentials"]
    session = {"AWS_ACCESS_KEY_ID": credentials["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": credentials["SecretAccessKey"],
               "AWS_SESSION_TOKEN": credentials["SessionToken"]}
    assert run("sts", "get-caller-identity", **session)["Arn"] == f"arn:aws:sts::{OWNER}:assumed-role/worker/cli"
    assert run("events", "put-events", "--entries", json.dumps([ORDER]), **session)["FailedEntryCount"] == 0


def test_a_certificate_alone_is_exchanged_for_a_session(gateway):
    sts = client(gateway, "sts", leaf=gateway.administrator)
    credentials = assume(sts)["Credentials"]
    assert with_session(gateway, credentials).put_events(Entries=[ORDER])["FailedEntryCount"] == 0
    both = with_session(gateway, credentials, leaf=gateway.administrator)
    assert both.put_events(Entries=[ORDER])["FailedEntryCount"] == 0


def test_session_and_certificate_must_be_of_one_account(gateway, administrator):
    credentials = assume(administrator)["Credentials"]
    code, _, message = refusal(
        lambda: with_session(gateway, credentials, leaf=gateway.publisher).put_events(Entries=[ORDER]))
    assert code == "AccessDeniedException"
    assert OWNER in message and SENDER in message


def test_another_account_needs_the_external_id_that_was_agreed(gateway):
    sts = client(gateway, "sts", leaf=gateway.publisher)
    for more in ({}, {"ExternalId": "acme-8"}):
        code, status, message = refusal(lambda: assume(sts, **more))
        assert (code, status) == ("AccessDenied", 403)
        assert message.startswith(
            f"User: arn:aws:iam::{SENDER}:role/publisher is not authorized to perform: sts:AssumeRole on resource: {ROLE} "
            "because no role trust policy allows the sts:AssumeRole action")
    credentials = assume(sts, ExternalId="acme-7")["Credentials"]
    assert with_session(gateway, credentials).put_events(Entries=[ORDER])["FailedEntryCount"] == 0


def test_a_session_policy_narrows_the_role(gateway, administrator):
    policy = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "events:PutEvents", "Resource": BUS_ARN,
         "Condition": {"StringEquals": {"events:source": "com.globex.tests"}}}]}
    answer = assume(administrator, Policy=json.dumps(policy))
    assert 0 < answer["PackedPolicySize"] <= 100
    events = with_session(gateway, answer["Credentials"])
    sent = events.put_events(Entries=[{**ORDER, "Source": "com.globex.tests"}, ORDER])
    assert "EventId" in sent["Entries"][0]
    assert "because no session policy allows the events:PutEvents action" in sent["Entries"][1]["ErrorMessage"]
    code, _, message = refusal(lambda: events.create_event_bus(Name="x"))
    assert code == "AccessDeniedException" and "because no session policy allows the events:CreateEventBus" in message


def test_a_boundary_denies_what_the_identity_policy_allows_and_says_so(gateway, administrator):
    events = with_session(gateway, assume(administrator, BOUND)["Credentials"])
    assert events.describe_event_bus(Name="orders")["Name"] == "orders"
    sent = events.put_events(Entries=[ORDER])["Entries"][0]
    assert sent["ErrorCode"] == "AccessDeniedException"
    assert sent["ErrorMessage"].startswith(
        f"User: arn:aws:sts::{OWNER}:assumed-role/bound/night-shift is not authorized to perform: events:PutEvents on "
        f"resource: {BUS_ARN} because no permissions boundary allows the events:PutEvents action")
    explained = explain(gateway, sent["ErrorMessage"])
    assert "permissions boundary" in explained and "events:Describe*" in explained


def explain(gateway, message):
    """What `isthmus explain` says of the decision that a refusal names."""
    name = re.search(r"decision id: ([0-9a-f-]{36})", message)[1]
    # A record is written a moment after the answer.
    return wait_until(
        lambda: gateway.run("explain", name, "--config", str(gateway.config), check=False).stdout, 5, "the record")


def test_a_refused_assumption_is_explained(gateway):
    sts = client(gateway, "sts", leaf=gateway.publisher)
    _, _, message = refusal(lambda: assume(sts, ExternalId="acme-8"))
    explained = explain(gateway, message)
    assert "sts:AssumeRole" in explained and "sts:ExternalId" in explained and "acme-7" in explained


@pytest.mark.parametrize("team, environment, allowed", [
    ("a", "test", True), ("b", "test", False), ("a", "live", False), (None, "test", False), ("a", None, False)])
def test_tags_of_session_role_and_bus_decide(gateway, administrator, team, environment, allowed):
    """The application is the role's own tag; team and environment are the session's."""
    tags = [{"Key": key, "Value": value} for key, value in (("team", team), ("environment", environment)) if value]
    events = with_session(gateway, assume(administrator, TAGGED, Tags=tags)["Credentials"])
    sent = events.put_events(Entries=[{**ORDER, "EventBusName": "shop"}])
    assert (sent["FailedEntryCount"] == 0) == allowed
    if allowed:
        events.describe_event_bus(Name="shop")
    else:
        assert refusal(lambda: events.describe_event_bus(Name="shop"))[0] == "AccessDeniedException"


def test_a_role_assumed_by_a_session_lasts_an_hour_at_most(gateway, administrator):
    sts = with_session(gateway, assume(administrator)["Credentials"], "sts")
    assert assume(sts, CHAINED, DurationSeconds=3600)["AssumedRoleUser"]["Arn"].endswith("assumed-role/chained/night-shift")
    code, status, message = refusal(lambda: assume(sts, CHAINED, DurationSeconds=3601))
    assert (code, status) == ("ValidationError", 400) and "role chaining" in message
    assert refusal(lambda: assume(administrator, DurationSeconds=3601))[0] == "ValidationError"


def test_tokens_that_are_not_the_keys_own_are_refused(gateway, administrator):
    credentials, other = assume(administrator)["Credentials"], assume(administrator)["Credentials"]
    token = credentials["SessionToken"]
    half = len(token) // 2
    altered = token[:half] + ("A" if token[half] != "A" else "B") + token[half + 1:]
    for wrong in ({"SessionToken": altered}, {"SessionToken": other["SessionToken"]},
                  {"AccessKeyId": other["AccessKeyId"]}, {"SessionToken": "AQ" + "A" * 200}):
        bad = {**credentials, **wrong}
        assert refusal(lambda: with_session(gateway, bad).put_events(Entries=[ORDER]))[0] == "UnrecognizedClientException"
        assert refusal(lambda: with_session(gateway, bad, "sts").get_caller_identity())[:2] == ("InvalidClientTokenId", 403)
    bad = {**credentials, "SecretAccessKey": "x" * 40}
    assert refusal(lambda: with_session(gateway, bad, "sts").get_caller_identity())[:2] == ("SignatureDoesNotMatch", 403)
    assert with_session(gateway, credentials).put_events(Entries=[ORDER])["FailedEntryCount"] == 0


def test_a_token_that_is_not_signed_is_refused(gateway, administrator):
    credentials = assume(administrator)["Credentials"]
    body = json.dumps({"Entries": [ORDER]}).encode()
    headers = [("Content-Type", "application/x-amz-json-1.1"), ("X-Amz-Target", "AWSEvents.PutEvents")]
    signed = Signed((credentials["AccessKeyId"], credentials["SecretAccessKey"]), body, headers)
    fields = [*signed.fields(), ("Authorization", signed.authorization()),
              ("X-Amz-Security-Token", credentials["SessionToken"])]
    context = ssl.create_default_context(cafile=str(gateway.servers.bundle))
    context.set_alpn_protocols(["http/1.1"])
    connection = http.client.HTTPSConnection("localhost", gateway.open_port, context=context, timeout=10)
    connection.request("POST", "/", body, {name: value for name, value in fields if name != "Host"} | {"Host": "localhost"})
    response = connection.getresponse()
    answer = json.loads(response.read())
    connection.close()
    assert (response.status, answer["__type"]) == (400, "InvalidSignatureException")
    assert "x-amz-security-token" in answer["message"]


def test_what_is_not_built_or_malformed_is_refused_by_name(administrator):
    for more, code, words in (
            ({"PolicyArns": [{"arn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}]}, "ValidationError", "is not available"),
            ({"SerialNumber": "GAHT12345678", "TokenCode": "123456"}, "ValidationError", "is not available"),
            ({"Policy": "{"}, "MalformedPolicyDocument", "Parameter Policy"),
            ({"Tags": [{"Key": f"k{n}", "Value": "v" * 256} for n in range(50)]}, "PackedPolicyTooLarge", "allotted space")):
        found = refusal(lambda: assume(administrator, **more))
        assert found[:2] == (code, 400) and words in found[2]
    assert refusal(lambda: administrator.get_session_token())[:2] == ("InvalidAction", 400)


def test_a_reload_takes_older_sessions_back_and_a_role_that_is_gone_ends_all(gateway, administrator):
    events = with_session(gateway, assume(administrator)["Credentials"])
    assert events.put_events(Entries=[ORDER])["FailedEntryCount"] == 0
    try:
        write_owner(gateway, 'sessionsNotBefore: "2099-01-01T00:00:00Z"')
        gateway.reload()
        assert refusal(lambda: events.put_events(Entries=[ORDER]))[0] == "ExpiredTokenException"
        write_owner(gateway)
        owner = gateway.folder / "accounts" / "owner.yaml"
        owner.write_text(owner.read_text().replace("role/delivery/worker\n", "role/delivery/other\n", 1))
        gateway.reload()
        assert refusal(lambda: events.put_events(Entries=[ORDER]))[0] == "UnrecognizedClientException"
    finally:
        write_owner(gateway)
        gateway.reload()
    # The role that is there again is another one, also after a restart.
    assert refusal(lambda: events.put_events(Entries=[ORDER]))[0] == "ExpiredTokenException"
    gateway.stop()
    gateway.start()
    assert refusal(lambda: events.put_events(Entries=[ORDER]))[0] == "ExpiredTokenException"
    again = with_session(gateway, assume(administrator)["Credentials"])
    assert again.put_events(Entries=[ORDER])["FailedEntryCount"] == 0


def ask(gateway, connection, credentials, service, clock, **changes):
    """PutEvents or GetCallerIdentity with a session, signed by a client whose clock goes as the gateway's: status, content."""
    if service == "events":
        body = json.dumps({"Entries": [ORDER]}).encode()
        headers = [("Content-Type", "application/x-amz-json-1.1"), ("X-Amz-Target", "AWSEvents.PutEvents")]
    else:
        body, headers = b"Action=GetCallerIdentity&Version=2011-06-15", [("Content-Type", "application/x-www-form-urlencoded")]
    headers.append(("X-Amz-Security-Token", credentials["SessionToken"]))
    key = (credentials["AccessKeyId"], changes.pop("secret", credentials["SecretAccessKey"]))
    signed = Signed(key, body, headers, date=stamp(clock.ahead), service=service)
    connection.request("POST", "/", body, dict([*signed.fields(), ("Authorization", signed.authorization())]))
    response = connection.getresponse()
    return response.status, response.read().decode()


@pytest.fixture
def moved():
    """A gateway of its own, whose clock the test moves."""
    made = Gateway()
    write_owner(made)
    made.clock = WallClock(made.folder)
    made.start(wrapper=made.clock.command)
    yield made
    made.stop()
    made.remove()


def test_a_session_of_900_seconds_ends_after_900_seconds_on_an_open_connection_and_past_a_restart(moved):
    sts = client(moved, "sts", moved.credentials(OWNER, "role/administrator"))
    credentials = assume(sts, DurationSeconds=900)["Credentials"]
    context = ssl.create_default_context(cafile=str(moved.servers.bundle))
    context.set_alpn_protocols(["http/1.1"])
    connection = http.client.HTTPSConnection("localhost", moved.open_port, context=context, timeout=10)
    for ahead in (0, 450, 870):
        moved.clock.move(ahead)
        status, answer = ask(moved, connection, credentials, "events", moved.clock)
        assert status == 200 and json.loads(answer)["FailedEntryCount"] == 0, answer
    moved.clock.move(901)
    for _ in range(2):
        status, answer = ask(moved, connection, credentials, "events", moved.clock)
        assert (status, json.loads(answer)["__type"]) == (400, "ExpiredTokenException")
        status, answer = ask(moved, connection, credentials, "sts", moved.clock)
        assert status == 403 and "<Code>ExpiredToken</Code>" in answer
        # Whoever has the token alone does not learn that it was one.
        status, answer = ask(moved, connection, credentials, "events", moved.clock, secret="x" * 40)
        assert (status, json.loads(answer)["__type"]) == (400, "InvalidSignatureException")
        connection.close()
        moved.stop()
        moved.start(wrapper=moved.clock.command)
    assert len(moved.events()) == 3


def test_a_session_outlives_a_restart(gateway, administrator):
    credentials = assume(administrator)["Credentials"]
    gateway.stop()
    gateway.start()
    assert with_session(gateway, credentials).put_events(Entries=[ORDER])["FailedEntryCount"] == 0
