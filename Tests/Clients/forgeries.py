"""Requests to every operation and path of the gateway: right ones, and those with one thing wrong about who sends them."""

import json
import re
import urllib.parse

from gateway import OWNER, REGION, ROOT, SENDER
from signing import Signed, call, stamp

SOURCES = ROOT / "Sources" / "Gateway"


def declared(file, pattern):
    """What the lines of a Swift source name."""
    return set(re.findall(pattern, (SOURCES / file).read_text(), re.MULTILINE))


def everything():
    """The names of all that the gateway's own source answers: operations, actions of STS, and paths but that of these."""
    operations = declared("Operation.swift", r'^    case (?:\w+ = ")?(\w+)')
    actions = declared("SecurityTokenService.swift", r'^        case \("(\w+)", Self\.version\)')
    return operations | actions | declared("Route.swift", r"^    case (\w+)") - {"api"}


# What is right

MATRIX = f"arn:aws:events:{REGION}:{OWNER}:event-bus/matrix"
ROLE = f"arn:aws:iam::{OWNER}:role/matrix"
ENTRY = {"Source": "com.globex.x", "DetailType": "T", "Detail": "{}"}
KEPT, NEW = (f"aws.partner/globex.example/matrix/{last}" for last in ("kept", "new"))
#: The account is partner and customer in one, so that one principal may do all of it.
EXTRA = f"""
partners: [{{name: globex.example, account: "{OWNER}"}}]
webhooks: [{{source: {KEPT}, scheme: standard-webhooks, detailType: {{pointer: /type}}}}]
"""
#: The content of each operation, in an order in which all of them succeed, again and again.
OPERATIONS = {
    "PutEvents": {"Entries": [ENTRY]}, "CreateEventBus": {"Name": "matrix"}, "DescribeEventBus": {"Name": "matrix"},
    "UpdateEventBus": {"Name": "matrix", "Description": "d"}, "ListEventBuses": {},
    "PutPermission": {"EventBusName": "matrix", "Action": "events:PutEvents", "Principal": SENDER, "StatementId": "s"},
    "RemovePermission": {"EventBusName": "matrix", "StatementId": "s"},
    "TagResource": {"ResourceARN": MATRIX, "Tags": [{"Key": "k", "Value": "v"}]},
    "ListTagsForResource": {"ResourceARN": MATRIX}, "UntagResource": {"ResourceARN": MATRIX, "TagKeys": ["k"]},
    "DeleteEventBus": {"Name": "matrix"}, "CreatePartnerEventSource": {"Name": NEW, "Account": OWNER},
    "DescribePartnerEventSource": {"Name": NEW}, "ListPartnerEventSourceAccounts": {"EventSourceName": NEW},
    "ListPartnerEventSources": {"NamePrefix": "aws.partner/globex.example/"},
    "DeletePartnerEventSource": {"Name": NEW, "Account": OWNER}, "DescribeEventSource": {"Name": KEPT},
    "ListEventSources": {}, "DeactivateEventSource": {"Name": KEPT}, "ActivateEventSource": {"Name": KEPT},
    "PutPartnerEvents": {"Entries": [{**ENTRY, "Source": KEPT}]}}
ACTIONS = {"GetCallerIdentity": {}, "AssumeRole": {"RoleArn": ROLE, "RoleSessionName": "matrix"}}
CLOUD_EVENT = {"specversion": "1.0", "id": "1", "source": "com.globex.x", "type": "T", "data": {}}
MESSAGE = json.dumps({"type": "T"}).encode()


def form(key, action, **changes):
    fields = {"Action": action, "Version": "2011-06-15", **ACTIONS[action]}
    kind = ("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
    return Signed(key, urllib.parse.urlencode(fields).encode(), [kind], **{"service": "sts", **changes})


def at(path, content=b"{}", kind="application/json", method="POST"):
    """A request to a path of its own; one that is read has no content."""
    headers = [("Content-Type", kind)] if content else []
    return lambda key, **changes: Signed(key, content, list(headers), **{"target": path, "method": method, **changes})


def with_token(make):
    """The same of a session's credentials, whose third part is a token."""
    def made(key, **changes):
        signed = make(key, **changes)
        if len(key) == 3:
            signed.headers = [*signed.headers, ("X-Amz-Security-Token", key[2])]
        return signed
    return made


def routes(decision):
    """Name → a function that makes the right request of a key; `decision` is one that its principal may read."""
    operation = lambda name: lambda key, **changes: call(key, name, json.dumps(OPERATIONS[name]).encode(), **changes)
    action = lambda name: lambda key, **changes: form(key, name, **changes)
    cloud_event = at(f"/accounts/{OWNER}/buses/default/events", json.dumps(CLOUD_EVENT).encode(),
                     "application/cloudevents+json")
    return {name: with_token(make) for name, make in {
        **{name: operation(name) for name in OPERATIONS}, **{name: action(name) for name in ACTIONS},
        "bus": cloud_event, "decision": at(f"/decisions/{decision}", b"", method="GET")}.items()}


#: Paths where no signature of this kind is a way in, a right one neither: others prove who asks, or nothing is there.
OTHERS = {name: with_token(make) for name, make in {
    "join": at("/join"), "renew": at("/renew"), "webhook": at(f"/webhooks/{KEPT}", MESSAGE), "nowhere": at("/a")}.items()}


# What is wrong. An attack takes a function that makes the right request and gives octets; `None` where it changes nothing.

def names_of(signed):
    return sorted({name.lower() for name, _ in signed.fields()})


def without(name):
    def attack(make):
        signed = make()
        signed.names = [other for other in names_of(signed) if other != name]
        return signed.wire() if name in names_of(signed) else None
    return attack


def listed(change):
    def attack(make):
        signed = make()
        signed.names = change(names_of(signed))
        return signed.wire()
    return attack


def changed(**changes):
    return lambda make: make(**changes).wire()


def extra(*fields):
    return lambda make: make().wire(*fields)


def signed_field(name, value, payload=None):
    def attack(make):
        signed = make(payload=payload)
        signed.headers = [*signed.headers, (name, value)]
        return signed.wire()
    return attack


def twice(make):
    signed = make()
    return signed.wire(("Authorization", signed.authorization()))


def in_query(with_header):
    def attack(make):
        signed = make()
        scope = urllib.parse.quote(f"{signed.key[0]}/{signed.date[:8]}/{REGION}/{signed.service}/aws4_request", safe="")
        signed.target += (f"?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={scope}&X-Amz-Date={signed.date}"
                          f"&X-Amz-Expires=300&X-Amz-Signature={'0' * 64}&X-Amz-SignedHeaders=host")
        return signed.wire(authorization=None if with_header else False)
    return attack


def header(build):
    def attack(make):
        signed = make()
        return signed.wire(authorization=build(signed))
    return attack


def of_key(*key):
    def attack(make):
        signed = make()
        signed.key = tuple(new if new is not None else old for new, old in zip(key, signed.key))
        return signed.wire()
    return attack


def another_body(make):
    signed = make()
    return signed.wire(body=signed.body + b" ")


def of_token(change):
    """The token is another, signed as if it were right; only a session has one."""
    def attack(make):
        signed = make()
        if len(signed.key) < 3:
            return None
        value = change(signed.headers[-1][1])
        signed.headers = [*signed.headers[:-1], *([("X-Amz-Security-Token", value)] if value is not None else [])]
        return signed.wire()
    return attack


ATTACKS = {
    "unsigned x-amz-extra": extra(("X-Amz-Extra", "1")), "unsigned x-amz-target": without("x-amz-target"),
    "unsigned content-type": without("content-type"), "unsigned host": without("host"),
    "unsigned x-amz-date": without("x-amz-date"), "unsigned token": extra(("X-Amz-Security-Token", "x")),
    "a token's name unsigned": without("x-amz-security-token"),
    "a token with a long-term key": signed_field("X-Amz-Security-Token", "x"),
    "no token": of_token(lambda token: None), "a token of nothing": of_token(lambda token: ""),
    "a token cut short": of_token(lambda token: token[:-8]),
    "a changed token": of_token(lambda token: token[:40] + ("A" if token[40] != "A" else "B") + token[41:]),
    "a listed header that is absent": listed(lambda names: sorted([*names, "x-absent"])),
    "names unsorted": listed(lambda names: names[::-1]), "names twice": listed(lambda names: sorted([*names, "host"])),
    "names in capitals": listed(lambda names: [name.upper() for name in names]),
    "no names": changed(names=[]), "names that say less": changed(listed="host"),
    "two equal Authorization": twice, "two Authorization": extra(("Authorization", "Bearer x")),
    "header and query": in_query(True), "query only": in_query(False),
    "UNSIGNED-PAYLOAD": signed_field("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD", "UNSIGNED-PAYLOAD"),
    "STREAMING signed": signed_field("X-Amz-Content-Sha256", *["STREAMING-AWS4-HMAC-SHA256-PAYLOAD"] * 2),
    "STREAMING unsigned": signed_field("X-Amz-Content-Sha256", *["STREAMING-UNSIGNED-PAYLOAD-TRAILER"] * 2),
    "another payload hash": signed_field("X-Amz-Content-Sha256", *["0" * 64] * 2),
    "unsigned payload hash": extra(("X-Amz-Content-Sha256", "0" * 64)),
    "a fabricated signature": changed(signature="0123456789abcdef" * 4),
    "signature of zeros": changed(signature="0" * 64),
    "signature cut short": changed(signature="ab" * 31),
    "signature in capitals": header(lambda s: s.authorization()[:-64] + s.authorization()[-64:].upper()),
    "another body": another_body, "another region": changed(region="us-east-1"), "another service": changed(service="s3"),
    "another terminator": changed(terminator="aws4_requests"), "another scope date": changed(scope_date="20200101"),
    "region in capitals": changed(region=REGION.upper()),
    "two dates": extra(("X-Amz-Date", stamp(1))), "two targets": extra(("X-Amz-Target", "AWSEvents.ListEventBuses")),
    "an old date": changed(date="20200101T000000Z"), "an extended date": changed(date="2026-01-01T00:00:00Z"),
    "SigV4A": changed(algorithm="AWS4-ECDSA-P256-SHA256"), "SHA-512": changed(algorithm="AWS4-HMAC-SHA512"),
    "SigV2": header(lambda s: f"AWS {s.key[0]}:AAAAAAAAAAAAAAAAAAAAAAAAAAA="),
    "Bearer": header(lambda s: "Bearer " + s.key[0]), "Basic": header(lambda s: "Basic QUtJQTp4"),
    "an empty Authorization": header(lambda s: ""), "the scheme alone": header(lambda s: "AWS4-HMAC-SHA256"),
    "a part twice": header(lambda s: s.authorization() + ", Signature=" + "0" * 64),
    "a comma at the end": header(lambda s: s.authorization() + ","),
    "an unknown key": of_key("AKIA" + "A" * 16, ""), "an unknown session": of_key("ASIA" + "A" * 16, ""),
    "the secret of nobody": of_key(None, ""),
}

MESSAGE_SIGNATURE = (
    ("Signature-Input", 'sig1=("@method" "@path" "@authority");created=1795240800;keyid="k";alg="hmac-sha256"'),
    ("Signature", "sig1=:" + "A" * 43 + "=:"))
WEBHOOK_SIGNATURE = (
    ("webhook-id", "msg_1"), ("webhook-timestamp", "1795240800"), ("webhook-signature", "v1," + "A" * 43 + "="))
#: No signature, or one of a kind that the path does not read; whoever has a certificate needs none.
NOTHING = {name: (lambda make, fields=fields: make().wire(*fields, authorization=False)) for name, fields in {
    "nothing": (), "a message signature": MESSAGE_SIGNATURE, "a webhook's signature": WEBHOOK_SIGNATURE}.items()}
