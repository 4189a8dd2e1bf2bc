"""HTTP/1.1 byte for byte: what is not exactly right is refused and the connection closed; nothing is ever repaired."""

import re

import pytest

from attacks import PUT_EVENTS, client_context
from canary import body_of
from hook import hooked
from http1 import Peer, event_id
from measures import report  # noqa: F401

BODY = body_of()
LENGTH = b"Content-Length: %d\r\n" % len(BODY)
FIELDS = b"Content-Type: application/x-amz-json-1.1\r\nX-Amz-Target: AWSEvents.PutEvents\r\n"
HOST = b"Host: localhost\r\n"
LINE = b"POST / HTTP/1.1\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
GOOD = LINE + HOST + FIELDS + LENGTH + b"\r\n" + BODY


def chunks(*pieces, end=b"0\r\n\r\n"):
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + end


def with_field(line, framing=LENGTH, body=BODY):
    """A request that is good but for one more line."""
    return LINE + HOST + FIELDS + line + framing + b"\r\n" + body


def with_length(value, name=b"Content-Length"):
    return LINE + HOST + FIELDS + name + b":" + value + b"\r\n\r\n" + BODY


def with_coding(value, body=chunks(BODY), name=b"Transfer-Encoding"):
    return LINE + HOST + FIELDS + name + b":" + value + b"\r\n\r\n" + body


def with_chunks(octets):
    return LINE + HOST + FIELDS + CHUNKED + b"\r\n" + octets


def with_line(line):
    return line + HOST + FIELDS + LENGTH + b"\r\n" + BODY


N = b"%d" % len(BODY)
X = b"%x" % len(BODY)

REFUSED = {
    # Where the content ends
    "both lengths": with_field(CHUNKED),
    "both lengths, the other way round": LINE + HOST + FIELDS + LENGTH + CHUNKED + b"\r\n" + chunks(BODY),
    "both, length 0": LINE + HOST + FIELDS + b"Content-Length: 0\r\n" + CHUNKED + b"\r\n" + chunks(BODY),
    "two equal lengths": with_field(LENGTH),
    "two lengths": with_field(b"Content-Length: 0\r\n"),
    "lengths apart": LINE + LENGTH + HOST + FIELDS + b"Content-Length: 1\r\n\r\n" + BODY,
    "two lengths, one in lower case": with_field(b"content-length: 0\r\n"),
    "both, the coding in capitals": with_field(b"TRANSFER-ENCODING: chunked\r\n"),
    "both, the coding behind a bare LF": with_field(b"X-A: 1\nTransfer-Encoding: chunked\r\n"),
    "both, the coding behind a bare CR": with_field(b"X-A: 1\rTransfer-Encoding: chunked\r\n"),
    "length as a list": with_length(b" " + N + b", " + N),
    "length +": with_length(b" +" + N),
    "length -": with_length(b" -1"),
    "length -0": with_length(b" -0"),
    "length 0x": with_length(b" 0x" + X),
    "length with a space inside": with_length(b" 1 2"),
    "length empty": with_length(b" "),
    "length with a letter": with_length(b" " + N + b"a"),
    "length with a point": with_length(b" " + N + b".0"),
    "length with an underscore": with_length(b" 1_0"),
    "length in quotes": with_length(b' "' + N + b'"'),
    "length of 20 digits": with_length(b" " + b"0" * (20 - len(N)) + N),
    "length beyond 64 bits": with_length(b" 18446744073709551617"),
    "length in Arabic digits": with_length(" ٣".encode()),
    "length with a vertical tab": with_length(b" \x0b" + N),
    "length and a comma": with_length(b" " + N + b","),
    "length with a parameter": with_length(b" " + N + b";a=b"),
    "length with an exponent": with_length(b" 1e2"),
    "length with an escape": with_length(b" %31"),
    "length and a NUL": with_length(b" " + N + b"\0"),
    "length folded": with_length(b"\r\n " + N),
    "coding gzip": with_coding(b" gzip"),
    "coding identity": with_coding(b" identity"),
    "coding gzip, chunked": with_coding(b" gzip, chunked"),
    "coding chunked, chunked": with_coding(b" chunked, chunked"),
    "coding chunked, identity": with_coding(b" chunked, identity"),
    "coding xchunked": with_coding(b" xchunked"),
    "coding chunked;q=1": with_coding(b" chunked;q=1"),
    "coding in quotes": with_coding(b' "chunked"'),
    "coding with a vertical tab": with_coding(b" \x0bchunked"),
    "coding with a NUL": with_coding(b" chunked\0"),
    "coding empty": with_coding(b" "),
    "coding twice": LINE + HOST + FIELDS + CHUNKED + CHUNKED + b"\r\n" + chunks(BODY),
    "coding folded": LINE + HOST + FIELDS + b"Transfer-Encoding:\r\n chunked\r\n\r\n" + chunks(BODY),
    "coding with a space before the colon": with_coding(b" chunked", name=b"Transfer-Encoding "),
    "coding with a tab before the colon": with_coding(b" chunked", name=b"Transfer-Encoding\t"),
    "coding Chunked": with_coding(b" Chunked"),
    "coding behind a comma": with_coding(b" ,chunked"),
    "coding and a comma": with_coding(b" chunked,"),
    "coding behind a second colon": with_coding(b": chunked"),
    "coding and a form feed": with_coding(b" chunked\x0c"),
    "coding behind a no-break space": with_coding(b" \xa0chunked"),
    "coding chunked, then identity": with_coding(b" chunked\r\nTransfer-Encoding: identity"),
    # Chunks
    "chunk size +": with_chunks(b"+" + X + b"\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "chunk size -": with_chunks(b"-1\r\n\r\n"),
    "chunk size 0x": with_chunks(b"0x" + X + b"\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "chunk size with _": with_chunks(b"1_0\r\n" + b"x" * 16 + b"\r\n0\r\n\r\n"),
    "chunk size empty": with_chunks(b"\r\n" + BODY),
    "chunk size with a space before": with_chunks(b" " + X + b"\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "chunk size with a space after": with_chunks(X + b" \r\n" + BODY + b"\r\n0\r\n\r\n"),
    "chunk size not hexadecimal": with_chunks(b"g\r\n"),
    "chunk ends in LF": with_chunks(X + b"\r\n" + BODY + b"\n0\r\n\r\n"),
    "chunk size ends in LF": with_chunks(X + b"\n" + BODY + b"\r\n0\r\n\r\n"),
    "chunk size ends in CR CR LF": with_chunks(X + b"\r\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "chunk longer than its size": with_chunks(b"1\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "chunk shorter than its size": with_chunks(b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY) + 1, BODY)),
    "chunk size -0": with_chunks(chunks(BODY, end=b"-0\r\n\r\n")),
    "chunk size and a NUL": with_chunks(X + b"\0\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "chunk size ends in CR": with_chunks(X + b"\r" + BODY + b"\r\n0\r\n\r\n"),
    "chunk extension with CR": with_chunks(X + b";a\rb\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "chunk extension whose quotes hold a line": with_chunks(b'1;a="\r\n' + chunks(BODY)),
    "chunk extension with LF": with_chunks(X + b";a\nb\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "chunk extension with NUL": with_chunks(X + b";a\0\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "chunk extensions without end": with_chunks(X + b";" + b"a" * 20_000 + b"\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "a trailer": with_chunks(chunks(BODY, end=b"0\r\nX-Extra: 1\r\n\r\n")),
    "a trailer that frames": with_chunks(chunks(BODY, end=b"0\r\nContent-Length: 5\r\n\r\n")),
    "a trailer that signs": with_chunks(chunks(BODY, end=b"0\r\nAuthorization: x\r\n\r\n")),
    "a folded trailer": with_chunks(chunks(BODY, end=b"0\r\n X: 1\r\n\r\n")),
    "CR alone after the last chunk": with_chunks(chunks(BODY, end=b"0\r\n\rx")),
    "the last chunk ends in LF": with_chunks(chunks(BODY, end=b"0\n\n")),
    # Lines and fields
    "bare LF after the request line": with_line(b"POST / HTTP/1.1\n"),
    "bare LF after a field": with_field(b"X-A: 1\n"),
    "bare LF everywhere": GOOD.replace(b"\r\n", b"\n"),
    "bare CR in a value": with_field(b"X-A: 1\rX-B: 2\r\n"),
    "bare CR before LF": with_field(b"X-A: 1\r\r\n"),
    "LF ends the head": LINE + HOST + FIELDS + LENGTH + b"\n" + BODY,
    "folded with a space": with_field(b"X-A: 1\r\n 2\r\n"),
    "folded with a tab": with_field(b"X-A: 1\r\n\t2\r\n"),
    "first field line begins with a space": LINE + b" X-A: 1\r\n" + HOST + FIELDS + LENGTH + b"\r\n" + BODY,
    "space before the colon": with_field(b"X-A : 1\r\n"),
    "space before the colon of the length": with_length(b" " + N, name=b"Content-Length "),
    "tab before the colon": with_field(b"X-A\t: 1\r\n"),
    "space in a name": with_field(b"X A: 1\r\n"),
    "no colon": with_field(b"X-A\r\n"),
    "a line of one space": with_field(b" \r\n"),
    "bare CR at the end of a name": with_field(b"X-A\r: 1\r\n"),
    "no-break space at the end of a name": with_field(b"X-A\xa0: 1\r\n"),
    "no name": with_field(b": 1\r\n"),
    "NUL in a value": with_field(b"X-A: 1\x002\r\n"),
    "NUL in a name": with_field(b"X-\0A: 1\r\n"),
    "control in a value": with_field(b"X-A: 1\x012\r\n"),
    "backspace in a value": with_field(b"X-A: 1\x082\r\n"),
    "DEL in a value": with_field(b"X-A: 1\x7f2\r\n"),
    "underscore in a name": with_field(b"X_A: 1\r\n"),
    "underscore in the length": with_field(b"Content_Length: 5\r\n"),
    "UTF-8 in a name": with_field("X-é: 1\r\n".encode()),
    "parenthesis in a name": with_field(b"X(A): 1\r\n"),
    "quote in a name": with_field(b'"X": 1\r\n'),
    "slash in a name": with_field(b"X/A: 1\r\n"),
    # Host
    "no host": LINE + FIELDS + LENGTH + b"\r\n" + BODY,
    "two hosts": with_field(b"Host: other\r\n"),
    "two equal hosts": with_field(HOST),
    "empty host": LINE + b"Host: \r\n" + FIELDS + LENGTH + b"\r\n" + BODY,
    "host with a space": LINE + b"Host: local host\r\n" + FIELDS + LENGTH + b"\r\n" + BODY,
    "host with a slash": LINE + b"Host: localhost/\r\n" + FIELDS + LENGTH + b"\r\n" + BODY,
    "host with a user": LINE + b"Host: a@localhost\r\n" + FIELDS + LENGTH + b"\r\n" + BODY,
    "host as a list": LINE + b"Host: localhost, other\r\n" + FIELDS + LENGTH + b"\r\n" + BODY,
    "host and a NUL": LINE + b"Host: localhost\0.other\r\n" + FIELDS + LENGTH + b"\r\n" + BODY,
    "host folded": LINE + b"Host:\r\n localhost\r\n" + FIELDS + LENGTH + b"\r\n" + BODY,
    "two hosts, one in lower case": with_field(b"host: other\r\n"),
    "absolute form with a backslash": with_line(b"POST https://localhost\\@other/ HTTP/1.1\r\n"),
    "absolute form with an escape": with_line(b"POST https://localhost%2fother/ HTTP/1.1\r\n"),
    "absolute form, another host": with_line(b"POST https://other/ HTTP/1.1\r\n"),
    "absolute form, another port": with_line(b"POST https://localhost:1/ HTTP/1.1\r\n"),
    "absolute form with a user": with_line(b"POST https://a@localhost/ HTTP/1.1\r\n"),
    "absolute form without a host": with_line(b"POST https:/// HTTP/1.1\r\n"),
    "absolute form of another scheme": with_line(b"POST ftp://localhost/ HTTP/1.1\r\n"),
    # The request line
    "HTTP/0.9": b"GET /\r\n",
    "HTTP/0.9 with fields": with_line(b"POST /\r\n"),
    "HTTP/1.0 that keeps alive": with_line(b"POST / HTTP/1.0\r\nConnection: keep-alive\r\n"),
    "HTTP/1.0 with chunks": with_line(b"POST / HTTP/1.0\r\n").replace(LENGTH, CHUNKED),
    "HTTP/1.2": with_line(b"POST / HTTP/1.2\r\n"),
    "HTTP/2.0": with_line(b"POST / HTTP/2.0\r\n"),
    "http/1.1 in lower case": with_line(b"POST / http/1.1\r\n"),
    "HTTP/1.10": with_line(b"POST / HTTP/1.10\r\n"),
    "HTTP/01.1": with_line(b"POST / HTTP/01.1\r\n"),
    "two spaces before the target": with_line(b"POST  / HTTP/1.1\r\n"),
    "two spaces before the version": with_line(b"POST /  HTTP/1.1\r\n"),
    "a tab before the target": with_line(b"POST\t/ HTTP/1.1\r\n"),
    "a space at the end": with_line(b"POST / HTTP/1.1 \r\n"),
    "a space at the start": with_line(b" POST / HTTP/1.1\r\n"),
    "an empty line first": b"\r\n" + GOOD,
    "LF first": b"\n" + GOOD,
    "a relative target": with_line(b"POST x HTTP/1.1\r\n"),
    "a fragment": with_line(b"POST /#a HTTP/1.1\r\n"),
    "a backslash": with_line(b"POST /\\a HTTP/1.1\r\n"),
    "NUL in the target": with_line(b"POST /\0 HTTP/1.1\r\n"),
    "UTF-8 in the target": with_line("POST /é HTTP/1.1\r\n".encode()),
    "authority form": with_line(b"CONNECT localhost:443 HTTP/1.1\r\n"),
    "asterisk form with POST": with_line(b"POST * HTTP/1.1\r\n"),
    "a method with a colon": with_line(b"PO:ST / HTTP/1.1\r\n"),
    "a method with a bracket": with_line(b"PO[ST / HTTP/1.1\r\n"),
    "no method": with_line(b"/ HTTP/1.1\r\n"),
    "a request line within the request line": with_line(b"POST / HTTP/1.1 POST / HTTP/1.1\r\n"),
    "a request line for a field": with_field(LINE),
    "bare CR after the request line": with_line(b"POST / HTTP/1.1\r"),
    "a vertical tab before the version": with_line(b"POST /\x0bHTTP/1.1\r\n"),
    # Another protocol
    "h2c upgrade": with_field(b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n"),
    "websocket upgrade": with_field(b"Connection: Upgrade\r\nUpgrade: websocket\r\n"),
    "upgrade without connection": with_field(b"Upgrade: h2c\r\n"),
    "upgrade to TLS": with_field(b"Connection: Upgrade\r\nUpgrade: TLS/1.2\r\n"),
    "HTTP/2 settings without upgrade": with_field(b"Connection: HTTP2-Settings\r\nHTTP2-Settings: AAMA\r\n"),
    "HTTP/2 by prior knowledge": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0",
    "a TLS record": b"\x16\x03\x01\x00\x05hello\r\n",
    "a PROXY line": b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n" + GOOD,
    "a PROXY header": b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0" + GOOD,
}

OTHER_STATUS = {
    "expect something else": (417, with_field(b"Expect: 200-ok\r\n")),
    "expect a list": (417, with_field(b"Expect: 100-continue, x\r\n")),
    "expect with a parameter": (417, with_field(b"Expect: 100-continue;a=b\r\n")),
    "expect twice": (417, with_field(b"Expect: 100-continue\r\nExpect: 100-continue\r\n")),
    "expect empty": (417, with_field(b"Expect: \r\n")),
    "expect in capitals": (417, with_field(b"Expect: 100-CONTINUE\r\n")),
    "a body declared too long": (413, with_length(b" 2097153")),
    "a body of 19 digits": (413, with_length(b" 9999999999999999999")),
    "chunk size of 17 digits": (413, with_chunks(b"1" + b"0" * 16 + b"\r\n")),
    "chunk size that wraps": (413, with_chunks(b"10000000000000" + b"0" * (4 - len(X)) + X + b"\r\n" + BODY)),
    "chunks that wrap together": (413, with_chunks(chunks(BODY, end=b"ffffffffffffffff\r\n"))),
    "chunks declared too long": (413, with_chunks(b"200001\r\n")),
    "chunks too long together": (413, with_chunks(b"100000\r\n" + b" " * 0x100000 + b"\r\n100001\r\n")),
    "a field too long": (431, with_field(b"X-A: " + b"a" * 17_000 + b"\r\n")),
    "101 fields": (431, with_field(b"".join(b"X-%d: \r\n" % n for n in range(97)))),
    "a target too long": (414, with_line(b"POST /" + b"a" * 8192 + b" HTTP/1.1\r\n")),
}

#: The status each case of both is answered with.
CORPUS = {**{name: (400, octets) for name, octets in REFUSED.items()}, **OTHER_STATUS}

#: What looks odd and is right: each is answered 200 and the connection goes on, unless it says `close`.
ACCEPTED = {
    "as it should be": GOOD,
    "no space after a colon": GOOD.replace(b": ", b":", 4),
    "blanks around a value": with_field(b"X-A: \t 1 \t \r\n"),
    "an empty value": with_field(b"X-A:\r\n"),
    "bytes above 0x7F in a value": with_field("X-A: é\r\n".encode()),
    "names in capitals": GOOD.replace(b"Content-Length", b"CONTENT-LENGTH").replace(b"Host", b"HOST"),
    "length with zeros": with_length(b" 000" + N),
    "host with a port": GOOD.replace(b"Host: localhost", b"Host: localhost:8443"),
    "absolute form, the same host": with_line(b"POST https://localhost/ HTTP/1.1\r\n"),
    "absolute form, another case": with_line(b"POST https://LOCALHOST/ HTTP/1.1\r\n"),
    "one chunk": with_chunks(chunks(BODY)),
    "three chunks": with_chunks(chunks(BODY[:1], BODY[1:9], BODY[9:])),
    "chunk size in capitals": with_chunks(X.upper() + b"\r\n" + BODY + b"\r\n0\r\n\r\n"),
    # RFC 9112 section 7.1.1 asks a recipient to pass extensions over.
    "chunk extensions": with_chunks(X + b";a=b;c\r\n" + BODY + b"\r\n0;d\r\n\r\n"),
    "chunk size with zeros": with_chunks(b"0000000000000000000" + X + b"\r\n" + BODY + b"\r\n000\r\n\r\n"),
    "100 fields": with_field(b"".join(b"X-%d: \r\n" % n for n in range(96))),
}


#: How the lines of the fields are written in some cases.
WRITTEN = (
    lambda octets: octets, lambda octets: octets.replace(b": ", b":"), lambda octets: octets.replace(b"\r\n", b"\n"))


@pytest.fixture(scope="module")
def gateway():
    with hooked() as running:
        yield running


def accepted_so_far(gateway):
    return gateway.metric("isthmus_put_events_entries_accepted_total")


@pytest.fixture
def peer(gateway, way):
    """Opens a connection on the way."""
    context = client_context(gateway, gateway.publisher if way.presents else None, alpn=["http/1.1"])
    return lambda: Peer(gateway, context, getattr(gateway, way.port))


def aimed(octets, way):
    """The same bytes at the path of the way, with fields that it takes; a target that is wrong in itself stays so."""
    octets = re.sub(
        rb"\A(POST (?:https://localhost)?)/( HTTP/1\.[01]\r?\n)", lambda found: found[1] + way.path + found[2], octets,
        flags=re.IGNORECASE)
    fields = way.fields(BODY)
    if fields == PUT_EVENTS:
        return octets
    for written in WRITTEN:
        octets = octets.replace(written(FIELDS), written(b"".join(b"%s: %s\r\n" % field for field in fields)))
    # What counts its fields counts them with these.
    for number in range(len(fields) - len(PUT_EVENTS)):
        octets = octets.replace(b"X-%d: \r\n" % number, b"")
    return octets


def test_s1_what_is_not_right_gets_one_refusal_and_the_connection_is_closed(gateway, way, peer, report):  # noqa: F811
    """The content of nearly every case is a good PutEvents: one event more in the log would be a request smuggled."""
    assert len({octets for _, octets in CORPUS.values()}) == len(CORPUS) >= 150
    before, wrong = accepted_so_far(gateway), {}
    for name, (status, octets) in CORPUS.items():
        with peer() as one:
            one.send(aimed(octets, way))
            seen = one.statuses_until_end()
            if seen != [status]:
                wrong[name] = (status, seen)
    accepted = accepted_so_far(gateway) - before
    report("S1", "refused with one answer and a close; entries accepted",
           f"{len(CORPUS) - len(wrong)} of {len(CORPUS)}; {accepted:.0f}")
    assert (wrong, accepted) == ({}, 0)


def test_s1_what_follows_a_refused_request_is_never_read(gateway, way, peer, report):  # noqa: F811
    before, wrong = accepted_so_far(gateway), {}
    for name, (status, octets) in CORPUS.items():
        with peer() as one:
            one.send(aimed(octets, way) + aimed(GOOD, way))
            seen = one.statuses_until_end()
            if seen != [status]:
                wrong[name] = (status, seen)
    report("S1", "requests read after a refused one", f"{accepted_so_far(gateway) - before:.0f} of {len(CORPUS)}")
    assert (wrong, accepted_so_far(gateway)) == ({}, before)


@pytest.mark.parametrize("name", ACCEPTED)
def test_s1_what_is_odd_but_right_is_served_and_the_connection_goes_on(way, peer, name):
    with peer() as one:
        one.send(aimed(ACCEPTED[name], way))
        first = event_id(one.response())
        one.send(aimed(GOOD, way))
        assert event_id(one.response()) != first


def test_s4_expect_close_and_http10(way, peer):
    with peer() as one:
        one.send(aimed(LINE + HOST + FIELDS + b"Expect: 100-continue\r\n" + LENGTH + b"\r\n", way))
        assert one.response()[0] == 100
        one.send(BODY)
        event_id(one.response())
        one.send(aimed(GOOD, way) + aimed(LINE + HOST + FIELDS + b"Expect: 100-continue\r\n" + LENGTH + b"\r\n", way))
        event_id(one.response())
        assert one.response()[0] == 100, "also behind a request that is still being answered"
        one.send(BODY)
        event_id(one.response())
        one.send(aimed(LINE + HOST + FIELDS + b"Expect: 100-continue\r\nContent-Length: 2097153\r\n\r\n", way))
        assert one.statuses_until_end() == [413]
    for octets in (with_field(b"Connection: close\r\n"), with_field(b"Connection: x, Close\r\n"),
                   with_line(b"POST / HTTP/1.0\r\n")):
        with peer() as one:
            one.send(aimed(octets, way))
            assert one.statuses_until_end() == [200]


GOLDEN = {
    "length": GOOD, "chunks": ACCEPTED["three chunks"], "absolute form": ACCEPTED["absolute form, the same host"],
    "odd blanks": ACCEPTED["blanks around a value"]}


def test_s3_where_a_request_is_split_changes_nothing(way, peer, report):  # noqa: F811
    variants, ids = 0, set()
    for golden in GOLDEN.values():
        with peer() as one:
            for at in range(1, len(aimed(golden, way))):
                octets = aimed(golden, way)
                one.send(octets[:at])
                one.send(octets[at:])
                ids.add(event_id(one.response()))
                variants += 1
            for octet in aimed(golden, way):
                one.send(bytes([octet]))
            ids.add(event_id(one.response()))
            variants += 1
    report("S3", "splits and 1-byte writes, each with one answer", f"{len(ids)} of {variants}")
    assert len(ids) == variants


def test_s3_pipelined_requests_get_one_answer_each_in_order(gateway, way, peer, report):  # noqa: F811
    bad, good = aimed(REFUSED["two equal lengths"], way), [aimed(GOOD, way), aimed(GOOD, way)]
    with peer() as one:
        one.socket.settimeout(5)
        one.send(b"".join(aimed(octets, way) for octets in list(GOLDEN.values()) * 5))
        ids = [event_id(one.response()) for _ in range(20)]
        stored = [event["id"] for event in gateway.events(way.bus) if event["id"] in set(ids)]
        assert stored == ids
        one.send(good[0] + bad + good[1])
        assert one.statuses_until_end() == [200, 400]
    report("S3", "pipelined requests answered in order", len(ids))
