"""Signatures: whatever botocore signs is taken, whatever else is refused on every route; clocks and keys in time."""

import base64
import datetime
import json
import os
import random
import string
import subprocess
import threading
import time
import urllib.parse

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from attacks import client_context
from canary import body_of
from gateway import BUS_ARN, OWNER, REGION, SENDER, binary
from http1 import Peer, event_id
from measures import report  # noqa: F401
from signing import Signed, call, stamp

SEED = int(os.environ.get("ISTHMUS_SEED") or random.SystemRandom().randrange(1 << 32))
COUNT = 10_000


@pytest.fixture(scope="module")
def publisher(gateway):
    return gateway.credentials()


@pytest.fixture(scope="module")
def administrator(gateway):
    return gateway.credentials(OWNER, "role/administrator")


@pytest.fixture(scope="module")
def open_context(gateway):
    return client_context(gateway, alpn=["http/1.1"])


def ask(peer, octets):
    """Sends one request and returns (status, code or parsed answer)."""
    peer.send(octets)
    status, _, body = peer.response()
    if status == 200:
        return status, body
    return status, json.loads(body).get("__type") if body.startswith(b"{") else body.decode()


# G2

def random_request(dice):
    """A request of any shape that botocore signs: (method, target, headers, body)."""
    text = lambda alphabet, most, least=0: "".join(dice.choices(alphabet, k=dice.randint(least, most)))
    path_bytes = string.ascii_letters + string.digits + "-._~!$&'()*+,;=:@"
    quoted = lambda alphabet, most, least=0: urllib.parse.quote(text(alphabet, most, least), safe="-_.~")
    segments = [dice.choice([text(path_bytes, 8), quoted("aä €/ %?#\x01", 5), ".", "..", ""])
                for _ in range(dice.randint(0, 5))]
    path = "/" + "/".join(segments)
    pairs = [(quoted("abAB12-_.~ä/+ =&", 6, 1), quoted("abAB12-_.~ä/+ =&%", 8))
             for _ in range(dice.choice([0, 0, 1, 2, 4]))]
    target = path + ("?" + "&".join(f"{name}={value}" for name, value in pairs) if pairs else "")
    headers = {"Host": dice.choice(["localhost", "localhost:8443", "events.eu-central-1.amazonaws.com"])}
    known = ["Content-Type", "X-Amz-Target", "X-Amz-Meta-A", "x-custom", "Accept", "X-AMZ-Z"]
    for name in dice.sample(known, dice.randint(0, 6)):
        headers[name] = dice.choice(["", "x", "a  b   c", " lead", "trail ", "a,b;c", "ü", '"quo  ted"', text(
            string.ascii_letters + string.digits + " /.-", 30)]).strip("\r\n")
    body = dice.randbytes(dice.choice([0, 1, 50, 500])) if dice.random() < 0.8 else "ä€".encode()
    return dice.choice(["GET", "POST", "PUT", "DELETE", "HEAD", "PATCH"]), target, headers, body


def recorded(number, dice, signer):
    method, target, headers, body = random_request(dice)
    token = "".join(dice.choices(string.ascii_letters + "+/=", k=40)) if dice.random() < 0.3 else None
    credentials = Credentials("AKIA" + "".join(dice.choices(string.ascii_uppercase + "234567", k=16)),
                              "".join(dice.choices(string.ascii_letters + string.digits + "+/", k=40)), token)
    region, service = dice.choice([REGION, "us-east-1"]), dice.choice(["events", "sts", "s3", "kms"])
    request = AWSRequest(method, "https://" + headers["Host"] + target, data=body, headers=headers)
    signer(credentials, service, region).add_auth(request)
    return {"id": number, "region": region, "service": service, "now": request.context["timestamp"],
            "request": {"method": method, "target": target, "headers": [list(pair) for pair in request.headers.items()],
                        "bodyBase64": base64.b64encode(body).decode()},
            "credentials": {"accessKeyId": credentials.access_key, "secretAccessKey": credentials.secret_key,
                            **({"sessionToken": token} if token else {})}}


def verify(cases, *options):
    done = subprocess.run([binary(), "signature", "verify", "--batch", *options], capture_output=True, text=True,
                          input="".join(json.dumps(case) + "\n" for case in cases), timeout=120)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


class KeptPath(SigV4Auth):
    """Encodes the path as every service but S3 does, without taking dots and doubled slashes away."""

    def _normalize_url_path(self, path):
        return urllib.parse.quote(path, safe="/~")


@pytest.mark.parametrize("signer, options, count", [
    (SigV4Auth, [], COUNT), (KeptPath, ["--normalize-path", "false"], COUNT // 10)], ids=["normalized", "kept"])
def test_g2_whatever_botocore_signs_is_verified(report, signer, options, count):  # noqa: F811
    dice = random.Random(SEED)
    cases = [recorded(number, dice, signer) for number in range(count)]
    answers = verify(cases, *options)
    wrong = [(answer, cases[answer["id"]]) for answer in answers if not answer["verified"]]
    report("G2", f"{signer.__name__}, seed {SEED}: verified", f"{len(answers) - len(wrong)} of {count}")
    assert [answer["id"] for answer in answers] == list(range(count))
    assert not wrong, wrong[0]


def test_g2_one_changed_byte_is_never_verified(report):  # noqa: F811
    dice, cases = random.Random(SEED + 1), []
    for number in range(1000):
        case = recorded(number, dice, SigV4Auth)
        request = case["request"]
        choice = dice.randrange(4)
        if choice == 0:
            request["bodyBase64"] = base64.b64encode(base64.b64decode(request["bodyBase64"]) + b"x").decode()
        elif choice == 1:
            request["method"] = "OPTIONS"
        elif choice == 2:
            path, mark, query = request["target"].partition("?")
            request["target"] = path + "x" + mark + query
        else:
            case["credentials"]["secretAccessKey"] += "x"
        cases.append(case)
    accepted = [answer for answer in verify(cases) if answer["verified"]]
    report("G2", "changed requests verified", f"{len(accepted)} of {len(cases)}")
    assert accepted == []


def test_g6_the_tolerance_is_300_s_to_the_millisecond(report):  # noqa: F811
    dice, cases, expected = random.Random(SEED + 2), [], []
    for number, (shift, good) in enumerate([
            (-301, False), (-300.001, False), (-300, True), (-299, True), (0, True),
            (299, True), (300, True), (300.001, False), (301, False)]):
        case = recorded(number, dice, SigV4Auth)
        signed_at = datetime.datetime.strptime(case["now"], "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)
        case["now"] = signed_at.timestamp() - shift
        cases.append(case)
        expected.append(good)
    answers = verify(cases)
    assert [answer["verified"] for answer in answers] == expected
    assert "expired" in answers[0]["reason"].lower() and "not yet" in answers[-1]["reason"].lower()
    report("G6", "skew accepted, exactly", "-300.000 s to +300.000 s")


# G4

FORM = ("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
ENTRY = {"Source": "com.globex.x", "DetailType": "T", "Detail": "{}"}
ARN = f"arn:aws:events:{REGION}:{OWNER}:event-bus/matrix"
ROUTES = {
    "PutEvents": {"Entries": [ENTRY]}, "CreateEventBus": {"Name": "matrix"}, "DescribeEventBus": {"Name": "matrix"},
    "UpdateEventBus": {"Name": "matrix", "Description": "d"}, "ListEventBuses": {},
    "PutPermission": {"EventBusName": "matrix", "Action": "events:PutEvents", "Principal": SENDER, "StatementId": "s"},
    "RemovePermission": {"EventBusName": "matrix", "StatementId": "s"},
    "TagResource": {"ResourceARN": ARN, "Tags": [{"Key": "k", "Value": "v"}]},
    "ListTagsForResource": {"ResourceARN": ARN}, "UntagResource": {"ResourceARN": ARN, "TagKeys": ["k"]},
    "DeleteEventBus": {"Name": "matrix"}, "GetCallerIdentity": None}


def good(key, route, **changes):
    if ROUTES[route] is None:
        return Signed(key, b"Action=GetCallerIdentity&Version=2011-06-15", [FORM], **{"service": "sts", **changes})
    return call(key, route, json.dumps(ROUTES[route]).encode(), **changes)


def names_of(signed):
    return sorted({name.lower() for name, _ in signed.fields()})


def without(name):
    def attack(key, route):
        signed = good(key, route)
        signed.names = [other for other in names_of(signed) if other != name]
        return signed.wire()
    return attack


def listed(change):
    def attack(key, route):
        signed = good(key, route)
        signed.names = change(names_of(signed))
        return signed.wire()
    return attack


def changed(**changes):
    return lambda key, route: good(key, route, **changes).wire()


def extra(*fields):
    return lambda key, route: good(key, route).wire(*fields)


def signed_field(name, value, payload=None):
    def attack(key, route):
        signed = good(key, route, payload=payload)
        signed.headers = [*signed.headers, (name, value)]
        return signed.wire()
    return attack


def twice(key, route):
    signed = good(key, route)
    return signed.wire(("Authorization", signed.authorization()))


def in_query(with_header):
    def attack(key, route):
        signed = good(key, route)
        scope = urllib.parse.quote(f"{key[0]}/{signed.date[:8]}/{REGION}/{signed.service}/aws4_request", safe="")
        signed.target = (f"/?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={scope}&X-Amz-Date={signed.date}"
                         f"&X-Amz-Expires=300&X-Amz-Signature={'0' * 64}&X-Amz-SignedHeaders=host")
        return signed.wire(authorization=None if with_header else False)
    return attack


def header(build):
    return lambda key, route: good(key, route).wire(authorization=build(good(key, route), key))


ATTACKS = {
    "unsigned x-amz-extra": extra(("X-Amz-Extra", "1")), "unsigned x-amz-target": without("x-amz-target"),
    "unsigned content-type": without("content-type"), "unsigned host": without("host"),
    "unsigned x-amz-date": without("x-amz-date"), "unsigned token": extra(("X-Amz-Security-Token", "x")),
    "a token with a long-term key": signed_field("X-Amz-Security-Token", "x"),
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
    "signature in capitals": header(lambda s, k: s.authorization()[:-64] + s.authorization()[-64:].upper()),
    "another body": lambda key, route: good(key, route).wire(body=good(key, route).body + b" "),
    "another region": changed(region="us-east-1"), "another service": changed(service="s3"),
    "another terminator": changed(terminator="aws4_requests"), "another scope date": changed(scope_date="20200101"),
    "region in capitals": changed(region=REGION.upper()),
    "two dates": extra(("X-Amz-Date", stamp(1))), "two targets": extra(("X-Amz-Target", "AWSEvents.ListEventBuses")),
    "an old date": changed(date="20200101T000000Z"), "an extended date": changed(date="2026-01-01T00:00:00Z"),
    "SigV4A": changed(algorithm="AWS4-ECDSA-P256-SHA256"), "SHA-512": changed(algorithm="AWS4-HMAC-SHA512"),
    "SigV2": header(lambda s, k: f"AWS {k[0]}:AAAAAAAAAAAAAAAAAAAAAAAAAAA="),
    "Bearer": header(lambda s, k: "Bearer " + k[0]), "Basic": header(lambda s, k: "Basic QUtJQTp4"),
    "an empty Authorization": header(lambda s, k: ""), "the scheme alone": header(lambda s, k: "AWS4-HMAC-SHA256"),
    "a part twice": header(lambda s, k: s.authorization() + ", Signature=" + "0" * 64),
    "a comma at the end": header(lambda s, k: s.authorization() + ","),
    "an unknown key": lambda key, route: good(("AKIA" + "A" * 16, ""), route).wire(),
    "the secret of nobody": lambda key, route: good((key[0], ""), route).wire(),
}


def test_g4_every_route_takes_a_right_signature(gateway, administrator, open_context):
    for port, context in ((gateway.open_port, open_context),
                          (gateway.port, client_context(gateway, gateway.administrator, alpn=["http/1.1"]))):
        with Peer(gateway, context, port) as peer:
            for route in ROUTES:
                assert ask(peer, good(administrator, route).wire())[0] == 200, route


@pytest.mark.parametrize("listener", ["open", "mutual"])
def test_g4_no_route_takes_anything_else(gateway, administrator, open_context, report, listener):  # noqa: F811
    """With a certificate too: a wrong signature is never ignored because the certificate would do."""
    context, port = (open_context, gateway.open_port) if listener == "open" else (
        client_context(gateway, gateway.administrator, alpn=["http/1.1"]), gateway.port)
    accepted, cells, codes = [], 0, {}
    for route in ROUTES:
        with Peer(gateway, context, port) as peer:
            for name, attack in ATTACKS.items():
                if (route, name) in (("GetCallerIdentity", "unsigned x-amz-target"),
                                     ("GetCallerIdentity", "two targets")):
                    continue
                cells += 1
                status, code = ask(peer, attack(administrator, route))
                codes.setdefault(name, set()).add((status, code if route != "GetCallerIdentity" else "sts"))
                if status == 200:
                    accepted.append((route, name))
                assert 400 <= status < 500 or status == 200, (route, name, status)
    if listener == "open":
        with Peer(gateway, context, port) as peer:
            for route in ROUTES:
                cells += 1
                status, _ = ask(peer, good(administrator, route).wire(authorization=False))
                accepted += [(route, "nothing")] if status == 200 else []
    report("G4", f"{listener} listener: routes x attacks refused", f"{cells - len(accepted)} of {cells}")
    assert accepted == []


# G6, live

@pytest.mark.parametrize("shift, status", [(-301, 400), (-299, 200), (299, 200), (300, 200), (302, 400)])
def test_g6_a_skewed_clock_is_told_so(gateway, publisher, shift, status):
    with Peer(gateway) as peer:
        octets = call(publisher, "PutEvents", body_of(), date=stamp(shift)).wire()
        seen, code = ask(peer, octets)
        assert seen == status
        assert status == 200 or code == "InvalidSignatureException"


def test_g6_a_key_disabled_in_the_middle_of_a_burst_is_refused_within_a_second(gateway, report):  # noqa: F811
    key = gateway.credentials()
    seen, stop = [], threading.Event()

    def burst():
        with Peer(gateway) as peer:
            while not stop.is_set():
                start = time.monotonic()
                seen.append((start, ask(peer, call(key, "PutEvents", body_of()).wire())))
                if seen[-1][1][0] != 200 and len([row for row in seen if row[1][0] != 200]) > 20:
                    return

    sender = threading.Thread(target=burst)
    sender.start()
    try:
        gateway.run("credentials", "disable", "--config", str(gateway.config), "--access-key-id", key[0])
        disabled = time.monotonic()
        sender.join(5)
    finally:
        stop.set()
        sender.join()
    statuses = [answer[0] for _, answer in seen]
    first = statuses.index(400)
    late = max(0, seen[first][0] - disabled) * 1000
    report("G6", "ms from the disabling to the first refusal; served before", f"{late:.1f}; {first}")
    assert late <= 1000
    assert set(statuses[first:]) == {400} and seen[first][1][1] == "UnrecognizedClientException"
    assert first > 0


def test_the_gateway_went_on(gateway, publisher):
    with Peer(gateway) as peer:
        peer.send(call(publisher, "PutEvents", body_of()).wire())
        event_id(peer.response())
    assert BUS_ARN and "Fatal error" not in gateway.logged()
