"""CloudEvents as the official SDK makes them, over both versions of HTTP, by certificate and by signature."""

import datetime
import http.client as http_client
import json
import ssl
import subprocess

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from cloudevents.core.bindings import http
from cloudevents.core.v1.event import CloudEvent

from gateway import BUS_ARN, OWNER, REGION
from publishing import Answer, Publisher

PATH = f"/accounts/{OWNER}/buses/orders/events"
BATCH = "application/cloudevents-batch+json"


def event(number, **more):
    data = more.pop("data", {"n": number})
    return CloudEvent(
        attributes={
            "id": f"id-{number}", "source": "com.acme.orders", "type": "com.acme.order", "specversion": "1.0",
            "datacontenttype": "application/json", "time": datetime.datetime(2026, 11, 21, 6, tzinfo=datetime.timezone.utc),
            **more},
        data=data)


def send(publisher, message, path=PATH):
    body = message.body if isinstance(message.body, bytes) else message.body.encode()
    publisher.connection.request("POST", path, body, dict(message.headers))
    return Answer(publisher.connection.getresponse())


def batch(publisher, events, path=PATH):
    body = json.dumps(events).encode()
    publisher.connection.request("POST", path, body, {"Content-Type": BATCH})
    return Answer(publisher.connection.getresponse())


def plain(identifier, **more):
    return {"specversion": "1.0", "id": identifier, "source": "com.acme.orders", "type": "T", "data": {"n": 1}, **more}


def find(gateway, answer):
    return next(one for one in gateway.events() if one["id"] == answer.json["EventId"])


@pytest.mark.parametrize("form", [http.to_binary_event, http.to_structured_event])
def test_what_the_sdk_makes_stands_on_the_bus(gateway, form):
    with Publisher(gateway) as publisher:
        name = form.__name__
        made = event(f"sdk-{name}", subject="Größe 7 % \"x\"", dataschema="https://acme.example/s", traceparent="00-ab-cd-01")
        answer = send(publisher, form(made))
    assert answer.status == 200, answer
    stored = find(gateway, answer)
    assert stored["source"] == "com.acme.orders" and stored["detail-type"] == "com.acme.order"
    assert stored["resources"] == ["Größe 7 % \"x\""]
    assert stored["time"] == "2026-11-21T06:00:00Z"
    assert stored["detail"] == {"n": f"sdk-{name}"}
    kept = stored["isthmus"]["cloudEvent"]
    assert kept["id"] == f"id-sdk-{name}" and kept["dataschema"] == "https://acme.example/s"
    assert kept["traceparent"] == "00-ab-cd-01"


def test_a_content_type_that_is_no_text_never_stands_in_an_event(gateway):
    """A header field may hold bytes that are not UTF-8; what `tail` writes is JSON."""
    with Publisher(gateway) as publisher:
        publisher.connection.request("POST", PATH, b"{}", {
            "ce-specversion": "1.0", "ce-id": "bytes", "ce-source": "com.acme.orders", "ce-type": "T",
            "Content-Type": "application/json; a=\xff"})
        answer = Answer(publisher.connection.getresponse())
        assert (answer.status, answer.code) == (400, "InvalidArgument"), answer
        assert "Parameter datacontenttype is not valid" in answer.json["message"]
    gateway.events()


def test_an_event_is_stored_once_also_across_restart_http2_and_batches(gateway):
    before = len(gateway.events())
    with Publisher(gateway) as publisher:
        first = send(publisher, http.to_structured_event(event("once")))
        again = send(publisher, http.to_binary_event(event("once")))
        listed = batch(publisher, [plain("id-once"), plain("id-once"), plain("fresh")])
    assert first.status == again.status == listed.status == 200, (first, again, listed)
    assert again.json == first.json
    entries = listed.json["Entries"]
    assert entries[0] == entries[1] == first.json and entries[2] != first.json
    gateway.stop().start()
    curl = subprocess.run(
        ["curl", "--silent", "--http2", "--cacert", str(gateway.servers.bundle), "--cert", gateway.publisher.pair[0],
         "--key", gateway.publisher.pair[1], "--header", "Content-Type: application/cloudevents+json",
         "--data", json.dumps(plain("id-once")), "--write-out", "\n%{http_version}", gateway.url + PATH],
        capture_output=True, text=True, timeout=30, check=True)
    content, version = curl.stdout.rsplit("\n", 1)
    assert version == "2" and json.loads(content) == first.json
    assert len(gateway.events()) == before + 2


def test_each_event_of_a_batch_has_its_own_answer(gateway):
    with Publisher(gateway) as publisher:
        answer = batch(publisher, [
            plain("b-1"), plain("b-2", source="org.other"), plain("b-3", data=[1]), {"specversion": "1.0"},
            plain("b-4", source="aws.partner/acme.example/a/b")])
    assert answer.status == 200, answer
    codes = [one.get("ErrorCode") for one in answer.json["Entries"]]
    assert codes == [None, "AccessDeniedException", "MalformedDetail", "InvalidArgument", "NotAuthorizedForSourceException"]
    assert answer.json["FailedEntryCount"] == 4


def test_one_event_that_is_refused_is_a_refused_request(gateway):
    with Publisher(gateway) as publisher:
        denied = send(publisher, http.to_structured_event(event("d", source="org.other")))
        assert denied.status == 400 and denied.code == "AccessDeniedException"
        nowhere = send(publisher, http.to_structured_event(event("d")), f"/accounts/{OWNER}/buses/nope/events")
        assert nowhere.status == 400 and nowhere.code == "AccessDeniedException"
        unknown = send(publisher, http.to_structured_event(event("d")), "/accounts/1/buses/orders/events")
        assert unknown.status == 404


def test_a_batch_of_101_events_and_one_over_the_size_are_refused_whole(gateway):
    before = len(gateway.events())
    with Publisher(gateway) as publisher:
        assert batch(publisher, [plain(f"m-{n}") for n in range(101)]).status == 400
        large = [plain(f"l-{n}", data={"x": "y" * 300_000}) for n in range(4)]
        assert batch(publisher, large).status == 400
        assert batch(publisher, [plain(f"h-{n}") for n in range(100)]).json["FailedEntryCount"] == 0
    assert len(gateway.events()) == before + 100


def test_a_signature_alone_is_enough_where_no_certificate_is_asked_for(gateway):
    key = gateway.credentials()
    body = json.dumps(plain("signed")).encode()
    url = f"https://localhost:{gateway.open_port}{PATH}"
    request = AWSRequest("POST", url, data=body, headers={"Content-Type": "application/cloudevents+json"})
    SigV4Auth(Credentials(*key), "events", REGION).add_auth(request)
    context = ssl.create_default_context(cafile=str(gateway.servers.bundle))
    context.set_alpn_protocols(["http/1.1"])

    def ask(content):
        connection = http_client.HTTPSConnection("localhost", gateway.open_port, context=context, timeout=10)
        try:
            connection.request("POST", PATH, content, dict(request.headers))
            return Answer(connection.getresponse())
        finally:
            connection.close()

    answer = ask(body)
    assert answer.status == 200, answer
    assert find(gateway, answer)["isthmus"]["principal"].endswith(":role/publisher")
    changed = ask(body.replace(b'"n": 1', b'"n": 2'))
    assert changed.status == 400 and changed.code == "InvalidSignatureException"


def test_the_attributes_of_a_binary_event_are_signed_with_it(gateway):
    """In binary mode the `ce-*` fields are the event: none of them counts that the signature leaves open."""
    key = gateway.credentials()
    made = http.to_binary_event(event("binary"))
    body = made.body if isinstance(made.body, bytes) else made.body.encode()
    attributes = {name: value for name, value in made.headers.items() if name.lower().startswith("ce-")}
    assert len(attributes) >= 4
    url = f"https://localhost:{gateway.open_port}{PATH}"
    context = ssl.create_default_context(cafile=str(gateway.servers.bundle))
    context.set_alpn_protocols(["http/1.1"])

    def ask(signed, more):
        request = AWSRequest("POST", url, data=body, headers=signed)
        SigV4Auth(Credentials(*key), "events", REGION).add_auth(request)
        connection = http_client.HTTPSConnection("localhost", gateway.open_port, context=context, timeout=10)
        try:
            connection.request("POST", PATH, body, {**dict(request.headers), **more})
            return Answer(connection.getresponse())
        finally:
            connection.close()

    before = len(gateway.events())
    for name in attributes:
        left = {other: value for other, value in made.headers.items() if other != name}
        answer = ask(left, {name: attributes[name]})
        assert (answer.status, answer.code) == (400, "InvalidSignatureException"), (name, answer)
        assert name.lower() in answer.json["message"], answer
    changed = ask(made.headers, {name: "com.acme.stock" for name in attributes if name.lower() == "ce-source"})
    assert (changed.status, changed.code) == (400, "InvalidSignatureException"), changed
    assert len(gateway.events()) == before
    answer = ask(made.headers, {})
    assert answer.status == 200, answer
    assert find(gateway, answer)["isthmus"]["cloudEvent"]["id"] == "id-binary"


def test_the_bus_of_the_path_is_the_one_that_decides(gateway):
    assert BUS_ARN.endswith("event-bus/orders")
    with Publisher(gateway) as publisher:
        other = send(publisher, http.to_structured_event(event("x")), f"/accounts/{OWNER}/buses/default/events")
    assert other.status == 400 and other.code == "AccessDeniedException"
