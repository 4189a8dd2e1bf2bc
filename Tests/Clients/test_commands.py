"""The commands people have: curl, nghttp, the AWS CLI; and what each is told when something is not right."""

import json
import os
import subprocess
import sys

import pytest

from canary import body_of
from gateway import BUS_ARN, OWNER, REGION, Gateway, free_port
from measures import report  # noqa: F401
from signing import call, stamp

TARGET = ["-H", "Content-Type: application/x-amz-json-1.1", "-H", "X-Amz-Target: AWSEvents.PutEvents"]


@pytest.fixture(scope="module")
def key(gateway):
    return gateway.credentials()


def run(*command, **environment):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=60,
                          env={**os.environ, **environment})


def curl(gateway, *arguments, leaf=None, body=body_of(), ca=None, url=None):
    identity = ["--cert", leaf.path, "--key", leaf.key_path] if leaf else []
    return run("curl", "--silent", "--show-error", "--max-time", "20", "--cacert", ca or gateway.servers.bundle,
               *identity, *TARGET, "--data-binary", body.decode(),
               "--write-out", "\n%{http_version} %{http_code} %{content_type} %header{x-amzn-requestid}",
               *arguments, (url or gateway.url) + "/")


def signature(key, region=REGION):
    return ["--user", f"{key[0]}:{key[1]}", "--aws-sigv4", f"aws:amz:{region}:events"]


def answer(done):
    """(HTTP version and status, the JSON)."""
    assert done.returncode == 0, done.stderr
    body, _, facts = done.stdout.rpartition("\n")
    version, status, kind, request_id = facts.split()
    assert kind == "application/x-amz-json-1.1" and len(request_id) == 36
    return f"{version} {status}", json.loads(body)


@pytest.mark.parametrize("flag, version", [("--http2", "2"), ("--http1.1", "1.1")])
def test_curl_with_a_certificate_and_with_a_signature_besides(gateway, key, flag, version):
    for arguments in ([], signature(key)):
        seen, content = answer(curl(gateway, flag, *arguments, leaf=gateway.publisher))
        assert (seen, content["FailedEntryCount"]) == (f"{version} 200", 0)


def test_curl_with_a_signature_only_on_the_listener_where_that_will_do(gateway, key):
    assert answer(curl(gateway, *signature(key), url=gateway.open_url))[0] == "2 200"
    seen, content = answer(curl(gateway, url=gateway.open_url))
    assert seen == "2 400" and content["__type"] == "MissingAuthenticationTokenException"
    assert "sign with AWS Signature Version 4" in content["message"]


def test_curl_without_a_right_certificate_is_turned_away_in_the_handshake(gateway, key):
    stranger = Gateway(base=gateway.folder)
    nobody = gateway.globex.principal("nobody", "spiffe://nobody.example/account/111122223333/role/x")
    wrong = {"none": None, "unknown CA": stranger.publisher, "server": gateway.server, "unknown trust domain": nobody}
    for name, leaf in wrong.items():
        done = curl(gateway, *signature(key), leaf=leaf)
        assert done.returncode != 0 and "alert" in done.stderr, (name, done.stdout, done.stderr)
    done = curl(gateway, leaf=gateway.publisher, ca=gateway.acme.bundle)
    assert done.returncode == 60 and "certificate" in done.stderr


def test_curl_with_a_revoked_certificate(gateway):
    leaf = gateway.acme.principal("taken-back", "spiffe://acme.example/account/111122223333/role/publisher")
    assert answer(curl(gateway, leaf=leaf))[0] == "2 200"
    gateway.acme.revoke(leaf)
    gateway.reload()
    done = curl(gateway, leaf=leaf)
    assert done.returncode != 0 and "revoked" in done.stderr
    assert answer(curl(gateway, leaf=gateway.publisher))[0] == "2 200"


def test_curl_with_a_wrong_signature_is_told_what_is_wrong(gateway, key):
    for arguments, code, words in (
            (signature((key[0], "x" * 40)), "InvalidSignatureException", "does not match"),
            (signature(("AKIA" + "Z" * 16, key[1])), "UnrecognizedClientException", "check the access key id"),
            (signature(key, "us-east-1"), "InvalidSignatureException", "'us-east-1'")):
        seen, content = answer(curl(gateway, *arguments, leaf=gateway.publisher))
        assert (seen, content["__type"]) == ("2 400", code)
        assert words in content["message"] and key[1] not in content["message"]
    old = call(key, "PutEvents", body_of(), date=stamp(-3600), host=f"localhost:{gateway.port}")
    fields = ["-H", f"X-Amz-Date: {old.date}", "-H", f"Authorization: {old.authorization()}"]
    seen, content = answer(curl(gateway, *fields, leaf=gateway.publisher))
    assert (seen, content["__type"]) == ("2 400", "InvalidSignatureException")
    assert "Signature expired" in content["message"] and "check the clock" in content["message"]


def test_curl_with_wrong_content_is_told_what_is_wrong(gateway):
    entry = {"Source": "com.acme.x", "DetailType": "T", "Detail": "{}", "EventBusName": BUS_ARN}
    for body, code in ((b"{", "SerializationException"), (b"{}", "ValidationException"),
                       (body_of(*[entry] * 11), "ValidationException"),):
        seen, content = answer(curl(gateway, leaf=gateway.publisher, body=body))
        assert (seen, content["__type"]) == ("2 400", code) and content["message"]
    seen, content = answer(curl(gateway, leaf=gateway.publisher, body=body_of({**entry, "EventBusName": "nothing"})))
    assert (seen, content["Entries"][0]["ErrorCode"]) == ("2 200", "ResourceNotFoundException")
    large = gateway.folder / "large"
    # Declared too long, and found too long under way: curl shows the answer and is content with the connection's end.
    for size in ((2 << 20) + 1, 20_000_000):
        large.write_bytes(b" " * size)
        for version, options in (("2", []), ("2", ["-H", "Content-Length:"]), ("1.1", ["--http1.1"]),
                                 ("1.1", ["--http1.1", "-H", "Transfer-Encoding: chunked"])):
            done = curl(gateway, *options, leaf=gateway.publisher, body=f"@{large}".encode())
            body, _, facts = done.stdout.rpartition("\n")
            assert (done.returncode, facts.split()[:2]) == (0, [version, "413"]), (options, done)
            assert json.loads(body)["__type"] == "RequestEntityTooLargeException" and "2 MiB" in body
    done = run("nghttp", "--verbose", "--no-dep", "--cert", gateway.publisher.path, "--key", gateway.publisher.key_path,
               "--data", large, gateway.url + "/")
    assert ":status: 413" in done.stdout and "error_code=NO_ERROR" in done.stdout


def test_nghttp_over_mutual_tls(gateway):
    content = gateway.folder / "content.json"
    content.write_bytes(body_of())
    done = run("nghttp", "--verbose", "--no-dep", "--cert", gateway.publisher.path, "--key", gateway.publisher.key_path,
               "--data", content, "--header", "x-amz-target: AWSEvents.PutEvents", "--header",
               "content-type: application/x-amz-json-1.1", gateway.url + "/")
    assert ":status: 200" in done.stdout and '"FailedEntryCount":0' in done.stdout, done.stdout + done.stderr
    assert "SETTINGS_MAX_CONCURRENT_STREAMS(0x03):100" in done.stdout
    done = run("nghttp", "--verbose", gateway.url + "/")
    assert ":status" not in done.stdout


def test_nghttp_with_many_requests_on_one_connection(gateway):
    done = run("nghttp", "--stat", "--null-out", "--cert", gateway.publisher.path, "--key", gateway.publisher.key_path,
               "--multiply", "300", gateway.url + "/")
    assert done.stdout.count(" 405 ") == 300, done.stdout[-500:] + done.stderr


def aws(gateway, key, *arguments):
    return run(sys.executable, "-m", "awscli", "--endpoint-url", gateway.open_url, "--region", REGION,
               "--output", "json", "--ca-bundle", gateway.servers.bundle, *arguments,
               AWS_ACCESS_KEY_ID=key[0], AWS_SECRET_ACCESS_KEY=key[1], AWS_CONFIG_FILE="/dev/null",
               AWS_SHARED_CREDENTIALS_FILE="/dev/null", AWS_MAX_ATTEMPTS="1",
               AWS_EC2_METADATA_DISABLED="true")


def test_the_aws_cli_on_the_listener_that_wants_no_certificate(gateway, key):
    entries = json.dumps(json.loads(body_of())["Entries"])
    done = aws(gateway, key, "events", "put-events", "--entries", entries)
    assert done.returncode == 0, done.stderr
    sent = json.loads(done.stdout)
    assert sent["FailedEntryCount"] == 0
    assert sent["Entries"][0]["EventId"] in [event["id"] for event in gateway.events()]
    owner = gateway.credentials(OWNER, "role/administrator")
    done = aws(gateway, owner, "events", "describe-event-bus", "--name", "orders")
    assert json.loads(done.stdout)["Arn"] == BUS_ARN, done.stderr
    done = aws(gateway, key, "sts", "get-caller-identity")
    assert json.loads(done.stdout)["Arn"] == "arn:aws:iam::111122223333:role/publisher", done.stderr


def test_the_aws_cli_is_told_what_is_wrong(gateway, key):
    for credentials, arguments, words in (
            (key, ["events", "create-event-bus", "--name", "x"], "AccessDeniedException"),
            (("AKIA" + "Z" * 16, key[1]), ["events", "list-event-buses"], "UnrecognizedClientException"),
            ((key[0], "x" * 40), ["events", "list-event-buses"], "InvalidSignatureException")):
        done = aws(gateway, credentials, *arguments)
        assert done.returncode != 0 and words in done.stderr, done.stderr


def test_clear_text_and_nonsense_at_the_port_end_quietly(gateway):
    done = run("curl", "--silent", "--show-error", "--max-time", "10", f"http://localhost:{gateway.port}/")
    assert done.returncode != 0
    assert free_port() != gateway.port


def test_the_gateway_went_on_and_logged_every_refusal(gateway):
    assert answer(curl(gateway, leaf=gateway.publisher))[0] == "2 200"
    lines = [json.loads(line) for line in gateway.logged().splitlines()]
    text = json.dumps(lines)
    for words in ("authentication-refused", "revoked", "entry-denied", "connection-refused"):
        assert words in text, words
    refused = [line["code"] for line in lines if line["event"] == "request-refused"]
    assert (refused.count("SerializationException"), refused.count("ValidationException")) == (1, 2), refused
    assert "Fatal error" not in text
