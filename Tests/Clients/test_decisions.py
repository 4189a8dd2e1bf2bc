"""Decision records of the real binary: a denial is explained to the owner, in part to its sender, and to nobody else."""

import http.client
import json
import re
import sqlite3
import ssl

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from gateway import BUS_ARN, OWNER, REGION, SENDER, STRANGER, Gateway
from publishing import Publisher, entry
from test_organizations import ALLOW_ALL, EXTRA, UNIT, Manifests

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
SECRET_SID, SECRET_SOURCE = "SidThatOnlyTheOwnerKnows", "com.only.the.owner.knows.*"
ENDPOINT = "vpce-mutual"


@pytest.fixture(scope="module")
def gateway():
    made = Gateway(extra=EXTRA + "decisions: {allows: all}\n")
    made.manifests = Manifests(made)
    made.manifests.sign()
    (made.folder / "accounts" / "stranger.yaml").write_text(
        f'account: "{STRANGER}"\nlocal: false\nprincipals: [{{name: role/visitor}}]\n')
    made.other = made.acme.principal("other", f"spiffe://acme.example/account/{SENDER}/role/other")
    made.reader = made.globex.principal("reader", f"spiffe://globex.example/account/{OWNER}/role/reader")
    owner = made.folder / "accounts" / "owner.yaml"
    owner.write_text(owner.read_text().replace('Action: "events:*"', 'Action: ["events:*", "isthmus:DescribeDecision"]'))
    bounded = {"name": "role/bounded", "policies": [{"Version": "2012-10-17", "Statement": [ALLOW_ALL]}],
               "permissionsBoundary": {"Version": "2012-10-17", "Statement": [
                   {"Sid": "LookOnly", "Effect": "Allow", "Action": "events:Describe*", "Resource": "*"}]}}
    owner.write_text(owner.read_text() + f"  - {json.dumps(bounded)}\n")
    made.bounded = made.globex.principal("bounded", f"spiffe://globex.example/account/{OWNER}/role/bounded")
    set_policy(made)
    set_endpoint_policy(made)
    made.start()
    yield made
    made.stop()
    made.remove()


def set_policy(gateway, *more, source=("com.acme.*", SECRET_SOURCE)):
    """The policy that the bus is seeded with."""
    (gateway.folder / "orders-bus.json").write_text(json.dumps(bus_policy(*more, source=source)))


def bus_policy(*more, source=("com.acme.*", SECRET_SOURCE)):
    return {"Version": "2012-10-17", "Statement": [
        {"Sid": SECRET_SID, "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{SENDER}:role/publisher"},
         "Action": "events:PutEvents", "Resource": BUS_ARN,
         "Condition": {"StringLike": {"events:source": list(source)}}}, *more]}


def set_endpoint_policy(gateway, *statements):
    """The policy of the listener for certificates, in force after the next reload."""
    policy = json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}, *statements]})
    text = gateway.config.read_text()
    (gateway.folder / "endpoint.json").write_text(policy)
    if "policy: endpoint.json" not in text:
        text = text.replace(f"{{id: {ENDPOINT}, ", f"{{id: {ENDPOINT}, policy: endpoint.json, ")
    gateway.config.write_text(text)


def deny(gateway, source="com.evil.orders"):
    """Sends one entry that is denied; the id of the decision and the message."""
    with Publisher(gateway) as publisher:
        answer = publisher.put(entry(1, source=source))
    result = answer.json["Entries"][0]
    assert "EventId" not in result, result
    return re.search(rf"\(decision id: ({UUID})\)", result["ErrorMessage"])[1], result


def explain(gateway, decision, *arguments, check=True):
    return gateway.run("explain", decision, "--config", str(gateway.config), *arguments, check=check)


def get(gateway, path, leaf, method="GET"):
    """A request by certificate: status and content."""
    context = ssl.create_default_context(cafile=str(gateway.servers.bundle))
    context.load_cert_chain(*leaf.pair)
    context.set_alpn_protocols(["http/1.1"])
    connection = http.client.HTTPSConnection("localhost", gateway.port, context=context, timeout=10)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def test_a_denial_by_the_bus_policy_names_the_statement_the_condition_and_the_remedy(gateway):
    decision, result = deny(gateway)
    assert result["ErrorCode"] == "AccessDeniedException"
    text = explain(gateway, decision).stdout
    assert f"who:      arn:aws:iam::{SENDER}:role/publisher" in text
    assert "wanted:   events:PutEvents" in text and f"on:       {BUS_ARN}" in text
    assert "nothing in the resource policy allows it. The statement that came closest:" in text
    assert f"statement 0 `{SECRET_SID}` of the resource policy (Allow) missed:" in text
    assert ("its condition StringLike on `events:source` wants one of `com.acme.*`, "
            f"`{SECRET_SOURCE}`; the request has `com.evil.orders`") in text
    assert "if it should pass, add `com.evil.orders` to the condition StringLike on `events:source`" in text
    assert "events:source = `com.evil.orders`" in text and "aws:SourceVpce = `vpce-mutual`" in text


def test_the_record_as_json_has_every_member_the_specification_names(gateway):
    decision, result = deny(gateway)
    record = json.loads(explain(gateway, decision, "--json").stdout)
    assert record["decisionId"] == decision and record["entry"] == 0 and record["view"] == "owner"
    assert re.fullmatch(UUID, record["requestId"]) and record["snapshotRevision"] > 0
    assert record["effect"] == "implicitDeny" and record["side"] == "bus policy" and record["code"] == "AccessDeniedException"
    assert result["ErrorMessage"] == f"{record['message']} (decision id: {decision})"
    caller = record["caller"]
    assert caller["principal"] == f"arn:aws:iam::{SENDER}:role/publisher" and caller["account"] == SENDER
    assert caller["trustDomain"] == "acme.example" and caller["endpoint"] == ENDPOINT
    assert caller["sourceAddress"] == "127.0.0.1" and caller["organizationPath"].startswith("o-exampleorgid/")
    assert record["action"] == "events:PutEvents" and record["resource"] == BUS_ARN
    miss = record["nearestMiss"]
    assert (miss["layer"], miss["statement"], miss["sid"], miss["element"]) == ("resource", 0, SECRET_SID, "Condition")
    assert (miss["operator"], miss["key"], miss["got"]) == ("StringLike", "events:source", ["com.evil.orders"])
    assert record["context"]["request"]["events:source"] == "com.evil.orders"


def test_a_signed_call_is_recorded_with_its_access_key(gateway):
    key = gateway.credentials(OWNER, "role/reader")
    client = boto3.client(
        "events", region_name=REGION, endpoint_url=gateway.open_url, aws_access_key_id=key[0],
        aws_secret_access_key=key[1], verify=str(gateway.servers.bundle), config=Config(retries={"total_max_attempts": 1}))
    with pytest.raises(ClientError) as refused:
        client.delete_event_bus(Name="orders")
    error = refused.value.response["Error"]
    assert error["Code"] == "AccessDeniedException"
    decision = re.search(rf"\(decision id: ({UUID})\)", error["Message"])[1]
    record = json.loads(explain(gateway, decision, "--json").stdout)
    assert record["action"] == "events:DeleteEventBus" and record["side"] == "sender identity"
    assert record["caller"]["accessKeyId"] == key[0] and "entry" not in record
    assert "Boto3" in record["context"]["request"]["aws:UserAgent"]
    assert "its Action is `events:Describe*`, `events:List*`" in explain(gateway, decision).stdout


def test_a_denial_by_a_control_policy_names_the_policy_and_its_level(gateway):
    policy = {"name": "NoOrders", "targets": [UNIT], "policy": {"Version": "2012-10-17", "Statement": [
        {"Sid": "Stop", "Effect": "Deny", "Action": "events:PutEvents", "Resource": "*"}, ALLOW_ALL]}}
    gateway.manifests.sign(serviceControlPolicies=[policy])
    gateway.reload()
    try:
        decision, result = deny(gateway, source="com.acme.orders")
    finally:
        gateway.manifests.sign()
        gateway.reload()
    assert "with an explicit deny in a service control policy" in result["ErrorMessage"]
    text = explain(gateway, decision).stdout
    assert "`Stop` of the service control policy `NoOrders`" in text
    assert "denies it, and a deny wins over every allow" in text
    assert "if this should pass, narrow or remove statement 0 `Stop`" in text
    # It is the sender's own side, so the sender reads the same.
    assert "`Stop` of the service control policy `NoOrders`" in explain(gateway, decision, "--view", "sender").stdout


def test_a_denial_by_the_endpoint_policy_is_explained_to_the_operator_alone(gateway):
    set_endpoint_policy(gateway, {
        "Sid": "NotThisWay", "Effect": "Deny", "Principal": "*", "Action": "events:PutEvents", "Resource": BUS_ARN})
    gateway.reload()
    try:
        decision, result = deny(gateway, source="com.acme.orders")
    finally:
        set_endpoint_policy(gateway)
        gateway.reload()
    assert "with an explicit deny in a VPC endpoint policy" in result["ErrorMessage"]
    assert "statement 1 `NotThisWay` of the endpoint policy" in explain(gateway, decision).stdout
    assert "NotThisWay" not in explain(gateway, decision, "--view", "sender").stdout


def test_a_denial_by_a_permissions_boundary_names_its_statement(gateway):
    with Publisher(gateway, leaf=gateway.bounded) as bounded:
        message = bounded.post(b'{"Name":"orders"}', target="AWSEvents.DeleteEventBus").json["message"]
    assert "because no permissions boundary allows the events:DeleteEventBus action" in message
    decision = re.search(rf"\(decision id: ({UUID})\)", message)[1]
    text = explain(gateway, decision).stdout
    assert "nothing in the permissions boundary allows it. The statement that came closest:" in text
    assert "`LookOnly` of the permissions boundary" in text
    assert "its Action is `events:Describe*`; the request is `events:DeleteEventBus`" in text


def test_a_forged_source_and_another_region_have_records_without_statements(gateway):
    decision, result = deny(gateway, source="aws.ec2")
    assert result["ErrorCode"] == "NotAuthorizedForSourceException"
    record = json.loads(explain(gateway, decision, "--json").stdout)
    assert record["side"] == "binding" and "statements" not in record
    assert "the source is bound to another sender. No policy was asked, and none overrides it." in explain(
        gateway, decision).stdout
    with Publisher(gateway) as publisher:
        answer = publisher.put({**entry(1), "EventBusName": BUS_ARN.replace(REGION, "us-east-1")})
    message = answer.json["Entries"][0]["ErrorMessage"]
    decision = re.search(rf"\(decision id: ({UUID})\)", message)[1]
    assert json.loads(explain(gateway, decision, "--json").stdout)["side"] == "region"


def test_the_owner_reads_everything_and_the_sender_its_own_side_over_the_api(gateway):
    decision, _ = deny(gateway)
    status, record = get(gateway, f"/decisions/{decision}", gateway.administrator)
    assert status == 200 and record["view"] == "owner" and record["nearestMiss"]["sid"] == SECRET_SID
    status, record = get(gateway, f"/decisions/{decision}", gateway.publisher)
    assert status == 200 and record["view"] == "sender" and record["code"] == "AccessDeniedException"
    text = json.dumps(record)
    for secret in (SECRET_SID, SECRET_SOURCE, "snapshotRevision", "aws:ResourceAccount", "aws:ResourceOrgID", "verdicts"):
        assert secret not in text
    assert "ask account" in text or "ask the owner" in text
    assert record["statements"] == [] and "nearestMiss" not in record


def test_everybody_else_reads_the_words_of_an_id_that_does_not_exist(gateway):
    decision, _ = deny(gateway)
    visitor = gateway.acme.principal("stranger", f"spiffe://acme.example/account/{SENDER}/role/other")
    unknown = "00000000-0000-4000-8000-000000000000"
    expected = get(gateway, f"/decisions/{unknown}", gateway.reader)
    assert expected[0] == 404 and expected[1]["__type"] == "ResourceNotFoundException"
    # A principal of the owner's account that no policy allows isthmus:DescribeDecision.
    refused = get(gateway, f"/decisions/{decision}", gateway.reader)
    assert refused[0] == 404
    assert refused[1]["message"].replace(decision, "ID") == expected[1]["message"].replace(unknown, "ID")
    # Another principal of the sender's account reads its account's side, no more.
    status, record = get(gateway, f"/decisions/{decision}", visitor)
    assert status == 200 and record["view"] == "sender" and SECRET_SID not in json.dumps(record)
    assert get(gateway, "/decisions/nonsense", gateway.publisher)[0] == 404
    assert get(gateway, f"/decisions/{decision}", gateway.publisher, method="POST")[0] == 405


def test_another_account_reads_the_words_of_an_id_that_does_not_exist(gateway):
    """The record of a call that the owner's own reader made: the sender's account has no part in it."""
    with Publisher(gateway, leaf=gateway.reader) as reader:
        message = reader.post(b'{"Name":"orders"}', target="AWSEvents.DeleteEventBus").json["message"]
    decision = re.search(rf"\(decision id: ({UUID})\)", message)[1]
    status, answer = get(gateway, f"/decisions/{decision}", gateway.publisher)
    assert status == 404 and answer["__type"] == "ResourceNotFoundException"
    assert get(gateway, f"/decisions/{decision}", gateway.reader)[1]["view"] == "sender"
    assert get(gateway, f"/decisions/{decision}", gateway.administrator)[1]["view"] == "owner"


def test_allows_are_recorded_where_the_configuration_says_all(gateway):
    with Publisher(gateway) as publisher:
        assert publisher.put(entry(7)).ids
    decision = gateway.events()[-1]["isthmus"]["decisionId"]
    record = json.loads(explain(gateway, decision, "--json").stdout)
    assert record["effect"] == "allow" and "code" not in record
    assert f"statement 0 `{SECRET_SID}` of the resource policy allows it." in explain(gateway, decision).stdout


def test_a_changed_policy_is_asked_about_the_recorded_decisions(gateway):
    deny(gateway, source="com.candidate.orders")
    with Publisher(gateway) as publisher:
        assert publisher.put(entry(8, source="com.acme.candidate")).ids
    candidate = gateway.folder / "candidate.json"
    candidate.write_text(json.dumps(bus_policy(source=("com.candidate.*",))))
    done = gateway.run("policy", "replay", "--config", str(gateway.config), "--candidate", str(candidate), "--since", "1h")
    changed = [line for line in done.stdout.splitlines() if "→" in line and "recorded decisions" not in line]
    assert any(line.startswith("DENY→ALLOW") and "com.candidate.orders" in line for line in changed)
    assert any(line.startswith("ALLOW→DENY") and "com.acme.candidate" in line for line in changed)
    assert not any("com.evil.orders" in line for line in changed)
    counts = json.loads(gateway.run(
        "policy", "replay", "--config", str(gateway.config), "--candidate", str(candidate), "--since", "1h", "--json",
        "--resource", BUS_ARN).stdout.splitlines()[-1])
    assert counts["denyToAllow"] >= 1 and counts["allowToDeny"] >= 1 and counts["unchanged"] >= 1
    assert counts["records"] == sum(counts[name] for name in ("denyToAllow", "allowToDeny", "unchanged", "undecidable"))
    candidate.write_text(json.dumps(bus_policy()))
    same = gateway.run("policy", "replay", "--config", str(gateway.config), "--candidate", str(candidate), "--since", "1h")
    assert "DENY→ALLOW 0, ALLOW→DENY 0" in same.stdout.splitlines()[-1]


def test_replay_says_what_is_wrong_with_its_arguments(gateway):
    candidate = gateway.folder / "wide.json"
    candidate.write_text(json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": SENDER}, "Action": "events:PutEvents", "Resource": "*"}]}))
    arguments = ("policy", "replay", "--config", str(gateway.config), "--candidate", str(candidate))
    refused = gateway.run(*arguments, "--since", "1h", check=False)
    assert refused.returncode == 1 and "say which with `--resource ARN`" in refused.stderr
    assert gateway.run(*arguments, "--since", "yesterday", check=False).returncode == 64


def test_records_survive_a_restart_and_sigterm_writes_out_what_waits(gateway):
    first, _ = deny(gateway)
    with Publisher(gateway) as publisher:
        answers = [publisher.put(*[entry(n, source="com.evil.orders") for n in range(10)]) for _ in range(20)]
    ids = [re.search(rf"\(decision id: ({UUID})\)", one["ErrorMessage"])[1] for a in answers for one in a.json["Entries"]]
    gateway.stop()
    gateway.start()
    for decision in [first, ids[0], ids[-1]]:
        assert "nothing in the resource policy allows it" in explain(gateway, decision).stdout
    with sqlite3.connect(f"file:{gateway.data / 'decisions.sqlite'}?mode=ro", uri=True) as database:
        kept = {bytes(row[0]).hex() for row in database.execute("SELECT id FROM decision")}
    assert {one.replace("-", "") for one in ids} <= kept


def test_a_record_that_was_changed_on_disk_is_said_to_be_damaged(gateway):
    decision, _ = deny(gateway)
    explain(gateway, decision)
    gateway.stop()
    with sqlite3.connect(gateway.data / "decisions.sqlite") as database:
        changed = database.execute(
            "UPDATE decision SET value = replace(value, 'com.evil', 'com.good') WHERE id = ?",
            (bytes.fromhex(decision.replace("-", "")),)).rowcount
    assert changed == 1
    gateway.start()
    refused = explain(gateway, decision, check=False)
    assert refused.returncode == 1 and "is not as it was stored" in refused.stderr
    assert get(gateway, f"/decisions/{decision}", gateway.administrator)[0] == 404


def test_an_id_without_a_record_and_a_text_that_is_no_id_are_told_apart_to_the_operator(gateway):
    missing = explain(gateway, "00000000-0000-4000-8000-000000000000", check=False)
    assert missing.returncode == 1 and "there is no record of decision" in missing.stderr
    malformed = explain(gateway, "soon", check=False)
    assert malformed.returncode == 1 and "is not a decision id" in malformed.stderr


def test_control_characters_of_a_sender_do_not_reach_the_terminal(gateway):
    decision, _ = deny(gateway, source="com.evil\u001b[31m\nowner:")
    text = explain(gateway, decision).stdout
    assert "\u001b" not in text and "\nowner:" not in text


def test_the_configuration_of_records_is_checked(gateway):
    wrong = gateway.folder / "wrong.yaml"
    wrong.write_text(gateway.config.read_text().replace(
        "decisions: {allows: all}", "decisions: {allows: some, sampleOneIn: 1, keepDays: 0, keepRecords: 5}"))
    lines = gateway.run("check", "--config", str(wrong), check=False).stderr.splitlines()
    for name in ("decisions.allows", "decisions.sampleOneIn", "decisions.keepDays", "decisions.keepRecords"):
        assert any(name in line for line in lines), (name, lines)
    shown = gateway.run("check", "--config", str(gateway.config)).stdout
    assert 'allows: "all"' in shown and "keepDays: 30" in shown


def test_allows_leave_no_record_where_the_configuration_says_none():
    made = Gateway().start()
    try:
        with Publisher(made) as publisher:
            assert publisher.put(entry(1)).ids
        decision = made.events()[-1]["isthmus"]["decisionId"]
        assert "there is no record" in explain(made, decision, check=False).stderr
        denied, _ = deny(made)
        assert "the request has `com.evil.orders`" in explain(made, denied).stdout
        assert made.metric("isthmus_decisions_recorded_total") == 1
    finally:
        made.stop()
        made.remove()
