"""What must not come out (G10), who may come in (a listener's networks), and the verifier on the command line."""

import base64
import datetime
import json
import pathlib
import re
import signal
import subprocess
import types

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from standardwebhooks import Webhook

import attacks
from gateway import OWNER, REGION, Gateway, binary
from hook import SOURCE
from measures import report  # noqa: F401 (a fixture)
from publishing import TARGET, Publisher, body_of, entry
from test_idempotency import signed_fields
from test_memberships import Hook
from test_onboarding import Invitations

CANARY = "CANARY7f3a9c"


def everything_in(folder):
    """The bytes of every file under a directory, the names among them."""
    for path in pathlib.Path(folder).rglob("*"):
        yield path.name, path.name.encode()
        if path.is_file():
            yield path.name, path.read_bytes()


def environment_and_arguments(pid):
    return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes() + pathlib.Path(f"/proc/{pid}/environ").read_bytes()


def test_secrets_bodies_and_signatures_stay_where_they_belong(report):
    running = Gateway(extra="log: {level: debug}\n").start()
    try:
        owner = running.credentials(OWNER, "role/administrator")
        key = running.credentials()
        running.run("credentials", "list", "--config", str(running.config))
        signatures, secret_words = [], [owner[1].encode(), key[1].encode()]
        detail = {**entry(1), "Detail": json.dumps({"n": 1, "secret": CANARY + "detail"}), "DetailType": CANARY + "type"}
        bodies = [body_of(detail), body_of({**detail, "Source": "com.other." + CANARY + "source"}),
                  body_of({**detail, "Detail": CANARY + "malformed"}), b'{"Entries":"' + CANARY.encode() + b'json'
                  , body_of({**detail, "EventBusName": CANARY + "/bus?"})]
        with Publisher(running) as publisher:
            for body in bodies:
                for pair in (key, (key[0], CANARY + "wrongsecret" + "x" * 20)):
                    fields = signed_fields(running, pair, body, {"X-Canary": CANARY + "header", "Cookie": CANARY + "cookie"})
                    signatures.append(fields["Authorization"].split("Signature=")[1].encode())
                    publisher.post(body, fields)
                    fields["Authorization"] += CANARY + "garbage"
                    publisher.post(body, fields)
                publisher.post(body, {"Authorization": "Bearer " + CANARY + "bearer"})
                publisher.post(body, {"X-Amz-Security-Token": CANARY + "token", "Isthmus-Idempotency-Key": CANARY + "idem"})
                publisher.post(body, target="AWSEvents." + CANARY + "operation")
            publisher.connection.request("POST", "/?x=" + CANARY + "query", body, {})
            publisher.connection.getresponse().read()
        with attacks.connect_tls(running.port, attacks.client_context(running, running.publisher, alpn=["http/1.1"])) as raw:
            raw.sendall(b"GET /" + CANARY.encode() + b"raw HTTP/9.9\r\n\x00: \r\n\r\n")
            raw.recv(1000)
        said = running.logged().encode()
        metrics = running.page("/metrics")[1].encode()
        process = environment_and_arguments(running.process.pid)
        kept = list(everything_in(running.data))
        running.stop()
        kept += list(everything_in(running.data))
    finally:
        running.remove()
    assert len(said) > 1000 and kept
    hits = []
    for word in [*secret_words, *signatures, CANARY.encode()]:
        hits += [(name, word) for name, octets in (("log", said), ("metrics", metrics), ("process", process)) if word in octets]
    for word in [*secret_words, *signatures, CANARY.encode() + b"wrongsecret", CANARY.encode() + b"cookie", CANARY.encode() + b"bearer"]:
        hits += [(name, word) for name, octets in kept if word in octets]
    where = [octets[max(0, octets.index(word) - 120):octets.index(word) + 40] for name, octets in (("log", said),)
             for word in {word for place, word in hits if place == name}]
    report("G10", "secrets, signatures and canaries looked for; hits", f"{len(secret_words) + len(signatures) + 1}; {len(hits)}")
    assert not hits, (hits[:5], where[:3])


ROLE = f"""  - name: role/worker
    trust:
      Version: "2012-10-17"
      Statement: [{{Effect: Allow, Principal: {{AWS: "arn:aws:iam::{OWNER}:role/administrator"}}, Action: "sts:AssumeRole"}}]
"""


def test_g10_what_partners_webhooks_and_sessions_are_told_stays_with_them(report):
    side = Invitations()
    running, answers = side.gateway, []
    try:
        running.extra += f"webhooks: [{{source: {side.source(1)}, scheme: standard-webhooks, detailType: {{pointer: /type}}}}]\n"
        running.write_configuration()
        owner = running.folder / "accounts" / "owner.yaml"
        owner.write_text(owner.read_text() + ROLE)
        running.reload()
        token = side.invite(1).strip()
        joins = [side.join(token, 1), side.join(token, "other"), side.join(token[:-2] + "AA", "changed")]
        answers += [done.stdout + done.stderr for done in joins]
        given = "whsec_" + base64.b64encode((CANARY + "webhook").encode() * 2).decode()
        hook = Hook(side, side.source(1))
        running.run("webhook", "secret", "rotate", "--source", side.source(1), "--config", str(running.config), "--from", "-",
                    given=given)
        hooked = [hook.post("msg_1", "order.placed"), hook.post("msg_2", "invoice.made"),
                  Hook.post(types.SimpleNamespace(**{**vars(hook), "secret": Webhook("whsec_" + "A" * 32)}), "msg_3", "order.placed")]
        assert [answer.status for answer in hooked] == [200, 400, 400], hooked
        answers += [answer.content.decode() for answer in hooked]
        key = running.credentials(OWNER, "role/administrator")
        sts = boto3.client("sts", region_name=REGION, endpoint_url=running.open_url, verify=str(running.servers.bundle),
                           aws_access_key_id=key[0], aws_secret_access_key=key[1])
        session = sts.assume_role(RoleArn=f"arn:aws:iam::{OWNER}:role/worker", RoleSessionName="leaks")["Credentials"]
        events = boto3.client(
            "events", region_name=REGION, endpoint_url=running.open_url, verify=str(running.servers.bundle),
            aws_access_key_id=session["AccessKeyId"], aws_secret_access_key=session["SecretAccessKey"],
            aws_session_token=session["SessionToken"])
        denied = events.put_events(Entries=[entry(1)])["Entries"][0]["ErrorMessage"]
        answers += [denied, running.run("explain", denied.split("decision id: ")[1].rstrip(")"), "--json",
                                        "--config", str(running.config)).stdout]
        said, metrics = running.logged(), running.page("/metrics")[1]
        process = environment_and_arguments(running.process.pid)
        kept = list(everything_in(running.data))
        keys = [path.read_text().splitlines()[1].encode() for path in (
            side.folder(1) / "partner.key", side.authority / "ca.key", running.server.key_path)]
        master = (running.data / "master.key").read_bytes()
        running.stop()
        kept += list(everything_in(running.data))
    finally:
        running.remove()
    words = [token.split(".")[2].encode(), given.encode(), given[6:].encode(), CANARY.encode(), hook.text[6:].encode(),
             session["SecretAccessKey"].encode(), session["SessionToken"].encode(), key[1].encode(), master.hex().encode(),
             base64.b64encode(master), *keys, *(signature.encode() for signature in hook.signatures)]
    places = [("log", said.encode()), ("metrics", metrics.encode()), ("process", process), *kept,
              *(("answer", answer.encode()) for answer in answers)]
    hits = [(name, word) for name, octets in places for word in words if word in octets]
    hits += [(name, "master key") for name, octets in places if name != "master.key" and master in octets]
    report("G10", "secrets of partners, webhooks, sessions; places; hits", f"{len(words) + 1}; {len(places)}; {len(hits)}")
    assert len(words) > 12 and not hits, hits[:5]


def test_g10_a_crash_leaves_no_core(report, tmp_path):
    running = Gateway()
    try:
        running.start(wrapper=["sh", "-c", 'ulimit -c unlimited; cd "$0"; exec "$@"', str(tmp_path)])
        running.credentials()
        limits = pathlib.Path(f"/proc/{running.process.pid}/limits").read_text()
        assert re.search(r"Max core file size +0 +0 ", limits), limits
        filtered = pathlib.Path(f"/proc/{running.process.pid}/coredump_filter").read_text()
        assert int(filtered, 16) == 0, "a core that is piped to a program would hold memory"
        running.process.send_signal(signal.SIGSEGV)
        assert running.process.wait(timeout=20) == -signal.SIGSEGV
        assert list(tmp_path.iterdir()) == []
        report("G10", "files left by a crash", "0")
    finally:
        running.remove()


def test_a_secret_never_stands_among_arguments(report):
    for verb in ("credentials create", "credentials disable", "tail", "signature verify", "serve", "check"):
        text = subprocess.run([binary(), *verb.split(), "--help"], capture_output=True, text=True, timeout=10).stdout
        options = [word for word in text.split() if word.startswith("--")]
        assert options and not [word for word in options if "secret" in word or "password" in word or "token" in word], options


# A listener's networks

@pytest.mark.parametrize("networks, served", [("127.0.0.0/8", True), ("10.0.0.0/8", False)])
def test_a_listener_serves_its_networks_only(networks, served, report):
    made = Gateway()
    try:
        text = made.config.read_text()
        made.config.write_text(text.replace("clientCertificate: required,", f"clientCertificate: required, networks: [{networks}],"))
        made.start()
        assert is_served(made) == served
        report("T", f"from 127.0.0.1 at a listener for {networks}", "served" if served else "refused")
        made.stop()
    finally:
        made.remove()


def is_served(gateway):
    try:
        with Publisher(gateway, timeout=5) as publisher:
            return publisher.put(entry(1)).status == 200
    except OSError:
        return False


@pytest.mark.parametrize("verb", ["create", "rotate"])
@pytest.mark.parametrize("octets", [
    b"whsec_\xff", b"\xc0\x80", b"\xed\xa0\x80", b"-----BEGIN PUBLIC KEY-----\n\x80\n"],
    ids=["a byte that is in no text", "an overlong form", "half a surrogate", "in PEM"])
def test_a_webhook_key_that_is_no_text_is_refused_and_not_shown(tmp_path, verb, octets):
    key = tmp_path / "key"
    key.write_bytes(CANARY.encode() + octets)
    for named, given in ((key, b""), ("-", key.read_bytes())):
        done = subprocess.run(
            [binary(), "webhook", "secret", verb, "--source", SOURCE, "--from", named, "--config", tmp_path / "isthmus.yaml"],
            input=given, capture_output=True, timeout=20)
        said = (done.stdout + done.stderr).decode()
        assert done.returncode != 0 and CANARY not in said
        assert "the key is not text in UTF-8: give it as the vendor shows it, or in PEM" in said


# The verifier on the command line

def recorded(identity, secret, target="/", body=b'{"Entries":[]}', query_secret=None):
    """A request as `signature verify --batch` reads it, signed by botocore."""
    request = AWSRequest("POST", "https://events.example.com" + target, data=body, headers={
        "Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": TARGET, "Host": "events.example.com"})
    SigV4Auth(Credentials("AKIA" + "A" * 16, query_secret or secret), "events", REGION).add_auth(request)
    moment = datetime.datetime.strptime(request.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ")
    return {
        "id": identity, "region": REGION, "service": "events", "now": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "request": {"method": "POST", "target": target, "headers": [[name, value] for name, value in request.headers.items()],
                    "bodyBase64": base64.b64encode(body).decode()},
        "credentials": {"accessKeyId": "AKIA" + "A" * 16, "secretAccessKey": secret}}


def verify(lines, *options):
    done = subprocess.run([binary(), "signature", "verify", "--batch", *options], input="".join(
        line if isinstance(line, str) else json.dumps(line) + "\n" for line in lines), capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done
    return [json.loads(line) for line in done.stdout.splitlines()], done


def test_recorded_requests_are_verified_in_a_batch(report):
    secret = CANARY + "s" * 28
    good = recorded("good", secret)
    tampered = recorded("body", secret)
    tampered["request"]["bodyBase64"] = base64.b64encode(b"{}").decode()
    late = recorded("late", secret)
    late["now"] = "2001-01-01T00:00:00Z"
    cases = [(good, True), (recorded("path", secret, target="/a/b%20c/?z=1&a=2&a=1"), True), (tampered, False), (late, False),
             (recorded("secret", secret, query_secret="other" * 8), False), ({**recorded("region", secret), "region": "us-east-1"}, False)]
    answers, done = verify([case for case, _ in cases])
    assert [answer["id"] for answer in answers] == [case["id"] for case, _ in cases]
    assert [answer["verified"] for answer in answers] == [expected for _, expected in cases], answers
    for answer, (_, expected) in zip(answers, cases):
        assert ("reason" in answer) != expected
    assert answers[0]["canonicalRequest"].startswith("POST\n/\n\n") and answers[0]["stringToSign"].startswith("AWS4-HMAC-SHA256\n")
    assert secret not in done.stdout + done.stderr
    report("G1", "recorded requests: verified, refused", f"{sum(e for _, e in cases)}, {sum(not e for _, e in cases)}")


def test_a_line_that_is_no_request_is_answered_and_the_next_is_verified():
    secret = "s" * 40
    lines = ["hello\n", "{}\n", '{"id":"x","request":{}}\n', "[" * 5000 + "\n", '{"id":7}\n', "\n", recorded("last", secret)]
    answers, _ = verify(lines)
    assert len(answers) == 6 and [answer["verified"] for answer in answers] == [False] * 5 + [True]
    assert all(answer["reason"] for answer in answers[:-1])


def test_a_path_is_normalized_unless_told_otherwise():
    secret = "s" * 40
    raw = recorded("raw", secret, target="/a/../b")
    # botocore normalizes as the services do, and so the signature stands only for the normalized path.
    assert verify([raw])[0][0]["verified"]
    answer = verify([raw], "--normalize-path", "false")[0][0]
    assert not answer["verified"] and "/a/../b" in answer["canonicalRequest"]
