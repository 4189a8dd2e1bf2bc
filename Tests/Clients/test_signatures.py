"""Signatures: whatever botocore signs is taken, whatever else is refused on every route; clocks and keys in time."""

import base64
import datetime
import json
import os
import random
import re
import string
import subprocess
import threading
import time
import urllib.parse

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from standardwebhooks import Webhook

import forgeries
from attacks import client_context
from canary import body_of
from gateway import BUS_ARN, OWNER, REGION, SENDER, Gateway, binary, wait_until
from http1 import Peer, event_id
from measures import report  # noqa: F401
from signing import call, stamp

SEED = int(os.environ.get("ISTHMUS_SEED") or random.SystemRandom().randrange(1 << 32))
COUNT = 10_000


@pytest.fixture(scope="module")
def gateway():
    made = Gateway(extra=forgeries.EXTRA)
    owner = made.folder / "accounts" / "owner.yaml"
    allows = '"2012-10-17", Statement: [{Effect: Allow, Action: "*", Resource: "*"}]'
    trusted = json.dumps([f"arn:aws:iam::{OWNER}:role/administrator", forgeries.ROLE])
    owner.write_text(owner.read_text().replace('Action: "events:*"', 'Action: "*"') + f"""
  - name: role/{forgeries.KEPT}
    policies: [{{Version: {allows}}}]
  - name: role/matrix
    policies: [{{Version: {allows}}}]
    trust:
      Version: "2012-10-17"
      Statement: [{{Effect: Allow, Principal: {{AWS: {trusted}}}, Action: "sts:AssumeRole"}}]
""")
    made.start()
    yield made
    made.stop()
    made.remove()


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

#: Who asks: by a key, by the key of a session with its token, by a key beside a certificate of its account.
KINDS = ("a key", "a session", "a key beside its certificate")


@pytest.fixture(scope="module")
def doors(gateway, administrator, open_context):
    """Kind → (port, context, key). The account gets a source with its bus, and a decision of its own to read."""
    with Peer(gateway, open_context, gateway.open_port) as peer:
        for operation, content in (("CreatePartnerEventSource", {"Name": forgeries.KEPT, "Account": OWNER}),
                                   ("CreateEventBus", {"Name": forgeries.KEPT, "EventSourceName": forgeries.KEPT})):
            assert ask(peer, call(administrator, operation, json.dumps(content).encode()).wire())[0] == 200
        _, xml = ask(peer, forgeries.form(administrator, "AssumeRole").wire())
        session = tuple(re.search(f"<{name}>([^<]+)</{name}>", xml.decode())[1]
                        for name in ("AccessKeyId", "SecretAccessKey", "SessionToken"))
    beside = client_context(gateway, gateway.administrator, alpn=["http/1.1"])
    return dict(zip(KINDS, ((gateway.open_port, open_context, administrator), (gateway.open_port, open_context, session),
                            (gateway.port, beside, administrator))))


@pytest.fixture(scope="module")
def routes(gateway, doors):
    port, context, key = doors["a key"]
    elsewhere = {**forgeries.ENTRY, "EventBusName": BUS_ARN.replace(OWNER, SENDER)}
    with Peer(gateway, context, port) as peer:
        _, answer = ask(peer, call(key, "PutEvents", json.dumps({"Entries": [elsewhere]}).encode()).wire())
        decision = re.search(rb"decision id: ([0-9a-f-]{36})", answer)[1].decode()
        made = forgeries.routes(decision)
        wait_until(lambda: ask(peer, made["decision"](key).wire())[0] == 200, what="the record of the decision")
    return made


def test_g4_the_matrix_has_every_operation_and_path_that_the_source_declares(routes):
    assert {*routes, *forgeries.OTHERS} == forgeries.everything()


@pytest.mark.parametrize("kind", KINDS)
def test_g4_every_route_takes_a_right_signature(gateway, doors, routes, kind):
    port, context, key = doors[kind]
    with Peer(gateway, context, port) as peer:
        for name, make in routes.items():
            status, said = ask(peer, make(key).wire())
            assert status == 200 and b"ErrorCode" not in said, (name, status, said)


def answers(gateway, port, context, requests):
    """Name → status of each request, sent one after the other before the first answer is read."""
    with Peer(gateway, context, port) as peer:
        for octets in requests.values():
            peer.send(octets)
        return {name: peer.response()[0] for name in requests}


@pytest.mark.parametrize("kind", KINDS)
def test_g4_no_route_takes_anything_else(gateway, doors, routes, report, kind):  # noqa: F811
    """With a certificate too: a wrong signature is never ignored because the certificate would do."""
    port, context, key = doors[kind]
    cells = {}
    for name, make in {**routes, **forgeries.OTHERS}.items():
        attacks = dict(forgeries.ATTACKS)
        if name in forgeries.OTHERS:
            attacks["a right signature"] = forgeries.changed()
        if name in forgeries.OTHERS or "certificate" not in kind:
            attacks |= forgeries.NOTHING
        requests = {attack: spoil(lambda **changes: make(key, **changes)) for attack, spoil in attacks.items()}
        requests = {attack: octets for attack, octets in requests.items() if octets is not None}
        for attack, status in answers(gateway, port, context, requests).items():
            cells[name, attack] = status
    not_refused = {cell: status for cell, status in cells.items() if not 400 <= status < 500}
    report("G4", f"{len(routes) + len(forgeries.OTHERS)} routes x attacks on {kind}: cells refused",
           f"{len(cells) - len(not_refused)} of {len(cells)}")
    assert not_refused == {}
    assert len(cells) > 30 * 45


def test_g4_a_right_signature_beside_anothers_certificate_is_refused(gateway, doors, routes, report):  # noqa: F811
    context = client_context(gateway, gateway.publisher, alpn=["http/1.1"])
    statuses = {}
    for kind in KINDS[:2]:
        requests = {(kind, name): make(doors[kind][2]).wire() for name, make in routes.items()}
        statuses |= answers(gateway, gateway.port, context, requests)
    refused = [cell for cell, status in statuses.items() if 400 <= status < 500]
    report("G4", "routes x right signatures beside the certificate of another account refused",
           f"{len(refused)} of {len(statuses)}")
    assert len(refused) == len(statuses) == 2 * len(routes)


def test_g4_a_webhook_takes_its_own_signature_and_no_other(gateway, open_context):
    lines = gateway.run("webhook", "secret", "create", "--source", forgeries.KEPT, "--config", str(gateway.config)).stdout
    secret = dict(line.split(None, 1) for line in lines.splitlines())["secret"]
    moment, body = datetime.datetime.now(datetime.timezone.utc), forgeries.MESSAGE
    other = "whsec_" + base64.b64encode(b"x" * 32).decode()

    def message(by, content=body, signed_at=moment):
        fields = (("webhook-id", "msg_1"), ("webhook-timestamp", str(int(signed_at.timestamp()))),
                  ("webhook-signature", Webhook(by).sign("msg_1", signed_at, content.decode())))
        return forgeries.OTHERS["webhook"](("", ""), target=f"/webhooks/{forgeries.KEPT}").wire(*fields, authorization=False)

    requests = {"by another secret": message(other), "of another content": message(secret, body + b" "),
                "of an hour ago": message(secret, signed_at=moment - datetime.timedelta(hours=1)), "right": message(secret)}
    statuses = answers(gateway, gateway.open_port, open_context, requests)
    assert [name for name, status in statuses.items() if status == 200] == ["right"], statuses


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
