"""Webhooks: whatever independent signers sign is verified, whatever was changed after it is not; the edges to the second."""

import base64
import datetime
import hashlib
import hmac
import json
import os
import random
import string
import subprocess
import types
import urllib.parse

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from http_message_signatures import HTTPMessageSigner, HTTPSignatureKeyResolver
from http_message_signatures.algorithms import (
    ECDSA_P256_SHA256, ECDSA_P384_SHA384, ED25519, HMAC_SHA256, RSA_PSS_SHA512, RSA_V1_5_SHA256)
from standardwebhooks import Webhook

from gateway import binary
from measures import report  # noqa: F401

SEED = int(os.environ.get("ISTHMUS_SEED") or random.SystemRandom().randrange(1 << 32))
NOW = 1_795_240_800
PROFILE = ("@method", "@authority", "@path", "@query", "content-digest", "content-type", "isthmus-event-source")


def verify(scheme, cases):
    done = subprocess.run(
        [binary(), "signature", "verify", "--batch", "--scheme", scheme], capture_output=True, text=True,
        input="".join(json.dumps(case) + "\n" for case in cases), timeout=120)
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["id"] for answer in answers] == [case["id"] for case in cases]
    return answers


def expect(scheme, rows):
    """Rows of (case, verified); returns the answers after comparing."""
    for number, (case, _) in enumerate(rows):
        case["id"] = number
    answers = verify(scheme, [case for case, _ in rows])
    wrong = [(case, answer) for (case, good), answer in zip(rows, answers) if answer["verified"] != good]
    assert not wrong, wrong[0]
    return answers


def line(headers, body, keys, now=NOW, **more):
    request = {"headers": [list(pair) for pair in headers], "bodyBase64": base64.b64encode(body).decode()}
    request.update({name: more.pop(name) for name in ("method", "target") if name in more})
    return {"request": request, "keys": keys, "now": now, **more}


def random_text(dice, most=40):
    return "".join(dice.choices(string.ascii_letters + string.digits + ' {}":,[]äß€\\\n\t.', k=dice.randint(0, most)))


# Standard Webhooks

def secret(dice, count=None):
    return base64.b64encode(dice.randbytes(count or dice.randint(24, 64))).decode()


def standard(dice, signer, now=NOW, identifier=None, shift=0):
    body = random_text(dice, 200)
    identifier = identifier or "msg_" + "".join(dice.choices(string.ascii_letters + string.digits + "-_", k=20))
    moment = datetime.datetime.fromtimestamp(now + shift, tz=datetime.timezone.utc)
    signature = Webhook(signer).sign(identifier, moment, body)
    return [("webhook-id", identifier), ("webhook-timestamp", str(now + shift)), ("webhook-signature", signature)], body.encode()


def test_whatever_standardwebhooks_signs_is_verified(report):  # noqa: F811
    dice, rows = random.Random(SEED), []
    for _ in range(2000):
        key = secret(dice)
        headers, body = standard(dice, key)
        rows.append((line(headers, body, [dice.choice(["whsec_", ""]) + key]), True))
    expect("standard-webhooks", rows)
    report("G9", f"standardwebhooks 1.1.0, seed {SEED}: verified", f"{len(rows)} of {len(rows)}")


def test_what_is_changed_after_standardwebhooks_is_refused(report):  # noqa: F811
    dice, rows = random.Random(SEED + 1), []
    for number in range(2000):
        key = secret(dice)
        headers, body = standard(dice, key)
        choice = number % 5
        if choice == 0:
            body += b" "
        elif choice == 1:
            headers[0] = ("webhook-id", headers[0][1] + "x")
        elif choice == 2:
            headers[1] = ("webhook-timestamp", str(NOW - 1))
        elif choice == 3:
            key = secret(dice)
        else:
            octets = bytearray(base64.b64decode(headers[2][1][3:]))
            octets[dice.randrange(32)] ^= 1 << dice.randrange(8)
            headers[2] = ("webhook-signature", "v1," + base64.b64encode(octets).decode())
        rows.append((line(headers, body, ["whsec_" + key]), False))
    expect("standard-webhooks", rows)
    report("G9", "changed webhooks verified", f"0 of {len(rows)}")


def test_g9_the_edges_are_exact():
    dice = random.Random(SEED + 2)
    old, new = secret(dice), secret(dice)
    both = ["whsec_" + new, "whsec_" + old]
    rows = []
    for shift, good in [(-301, False), (-300, True), (0, True), (60, True), (61, False)]:
        headers, body = standard(dice, new, shift=shift)
        rows.append((line(headers, body, both), good))
    for shift, tolerance, good in [(-11, 10, False), (-10, 10, True), (-900, 900, True), (60, 900, True), (61, 900, False)]:
        headers, body = standard(dice, new, shift=shift)
        rows.append((line(headers, body, both, toleranceSeconds=tolerance), good))
    for key in (old, new):
        headers, body = standard(dice, key)
        rows += [(line(headers, body, both), True), (line(headers, body, both[:1]), key == new), (line(headers, body, []), False)]
    headers, body = standard(dice, old)
    rotated = standard(dice, new)[0][2][1]
    headers[2] = ("webhook-signature", f"{rotated} {headers[2][1]} v2,whatever")
    rows.append((line(headers, body, both), True))
    headers, body = standard(dice, new, identifier="msg.1")
    rows.append((line(headers, body, both), False))
    headers, _ = standard(dice, new)
    rows.append((line(headers, json.dumps({"a": 1}).encode(), both), False))
    expect("standard-webhooks", rows)


def test_ed25519_by_both_forms_of_its_key():
    dice, rows = random.Random(SEED + 3), []
    for _ in range(100):
        key = ed25519.Ed25519PrivateKey.from_private_bytes(dice.randbytes(32))
        raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        body = random_text(dice).encode()
        signed = base64.b64encode(key.sign(b"msg_1.%d." % NOW + body)).decode()
        headers = [("webhook-id", "msg_1"), ("webhook-timestamp", str(NOW)), ("webhook-signature", "v1a," + signed)]
        shown = "whpk_" + base64.b64encode(raw).decode()
        rows += [(line(headers, body, [shown]), True), (line(headers, body, [{"publicKeyPem": pem(key)}]), True),
                 (line(headers, body + b".", [shown]), False), (line(headers, body, ["whsec_" + secret(dice)]), False)]
        headers[2] = ("webhook-signature", "v1," + signed)
        rows.append((line(headers, body, [shown]), False))
    expect("standard-webhooks", rows)


# The vendors, by their documentation's recipe

def vendor(scheme, key, body, now=NOW):
    code = lambda text: hmac.new(key.encode(), text, hashlib.sha256)
    if scheme == "github":
        return [("X-Hub-Signature-256", "sha256=" + code(body).hexdigest())]
    if scheme == "shopify":
        return [("X-Shopify-Hmac-Sha256", base64.b64encode(code(body).digest()).decode())]
    if scheme == "slack":
        return [("X-Slack-Request-Timestamp", str(now)), ("X-Slack-Signature", "v0=" + code(b"v0:%d:" % now + body).hexdigest())]
    return [("Stripe-Signature", f"t={now},v1={'00' * 32},v1={code(b'%d.' % now + body).hexdigest()},v0=ignored")]


@pytest.mark.parametrize("scheme", ["github", "shopify", "slack", "stripe"])
def test_each_vendors_recipe(scheme):
    dice, rows = random.Random(SEED + 4), []
    for _ in range(300):
        key, other, body = random_text(dice) + "k", random_text(dice) + "o", dice.randbytes(dice.randint(0, 300))
        headers = vendor(scheme, key, body)
        rows += [(line(headers, body, [other, key]), True), (line(headers, body, [other]), False),
                 (line(headers, body + b"\n", [key]), False), (line(headers + headers[-1:], body, [key]), False)]
    if scheme in ("slack", "stripe"):
        for shift, good in [(-301, False), (-300, True), (60, True), (61, False)]:
            rows.append((line(vendor(scheme, "k", b"{}", NOW + shift), b"{}", ["k"]), good))
    expect(scheme, rows)


# RFC 9421

def pem(key):
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def private(key):
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


@pytest.fixture(scope="module")
def keys():
    """By algorithm: what the signer uses and what the verifier is given."""
    one = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    p256, p384 = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP384R1())
    ed = ed25519.Ed25519PrivateKey.generate()
    shared = os.urandom(32)
    return {
        HMAC_SHA256: (shared, {"secretBase64": base64.b64encode(shared).decode()}),
        ED25519: (private(ed), {"publicKeyPem": pem(ed)}), ECDSA_P256_SHA256: (private(p256), {"publicKeyPem": pem(p256)}),
        ECDSA_P384_SHA384: (private(p384), {"publicKeyPem": pem(p384)}),
        RSA_PSS_SHA512: (private(one), {"publicKeyPem": pem(one), "algorithm": "rsa-pss-sha512"}),
        RSA_V1_5_SHA256: (private(one), {"publicKeyPem": pem(one), "algorithm": "rsa-v1_5-sha256"})}


class Resolver(HTTPSignatureKeyResolver):
    def __init__(self, key):
        self.key = key

    def resolve_private_key(self, key_id):
        return self.key


def signed(dice, keys, algorithm, components=PROFILE, profile=True, **changes):
    """A line signed by http-message-signatures: (case, message)."""
    body = json.dumps({"a": random_text(dice)}).encode()
    query = urllib.parse.urlencode([(f"n{index}", random_text(dice, 8)) for index in range(dice.randint(0, 3))])
    target = "/webhooks/acme.com" + ("?" + query if query else "")
    host = dice.choice(["gateway.example", "gateway.example:8443"])
    digest = base64.b64encode(hashlib.new(dice.choice(["sha256", "sha512"]), body).digest()).decode()
    name = "sha-256" if len(digest) == 44 else "sha-512"
    message = types.SimpleNamespace(method="POST", url=f"https://{host}{target}", headers={
        "Host": host, "Content-Type": "application/json", "Content-Digest": f"{name}=:{digest}:",
        "Isthmus-Event-Source": "acme.com/orders"})
    created = datetime.datetime.fromtimestamp(NOW, tz=datetime.timezone.utc)
    options = {"key_id": "partner-1", "created": created, "expires": created + datetime.timedelta(seconds=300),
               "nonce": base64.urlsafe_b64encode(dice.randbytes(16)).decode().rstrip("="), "tag": "isthmus-webhook",
               "label": dice.choice(["sig1", "a", "x-1_*"]), "include_alg": dice.random() < 0.5, **changes}
    key, given = keys[algorithm]
    HTTPMessageSigner(signature_algorithm=algorithm, key_resolver=Resolver(key)).sign(
        message, covered_component_ids=components, use_existing_digest=True, **options)
    case = line(message.headers.items(), body, [{"id": "partner-1", **given}], method="POST", target=target)
    if profile:
        case["profile"] = "webhook"
    else:
        case["components"] = list(components)
    return case


ALGORITHMS = [HMAC_SHA256, ED25519, ECDSA_P256_SHA256, ECDSA_P384_SHA384, RSA_PSS_SHA512, RSA_V1_5_SHA256]


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda algorithm: algorithm.algorithm_id)
def test_whatever_http_message_signatures_signs_is_verified(report, keys, algorithm):  # noqa: F811
    dice = random.Random(SEED + 5)
    rows = [(signed(dice, keys, algorithm), True) for _ in range(200)]
    expect("rfc9421", rows)
    report("G8", f"http-message-signatures 3.0.0 {algorithm.algorithm_id}: verified", f"{len(rows)} of {len(rows)}")


def test_components_of_every_kind_have_the_value_the_signer_saw(keys):
    dice, rows = random.Random(SEED + 6), []
    every = ["@method", "@target-uri", "@authority", "@scheme", "@request-target", "@path", "@query", "host", "content-type",
             "content-digest", '"content-digest";sf', '"content-type";bs']
    for _ in range(300):
        chosen = dice.sample(every, dice.randint(1, len(every)))
        rows.append((signed(dice, keys, HMAC_SHA256, chosen, profile=False), True))
    expect("rfc9421", rows)


def without(*names):
    return [name for name in PROFILE if name not in names]


def test_g8_no_signature_that_breaks_the_profile_is_verified(report, keys):  # noqa: F811
    """Each is signed by http-message-signatures as the profile forbids, or changed after signing."""
    dice, rows = random.Random(SEED + 7), []
    at = lambda seconds: datetime.datetime.fromtimestamp(NOW + seconds, tz=datetime.timezone.utc)
    for algorithm in (HMAC_SHA256, ED25519, ECDSA_P256_SHA256):
        add = lambda *arguments, **changes: rows.append((signed(dice, keys, algorithm, *arguments, **changes), False))
        for name in PROFILE:
            add(without(name))
        for tag in (None, "", "isthmus", "Isthmus-webhook"):
            add(tag=tag)
        for nonce in (None, "", "a" * 21, "0" * 31):
            add(nonce=nonce)
        add(expires=None)
        add(expires=at(301))
        add(created=at(-301), expires=at(0))
        add(created=at(61), expires=at(100))
        add(created=at(-100), expires=at(-1))
        add(key_id="partner-2")
        for change in (
                {"method": "PUT"}, {"target": "/webhooks/acme.net"}, {"bodyBase64": "e30="}):
            case = signed(dice, keys, algorithm)
            case["request"].update(change)
            rows.append((case, False))
        for name in ("Content-Type", "Isthmus-Event-Source", "Content-Digest", "Host", "Signature-Input", "Signature"):
            for change in ("drop", "repeat", "alter"):
                case = signed(dice, keys, algorithm)
                headers = case["request"]["headers"]
                pair = next(pair for pair in headers if pair[0] == name)
                if change == "drop":
                    headers.remove(pair)
                elif change == "repeat":
                    headers.append(list(pair))
                else:
                    pair[1] = pair[1][:-2] + ("x" if pair[1][-2] != "x" else "y") + pair[1][-1]
                rows.append((case, False))
        for other in ALGORITHMS:
            if other is not algorithm:
                case = signed(dice, keys, algorithm)
                case["keys"] = [{"id": "partner-1", **keys[other][1]}]
                rows.append((case, False))
                case = signed(dice, keys, algorithm, include_alg=True)
                for pair in case["request"]["headers"]:
                    if pair[0] == "Signature-Input":
                        pair[1] = pair[1].replace(algorithm.algorithm_id, other.algorithm_id)
                rows.append((case, False))
    expect("rfc9421", rows)
    assert len(rows) >= 80
    report("G8", "negatives accepted", f"0 of {len(rows)}")
