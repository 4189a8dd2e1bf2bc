"""TLS and identity: which certificates speak for someone, when they stop, and which protocol is spoken at all."""

import datetime
import json
import re
import signal
import ssl
import subprocess
import time

import pytest

import leaves
from attacks import END_HEADERS, Attacker, block, client_context, connect_tls, headers
from authority import Authority
from canary import Canary, body_of
from gateway import wait_until
from handshakes import TicketServer, Visitor, only, renegotiated, s_client, speaks
from http1 import Peer, event_id
from leaves import trusting
from measures import report  # noqa: F401
from scanners import GROUPS, SUITES_12, SUITES_13

pytestmark = pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1:DeprecationWarning")
POST = b"POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: AWSEvents.PutEvents\r\nContent-Length: %d\r\n\r\n%s"
REQUEST = POST % (len(body_of()), body_of())
VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
#: The head of a megabyte that never comes.
HEAD = POST % (1 << 20, b"")


@pytest.fixture(scope="module", autouse=True)
def canary(gateway, report):  # noqa: F811
    """A legitimate client beside all of it: reloads, refusals and handshakes of every kind."""
    with Canary(gateway, gateway.credentials()) as singing:
        yield
    report("T", "canary beside all rows", singing)
    assert singing.failures == []


def reply(gateway, leaf, version=None, request=REQUEST):
    """What a certificate is answered: (status, fields, body); `None` when the handshake fails."""
    context = client_context(gateway, alpn=["http/1.1"])
    # The client must not be the one who refuses.
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.load_cert_chain(*leaf.pair)
    if version:
        context.maximum_version = version
    try:
        with Peer(gateway, context) as peer:
            peer.send(request)
            return peer.response()
    except (ssl.SSLError, OSError):
        return None


def outcome(gateway, leaf, version=None):
    """What a certificate gets: `200`, `handshake`, or the error code of the answer."""
    response = reply(gateway, leaf, version)
    if response is None:
        return "handshake"
    status, _, body = response
    return str(status) if status == 200 else json.loads(body)["__type"]


def presentable(leaf):
    """Whether OpenSSL as a client even loads it."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(*leaf.pair)
    except ssl.SSLError as error:
        return error.reason in ("EE_KEY_TOO_SMALL", "CA_MD_TOO_WEAK")
    return True


@pytest.fixture(scope="module")
def corpus(gateway):
    return list(leaves.corpus(gateway))


def test_t1_to_t4_no_certificate_of_the_corpus_speaks_for_anyone(gateway, corpus, report):  # noqa: F811
    refused, accepted, clear = {}, [], []
    failed = lambda: gateway.metric("isthmus_tls_handshakes_failed_total") + gateway.metric(
        "isthmus_authentication_failures_total")
    for row, name, leaf in corpus:
        if not presentable(leaf):
            clear.append(name)
            continue
        before = failed()
        seen = outcome(gateway, leaf)
        if seen == "200":
            accepted.append((row, name))
        if failed() == before:
            clear.append(f"not counted: {name}")
        refused.setdefault(row, {}).setdefault(seen, []).append(name)
    for row, kinds in refused.items():
        report(row, "certificates refused in the", {kind: len(names) for kind, names in kinds.items()})
    tried = sum(len(names) for kinds in refused.values() for names in kinds.values())
    report("T1", "accepted of the corpus; not even presentable, or not counted", f"{len(accepted)} of {tried}; {clear}")
    assert tried >= 200
    assert accepted == []
    assert not [name for name in clear if name.startswith("not counted")]


def test_t4_an_authority_of_the_bundle_that_is_not_pinned_issues_for_nobody(gateway):
    second = Authority("second", gateway.folder)
    with trusting(gateway, second, pinned=False):
        leaf = second.principal("unpinned", leaves.GOOD_ID.decode())
        assert outcome(gateway, gateway.publisher) == "200"
        assert outcome(gateway, leaf) == "handshake"
        assert "refused: authority not pinned at depth 1" in gateway.logged()


def test_t1_the_log_says_why_and_never_with_the_certificates_own_bytes(gateway):
    lines = gateway.log_path.read_bytes().split(b"\n")[:-1]
    for line in lines:
        # The gateway's own words have an ellipsis.
        assert all(0x20 <= ord(letter) < 0x7F or letter == "…" for letter in line.decode()), line
    assert len(lines) > 20


def test_t1_to_t4_what_is_refused_is_refused_for_the_same_before_the_content(gateway, corpus, report):  # noqa: F811
    compared = 0
    for _, name, leaf in corpus:
        if not presentable(leaf) or (whole := reply(gateway, leaf)) is None:
            continue
        early = reply(gateway, leaf, request=HEAD)
        assert (early[0], early[2]) == (whole[0], whole[2]), name
        assert early[1]["connection"] == "close" and "connection" not in whole[1], name
        compared += 1
    report("T1", "refused by the head alone as with the content", compared)
    assert compared >= 100


@pytest.fixture(scope="module")
def wrong(rsa_gateway):
    made, authorities = leaves.of_each_kind(rsa_gateway)
    with trusting(rsa_gateway, *authorities):
        yield made


@pytest.mark.parametrize("name", leaves.REASONS)
def test_t3_the_log_names_the_reason(rsa_gateway, wrong, name):
    before = len(rsa_gateway.logged())
    # TLS 1.3 has no signature of that curve, so that the client would not even present it.
    version = ssl.TLSVersion.TLSv1_2 if name == "P-192" else None
    assert outcome(rsa_gateway, wrong[name], version) != "200"
    said = wait_until(lambda: rsa_gateway.logged()[before:], what="a line in the log")
    assert leaves.REASONS[name] in said, said


def test_t3_four_intermediates_are_followed(rsa_gateway, wrong):
    """What a fifth is refused for is its depth alone."""
    assert outcome(rsa_gateway, wrong["four intermediates"]) == "200"


def test_t3_what_openssl_takes_and_the_rules_forbid_is_refused(gateway, report):  # noqa: F811
    seen = {name: outcome(gateway, leaf) for name, leaf in leaves.beyond(gateway)}
    accepted = [name for name, answer in seen.items() if answer == "200"]
    report("T3", "beyond OpenSSL's own checks, accepted", f"{len(accepted)} of {len(seen)}: {accepted}")
    assert accepted == []


@pytest.mark.parametrize("version", VERSIONS, ids=["1.2", "1.3"])
def test_t2_what_is_right_but_unusual_is_accepted(gateway, version):
    seen = {}
    for number, (name, san, content, arguments) in enumerate(leaves.good()):
        leaf = gateway.acme.leaf(f"good-{version}-{number}", leaves.extensions(*san, **content), **arguments)
        seen[name] = outcome(gateway, leaf, version)
    assert set(seen.values()) == {"200"}, seen


def milliseconds_until_refused(ask, start, limit=5):
    """Asks again and again; returns how long after `start` the first refusal came."""
    while time.monotonic() - start < limit:
        if not ask():
            return (time.monotonic() - start) * 1000
    raise AssertionError(f"still accepted after {limit} s")


def test_t5_a_revoked_certificate_is_refused_at_once(gateway, report):  # noqa: F811
    uri = leaves.GOOD_ID.decode()
    for way in ("(a) a new connection", "(c) the next request of a live HTTP/2 connection"):
        leaf = gateway.acme.principal("revoked", uri)
        assert outcome(gateway, leaf) == "200"
        with Attacker(gateway, leaf) as live:
            served = lambda: (answer := live.post(body_of())) is not None and answer.status == 200
            assert served()
            gateway.acme.revoke(leaf)
            start = time.monotonic()
            gateway.process.send_signal(signal.SIGHUP)
            ask = served if way.startswith("(c)") else lambda: outcome(gateway, leaf) == "200"
            late = milliseconds_until_refused(ask, start)
            report("T5", f"{way}: ms from SIGHUP to the refusal", f"{late:.0f}")
            assert late <= 1000
            assert not served() and outcome(gateway, leaf) != "200"
    assert outcome(gateway, gateway.publisher) == "200"


def test_t5_a_reload_disturbs_no_live_connection(gateway, report):  # noqa: F811
    with Attacker(gateway) as live:
        for number in range(10):
            gateway.reload()
            answer = live.post(body_of())
            assert answer is not None and answer.status == 200, number
        assert live.goaways == []
    report("T5", "requests lost on a live connection over 10 reloads", 0)


def test_t6_a_certificate_that_expires_on_a_live_connection_is_refused(gateway, report):  # noqa: F811
    end = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=4)).replace(microsecond=0)
    leaf = gateway.acme.principal("short", leaves.GOOD_ID.decode(), not_after=end)
    with Attacker(gateway, leaf) as live:
        served = 0
        while time.time() < end.timestamp() + 5:
            asked = time.time()
            answer = live.post(body_of())
            if answer is None or answer.status != 200:
                break
            served += 1
        late = asked - end.timestamp()
        report("T6", "ms from notAfter to the refusal on a live connection; served", f"{late * 1000:.0f}; {served}")
        assert served > 0
        stream = live.stream()
        head = block((b"x-amz-target", b"AWSEvents.PutEvents"), (b"content-length", b"1048576"), method=b"POST")
        early = live.ask(headers(stream, head, END_HEADERS), stream)
        assert (early.status, early.body) == (answer.status, answer.body), "before the content, as with it"
        # notAfter is inclusive (RFC 5280 section 4.1.2.5): the second it names is still good.
        assert 0 <= late <= 2
    # OpenSSL reads the kernel's coarse second, which may be some milliseconds behind.
    wait_until(lambda: time.time() >= end.timestamp() + 2, what="the end of the certificate's last second")
    assert outcome(gateway, leaf) == "handshake"


def test_t6_an_authority_that_expires_ends_the_live_connections_of_its_certificates(gateway):
    end = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=5)).replace(microsecond=0)
    root = Authority("ending-root", gateway.folder, path_length=None)
    between = leaves.intermediate(root, "ending", not_after=end)
    leaf = between.principal("ending", leaves.GOOD_ID.decode())
    with trusting(gateway, root, between), Attacker(gateway, leaf) as live:
        while (answer := live.post(body_of())).status == 200:
            served = time.time()
            assert served < end.timestamp() + 3
    assert end.timestamp() <= served and b"the certificate expired at" in answer.body


@pytest.fixture(scope="module")
def tickets(gateway):
    with TicketServer(gateway) as server:
        yield server


def sessions(gateway, visitor, tickets):
    """Whence → a session to offer: the gateway's, and one with a ticket, which is resumed where it comes from."""
    kept = {name: visitor.visit(port, REQUEST)[2] for name, port in (
        ("the gateway", gateway.port), ("another server", tickets.port))}
    assert visitor.visit(tickets.port, REQUEST, kept["another server"])[:2] == (True, True)
    return kept


@pytest.mark.parametrize("version", VERSIONS, ids=["1.2", "1.3"])
def test_t5_a_session_kept_from_before_the_revocation_is_refused_at_once(gateway, tickets, report, version):  # noqa: F811
    leaf = gateway.acme.principal("kept", leaves.GOOD_ID.decode())
    visitor = Visitor(gateway, leaf, version)
    kept = sessions(gateway, visitor, tickets)

    def is_served(session):
        try:
            served, is_resumed, _ = visitor.visit(gateway.port, REQUEST, session)
        except OSError:
            return False
        assert not is_resumed
        return served

    assert all(map(is_served, kept.values()))
    gateway.acme.revoke(leaf)
    start = time.monotonic()
    gateway.process.send_signal(signal.SIGHUP)
    late = {whence: milliseconds_until_refused(lambda: is_served(session), start) for whence, session in kept.items()}
    report("T5", f"(b) {version.name} with a session from before: ms from SIGHUP to the refusal",
           "; ".join(f"{whence}'s {one:.0f}" for whence, one in late.items()))
    assert max(late.values()) <= 1000
    assert not any(map(is_served, kept.values()))
    assert visitor.visit(tickets.port, REQUEST, kept["another server"])[:2] == (True, True), "nothing was offered"


@pytest.mark.parametrize("version", VERSIONS, ids=["1.2", "1.3"])
def test_t7_no_session_is_ever_resumed(gateway, tickets, report, version):  # noqa: F811
    """Neither where it is from, nor at another listener, for another name, or after trust was loaded again."""
    visitor = Visitor(gateway, gateway.publisher, version)
    kept = sessions(gateway, visitor, tickets)
    places = {"its listener": (gateway.port, "localhost"), "another listener": (gateway.open_port, "localhost"),
              "another name": (gateway.port, "other.example"), "no name": (gateway.port, None)}
    tried, resumed = 0, []

    def offer(generation):
        nonlocal tried
        for place, (port, name) in places.items():
            for whence, session in kept.items():
                served, is_resumed, next_session = visitor.visit(port, REQUEST, session, name)
                assert served and not next_session.has_ticket, (generation, place, whence)
                tried += 1
                resumed.extend([(generation, place, whence)] if is_resumed else [])

    offer("the same trust")
    with trusting(gateway, Authority("later", gateway.folder)):
        offer("one authority more")
    offer("one authority less")
    assert visitor.visit(tickets.port, REQUEST, kept["another server"])[:2] == (True, True), "nothing was offered"
    report("T7", f"{version.name}: sessions resumed across listeners, names and generations of trust",
           f"{len(resumed)} of {tried}")
    assert resumed == []


def test_t7_no_ticket_is_ever_sent(gateway):
    request = REQUEST.decode().replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1)
    for version in ("-tls1_2", "-tls1_3"):
        for port in (gateway.port, gateway.open_port):
            out = s_client(gateway, version, "-msg", "-ign_eof", "-cert", str(gateway.publisher.path), "-key",
                           str(gateway.publisher.key_path), text=request, port=port)
            assert "HTTP/1.1 200" in out
            assert "NewSessionTicket" not in out


# What may be spoken.


def test_t10_the_suites_offered_are_exactly_those_of_the_profile(gateway, rsa_gateway, report):  # noqa: F811
    listed = subprocess.run(["openssl", "ciphers", "-s", "-tls1_2", "ALL:COMPLEMENTOFALL:@SECLEVEL=0"],
                            capture_output=True, text=True, check=True).stdout.strip().split(":")
    tried, offered = 0, set()
    for running in (gateway, rsa_gateway):
        for suite in listed:
            if suite.startswith("TLS_"):
                continue
            tried += 1
            agreed = speaks(running, only(suite, ssl.TLSVersion.TLSv1_2))
            if agreed:
                offered.add(agreed[1])
    report("T10", "TLS 1.2 suites tried; offered beyond or short of the list",
           f"{tried}; {sorted(offered ^ SUITES_12)}")
    assert offered == SUITES_12
    out = {suite for suite in ("TLS_AES_128_CCM_SHA256", "TLS_AES_128_CCM_8_SHA256", *SUITES_13)
           if "Cipher is " + suite in s_client(gateway, "-tls1_3", "-ciphersuites", suite)}
    assert out == SUITES_13


def test_t10_nothing_below_tls_12_is_spoken(gateway, report):  # noqa: F811
    for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
        assert speaks(gateway, only("ALL", version)) is None
    for flag in ("-tls1", "-tls1_1"):
        out = s_client(gateway, flag, "-cipher", "ALL:@SECLEVEL=0")
        assert "alert protocol version" in out and "Cipher is (NONE)" in out
    assert speaks(gateway, only("ALL", ssl.TLSVersion.TLSv1_2))[0] == "TLSv1.2"
    assert speaks(gateway, lambda context: None)[0] == "TLSv1.3"
    report("T10", "versions below 1.2 spoken", 0)


def test_t10_the_groups_and_digests_are_those_of_the_profile(gateway):
    known = ("X25519", "P-256", "P-384", "P-521", "X448", "brainpoolP256r1", "ffdhe2048", "secp256k1")
    taken = set()
    for group in known:
        for version in ("-tls1_2", "-tls1_3"):
            out = s_client(gateway, version, "-groups", group, "-cipher", "ALL:@SECLEVEL=0", "-alpn", "h2")
            if re.search(r"Cipher is (?!\(NONE\))", out):
                taken.add(group)
    assert taken == GROUPS
    for digest in ("ECDSA+SHA1", "ECDSA+SHA224"):
        assert "Cipher is (NONE)" in s_client(gateway, "-tls1_2", "-sigalgs", digest, "-cipher", "ALL:@SECLEVEL=0")


def test_t10_no_compression_renegotiation_early_data_or_heartbeat(gateway):
    out = s_client(gateway, "-tls1_2", "-comp", "-cipher", "ALL:@SECLEVEL=0")
    assert "Compression: NONE" in out and "Secure Renegotiation IS supported" in out
    assert "no renegotiation" in renegotiated(gateway)
    out = s_client(gateway, "-tls1_3")
    assert "Early data was not sent" in out and "Max Early Data: " not in out
    out = s_client(gateway, "-tls1_2", "-tlsextdebug")
    assert 'extension "heartbeat"' not in out
    assert "session ticket" not in out


def test_t10_alpn_is_required_and_only_two_protocols_are_known(gateway):
    assert speaks(gateway, lambda context: context.set_alpn_protocols(["h2"])) is not None
    for names in (["h3"], ["http/1.0"], ["h2c"], ["spdy/3.1", "http/0.9"]):
        assert speaks(gateway, lambda context: context.set_alpn_protocols(names)) is None, names
    with pytest.raises((ssl.SSLError, OSError)):
        context = ssl.create_default_context(cafile=str(gateway.servers.bundle))
        with connect_tls(gateway.open_port, context) as connection:
            connection.sendall(REQUEST)
            assert connection.recv(1) == b""
            raise OSError("closed without a word")


def test_the_gateway_went_on(gateway):
    with Peer(gateway) as peer:
        peer.send(REQUEST)
        event_id(peer.response())
    # The canary's and the one that asks.
    wait_until(lambda: gateway.metric("isthmus_connections") <= 2, what="closed connections")
