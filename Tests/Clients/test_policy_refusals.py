"""Bus policies that grant more than their writer meant: none of them is saved, and each refusal says why (P4)."""

import json

import pytest
from botocore.exceptions import ClientError

from gateway import BUS_ARN, OWNER, SENDER
from measures import report  # noqa: F401 (a fixture)
from test_organizations import client

ID, PATH = "o-exampleorgid", "o-exampleorgid/r-ab12/*"
ROLE = f"arn:aws:iam::{SENDER}:role/publisher"
PUT = {"Effect": "Allow", "Principal": {"AWS": SENDER}, "Action": "events:PutEvents", "Resource": BUS_ARN}
ANYONE = {**PUT, "Principal": "*"}


def document(*statements, version="2012-10-17"):
    return {**({"Version": version} if version else {}), "Statement": list(statements)}


def under(statement, operator, key, *values):
    return document({**statement, "Condition": {operator: {key: list(values)}}})


def without(statement, member):
    return {name: value for name, value in statement.items() if name != member}


def unanchored():
    """`Principal` `*` with conditions that tie it to nobody."""
    yield "nothing", document(ANYONE)
    yield "in a map", document({**ANYONE, "Principal": {"AWS": "*"}})
    yield "among others", document({**ANYONE, "Principal": {"AWS": [SENDER, "*"]}})
    yield "second statement", document(PUT, ANYONE)
    yield "anchor in another statement", document(
        {**ANYONE, "Condition": {"StringEquals": {"aws:PrincipalOrgID": ID}}}, {**ANYONE, "Sid": "bare"})
    yield "an empty condition", document({**ANYONE, "Condition": {}})
    for key, value in (("aws:PrincipalOrgID", ID), ("aws:PrincipalAccount", SENDER), ("aws:SourceAccount", SENDER)):
        for operator in ("StringEqualsIfExists", "StringNotEquals", "StringLikeIfExists", "StringNotLike"):
            yield f"{operator} {key}", under(ANYONE, operator, key, value)
    for key, value in (("aws:PrincipalArn", ROLE), ("aws:SourceArn", BUS_ARN)):
        for operator in ("ArnEqualsIfExists", "ArnNotEquals", "ArnLikeIfExists", "ArnNotLike"):
            yield f"{operator} {key}", under(ANYONE, operator, key, value)
    for operator, key, value in (
            ("StringLike", "aws:PrincipalOrgID", "o-*"), ("StringLike", "aws:PrincipalOrgID", "*"),
            ("StringLike", "aws:PrincipalOrgID", "o-exampleorgi?"), ("StringLike", "aws:PrincipalOrgID", "${aws:ResourceOrgID}"),
            ("StringEquals", "aws:PrincipalOrgID", "${aws:ResourceOrgID}"), ("StringEquals", "aws:PrincipalOrgID", "O-EXAMPLEORGID"),
            ("StringLike", "aws:PrincipalAccount", "1111*"), ("StringLike", "aws:PrincipalAccount", "*"),
            ("StringLike", "aws:PrincipalAccount", "${aws:PrincipalAccount}"), ("ArnLike", "aws:PrincipalArn", "*"),
            ("ArnLike", "aws:PrincipalArn", "arn:aws:iam::*:role/publisher"),
            ("ArnLike", "aws:PrincipalArn", "arn:aws:iam::1111*:role/publisher"), ("ArnLike", "aws:SourceArn", "arn:aws:events:*:*:rule/x"),
            ("ForAnyValue:StringLike", "aws:PrincipalOrgPaths", "o-*"), ("ForAnyValue:StringLike", "aws:PrincipalOrgPaths", "*"),
            ("StringLike", "aws:SourceVpce", "vpce-*"), ("StringEquals", "events:source", "com.acme"),
            ("StringEquals", "aws:PrincipalTag/team", "a"), ("Bool", "aws:SecureTransport", "true"),
            ("IpAddress", "aws:SourceIp", "0.0.0.0/0"), ("Null", "aws:PrincipalOrgID", "false"),
            ("StringEquals", "aws:PrincipalType", "User"), ("StringEquals", "aws:RequestedRegion", "eu-central-1")):
        yield f"{operator} {key} {value}", under(ANYONE, operator, key, value)
    yield "one of two values", under(ANYONE, "StringLike", "aws:PrincipalOrgID", ID, "o-*")
    yield "no value", under(ANYONE, "StringEquals", "aws:PrincipalOrgID")


def sets():
    """Set operators that hold where they should not."""
    for operator in ("ForAllValues:StringLike", "ForAllValues:StringEquals", "ForAllValues:StringNotLike"):
        yield f"{operator} without Null", under(PUT, operator, "aws:PrincipalOrgPaths", PATH)
    yield "Null is true", document({**PUT, "Condition": {
        "ForAllValues:StringLike": {"aws:PrincipalOrgPaths": PATH}, "Null": {"aws:PrincipalOrgPaths": "true"}}})
    yield "Null on another key", document({**PUT, "Condition": {
        "ForAllValues:StringLike": {"aws:PrincipalOrgPaths": PATH}, "Null": {"aws:PrincipalOrgID": "false"}}})
    for key in ("aws:PrincipalOrgID", "aws:PrincipalArn", "aws:PrincipalAccount", "aws:SourceVpce"):
        yield f"a set operator on {key}", under(PUT, "ForAnyValue:StringEquals", key, "x")


def wide():
    """Negated elements, old versions, and what is not the language."""
    yield "NotPrincipal", document({**without(PUT, "Principal"), "NotPrincipal": {"AWS": SENDER}})
    yield "NotPrincipal *", document({**without(PUT, "Principal"), "NotPrincipal": "*"})
    yield "NotAction on *", document({**without(PUT, "Action"), "NotAction": "events:PutEvents", "Resource": "*"})
    yield "NotAction and NotResource", document(
        {**without(without(PUT, "Action"), "Resource"), "NotAction": "events:PutEvents", "NotResource": BUS_ARN})
    yield "version 2008", document(PUT, version="2008-10-17")
    yield "version 2013", document(PUT, version="2013-10-17")
    yield "no version", document(PUT, version=None)
    for key in ("aws:PrincipalOrganizationID", "aws:PrincipalOrgId ", "events:sourc", "aws:nothing", "isthmus:Nothing", "PrincipalOrgID"):
        yield f"unknown key {key}", under(PUT, "StringEquals", key, "x")
    for operator in ("StringEqual", "stringequals", "ForAllvalues:StringEquals", "StringEqualsIfExist", "ArnMatches"):
        yield f"unknown operator {operator}", under(PUT, operator, "aws:PrincipalOrgID", ID)
    yield "unknown element", document({**PUT, "Actions": "events:PutEvents"})
    yield "another bus", document({**PUT, "Resource": BUS_ARN.replace("orders", "others")})
    yield "two principals elements", document({**PUT, "NotPrincipal": {"AWS": SENDER}})
    yield "no principal", document(without(PUT, "Principal"))
    yield "an address that is none", under(PUT, "IpAddress", "aws:SourceIp", "10.0.0.0/33")
    yield "an ARN that is none", under(PUT, "ArnLike", "aws:PrincipalArn", "role/publisher")


BAD = [*unanchored(), *sets(), *wide()]
REPEATED = ['{"Version":"2012-10-17","Version":"2012-10-17","Statement":[]}',
            json.dumps(document(PUT)).replace('"Effect"', '"Effect": "Deny", "Effect"')]


@pytest.fixture(scope="module")
def administrator(gateway):
    return client(gateway, OWNER, "role/administrator")


def test_no_bad_policy_is_saved_and_each_refusal_says_why(administrator, report):  # noqa: F811
    before = administrator.describe_event_bus(Name="orders")["Policy"]
    saved, mute, reasons = [], [], set()
    for name, policy in [(name, json.dumps(policy)) for name, policy in BAD] + [("repeated", text) for text in REPEATED]:
        try:
            administrator.put_permission(EventBusName="orders", Policy=policy)
            saved.append(name)
        except ClientError as error:
            reason = error.response["Error"]["Message"].partition("Reason: ")[2]
            reasons.add(reason)
            if error.response["Error"]["Code"] != "ValidationException" or len(reason) < 20:
                mute.append((name, error.response["Error"]))
    assert administrator.describe_event_bus(Name="orders")["Policy"] == before
    report("P4", "bad policies; saved; different reasons", f"{len(BAD) + len(REPEATED)}; {len(saved)}; {len(reasons)}")
    assert (saved, mute) == ([], []) and len(BAD) >= 60


@pytest.mark.parametrize("operator, key, value", [
    ("StringEquals", "aws:PrincipalOrgID", ID), ("StringEquals", "aws:PrincipalAccount", SENDER), ("ArnEquals", "aws:PrincipalArn", ROLE),
    ("ArnLike", "aws:PrincipalArn", f"arn:aws:iam::{SENDER}:role/*"), ("ForAnyValue:StringLike", "aws:PrincipalOrgPaths", PATH),
    ("StringEquals", "aws:SourceVpce", "vpce-mutual"), ("StringEquals", "aws:SourceAccount", SENDER)])
def test_everyone_tied_to_a_known_place_is_saved(administrator, operator, key, value):
    before = administrator.describe_event_bus(Name="orders")["Policy"]
    try:
        administrator.put_permission(EventBusName="orders", Policy=json.dumps(under(ANYONE, operator, key, value)))
        assert key in administrator.describe_event_bus(Name="orders")["Policy"]
    finally:
        administrator.put_permission(EventBusName="orders", Policy=before)
