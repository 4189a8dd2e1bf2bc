"""Webhooks of every vendor's scheme, signed by independent signers, against the real gateway: one effect each."""

import base64
import datetime
import hashlib
import hmac
import http.client
import json
import ssl
import subprocess
import time
import types

import boto3
import pytest
from botocore.config import Config
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from http_message_signatures import HTTPMessageSigner, HTTPSignatureKeyResolver
from http_message_signatures.algorithms import ED25519
from slack_sdk.signature import SignatureVerifier
from standardwebhooks import Webhook
from stripe import WebhookSignature

from gateway import OWNER, REGION, SENDER, Gateway
from publishing import Answer

PREFIX = "aws.partner/acme.example/hooks"
#: Two messages at once and one each two seconds: a small one costs two units.
METERED = "aws.partner/metered.example/hooks/standard"
SOURCES = ("standard", "github", "stripe", "slack", "shopify", "generic", "rfc9421", "shadow")
PROFILE = ("@method", "@authority", "@path", "@query", "content-digest", "content-type", "isthmus-event-source")
CONFIGURATION = f"""
partners: [{{name: acme.example, account: "{SENDER}"}}, {{name: metered.example, account: "{SENDER}"}}]
quotas:
  partners: {{aws.partner/metered.example: {{events:PutPartnerEvents: {{perSecond: 1, burst: 4}}}}}}
webhooks:
  - {{source: {METERED}, scheme: standard-webhooks, detailType: {{pointer: /type}}}}
  - {{source: {PREFIX}/standard, scheme: standard-webhooks, detailType: {{pointer: /type}}}}
  - {{source: {PREFIX}/github, scheme: github, detailType: {{header: X-GitHub-Event}}, id: {{header: X-GitHub-Delivery}}}}
  - {{source: {PREFIX}/stripe, scheme: stripe, detailType: {{pointer: /type}}, id: {{pointer: /id}}, time: {{pointer: /created}}}}
  - {{source: {PREFIX}/slack, scheme: slack, detailType: {{pointer: /event/type}}, id: {{pointer: /event_id}}}}
  - {{source: {PREFIX}/shopify, scheme: shopify, detailType: {{header: X-Shopify-Topic}}, id: {{header: X-Shopify-Webhook-Id}}}}
  - source: {PREFIX}/generic
    scheme: hmac
    hmac: {{header: X-Sig, encoding: base64, digest: sha512, prefix: "v9=", timestampHeader: X-Time, idHeader: X-Id,
           template: "{{timestamp}}.{{id}}.{{body}}"}}
    detailType: {{value: Generic}}
    id: {{header: X-Id}}
  - {{source: {PREFIX}/rfc9421, scheme: rfc9421, detailType: {{pointer: /type}}}}
  - {{source: {PREFIX}/shadow, scheme: standard-webhooks, mode: shadow, detailType: {{pointer: /type}}}}
"""


class Hooks:
    """A gateway whose partner sources are active, with one secret each."""

    def __init__(self):
        self.gateway = Gateway(CONFIGURATION).start()
        partner = self.client(self.gateway.publisher)
        customer = self.client(self.gateway.administrator)
        for source in SOURCES:
            partner.create_partner_event_source(Name=f"{PREFIX}/{source}", Account=OWNER)
            customer.create_event_bus(Name=f"{PREFIX}/{source}", EventSourceName=f"{PREFIX}/{source}")
        self.partner, self.customer = partner, customer
        self.private = ed25519.Ed25519PrivateKey.generate()
        self.secrets, self.ids = {}, {}
        for source in SOURCES:
            given = self.private.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            ).decode() if source == "rfc9421" else None
            self.ids[source], self.secrets[source] = self.secret("create", source, given)

    def client(self, leaf):
        key = self.gateway.credentials(*(
            (SENDER, "role/publisher") if leaf is self.gateway.publisher else (OWNER, "role/administrator")))
        return boto3.client(
            "events", region_name=REGION, endpoint_url=self.gateway.url, verify=str(self.gateway.servers.bundle),
            aws_access_key_id=key[0], aws_secret_access_key=key[1], config=Config(client_cert=leaf.pair))

    def run(self, *arguments, given=None, check=True):
        from gateway import binary
        done = subprocess.run(
            [binary(), "webhook", "secret", *arguments, "--config", str(self.gateway.config)], capture_output=True,
            text=True, timeout=30, input=given)
        assert not check or done.returncode == 0, done.stderr
        return done

    def secret(self, verb, source, given=None):
        more = ("--from", "-") if given else ()
        lines = dict(line.split(None, 1) for line in self.run(
            verb, "--source", f"{PREFIX}/{source}", *more, given=given).stdout.splitlines())
        return lines["id"], lines.get("secret", given)

    def post(self, source, fields, body, path=None, leaf=None, port=None):
        context = ssl.create_default_context(cafile=str(self.gateway.servers.bundle))
        context.set_alpn_protocols(["http/1.1"])
        if leaf:
            context.load_cert_chain(*leaf.pair)
        connection = http.client.HTTPSConnection(
            "localhost", port or self.gateway.open_port, context=context, timeout=10)
        try:
            connection.request("POST", path or f"/webhooks/{PREFIX}/{source}", body, fields)
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def curl(self, source, fields, body):
        headers = [part for pair in fields.items() for part in ("--header", f"{pair[0]}: {pair[1]}")]
        done = subprocess.run(
            ["curl", "--silent", "--http2", "--cacert", str(self.gateway.servers.bundle), *headers, "--data-binary", "@-",
             "--write-out", "\n%{http_version} %{http_code}", f"{self.gateway.open_url}/webhooks/{PREFIX}/{source}"],
            capture_output=True, input=body, timeout=30, check=True)
        content, code = done.stdout.rsplit(b"\n", 1)
        return code.decode().split(), json.loads(content)

    def events(self, source):
        return self.gateway.events(f"{PREFIX}/{source}")


@pytest.fixture(scope="module")
def hooks():
    running = Hooks()
    yield running
    running.gateway.stop()
    running.gateway.remove()


def content(number, kind="order.placed", **more):
    return json.dumps({"type": kind, "n": number, **more}).encode()


def now():
    return int(time.time())


def standard(secret, identifier, body, shift=0):
    moment = datetime.datetime.fromtimestamp(now() + shift, datetime.timezone.utc)
    return {
        "webhook-id": identifier, "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": Webhook(secret).sign(identifier, moment, body.decode()),
        "Content-Type": "application/json"}


def github(secret, body, delivery="d"):
    code = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"X-Hub-Signature-256": f"sha256={code}", "X-GitHub-Event": "push", "X-GitHub-Delivery": delivery}


def stripe(secret, body, shift=0):
    moment = now() + shift
    code = WebhookSignature._compute_signature(f"{moment}.{body.decode()}", secret)
    return {"Stripe-Signature": f"t={moment},v1={code}"}


def slack(secret, body, shift=0):
    moment = str(now() + shift)
    return {
        "X-Slack-Request-Timestamp": moment,
        "X-Slack-Signature": SignatureVerifier(secret).generate_signature(timestamp=moment, body=body)}


def shopify(secret, body):
    code = base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()
    return {"X-Shopify-Hmac-Sha256": code, "X-Shopify-Topic": "orders/create", "X-Shopify-Webhook-Id": "s"}


def generic(secret, identifier, body, shift=0):
    moment = str(now() + shift)
    code = hmac.new(secret.encode(), f"{moment}.{identifier}.".encode() + body, hashlib.sha512).digest()
    return {"X-Sig": "v9=" + base64.b64encode(code).decode(), "X-Time": moment, "X-Id": identifier}


def message_signature(hooks, body, nonce, covered=PROFILE, source="rfc9421"):
    class Resolver(HTTPSignatureKeyResolver):
        def resolve_private_key(self, key_id):
            return hooks.private

        def resolve_public_key(self, key_id):
            return hooks.private.public_key()

    host = f"localhost:{hooks.gateway.open_port}"
    request = types.SimpleNamespace(
        method="POST", url=f"https://{host}/webhooks/{PREFIX}/rfc9421", headers={
            "Host": host, "Content-Type": "application/json", "Isthmus-Event-Source": f"{PREFIX}/{source}",
            "Content-Digest": f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"})
    created = datetime.datetime.now(datetime.timezone.utc)
    HTTPMessageSigner(signature_algorithm=ED25519, key_resolver=Resolver()).sign(
        request, key_id="k", created=created, expires=created + datetime.timedelta(seconds=200), nonce=nonce,
        tag="isthmus-webhook", label="s", covered_component_ids=covered, use_existing_digest=True)
    return {name: value for name, value in request.headers.items() if name != "Host"}


def signed(hooks, source, number):
    """A fresh message of a source: its fields and its content."""
    secret = hooks.secrets[source]
    if source in ("standard", "shadow"):
        body = content(number)
        return standard(secret, f"msg_{number}", body), body
    if source == "github":
        body = content(number)
        return github(secret, body, f"delivery-{number}"), body
    if source == "stripe":
        body = content(number, "charge.paid", id=f"evt_{number}", created=1_795_240_800)
        return stripe(secret, body), body
    if source == "slack":
        body = json.dumps({"event_id": f"Ev{number}", "event": {"type": "message"}}).encode()
        return slack(secret, body), body
    if source == "shopify":
        body = content(number)
        return shopify(secret, body), body
    if source == "generic":
        body = content(number)
        return generic(secret, f"g-{number}", body), body
    body = content(number)
    return message_signature(hooks, body, hashlib.sha256(str(number).encode()).hexdigest()), body


@pytest.mark.parametrize("source", SOURCES)
def test_a_signed_message_stands_on_the_customers_bus(hooks, source):
    fields, body = signed(hooks, source, "first")
    answer = hooks.post(source, fields, body)
    assert answer.status == 200, answer
    stored = next(one for one in hooks.events(source) if one["id"] == answer.json["EventId"])
    assert stored["source"] == f"{PREFIX}/{source}" and stored["account"] == SENDER
    assert stored["detail"] == json.loads(body)
    assert stored["detail-type"] == {
        "github": "push", "stripe": "charge.paid", "slack": "message", "shopify": "orders/create",
        "generic": "Generic"}.get(source, "order.placed")
    if source == "stripe":
        assert stored["time"] == "2026-11-21T06:00:00Z"


@pytest.mark.parametrize("source", SOURCES)
def test_a_replay_has_one_effect_in_the_window_after_a_restart_and_over_both_versions_of_http(hooks, source):
    fields, body = signed(hooks, source, "replayed")
    before = len(hooks.events(source))
    first = hooks.post(source, fields, body)
    assert first.status == 200, first
    assert hooks.post(source, fields, body).json == first.json
    assert hooks.curl(source, fields, body) == (["2", "200"], first.json)
    hooks.gateway.kill()
    hooks.gateway.start()
    assert hooks.post(source, fields, body).json == first.json
    assert hooks.curl(source, fields, body) == (["2", "200"], first.json)
    assert len(hooks.events(source)) == before + 1


def test_a_captured_message_spends_nothing_of_its_partner_not_even_after_a_restart(hooks):
    hooks.partner.create_partner_event_source(Name=METERED, Account=OWNER)
    hooks.customer.create_event_bus(Name=METERED, EventSourceName=METERED)
    created = hooks.run("create", "--source", METERED).stdout.splitlines()
    secret = dict(line.split(None, 1) for line in created)["secret"]

    def post(fields, body):
        return hooks.post("standard", fields, body, path=f"/webhooks/{METERED}")

    body = content("captured")
    captured = standard(secret, "msg_captured", body)
    first = post(captured, body)
    assert first.status == 200, first
    for turn in ("before a restart", "after it"):
        answers = [post(captured, body) for _ in range(20)]
        assert [answer.json for answer in answers] == [first.json] * 20, turn
        new = content(turn)
        assert post(standard(secret, f"msg_{turn[0]}", new), new).status == 200, turn
        hooks.gateway.kill()
        hooks.gateway.start()
    refused = [post(standard(secret, f"msg_{n}", content(n)), content(n)).status for n in range(5)].count(400)
    assert refused >= 2, "the partner's own messages are held to its quota"


def test_a_retry_signed_again_is_the_same_message(hooks):
    before = len(hooks.events("standard"))
    body, secret = content("retry"), hooks.secrets["standard"]
    first = hooks.post("standard", standard(secret, "msg_retry", body, -20), body)
    later = hooks.post("standard", standard(secret, "msg_retry", body), body)
    assert first.status == later.status == 200 and first.json == later.json
    assert len(hooks.events("standard")) == before + 1


def test_a_delivery_id_that_is_not_signed_makes_no_second_event(hooks):
    before = len(hooks.events("github"))
    body = content("unsigned id")
    answers = [hooks.post("github", github(hooks.secrets["github"], body, str(n)), body).json for n in range(3)]
    assert answers[0] == answers[1] == answers[2]
    assert len(hooks.events("github")) == before + 1


@pytest.mark.parametrize("source,make", [
    ("standard", lambda secret, body, shift: standard(secret, f"edge{shift}", body, shift)),
    ("stripe", stripe), ("slack", slack),
    ("generic", lambda secret, body, shift: generic(secret, f"edge{shift}", body, shift))])
def test_the_tolerance_is_300_seconds_past_and_60_future(hooks, source, make):
    for shift, good in ((-290, True), (-310, False), (50, True), (75, False)):
        body = json.dumps({"type": "t", "id": f"edge{shift}", "event_id": f"edge{shift}", "event": {"type": "t"},
                           "created": 1}).encode()
        answer = hooks.post(source, make(hooks.secrets[source], body, shift), body)
        assert (answer.status == 200) == good, (shift, answer)
        assert good or answer.code == "InvalidSignatureException"


@pytest.mark.parametrize("source", [one for one in SOURCES if one != "shadow"])
def test_nothing_changed_is_accepted(hooks, source):
    before = len(hooks.events(source))
    fields, body = signed(hooks, source, "changed")
    changes = [(fields, body + b" "), (fields, body.replace(b":", b": ", 1)), ({}, body)]
    for name, value in fields.items():
        if name.lower() in ("content-type", "x-github-event", "x-github-delivery", "x-shopify-topic",
                            "x-shopify-webhook-id") and source != "rfc9421":
            continue
        changes.append(({**fields, name: value[:-1] + ("A" if value[-1] != "A" else "B")}, body))
        changes.append(({other: fields[other] for other in fields if other != name}, body))
    for other, content_ in changes:
        answer = hooks.post(source, other, content_)
        assert answer.status == 400, (other, answer)
        assert answer.code in ("InvalidSignatureException", "MissingAuthenticationTokenException"), answer
    assert len(hooks.events(source)) == before


def test_two_secrets_verify_until_the_old_one_is_removed(hooks):
    old, body = hooks.secrets["standard"], content("rotation")
    identifier, new = hooks.secret("rotate", "standard")
    assert new.startswith("whsec_") and new != old
    full = hooks.run("rotate", "--source", f"{PREFIX}/standard", check=False)
    assert full.returncode == 1 and hooks.ids["standard"] in full.stderr
    for secret, name in ((old, "old"), (new, "new")):
        assert hooks.post("standard", standard(secret, f"rot-{name}", body), body).status == 200
    listed = hooks.run("list", "--source", f"{PREFIX}/standard").stdout
    assert identifier in listed and "last verified 20" in listed
    assert new not in listed and old not in listed
    hooks.run("remove", "--source", f"{PREFIX}/standard", "--id", hooks.ids["standard"])
    refused = hooks.post("standard", standard(old, "rot-3", body), body)
    assert refused.status == 400 and refused.code == "InvalidSignatureException"
    assert hooks.post("standard", standard(new, "rot-4", body), body).status == 200
    hooks.ids["standard"], hooks.secrets["standard"] = identifier, new


def test_the_list_says_which_schemes_can_be_replayed(hooks):
    listed = json.loads(hooks.run("list", "--json").stdout)["webhooks"]
    assert {one["source"].rsplit("/", 1)[1] for one in listed if one["replayable"]} == {"github", "shopify"}


def test_an_id_with_a_point_and_json_written_anew_are_refused(hooks):
    body = content("point")
    fields = standard(hooks.secrets["standard"], "a.b", body)
    assert hooks.post("standard", fields, body).code == "InvalidSignatureException"
    fields = standard(hooks.secrets["standard"], "anew", body)
    anew = json.dumps(json.loads(body), separators=(",", ":")).encode()
    assert anew != body and hooks.post("standard", fields, anew).code == "InvalidSignatureException"


@pytest.mark.parametrize("missing", PROFILE)
def test_a_message_signature_must_cover_the_whole_profile(hooks, missing):
    body = content(f"without {missing}")
    covered = tuple(name for name in PROFILE if name != missing)
    answer = hooks.post("rfc9421", message_signature(hooks, body, "ab" * 16, covered), body)
    assert answer.code == "InvalidSignatureException", answer


def test_a_nonce_is_for_one_message_and_the_source_is_that_of_the_path(hooks):
    nonce = "cd" * 16
    assert hooks.post("rfc9421", message_signature(hooks, content(1), nonce), content(1)).status == 200
    other = hooks.post("rfc9421", message_signature(hooks, content(2), nonce), content(2))
    assert other.code == "InvalidSignatureException" and "nonce" in other.json["message"]
    elsewhere = message_signature(hooks, content(3), "ef" * 16, source="standard")
    assert hooks.post("rfc9421", elsewhere, content(3)).code == "InvalidSignatureException"


def test_a_certificate_beside_the_signature_must_be_the_partners(hooks):
    body = content("with certificate")
    fields = standard(hooks.secrets["standard"], "cert", body)
    for port in (hooks.gateway.port, hooks.gateway.open_port):
        wrong = hooks.post("standard", fields, body, leaf=hooks.gateway.administrator, port=port)
        assert wrong.code == "AccessDeniedException"
        assert OWNER in wrong.json["message"] and SENDER in wrong.json["message"], "both sides are named"
    right = hooks.post("standard", fields, body, leaf=hooks.gateway.publisher, port=hooks.gateway.port)
    assert right.status == 200, right


def test_shadow_mode_lets_through_and_reports(hooks):
    body = content("shadow")
    before = hooks.gateway.metric("isthmus_webhooks_unverified_total")
    assert hooks.post("shadow", {"webhook-id": "x"}, body).status == 200
    assert hooks.gateway.metric("isthmus_webhooks_unverified_total") == before + 1
    assert "webhook-unverified" in hooks.gateway.logged()


def test_a_source_that_is_not_active_or_not_there_says_so(hooks):
    hooks.customer.deactivate_event_source(Name=f"{PREFIX}/generic")
    try:
        fields, body = signed(hooks, "generic", "inactive")
        answer = hooks.post("generic", fields, body)
        assert answer.status == 400 and "ActivateEventSource" in answer.json["message"]
    finally:
        hooks.customer.activate_event_source(Name=f"{PREFIX}/generic")
    assert hooks.post("generic", fields, body).status == 200
    assert hooks.post("", {}, b"{}", path=f"/webhooks/{PREFIX}/nothing").status == 404


def test_no_secret_is_ever_shown(hooks):
    shown = hooks.gateway.logged() + hooks.gateway.page("/metrics")[1] + hooks.run("list", "--json").stdout
    wrong = hooks.post("standard", standard("whsec_" + "A" * 32, "leak", b"{}"), b"{}")
    shown += wrong.content.decode()
    for secret in hooks.secrets.values():
        assert secret not in shown and secret.removeprefix("whsec_") not in shown
    stored = b"".join(path.read_bytes() for path in hooks.gateway.data.iterdir() if path.is_file() and path.name != "lock")
    for source, secret in hooks.secrets.items():
        if source != "rfc9421":
            assert secret.encode() not in stored, "secrets are sealed at rest"
