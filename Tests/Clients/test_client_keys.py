"""Client keys of RSA through the real handshake: by which signature they prove themselves, and which kind is not taken.

The profile takes a key that says only "RSA" (rsaEncryption): in TLS 1.2 by PKCS#1 v1.5 or PSS, in TLS 1.3 by PSS. A key
that says it is for PSS alone (id-RSASSA-PSS) is refused: the profile offers none of its signatures, `rsa_pss_pss_*`.
Certificates may be signed either way. Source: RFC 8446 section 4.2.3.
"""

import subprocess

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

import leaves
from authority import Authority
from canary import body_of
from gateway import Gateway

REQUEST = (b"POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: AWSEvents.PutEvents\r\nConnection: close\r\n"
           b"Content-Length: %d\r\n\r\n%s" % (len(body_of()), body_of()))
#: What the server signs with.
SERVERS = "ECDSA+SHA256"
RSA, PSS = ["-newkey", "rsa:2048"], ["-newkey", "rsa-pss", "-pkeyopt", "rsa_keygen_bits:2048"]


@pytest.fixture(scope="module")
def rsa(gateway):
    return leaves.by_openssl(gateway, "sha256", RSA)


@pytest.fixture(scope="module")
def pss(gateway):
    return leaves.by_openssl(gateway, "sha256", PSS)


def handshake(gateway, leaf, version, *signatures):
    """What `openssl s_client` says of a request with this certificate, proven by one of these signatures."""
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{gateway.port}", "-servername", "localhost", "-alpn", "http/1.1",
         "-CAfile", str(gateway.servers.bundle), f"-{version}", "-sigalgs", ":".join([*signatures, SERVERS]), "-ign_eof",
         "-cipher", "ALL:@SECLEVEL=0", "-trace", "-cert", str(leaf.path), "-key", str(leaf.key_path)],
        input=REQUEST, capture_output=True, timeout=20)
    return (done.stdout + done.stderr).decode(errors="replace")


def proofs(out):
    """The algorithms of every CertificateVerify, the server's among them."""
    verifies = out.split("CertificateVerify, Length=")[1:]
    return [one.split("Signature Algorithm: ", 1)[1].split()[0] for one in verifies]


@pytest.mark.parametrize("version, signature", [
    ("tls1_2", "rsa_pkcs1_sha256"), ("tls1_2", "rsa_pkcs1_sha384"), ("tls1_2", "rsa_pkcs1_sha512"),
    *((version, f"rsa_pss_rsae_sha{bits}") for version in ("tls1_2", "tls1_3") for bits in (256, 384, 512))])
def test_an_rsa_key_is_proven_by_each_signature_of_the_profile(gateway, rsa, version, signature):
    out = handshake(gateway, rsa, version, signature)
    assert "HTTP/1.1 200" in out, out
    assert proofs(out)[-1] == signature, out


@pytest.mark.parametrize("version, signature", [
    # SHA-1 and SHA-224 in the version that knows them; PKCS#1 in the version that forbids it for handshakes.
    ("tls1_2", "RSA+SHA1"), ("tls1_2", "RSA+SHA224"), ("tls1_3", "rsa_pkcs1_sha256")])
def test_an_rsa_key_is_proven_by_no_other_signature(gateway, rsa, version, signature):
    out = handshake(gateway, rsa, version, signature)
    assert "HTTP/1.1" not in out, out
    assert not [name for name in proofs(out) if name.startswith("rsa")], out


@pytest.mark.parametrize("version", ["tls1_2", "tls1_3"])
@pytest.mark.parametrize("signature", [
    "rsa_pss_pss_sha256", "rsa_pss_pss_sha384", "rsa_pss_pss_sha512", "rsa_pss_rsae_sha256", "rsa_pkcs1_sha256"])
def test_a_key_for_pss_alone_is_refused(gateway, pss, version, signature):
    out = handshake(gateway, pss, version, signature)
    assert "HTTP/1.1" not in out, out
    assert not [name for name in proofs(out) if name.startswith("rsa")], out


@pytest.fixture(scope="module")
def rsa_authority():
    """A gateway whose first trust domain has an authority with an RSA key."""
    running = Gateway()
    running.acme = Authority("acme-rsa", running.folder, key=generate_private_key(65537, 3072))
    running.write_configuration()
    running.start()
    yield running
    running.stop()
    running.remove()


@pytest.mark.parametrize("version", ["tls1_2", "tls1_3"])
@pytest.mark.parametrize("scheme", ["PKCS#1 v1.5", "PSS"])
def test_a_certificate_that_an_rsa_authority_signed_is_believed(rsa_authority, version, scheme):
    pss = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=padding.PSS.DIGEST_LENGTH)
    leaf = rsa_authority.acme.leaf(
        f"by-{scheme[:3]}-{version}", leaves.extensions(leaves.names((leaves.URI, leaves.GOOD_ID))),
        key=generate_private_key(65537, 2048), rsa_padding=pss if scheme == "PSS" else None)
    out = handshake(rsa_authority, leaf, version, "rsa_pss_rsae_sha256")
    assert "HTTP/1.1 200" in out, out
    assert proofs(out)[-1] == "rsa_pss_rsae_sha256", out
