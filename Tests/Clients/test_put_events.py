"""What PutEvents refuses, and what it passes through byte for byte: buses that are not there, and the traps of JSON."""

import json

import pytest

from attacks import CONTINUATION, END_HEADERS, HEADERS, Attacker, block, frame
from canary import ENTRY, body_of, signed
from gateway import BUS_ARN, OWNER, REGION, SENDER
from http1 import Peer, event_id
from measures import report  # noqa: F401

POST = b"POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: AWSEvents.PutEvents\r\nContent-Length: %d\r\n\r\n%s"


@pytest.fixture(scope="module")
def peer(gateway):
    with Peer(gateway) as connection:
        yield connection


def put(peer, body):
    peer.send(POST % (len(body), body))
    status, _, answer = peer.response()
    return status, json.loads(answer)


def stored(gateway, name, start):
    """The line of `isthmus tail` for this id, looked for from sequence `start` on; empty when it cannot be shown."""
    done = gateway.run("tail", "--config", str(gateway.config), "--account", OWNER, "--bus", "orders", "--from",
                       str(start), "--limit", "1", "--no-follow", check=False)
    return done.stdout if name in done.stdout else ""


def last_sequence(gateway):
    return gateway.events()[-1]["isthmus"]["sequence"]


def bus(name=None, account=OWNER, region=REGION, partition="aws"):
    return f"arn:{partition}:events:{region}:{account}:event-bus/{name or 'orders'}"


P8 = {
    "a bus that is not there, of another account": ({"EventBusName": bus("nothing")}, "AccessDeniedException"),
    "a bus of an unknown account": ({"EventBusName": bus(account="999988887777")}, "AccessDeniedException"),
    "a bus that is not there, our own": ({"EventBusName": "nothing"}, "ResourceNotFoundException"),
    "another account's default bus": ({"EventBusName": bus("default")}, "AccessDeniedException"),
    "another Region": ({"EventBusName": bus(region="us-east-1")}, "InvalidArgument"),
    "another partition": ({"EventBusName": bus(partition="aws-cn")}, None),
    "another service": ({"EventBusName": BUS_ARN.replace(":events:", ":sqs:")}, None),
    "an account of 11 digits": ({"EventBusName": bus(account="11112222333")}, None),
    "a rule for a bus": ({"EventBusName": BUS_ARN.replace("event-bus", "rule")}, None),
    "a name with a NUL": ({"EventBusName": "or\0ders"}, None),
    "a name with a slash and dots": ({"EventBusName": "../orders"}, None),
    "a name in capitals": ({"EventBusName": bus("ORDERS")}, "AccessDeniedException"),
    "an empty name": ({"EventBusName": ""}, None),
    "a name of 2,000 letters": ({"EventBusName": "a" * 2000}, None),
    "a source of AWS": ({"Source": "aws.s3"}, "NotAuthorizedForSourceException"),
    "a source of AWS, another": ({"Source": "aws.partner/x/y"}, "NotAuthorizedForSourceException"),
    "a source that the bus policy does not allow": ({"Source": "com.other"}, "AccessDeniedException"),
    "no source": ({"Source": ""}, "InvalidArgument"),
    "no type": ({"DetailType": ""}, "InvalidArgument"),
    "no detail": ({"Detail": ""}, "InvalidArgument"),
}


@pytest.mark.parametrize("name", P8)
def test_p8_a_wrong_entry_is_an_error_of_its_own_and_never_a_success(peer, name):
    change, code = P8[name]
    status, answer = put(peer, body_of({**ENTRY, **change}, ENTRY))
    if status == 200:
        assert answer["FailedEntryCount"] == 1 and "EventId" in answer["Entries"][1]
        assert "EventId" not in answer["Entries"][0] and answer["Entries"][0]["ErrorMessage"]
        assert code is None or answer["Entries"][0]["ErrorCode"] == code
    else:
        assert code is None and status == 400 and answer["message"]


def test_p8_account_time_id_and_region_cannot_be_forged(gateway, peer):
    forged = {"Account": OWNER, "account": OWNER, "Id": "00000000-0000-0000-0000-000000000000", "id": "x",
              "Region": "us-east-1", "region": "us-east-1", "Version": "9", "isthmus": {"principal": "root"}}
    status, answer = put(peer, body_of({**ENTRY, **forged}))
    assert status == 200 and answer["FailedEntryCount"] == 0
    name = answer["Entries"][0]["EventId"]
    event = json.loads(stored(gateway, name, last_sequence(gateway)))
    assert (event["account"], event["region"], event["version"], event["id"]) == (SENDER, REGION, "0", name)
    assert event["isthmus"]["principal"] == f"arn:aws:iam::{SENDER}:role/publisher"


#: Texts for Detail, each the JSON text as it stands in the event. True: it must be taken; False: refused; None: either.
F3 = {
    "duplicate keys": (b'{"a":1,"a":2}', None), "1e400": (b'{"a":1e400}', None), "-0": (b'{"a":-0}', True),
    "-0.0": (b'{"a":-0.0}', True), "2^53+1": (b'{"a":9007199254740993}', True),
    "2^63": (b'{"a":9223372036854775808}', True), "2^64": (b'{"a":18446744073709551616}', False),
    "a number of 400 digits": (b'{"a":' + b"1" * 400 + b"}", False),
    "0.1 with 40 digits": (b'{"a":0.1000000000000000055511151231257827021181}', True),
    "1E+2": (b'{"a":1E+2}', True), "1e-400": (b'{"a":1e-400}', None),
    "a lone high surrogate": (rb'{"a":"\ud800"}', None), "a lone low surrogate": (rb'{"a":"\udc00"}', None),
    "surrogates the wrong way round": (rb'{"a":"\udc00\ud800"}', None), "a pair": (rb'{"a":"\ud83d\ude00"}', True),
    "an escaped NUL": (rb'{"a":"\u0000"}', True), "an escaped key": (rb'{"\u0061":1}', True),
    "an escaped solidus": (rb'{"a":"\/"}', True), "blanks": (b' \t{ "a" : [ 1 , 2 ] } \t', True),
    "an empty object": (b"{}", True), "an empty key": (b'{"":0}', True), "U+2028": ('{"a":"\u2028"}'.encode(), True),
    "a non-character": ('{"a":"\uffff"}'.encode(), True),
    "a list": (b"[]", False), "a string": (b'"a"', False), "a number": (b"1", False), "null": (b"null", False),
    "nothing": (b" ", False), "a comma at the end": (b'{"a":1,}', False), "two values": (b"{}{}", False),
    "a letter behind": (b"{}x", False), "a comment": (b"{/**/}", False), "single quotes": (b"{'a':1}", False),
    "no quotes": (b"{a:1}", False), "NaN": (b'{"a":NaN}', False), "Infinity": (b'{"a":Infinity}', False),
    "+1": (b'{"a":+1}', False), "01": (b'{"a":01}', False), "1.": (b'{"a":1.}', False), ".5": (b'{"a":.5}', False),
    "1e": (b'{"a":1e}', False), "0x1": (b'{"a":0x1}', False), "True": (b'{"a":True}', False),
    "a raw newline": (b'{"a":"x\ny"}', False), "a raw tab": (b'{"a":"x\ty"}', False),
    "a raw NUL": (b'{"a":"x\0y"}', False),
    "a wrong escape": (rb'{"a":"\x41"}', False), "half an escape": (rb'{"a":"\u12"}', False),
    "a BOM": ("\ufeff{}".encode(), False), "depth 127": (b'{"a":' * 127 + b"1" + b"}" * 127, True),
    "depth 10,000": (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, False),
    "lists, depth 100,000": (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", False),
    "unclosed, depth 100,000": (b'{"a":' + b"[" * 100_000, False),
}


def with_detail(octets):
    """The content of a request whose Detail is this text: only what JSON must escape is escaped."""
    escaped = octets.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    for code in range(0x20):
        escaped = escaped.replace(bytes([code]), b"\\u%04x" % code)
    return b'{"Entries":[{"Source":"com.acme.f3","DetailType":"T","EventBusName":"%s","Detail":"%s"}]}' % (
        BUS_ARN.encode(), escaped)


def test_f3_a_detail_is_refused_or_passed_through_byte_for_byte(gateway, peer, report):  # noqa: F811
    put(peer, body_of())
    taken, refused, wrong, sequence = {}, [], {}, last_sequence(gateway)
    for name, (octets, expected) in F3.items():
        status, answer = put(peer, with_detail(octets))
        entry = answer["Entries"][0] if status == 200 else {}
        if "EventId" in entry:
            sequence += 1
            taken[name] = stored(gateway, entry["EventId"], sequence)
        else:
            refused.append(name)
            if status == 200 and entry.get("ErrorCode") != "MalformedDetail" and name != "nothing":
                wrong[name] = entry
        if expected is not None and expected != ("EventId" in entry):
            wrong[name] = (status, answer)
    lost = [name for name, line in taken.items() if not line]
    altered = [name for name, line in taken.items() if line and f'"detail":{F3[name][0].decode()},' not in line]
    report("F3", "details passed through; refused; altered; stored and not to be shown",
           f"{len(taken) - len(altered) - len(lost)}; {len(refused)}; {altered}; {lost}")
    assert (wrong, altered, lost) == ({}, [], [])


ONE = b'{"Source":"com.acme.x","DetailType":"T","Detail":"{}","EventBusName":"' + BUS_ARN.encode() + b'"}'
CONTENT = {
    "nothing": b"", "a blank": b" ", "not JSON": b"Entries", "a list": b"[]", "a string": b'"x"', "null": b"null",
    "no entries": b"{}", "null for entries": b'{"Entries":null}', "an object for entries": b'{"Entries":{}}',
    "no entry": b'{"Entries":[]}', "null for an entry": b'{"Entries":[null]}',
    "a string for an entry": b'{"Entries":["x"]}',
    "entries twice": b'{"Entries":[' + ONE + b'],"Entries":[' + ONE + b"]}",
    "a source twice": b'{"Entries":[{"Source":"com.acme.x",' + ONE[1:] + b"]}",
    "a bus twice": b'{"Entries":[{"EventBusName":"default",' + ONE[1:] + b"]}",
    "a bus twice, once escaped": rb'{"Entries":[{"\u0045ventBusName":"default",' + ONE[1:] + b"]}",
    "a number for a source": ONE.replace(b'"com.acme.x"', b"1").join([b'{"Entries":[', b"]}"]),
    "an object for a detail": ONE.replace(b'"{}"', b"{}").join([b'{"Entries":[', b"]}"]),
    "resources of numbers": b'{"Entries":[{"Resources":[1],' + ONE[1:] + b"]}",
    "a string for the time": b'{"Entries":[{"Time":"now",' + ONE[1:] + b"]}",
    "a time of 1e400": b'{"Entries":[{"Time":1e400,' + ONE[1:] + b"]}",
    "a time of -1": b'{"Entries":[{"Time":-1,' + ONE[1:] + b"]}",
    "a time of NaN": b'{"Entries":[{"Time":NaN,' + ONE[1:] + b"]}",
    "a BOM": b"\xef\xbb\xbf" + b'{"Entries":[' + ONE + b"]}",
    "UTF-16": ('{"Entries":[]}').encode("utf-16"),
    "invalid UTF-8": b'{"Entries":[' + ONE.replace(b"acme.x", b"acme.\xff") + b"]}",
    "overlong UTF-8": b'{"Entries":[' + ONE.replace(b"acme.x", b"acme.\xc0\xaf") + b"]}",
    "a surrogate in UTF-8": b'{"Entries":[' + ONE.replace(b"acme.x", b"acme.\xed\xa0\x80") + b"]}",
    "bytes behind": b'{"Entries":[' + ONE + b"]}x", "a second value": b'{"Entries":[' + ONE + b"]}{}",
    "cut short": b'{"Entries":[' + ONE, "a comma at the end": b'{"Entries":[' + ONE + b",]}",
    "depth 10,000": b'{"x":' * 10_000 + b"1" + b"}" * 10_000,
    "depth 1,000,000": b"[" * 1_000_000, "11 entries": b'{"Entries":[' + b",".join([ONE] * 11) + b"]}",
    "entries over 1 MiB": b'{"Entries":[' + ONE.replace(b'{}"', b'{\\"a\\":\\"' + b"x" * (1 << 20) + b'\\"}"') + b"]}",
    "a NUL": b'{"Entries":[' + ONE + b"]}\0",
}


def test_f3_content_that_is_not_right_is_refused_whole_with_a_reason(gateway, peer, report):  # noqa: F811
    before, wrong, codes = gateway.metric("isthmus_put_events_entries_accepted_total"), {}, {}
    for name, octets in CONTENT.items():
        status, answer = put(peer, octets)
        codes.setdefault(answer.get("__type"), []).append(name)
        known = answer.get("__type") in ("SerializationException", "ValidationException")
        if status != 400 or not answer.get("message") or not known:
            wrong[name] = (status, answer)
    accepted = gateway.metric("isthmus_put_events_entries_accepted_total") - before
    report("F3", "contents refused; entries accepted of them",
           f"{ {code: len(names) for code, names in codes.items()} }; {accepted:.0f}")
    assert (wrong, accepted) == ({}, 0)


def test_f3_a_lone_surrogate_in_a_source_is_refused(peer):
    status, answer = put(peer, b'{"Entries":[' + ONE.replace(b"acme.x", rb"acme.\ud800") + b"]}")
    assert status == 400 or "EventId" not in answer["Entries"][0]


def test_a_body_over_2_mib_is_413_over_both_protocols_and_signed_or_not(gateway):
    body = b" " * ((2 << 20) + 1)
    with Peer(gateway) as connection:
        connection.send(POST % (len(body), body))
        status, fields, answer = connection.response()
        assert status == 413 and fields["connection"] == "close"
    key = gateway.credentials()
    with Peer(gateway) as connection:
        fields = "".join(f"{name}: {value}\r\n" for name, value in signed(key, "https://localhost", body).items())
        connection.send(f"POST / HTTP/1.1\r\n{fields}Content-Length: {len(body)}\r\n\r\n".encode())
        assert connection.response()[0] == 413
    with Attacker(gateway) as connection:
        assert connection.post(body).status == 413
    with Attacker(gateway) as connection:
        assert connection.post(b" " * 100).status == 400
        assert connection.post(body_of()).status == 200


def test_413_and_431_say_what_is_wrong(gateway):
    """Each gets a clear error: at least the words, over both protocols."""
    silent = {}
    for name, head in {"413": b"Content-Length: 2097153\r\n", "431": b"X-A: " + b"a" * 17_000 + b"\r\n"}.items():
        with Peer(gateway) as connection:
            connection.send(b"POST / HTTP/1.1\r\nHost: localhost\r\n" + head + b"\r\n")
            status, _, answer = connection.response()
            assert status == int(name)
            if b"over the limit" not in answer:
                silent[f"HTTP/1.1 {name}"] = answer
    for name, extra in {"413": (b"content-length", b"2097153"), "431": (b"x-a", b"a" * 17_000)}.items():
        with Attacker(gateway) as connection:
            fields = block(extra, method=b"POST")
            octets = frame(HEADERS, 0, 1, fields[:16_384]) + frame(CONTINUATION, END_HEADERS, 1, fields[16_384:])
            response = connection.ask(octets, 1)
            assert response.status == int(name)
            if b"over the limit" not in response.body:
                silent[f"HTTP/2 {name}"] = response.body
    assert silent == {}


def test_an_unknown_operation_path_and_method_are_each_told(peer):
    for line, target, status, code in (
            (b"POST /", b"AWSEvents.Nothing", 400, "UnknownOperationException"), (b"POST /", b"", 400, None),
            (b"POST /", b"AWSEvents.putevents", 400, "UnknownOperationException"),
            (b"POST /", b"AmazonSQS.SendMessage", 400, "UnknownOperationException"),
            (b"POST /", b"AWSEvents.CreateEndpoint", 400, "OperationDisabledException"),
            (b"GET /", b"AWSEvents.PutEvents", 405, None), (b"POST /x", b"AWSEvents.PutEvents", 404, None),
            (b"POST /?a=b", b"AWSEvents.PutEvents", 404, None), (b"POST //", b"AWSEvents.PutEvents", 404, None),
            (b"POST /..", b"AWSEvents.PutEvents", 404, None), (b"OPTIONS *", b"AWSEvents.PutEvents", None, None)):
        fields = b"Host: localhost\r\nX-Amz-Target: " + target + b"\r\nContent-Length: 2\r\n"
        peer.send(line + b" HTTP/1.1\r\n" + fields + b"\r\n{}")
        seen, fields, answer = peer.response()
        assert (status is None and 400 <= seen < 500) or seen == status, (line, target, seen)
        assert code is None or json.loads(answer)["__type"] == code
        assert fields["x-amzn-requestid"] and json.loads(answer)["message"]


def test_the_gateway_went_on(peer):
    body = body_of()
    peer.send(POST % (len(body), body))
    event_id(peer.response())
