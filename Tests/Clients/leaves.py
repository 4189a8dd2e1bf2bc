"""The corpus of client certificates: what each one has that a certificate must not have, and a few that are right."""

import base64
import contextlib
import datetime
import json
import subprocess

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from authority import DAY, Authority, Leaf, key_pem, key_usage, now, pem

GOOD_ID = b"spiffe://acme.example/account/111122223333/role/publisher"
SAN = ObjectIdentifier("2.5.29.17")
CLIENT, SERVER = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH
ANY = ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE
URI, EMAIL, DNS, IP = 0x86, 0x81, 0x82, 0x87


def der(tag, octets):
    length = len(octets)
    if length < 128:
        return bytes([tag, length]) + octets
    size = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(size)]) + size + octets


def names(*pairs):
    """The DER of a subject alternative name extension, whatever its bytes are."""
    return x509.UnrecognizedExtension(SAN, der(0x30, b"".join(der(tag, octets) for tag, octets in pairs)))


def extensions(*san, usages=(CLIENT,), bits=("digital_signature",), critical_san=False, extra=()):
    out = [(name, critical_san) for name in san]
    if usages:
        out.append((x509.ExtendedKeyUsage(list(usages)), False))
    if bits is not None:
        out.append((key_usage(**{bit: True for bit in bits}), True))
    return out + list(extra)


def bad_ids():
    """T1: URIs that are no id of this gateway's form."""
    good = GOOD_ID.decode()
    for octet in (*range(0x00, 0x21), 0x7F, 0x80, 0xA0, 0xC0, 0xFF):
        for place, at in (("end", len(GOOD_ID)), ("domain", 13), ("account", 36)):
            yield f"byte {octet:02x} at the {place}", GOOD_ID[:at] + bytes([octet]) + GOOD_ID[at:]
    yield "NUL and another domain", b"spiffe://acme.example\0.globex.example/account/111122223333/role/publisher"
    for name, text in {
        "homoglyph in the domain": good.replace("a", "а", 1), "homoglyph in the path": good.replace("role", "rоle"),
        "full-width solidus": good.replace("/role", "／role"), "zero-width space": good + "\u200b",
        "combining accent": good + "\u0301", "%00": good + "%00", "%2e": good.replace("/role", "/%2e%2e/role"),
        "%2F": good.replace("/role", "%2Frole"), "%41": good + "%41", "query": good + "?a=b", "empty query": good + "?",
        "fragment": good + "#a", "empty fragment": good + "#", "user": good.replace("acme", "user@acme"),
        "user and secret": good.replace("acme", "u:p@acme"), "port": good.replace(".example", ".example:443"),
        "empty port": good.replace(".example", ".example:"), "//": good.replace("/role/", "//role/"),
        "// after the domain": good.replace("/account", "//account"), ".": good.replace("/role/", "/./role/"),
        "..": good.replace("/role/", "/../role/"), "dot at the end": good + "/.", "/ at the end": good + "/",
        "// at the end": good + "//", "upper-case domain": good.replace("acme", "Acme"),
        "upper-case scheme": good.replace("spiffe", "SPIFFE"), "https": good.replace("spiffe", "https"),
        "no scheme": good.replace("spiffe:", ""), "urn": "urn:" + good, "one slash": good.replace("//", "/", 1),
        "three slashes": good.replace("//", "///", 1), "backslash": good.replace("/role", "\\role"),
        "empty": "", "only the scheme": "spiffe://", "only the domain": "spiffe://acme.example",
        "no account": "spiffe://acme.example/role/publisher", "11 digits": good.replace("3333", "333"),
        "13 digits": good.replace("3333", "33333"), "letters for an account": good.replace("111122223333", "a" * 12),
        "Arabic digits": good.replace("3333", "٣٣٣٣"), "no principal": good.replace("/publisher", ""),
        "neither role nor user": good.replace("role", "group"), "upper-case kind": good.replace("role", "Role"),
        "semicolon": good + ";a", "comma and another id": good + "," + good, "star": good.replace("publisher", "*"),
        "dollar": good.replace("publisher", "${x}"), "quote": good + '"',
        "newline and a log line": good + '\n{"level":"info"}',
        "another account": good.replace("111122223333", "444455556666"),
        "an account of nobody": good.replace("111122223333", "999988887777"),
        "another trust domain": good.replace("acme", "globex"), "an unknown trust domain": good.replace("acme", "evil"),
        "a longer trust domain": good.replace("acme.example", "acme.example.evil"),
        "a shorter trust domain": good.replace("acme.example", "example"),
        "a trust domain with a dot at the end": good.replace("acme.example", "acme.example."),
    }.items():
        yield name, text.encode()
    yield "2,049 bytes", GOOD_ID + b"/" + b"a" * (2048 - len(GOOD_ID))
    yield "70 kB", GOOD_ID + b"a" * 70_000


def bad_names():
    """T2: subject alternative names that are not exactly one URI."""
    uri, other = (URI, GOOD_ID), (URI, GOOD_ID.replace(b"publisher", b"other"))
    yield "two equal URIs", [names(uri, uri)]
    yield "two URIs", [names(uri, other)]
    yield "two URIs, the wrong one first", [names((URI, b"spiffe://evil.example/x"), uri)]
    yield "three URIs", [names(uri, other, (URI, b"https://localhost/"))]
    yield "a URI and an empty one", [names(uri, (URI, b""))]
    yield "a URI between two names and another", [names((DNS, b"a"), uri, (EMAIL, b"a@b"), other)]
    yield "no name at all", []
    yield "an empty list", [names()]
    yield "only DNS", [names((DNS, b"acme.example"))]
    yield "only e-mail", [names((EMAIL, b"publisher@acme.example"))]
    yield "only IP", [names((IP, b"\x7f\0\0\1"))]
    yield "the id as DNS", [names((DNS, GOOD_ID))]
    yield "the id as e-mail", [names((EMAIL, GOOD_ID))]
    yield "the id as a registered id", [names((0x88, GOOD_ID))]
    yield "the id as another name", [names((0xA0, der(6, b"\x2b\x06\x01") + der(0xA0, der(0x0C, GOOD_ID))))]
    yield "a list cut short", [x509.UnrecognizedExtension(SAN, der(0x30, der(URI, GOOD_ID))[:-3])]
    yield "a set for a list", [x509.UnrecognizedExtension(SAN, der(0x31, der(URI, GOOD_ID)))]


def not_der():
    """One URI, in an encoding that X.690 section 10 forbids in a certificate but that BER readers take."""
    yield "the id as a constructed URI", [names((0xA6, der(0x16, GOOD_ID)))]
    yield "bytes after the list", [x509.UnrecognizedExtension(SAN, der(0x30, der(URI, GOOD_ID)) + b"\0\0")]
    yield "an indefinite length", [x509.UnrecognizedExtension(SAN, b"\x30\x80" + der(URI, GOOD_ID) + b"\0\0")]
    yield "a length in too many bytes", [x509.UnrecognizedExtension(
        SAN, b"\x30" + b"\x82\x00" + bytes([len(der(URI, GOOD_ID))]) + der(URI, GOOD_ID))]


def bad_usages():
    """T3: right names under a wrong purpose: (name, the arguments of `extensions`, the arguments of `leaf`)."""
    unknown = x509.UnrecognizedExtension(ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")
    yield "no EKU", {"usages": ()}, {}
    yield "EKU serverAuth", {"usages": (SERVER,)}, {}
    yield "EKU any", {"usages": (ANY,)}, {}
    yield "EKU clientAuth and any", {"usages": (CLIENT, ANY)}, {}
    yield "EKU codeSigning", {"usages": (ExtendedKeyUsageOID.CODE_SIGNING,)}, {}
    yield "EKU of nobody", {"usages": (ObjectIdentifier("1.3.6.1.4.1.99999.2"),)}, {}
    yield "no key usage", {"bits": None}, {}
    yield "keyEncipherment only", {"bits": ("key_encipherment",)}, {}
    yield "keyCertSign", {"bits": ("digital_signature", "key_cert_sign")}, {}
    yield "cRLSign", {"bits": ("digital_signature", "crl_sign")}, {}
    yield "keyAgreement only", {"bits": ("key_agreement",)}, {}
    yield "an authority", {}, {"basic": x509.BasicConstraints(ca=True, path_length=None)}
    yield "an authority that signs", {"bits": ("digital_signature", "key_cert_sign")}, {
        "basic": x509.BasicConstraints(ca=True, path_length=0)}
    yield "a critical unknown extension", {"extra": [(unknown, True)]}, {}
    yield "expired a second ago", {}, {"not_before": now() - DAY, "not_after": now() - datetime.timedelta(seconds=1)}
    yield "expired a year ago", {}, {"not_before": now() - 400 * DAY, "not_after": now() - 365 * DAY}
    yield "valid in an hour", {}, {"not_before": now() + datetime.timedelta(hours=1)}
    yield "RSA 1024", {}, {"key": rsa.generate_private_key(65537, 1024)}


def good():
    """What is right, some of it unusual: (name, names, the arguments of `extensions`, the arguments of `leaf`)."""
    san = names((URI, GOOD_ID))
    yield "as it should be", [san], {}, {}
    yield "a critical SAN", [san], {"critical_san": True}, {}
    yield "a URI and a DNS name", [names((DNS, b"acme.example"), (URI, GOOD_ID))], {}, {}
    yield "clientAuth and serverAuth", [san], {"usages": (CLIENT, SERVER)}, {}
    yield "RSA 2048", [san], {}, {"key": rsa.generate_private_key(65537, 2048)}
    yield "P-384", [san], {}, {"key": ec.generate_private_key(ec.SECP384R1())}
    yield "Ed25519", [san], {}, {"key": ed25519.Ed25519PrivateKey.generate()}
    yield "an unknown extension", [san], {"extra": [(x509.UnrecognizedExtension(
        ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00"), False)]}, {}


def bad_signers(gateway):
    """T3 and T4: right content, the wrong signature: (name, leaf)."""
    san = [names((URI, GOOD_ID))]
    acme, folder = gateway.acme, gateway.folder
    yield "another tenant's CA signs our id", gateway.globex.leaf("foreign", extensions(*san))
    theirs = GOOD_ID.replace(b"acme", b"globex").replace(b"111122223333", b"444455556666")
    yield "our CA signs another tenant's id", acme.leaf("theirs", extensions(names((URI, theirs))))
    both = GOOD_ID.replace(b"acme", b"globex")
    yield "another tenant's CA signs its domain and our account", gateway.globex.leaf(
        "both", extensions(names((URI, both))))
    stranger = Authority("stranger", folder)
    yield "an unknown CA", stranger.leaf("unknown", extensions(*san))
    yield "an unknown CA of our CA's name", stranger.leaf("named", extensions(*san), issuer=acme.subject)
    yield "an unknown CA of our CA's name and key id", acme.leaf("posing", extensions(*san), signer=stranger.key)
    own = Authority("self", folder)
    yield "self-signed", own.leaf("self test CA", extensions(*san), key=own.key)
    yield "the CA of the servers", gateway.servers.leaf("servers-client", extensions(*san))
    # The CA allows no authority below itself.
    between = intermediate(acme, "between")
    yield "a CA below a CA that allows none", sent_with(between.leaf("below", extensions(*san)), between.certificate)
    theirs = Authority("publisher-as", folder, key=load(gateway.publisher))
    theirs.subject = gateway.publisher.certificate.subject
    yield "a leaf signed by a leaf", sent_with(theirs.leaf("leafs", extensions(*san)), gateway.publisher.certificate)
    p256 = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    yield "signed with SHA-1", by_openssl(gateway, "sha1", p256)
    yield "P-192", by_openssl(gateway, "sha256", ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime192v1"])
    yield "RSA 512", by_openssl(gateway, "sha256", ["-newkey", "rsa:512"])
    yield "a certificate of version 1", by_openssl(gateway, "sha256", p256, section=None)
    flipped = acme.leaf("flipped", extensions(*san))
    octets = bytearray(flipped.path.read_bytes())
    at = octets.rindex(b"\n-----END") - 20
    octets[at] = ord("A") if octets[at] != ord("A") else ord("B")
    flipped.path.write_bytes(octets)
    yield "one changed letter of the signature", flipped


def sent_with(leaf, *others):
    """The same, with these certificates behind it."""
    leaf.path.write_bytes(b"".join(map(pem, (leaf.certificate, *others))))
    return leaf


def load(leaf):
    return load_pem_private_key(leaf.key_path.read_bytes(), None)


def intermediate(above, name, **arguments):
    """An authority that `above` signed and that may sign others, with a revocation list of its own."""
    made = Authority(name, above.folder)
    made.certificate = above.leaf(
        f"{name} test CA", [(key_usage(key_cert_sign=True, crl_sign=True), True)], key=made.key,
        basic=x509.BasicConstraints(ca=True, path_length=None), **arguments).certificate
    made.bundle.write_bytes(pem(made.certificate))
    return made


def by_openssl(gateway, digest, key, section="leaf", authority=None):
    """What the `cryptography` package refuses to sign, openssl signs."""
    authority = authority or gateway.acme
    folder, name = gateway.folder, f"openssl-{digest}-{len(list(gateway.folder.glob('openssl-*.pem')))}"
    files = {kind: folder / f"{name}.{kind}" for kind in ("pem", "key", "csr", "cnf")}
    files["cnf"].write_text(
        "[req]\ndistinguished_name = dn\n[dn]\n[leaf]\nbasicConstraints = critical, CA:false\n"
        "keyUsage = critical, digitalSignature\nextendedKeyUsage = clientAuth\n"
        f"subjectAltName = URI:{GOOD_ID.decode()}\nsubjectKeyIdentifier = hash\nauthorityKeyIdentifier = keyid\n")
    ca_key = folder / f"openssl-ca-{authority.name}.key"
    ca_key.write_bytes(key_pem(authority.key))
    run = lambda *arguments: subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
    run("req", "-new", "-nodes", "-subj", "/CN=x", "-config", files["cnf"], *key, "-keyout", files["key"],
        "-out", files["csr"])
    run("x509", "-req", f"-{digest}", "-in", files["csr"], "-CA", authority.bundle, "-CAkey", ca_key, "-days", "1",
        "-set_serial", "0x1234567890abcdef", "-out", files["pem"],
        *(["-extfile", files["cnf"], "-extensions", section] if section else []))
    return Leaf(x509.load_pem_x509_certificate(files["pem"].read_bytes()), files["pem"], files["key"])


@contextlib.contextmanager
def trusting(gateway, *more, pinned=True):
    """The trust domain `acme.example` with these authorities, too, until the end."""
    text, bundle, acme = gateway.config.read_text(), gateway.acme.bundle.read_bytes(), gateway.acme
    lists = f"revocationLists: [{acme.crl}]"
    pins = f'issuerPins: ["{acme.pin()}"]'
    assert lists in text and pins in text
    try:
        acme.bundle.write_bytes(bundle + b"".join(one.bundle.read_bytes() for one in more))
        changed = text.replace(lists, f"revocationLists: [{', '.join(str(one.crl) for one in (acme, *more))}]")
        if pinned:
            changed = changed.replace(pins, f"issuerPins: {json.dumps([one.pin() for one in (acme, *more)])}")
        gateway.config.write_text(changed)
        reloaded(gateway)
        yield
    finally:
        gateway.config.write_text(text)
        acme.bundle.write_bytes(bundle)
        reloaded(gateway)


def reloaded(gateway):
    failures = gateway.metric("isthmus_reload_failures_total")
    gateway.reload()
    assert gateway.metric("isthmus_reload_failures_total") == failures, gateway.logged()[-2000:]


#: A certificate of each kind, and the words of the reason that the log gives.
REASONS = {
    "no EKU": "extended key usage", "an authority": "authority", "expired a year ago": "expired",
    "valid in an hour": "not yet", "a critical unknown extension": "critical", "keyCertSign": "keyCertSign",
    "EKU serverAuth": "purpose", "EKU any": "purpose", "EKU clientAuth and any": "extended key usage is any",
    "no key usage": "digitalSignature", "signed with SHA-1": "weak key or digest at depth 0",
    "signed with MD5": "weak key or digest at depth 0", "RSA 1024": "weak key or digest at depth 0",
    "P-192": "weak key or digest at depth 0", "a leaf signed by a leaf": "invalid authority",
    "a CA below a CA that allows none": "invalid authority at depth 2: path length",
    "five intermediates": "chain too long at depth", "an unknown CA": "untrusted authority at depth 0",
    "another tenant's CA signs our id": "untrusted authority at depth 0",
    "an unknown CA of our CA's name": "untrusted authority at depth 0",
    "an unknown CA of our CA's name and key id": "bad signature at depth 0", "self-signed": "self-signed at depth 0",
    "one changed letter of the signature": "bad signature at depth 0"}


def of_each_kind(gateway):
    """Name → a certificate that must be refused, besides "four intermediates", for the reasons that the log gives; and
    what the domain must trust for that: an authority of RSA, and six of which each signed the next."""
    acme, folder, san = gateway.acme, gateway.folder, names((URI, GOOD_ID))
    made = dict(bad_signers(gateway))
    for number, (name, content, arguments) in enumerate(bad_usages()):
        made[name] = acme.leaf(f"wrong-{number}", extensions(san, **content), **arguments)
    strong = Authority("rsa", folder, key=rsa.generate_private_key(65537, 2048))
    line = [Authority("deep", folder, path_length=None)]
    for number in range(1, 6):
        line.append(intermediate(line[-1], f"below-{number}"))
    made["signed with MD5"] = by_openssl(
        gateway, "md5", ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"], authority=strong)
    for count, name in ((4, "four intermediates"), (5, "five intermediates")):
        leaf = line[count].principal(f"depth-{count}", GOOD_ID.decode())
        made[name] = sent_with(leaf, *(between.certificate for between in line[count:0:-1]))
    return made, (strong, *line)


def corpus(gateway):
    """Every certificate that must be refused: (row, name, leaf)."""
    acme, key, number = gateway.acme, ec.generate_private_key(ec.SECP256R1()), iter(range(10_000))
    issue = lambda content, **arguments: acme.leaf(
        f"corpus-{next(number)}", content, **{"key": key, **arguments})
    for name, octets in bad_ids():
        yield "T1", name, issue(extensions(names((URI, octets))))
    for name, san in bad_names():
        yield "T2", name, issue(extensions(*san))
    for name, content, arguments in bad_usages():
        yield "T3", name, issue(extensions(names((URI, GOOD_ID)), **content), **arguments)
    for name, leaf in bad_signers(gateway):
        yield "T4", name, leaf
    yield "T2", "the extension twice", twice(issue(extensions(names((URI, GOOD_ID)))), acme, key)


def beyond(gateway):
    """What section 3.1 or RFC 5280 forbids and OpenSSL at security level 2 takes: (name, leaf)."""
    issue = lambda name, *content: gateway.acme.leaf(name, [*extensions(names((URI, GOOD_ID))), *content])
    yield "signed with SHA-224", by_openssl(
        gateway, "sha224", ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
    yield "a critical demand for a policy it does not name", issue("policy", (x509.PolicyConstraints(0, None), True))
    yield "critical name constraints on a leaf", issue("constraints", (x509.NameConstraints(
        [x509.DNSName("a")], None), True))
    for number, (name, san) in enumerate(not_der()):
        yield name, gateway.acme.leaf(f"not-der-{number}", extensions(*san))


def twice(leaf, authority, key):
    """A second subject alternative name extension, which no library writes: spliced into the DER and signed again."""
    tbs = leaf.certificate.tbs_certificate_bytes
    san = der(0x30, der(6, b"\x55\x1d\x11") + der(4, names((URI, GOOD_ID)).value))
    at = tbs.index(san)
    lists = tbs.rindex(b"\xa3", 0, at)
    inner = tbs[lists:]
    content = inner[inner.index(b"\x30", 1):]
    body = content[2 + (content[1] & 0x7F if content[1] & 0x80 else 0):]
    fields = tbs[2 + (tbs[1] & 0x7F if tbs[1] & 0x80 else 0):lists]
    new = der(0x30, fields + der(0xA3, der(0x30, body.replace(san, san + san))))
    signature = authority.key.sign(new, ec.ECDSA(hashes.SHA256()))
    algorithm = der(0x30, der(6, bytes.fromhex("2a8648ce3d040302")))
    text = base64.encodebytes(der(0x30, new + algorithm + der(3, b"\0" + signature))).decode()
    leaf.path.write_text(f"-----BEGIN CERTIFICATE-----\n{text}-----END CERTIFICATE-----\n")
    return leaf
