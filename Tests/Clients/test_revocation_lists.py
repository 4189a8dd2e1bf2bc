"""T9: revocation lists that are missing, stale, forged, partial or very long. Whoever cannot be shown to be good is refused,
and no other authority's certificates with them."""

import datetime
import os
import ssl
import subprocess
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from attacks import client_context, connect_tls
from authority import DAY, now
from gateway import Gateway, OWNER, SENDER, binary
from handshakes import Hesitant
from measures import report  # noqa: F401
from publishing import Publisher, body_of, entry

CONFIGURATION_STATUS = 3
ENTRIES = 100_000
HANDSHAKES = 60


@pytest.fixture
def made():
    one = Gateway()
    yield one
    one.stop()
    one.remove()


def builder(authority, issuer=None):
    return (x509.CertificateRevocationListBuilder().issuer_name(issuer or authority.subject)
            .last_update(now()).next_update(now() + 7 * DAY)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False)
            .add_extension(x509.CRLNumber(1000), critical=False))


def pem(crl):
    return crl.public_bytes(serialization.Encoding.PEM)


def revoked(serial):
    return x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now() - DAY).build()


def other_issuer(gateway):
    """A good list, of another authority."""
    return pem(builder(gateway.globex).sign(gateway.globex.key, hashes.SHA256()))


def borrowed_name(gateway):
    """The authority's name above another authority's signature."""
    return pem(builder(gateway.globex, gateway.acme.subject).sign(gateway.globex.key, hashes.SHA256()))


def stranger(gateway):
    """The authority's name, signed by a key nobody knows."""
    return pem(builder(gateway.acme).sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()))


def changed(gateway):
    """The authority's own list with one bit of an entry changed after it was signed."""
    octets = bytearray(builder(gateway.acme).add_revoked_certificate(revoked(gateway.publisher.certificate.serial_number))
                       .sign(gateway.acme.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER))
    serial = gateway.publisher.certificate.serial_number
    spelled = serial.to_bytes((serial.bit_length() + 8) // 8, "big")
    octets[octets.index(spelled) + len(spelled) - 1] ^= 1
    return pem(x509.load_der_x509_crl(bytes(octets)))


def cut_short(gateway):
    return gateway.acme.crl.read_bytes()[:-60]


BROKEN = {
    "missing": (None, "there is no such file"), "empty": (lambda gateway: b"", "holds no usable revocation lists"),
    "of another authority": (other_issuer, "no CA of the bundle signed"),
    "another's under the right name": (borrowed_name, "no CA of the bundle signed"),
    "signed by a stranger": (stranger, "no CA of the bundle signed"),
    "changed after signing": (changed, "no CA of the bundle signed"), "cut short": (cut_short, "holds no usable revocation lists")}


def put_in_place(gateway, make):
    if make:
        gateway.acme.crl.write_bytes(make(gateway))
    else:
        gateway.acme.crl.unlink()


@pytest.mark.parametrize("name", BROKEN)
def test_t9_a_list_that_proves_nothing_is_refused_at_the_start_and_changes_nothing_at_a_reload(made, name, report):  # noqa: F811
    make, words = BROKEN[name]
    right = made.acme.crl.read_bytes()
    put_in_place(made, make)
    done = subprocess.run([binary(), "serve", "--config", str(made.config)], capture_output=True, text=True, timeout=20)
    assert done.returncode == CONFIGURATION_STATUS and words in done.stderr, done
    report("T9", f"list {name}", done.stderr.splitlines()[0].replace(f"{made.folder}/", "")[:110])
    made.acme.crl.write_bytes(right)
    taken = made.acme.principal("taken", f"spiffe://acme.example/account/{SENDER}/role/publisher")
    made.acme.revoke(taken)
    made.start()
    put_in_place(made, make)
    made.reload()
    assert made.metric("isthmus_reload_failures_total") == 1 and words in made.logged()
    assert is_served(made, made.publisher) and is_served(made, made.administrator)
    assert not is_served(made, taken), "a revoked certificate came back with a list that proves nothing"


def is_served(gateway, leaf):
    """Whether a request by this certificate, on a connection of its own, gets past the question of who asks."""
    try:
        with Publisher(gateway, leaf=leaf) as publisher:
            return publisher.put(entry(int(time.monotonic() * 1e6))).status == 200
    except (OSError, ssl.SSLError):
        return False


@pytest.mark.parametrize("moment", ["at the start", "at a reload"])
def test_t9_a_stale_list_refuses_its_own_authority_and_no_other(made, moment):
    stale = lambda: made.acme.write_crl(
        last_update=now() - 3 * DAY, next_update=now() - datetime.timedelta(hours=1, seconds=5))
    if moment == "at the start":
        stale()
        made.start()
    else:
        made.start()
        assert is_served(made, made.publisher)
        stale()
        made.reload()
    assert "is past its time: its certificates are refused: run `isthmus pki crl`" in made.logged()
    assert not is_served(made, made.publisher)
    assert is_served(made, made.administrator)
    made.acme.write_crl()
    made.reload()
    assert is_served(made, made.publisher)


def test_t9_a_list_past_its_time_is_told_at_once_and_serves_until_its_grace_ends(made):
    made.acme.crl.write_bytes(pem(
        x509.CertificateRevocationListBuilder().issuer_name(made.acme.subject)
        .last_update(now() - DAY).next_update(now() - datetime.timedelta(seconds=5))
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(made.acme.key.public_key()), critical=False)
        .add_extension(x509.CRLNumber(1000), critical=False).sign(made.acme.key, hashes.SHA256())))
    made.start()
    assert is_served(made, made.publisher)
    told = [line for line in made.logged().splitlines() if '"revocation-list-overdue"' in line]
    assert len(told) == 1 and '"trustDomain":"acme.example"' in told[0] and "refusedFrom" in told[0]


def test_t9_a_delta_list_never_stands_for_a_whole_one(made):
    """RFC 5280 section 5.2.4: a delta without its base says nothing about who is not in it."""
    taken = made.acme.principal("taken", f"spiffe://acme.example/account/{SENDER}/role/publisher")
    made.acme.revoke(taken)
    made.start()
    assert not is_served(made, taken)
    delta = builder(made.acme).add_extension(x509.DeltaCRLIndicator(1), critical=True).sign(made.acme.key, hashes.SHA256())
    for content in (pem(delta), made.acme.crl.read_bytes() + pem(delta)):
        made.acme.crl.write_bytes(content)
        made.reload()
        assert not is_served(made, taken)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def test_t5_a_certificate_revoked_during_its_handshake_is_refused_at_the_first_request(made, version):
    """The list that the handshake looked at is not the one in force when the client at last finishes."""
    made.start()
    taken = made.acme.principal("taken", f"spiffe://acme.example/account/{SENDER}/role/publisher")
    body = body_of(entry(1))
    request = (b"POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-Amz-Target: AWSEvents.PutEvents\r\n"
               b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
    with Hesitant(made, taken, version) as first, Hesitant(made, taken, version) as second:
        assert first.ask(request).startswith(b"HTTP/1.1 200 ")
        made.acme.revoke(taken)
        made.reload()
        assert not is_served(made, taken)
        answer = second.ask(request)
    assert b"AccessDenied" in answer and b"the certificate is revoked" in answer, answer


def server_milliseconds(gateway, leaf):
    """CPU of the server a full handshake, by the kernel's count of its clock ticks."""
    def ticks():
        with open(f"/proc/{gateway.process.pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])
    context = client_context(gateway, leaf, alpn=["http/1.1"])
    before = ticks()
    for _ in range(HANDSHAKES):
        with connect_tls(gateway.port, context) as connection:
            # In TLS 1.3 the client is done before the server has looked at its certificate.
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert connection.recv(1) == b"H"
    return (ticks() - before) * 1000 / os.sysconf("SC_CLK_TCK") / HANDSHAKES


def test_t9_a_list_of_100_000_entries_is_searched_and_not_walked(made, report):  # noqa: F811
    made.start()
    server_milliseconds(made, made.publisher)
    short = server_milliseconds(made, made.publisher)
    taken = [made.acme.principal(f"taken-{place}", f"spiffe://acme.example/account/{SENDER}/role/publisher")
             for place in range(3)]
    serials = [x509.random_serial_number() for _ in range(ENTRIES)]
    for place, leaf in zip((0, ENTRIES // 2, ENTRIES - 1), taken):
        serials[place] = leaf.certificate.serial_number
    signed = builder(made.acme)
    when = now() - DAY
    # Directly: adding one by one copies the list each time.
    signed._revoked_certificates = [
        x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(when).build() for serial in serials]
    made.acme.crl.write_bytes(pem(signed.sign(made.acme.key, hashes.SHA256())))
    began = time.monotonic()
    made.reload()
    took = time.monotonic() - began
    assert made.metric("isthmus_reloads_total") == 1
    long = server_milliseconds(made, made.publisher)
    report("T9", f"list of {ENTRIES} entries: reload; CPU a handshake; with an empty list",
           f"{took:.2f} s; {long:.2f} ms; {short:.2f} ms")
    assert [is_served(made, leaf) for leaf in taken] == [False] * 3
    assert is_served(made, made.publisher)
    # A walk of 100,000 serial numbers costs milliseconds; the slack is for the kernel's ticks.
    assert long <= short * 1.5 + 1
