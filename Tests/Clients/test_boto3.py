"""boto3, unchanged: over mutual TLS with a client certificate, and by SigV4 alone on the listener where that is optional."""

import datetime
import json

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from gateway import BUS_ARN, OWNER, REGION, SENDER, Gateway

ORDER = {"Source": "com.acme.orders", "DetailType": "OrderPlaced", "Detail": '{"id": 7, "price": 1.50}', "EventBusName": BUS_ARN}


@pytest.fixture(scope="module")
def keys(gateway):
    return {"publisher": gateway.credentials(), "administrator": gateway.credentials(OWNER, "role/administrator"),
            "reader": gateway.credentials(OWNER, "role/reader")}


def client(gateway, key, leaf=None, open_listener=False, service="events", region=REGION):
    return boto3.client(
        service, region_name=region, endpoint_url=gateway.open_url if open_listener else gateway.url,
        aws_access_key_id=key[0], aws_secret_access_key=key[1], verify=str(gateway.servers.bundle),
        config=Config(client_cert=leaf.pair if leaf else None, retries={"total_max_attempts": 1}))


@pytest.fixture(scope="module")
def publisher(gateway, keys):
    return client(gateway, keys["publisher"], gateway.publisher)


@pytest.fixture(scope="module")
def administrator(gateway, keys):
    return client(gateway, keys["administrator"], open_listener=True)


def code(error):
    return error.value.response["Error"]["Code"]


def test_a_signed_event_crosses_to_another_account_and_is_durable(gateway, publisher):
    answer = publisher.put_events(Entries=[ORDER])
    assert answer["FailedEntryCount"] == 0
    event = next(e for e in gateway.events() if e["id"] == answer["Entries"][0]["EventId"])
    assert event["source"] == "com.acme.orders"
    assert event["detail-type"] == "OrderPlaced"
    assert event["account"] == SENDER and event["region"] == REGION and event["version"] == "0"
    assert event["detail"] == {"id": 7, "price": 1.50}
    assert event["isthmus"]["principal"] == f"arn:aws:iam::{SENDER}:role/publisher"
    assert event["isthmus"]["trustDomain"] == "acme.example"


def test_time_resources_and_detail_arrive_as_sent(gateway, publisher):
    moment = datetime.datetime(2024, 2, 29, 23, 59, 58, tzinfo=datetime.timezone.utc)
    detail = '{"b":1,  "a":"\\u00e4 \\ud83d\\ude00", "n":1e2}'
    answer = publisher.put_events(Entries=[{**ORDER, "Time": moment, "Resources": ["arn:aws:s3:::a", "x"], "Detail": detail}])
    raw = [line for line in gateway.run(
        "tail", "--config", str(gateway.config), "--account", OWNER, "--bus", "orders", "--from", "1", "--no-follow"
    ).stdout.splitlines() if answer["Entries"][0]["EventId"] in line]
    assert f'"detail":{detail}' in raw[0]
    event = json.loads(raw[0])
    assert event["time"] == "2024-02-29T23:59:58Z"
    assert event["resources"] == ["arn:aws:s3:::a", "x"]


def test_one_denied_entry_never_fails_the_others(gateway, publisher):
    answer = publisher.put_events(Entries=[
        ORDER, {**ORDER, "Source": "com.other.orders"}, {**ORDER, "Detail": "[]"}, {**ORDER, "Source": ""},
        {**ORDER, "EventBusName": BUS_ARN.replace("orders", "nothing")}, {**ORDER, "Source": "aws.s3"},
        {**ORDER, "EventBusName": "mine"}, {**ORDER, "EventBusName": BUS_ARN.replace(REGION, "us-east-1")}, ORDER])
    codes = [entry.get("ErrorCode") for entry in answer["Entries"]]
    assert codes == [None, "AccessDeniedException", "MalformedDetail", "InvalidArgument", "AccessDeniedException",
                     "NotAuthorizedForSourceException", "ResourceNotFoundException", "InvalidArgument", None]
    assert answer["FailedEntryCount"] == 7
    denied = answer["Entries"][1]["ErrorMessage"]
    assert denied.startswith(
        f"User: arn:aws:iam::{SENDER}:role/publisher is not authorized to perform: events:PutEvents on resource: {BUS_ARN} because")
    assert "decision id: " in denied
    assert answer["Entries"][2]["ErrorMessage"] == "Detail is malformed."
    assert answer["Entries"][3]["ErrorMessage"] == "Parameter Source is not valid. Reason: Source is a required argument."
    assert answer["Entries"][6]["ErrorMessage"] == (
        "Event bus mine does not exist. Account 111122223333 has no event buses here: name the bus of the other account by its ARN.")


def test_a_bus_that_does_not_exist_is_told_from_a_forbidden_one_only_by_its_owner(publisher, administrator):
    """No oracle: to a stranger the words for a missing bus and for a bus that denies are the same but for the names."""
    administrator.create_event_bus(Name="silent")
    try:
        missing, silent = (
            publisher.put_events(Entries=[{**ORDER, "EventBusName": BUS_ARN.replace("orders", name)}])["Entries"][0]
            for name in ("absent", "silent"))
        cut = lambda entry, name: entry["ErrorMessage"].split(" (decision id")[0].replace(name, "NAME")
        assert missing["ErrorCode"] == silent["ErrorCode"] == "AccessDeniedException"
        assert cut(missing, "absent") == cut(silent, "silent")
    finally:
        administrator.delete_event_bus(Name="silent")


def test_more_than_ten_entries_and_too_large_a_request_are_refused_whole(publisher):
    with pytest.raises(ClientError) as error:
        publisher.put_events(Entries=[ORDER] * 11)
    assert code(error) == "ValidationException"
    assert "at 'entries' failed to satisfy constraint: Member must have length less than or equal to 10" in str(error.value)
    with pytest.raises(ClientError) as error:
        publisher.put_events(Entries=[{**ORDER, "Detail": '{"a":"' + "x" * (1 << 20) + '"}'}])
    assert code(error) == "ValidationException"
    assert "Total size of the entries in the request is over the limit." in str(error.value)


def test_buses_are_created_described_changed_listed_tagged_and_deleted(administrator):
    arn = f"arn:aws:events:{REGION}:{OWNER}:event-bus/ledger"
    assert administrator.create_event_bus(Name="ledger", Description="d", Tags=[{"Key": "team", "Value": "a"}])["EventBusArn"] == arn
    with pytest.raises(administrator.exceptions.ResourceAlreadyExistsException) as error:
        administrator.create_event_bus(Name="ledger")
    assert "Event bus ledger already exists." in str(error.value)
    administrator.update_event_bus(Name="ledger", Description="e")
    described = administrator.describe_event_bus(Name="ledger")
    assert (described["Arn"], described["Description"]) == (arn, "e")
    assert "Policy" not in described
    assert [b["Name"] for b in administrator.list_event_buses(NamePrefix="led")["EventBuses"]] == ["ledger"]
    page = administrator.list_event_buses(Limit=1)
    assert len(page["EventBuses"]) == 1 and page["NextToken"]
    administrator.tag_resource(ResourceARN=arn, Tags=[{"Key": "team", "Value": "b"}, {"Key": "x", "Value": ""}])
    administrator.untag_resource(ResourceARN=arn, TagKeys=["x"])
    assert administrator.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "team", "Value": "b"}]
    administrator.delete_event_bus(Name="ledger")
    administrator.delete_event_bus(Name="ledger")
    with pytest.raises(administrator.exceptions.ResourceNotFoundException) as error:
        administrator.describe_event_bus(Name="ledger")
    assert "Event bus ledger does not exist." in str(error.value)
    with pytest.raises(ClientError) as error:
        administrator.delete_event_bus(Name="default")
    assert "Cannot delete event bus default." in str(error.value)


def test_p8_a_deleted_bus_takes_nothing_and_nothing_of_it_comes_back_with_its_name(gateway, administrator, publisher):
    arn = f"arn:aws:events:{REGION}:{OWNER}:event-bus/gone"
    by_partner, by_owner = {**ORDER, "EventBusName": arn}, {**ORDER, "EventBusName": "gone"}
    administrator.create_event_bus(Name="gone")
    administrator.put_permission(EventBusName="gone", Action="events:PutEvents", Principal=SENDER, StatementId="acme")
    for one, entry in ((publisher, by_partner), (administrator, by_owner)):
        assert one.put_events(Entries=[entry])["FailedEntryCount"] == 0
    administrator.delete_event_bus(Name="gone")
    # Both have a connection that took events for this bus a moment ago.
    answer = publisher.put_events(Entries=[by_partner, ORDER, by_partner])
    assert answer["FailedEntryCount"] == 2
    assert [entry.get("ErrorCode") for entry in answer["Entries"]] == ["AccessDeniedException", None, "AccessDeniedException"]
    assert ["EventId" in entry for entry in answer["Entries"]] == [False, True, False]
    for name in ("gone", arn):
        (entry,) = administrator.put_events(Entries=[{**by_owner, "EventBusName": name}])["Entries"]
        assert entry["ErrorCode"] == "ResourceNotFoundException" and "EventId" not in entry, entry
        assert "Event bus gone does not exist." in entry["ErrorMessage"]
    administrator.create_event_bus(Name="gone")
    try:
        assert publisher.put_events(Entries=[by_partner])["Entries"][0]["ErrorCode"] == "AccessDeniedException"
        assert gateway.events("gone") == []
    finally:
        administrator.delete_event_bus(Name="gone")


def test_permissions_are_put_and_removed_and_the_policy_disappears_with_the_last(administrator, publisher):
    administrator.create_event_bus(Name="shared")
    arn = f"arn:aws:events:{REGION}:{OWNER}:event-bus/shared"
    try:
        administrator.put_permission(EventBusName="shared", Action="events:PutEvents", Principal=SENDER, StatementId="acme")
        policy = json.loads(administrator.describe_event_bus(Name="shared")["Policy"])
        assert policy["Statement"] == [{
            "Sid": "acme", "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{SENDER}:root"},
            "Action": "events:PutEvents", "Resource": arn}]
        assert publisher.put_events(Entries=[{**ORDER, "EventBusName": arn}])["FailedEntryCount"] == 0
        with pytest.raises(administrator.exceptions.ResourceNotFoundException) as error:
            administrator.remove_permission(EventBusName="shared", StatementId="nobody")
        assert "Statement with the provided id does not exist." in str(error.value)
        administrator.remove_permission(EventBusName="shared", StatementId="acme")
        assert "Policy" not in administrator.describe_event_bus(Name="shared")
        answer = publisher.put_events(Entries=[{**ORDER, "EventBusName": arn}])
        assert answer["Entries"][0]["ErrorCode"] == "AccessDeniedException"
        administrator.put_permission(EventBusName="shared", Policy=json.dumps({**policy, "Id": "whole"}))
        assert json.loads(administrator.describe_event_bus(Name="shared")["Policy"])["Id"] == "whole"
        administrator.remove_permission(EventBusName="shared", RemoveAllPermissions=True)
        assert "Policy" not in administrator.describe_event_bus(Name="shared")
    finally:
        administrator.delete_event_bus(Name="shared")


def test_a_policy_that_is_no_policy_is_refused_with_its_place(administrator):
    for document in ('{"Version":"2012-10-17","Statement":[{"Effect":"Allow"}]}', "{", '{"Version":"2012-10-17"}',
                     '{"Version":"2012-10-17","Statement":[],"Statement":[]}'):
        with pytest.raises(ClientError) as error:
            administrator.put_permission(EventBusName="default", Policy=document)
        assert code(error) == "ValidationException"
        assert "is not valid" in str(error.value)


def test_nothing_is_allowed_by_default(gateway, keys, publisher):
    reader = client(gateway, keys["reader"], open_listener=True)
    assert reader.describe_event_bus(Name="orders")["Name"] == "orders"
    for call in (lambda: reader.create_event_bus(Name="x"), lambda: reader.delete_event_bus(Name="orders"),
                 lambda: reader.put_permission(EventBusName="orders", Action="events:PutEvents", Principal=SENDER, StatementId="s"),
                 lambda: publisher.describe_event_bus(Name=BUS_ARN), lambda: publisher.create_event_bus(Name="x")):
        with pytest.raises(ClientError) as error:
            call()
        assert code(error) == "AccessDeniedException"
        assert "is not authorized to perform: events:" in str(error.value)


def test_what_is_not_built_is_refused_and_not_forgotten(administrator):
    with pytest.raises(ClientError) as error:
        administrator.create_event_bus(Name="sealed", KmsKeyIdentifier="alias/x")
    assert "KmsKeyIdentifier is not available on this gateway" in str(error.value)
    with pytest.raises(ClientError) as error:
        administrator.list_endpoints()
    assert code(error) == "OperationDisabledException"
    with pytest.raises(ClientError) as error:
        administrator.list_rules()
    assert code(error) == "UnknownOperationException"


def test_sts_says_who_is_calling(gateway, keys):
    answer = client(gateway, keys["publisher"], gateway.publisher, service="sts").get_caller_identity()
    assert (answer["Account"], answer["Arn"]) == (SENDER, f"arn:aws:iam::{SENDER}:role/publisher")


def test_wrong_secret_region_and_account_are_each_a_clear_error(gateway, keys):
    key = keys["publisher"]
    with pytest.raises(ClientError) as error:
        client(gateway, (key[0], "x" * 40), gateway.publisher).put_events(Entries=[ORDER])
    assert code(error) == "InvalidSignatureException"
    with pytest.raises(ClientError) as error:
        client(gateway, ("AKIA" + "Z" * 16, key[1]), gateway.publisher).put_events(Entries=[ORDER])
    assert code(error) == "UnrecognizedClientException"
    with pytest.raises(ClientError) as error:
        client(gateway, key, gateway.publisher, region="us-east-1").put_events(Entries=[ORDER])
    assert code(error) == "InvalidSignatureException" and "'eu-central-1'" in str(error.value)
    with pytest.raises(ClientError) as error:
        client(gateway, keys["administrator"], gateway.publisher).list_event_buses()
    assert code(error) == "AccessDeniedException"
    assert OWNER in str(error.value) and SENDER in str(error.value)


def test_a_disabled_key_is_refused_within_a_second(gateway):
    key = gateway.credentials()
    publisher = client(gateway, key, gateway.publisher)
    assert publisher.put_events(Entries=[ORDER])["FailedEntryCount"] == 0
    gateway.run("credentials", "disable", "--config", str(gateway.config), "--access-key-id", key[0])
    with pytest.raises(ClientError) as error:
        publisher.put_events(Entries=[ORDER])
    assert code(error) == "UnrecognizedClientException"


def test_buses_policies_keys_and_events_survive_a_restart():
    gateway = Gateway().start()
    try:
        administrator = client(gateway, gateway.credentials(OWNER, "role/administrator"), open_listener=True)
        administrator.create_event_bus(Name="kept")
        administrator.put_permission(EventBusName="kept", Action="events:PutEvents", Principal=SENDER, StatementId="s")
        key = gateway.credentials()
        sent = client(gateway, key, gateway.publisher).put_events(
            Entries=[{**ORDER, "EventBusName": BUS_ARN.replace("orders", "kept")}, ORDER])
        gateway.stop()
        gateway.start()
        assert "Policy" in administrator.describe_event_bus(Name="kept")
        kept = [e["id"] for bus in ("kept", "orders") for e in gateway.events(bus)]
        assert kept == [entry["EventId"] for entry in sent["Entries"]]
        again = client(gateway, key, gateway.publisher).put_events(Entries=[ORDER])
        assert again["Entries"][0]["EventId"] not in kept
        gateway.stop()
    finally:
        gateway.remove()
