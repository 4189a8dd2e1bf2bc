"""Makes the certificates of one benchmark run with the openssl command: nothing of it outlives the run.

All keys are P-256. Two authorities, as in real use: one signs the server's certificate, the other is the
trust domain `acme.example` that signs the client's. The client leaf carries exactly the one URI SAN from
which the gateway takes the principal; proxies only check the signature.
"""

import dataclasses
import pathlib
import subprocess

TRUST_DOMAIN = "acme.example"
CLIENT_ACCOUNT = "111122223333"
CLIENT_ROLE = "publisher"

AUTHORITY = """basicConstraints=critical,CA:true,pathlen:0
keyUsage=critical,keyCertSign,cRLSign
subjectKeyIdentifier=hash
"""
SERVER = """basicConstraints=critical,CA:false
keyUsage=critical,digitalSignature
extendedKeyUsage=serverAuth
subjectAltName=DNS:localhost,IP:127.0.0.1
subjectKeyIdentifier=hash
authorityKeyIdentifier=keyid
"""
CLIENT = """basicConstraints=critical,CA:false
keyUsage=critical,digitalSignature
extendedKeyUsage=clientAuth
subjectAltName=URI:{uri}
subjectKeyIdentifier=hash
authorityKeyIdentifier=keyid
"""


@dataclasses.dataclass(frozen=True)
class Certificates:
    """Paths of PEM files. `server_pair` is certificate and key in one file, as HAProxy wants them."""

    directory: pathlib.Path
    server_ca: pathlib.Path
    server_certificate: pathlib.Path
    server_key: pathlib.Path
    server_pair: pathlib.Path
    client_ca: pathlib.Path
    client_crl: pathlib.Path
    client_certificate: pathlib.Path
    client_key: pathlib.Path


def openssl(*words, feed=None):
    done = subprocess.run(["openssl", *map(str, words)], input=feed, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"openssl {words[0]}: {done.stderr.strip()}")
    return done.stdout


def issue(directory, name, subject, extensions, signer=None):
    """Writes NAME.key and NAME.pem, signed by the authority named `signer`, or by itself."""
    key, pem, request = (directory / f"{name}.{kind}" for kind in ("key", "pem", "csr"))
    extension_file = directory / f"{name}.ext"
    extension_file.write_text(extensions)
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key)
    key.chmod(0o600)
    openssl("req", "-new", "-key", key, "-subj", subject, "-out", request)
    sign = ["-signkey", key]
    if signer is not None:
        sign = ["-CA", directory / f"{signer}.pem", "-CAkey", directory / f"{signer}.key", "-CAcreateserial"]
    openssl("x509", "-req", "-in", request, "-sha256", "-days", 2, "-extfile", extension_file, *sign, "-out", pem)
    return pem, key


def issue_client(directory, name, account, role):
    """Certificate and key of a principal of the trust domain."""
    uri = f"spiffe://{TRUST_DOMAIN}/account/{account}/role/{role}"
    return issue(directory, name, f"/CN={role}", CLIENT.format(uri=uri), signer="client-ca")


def empty_revocation_list(directory, signer):
    """The gateway refuses a trust domain without a fresh CRL; the list names no certificate."""
    (directory / "index.txt").write_text("")
    (directory / "crlnumber").write_text("01\n")
    configuration = directory / "crl.cnf"
    configuration.write_text(
        "[ca]\ndefault_ca=own\n[own]\n"
        f"database={directory}/index.txt\ncrlnumber={directory}/crlnumber\n"
        "default_md=sha256\ndefault_crl_days=2\ncrl_extensions=ext\n[ext]\nauthorityKeyIdentifier=keyid\n"
    )
    listing = directory / f"{signer}.crl"
    authority = ["-cert", directory / f"{signer}.pem", "-keyfile", directory / f"{signer}.key"]
    openssl("ca", "-gencrl", "-config", configuration, *authority, "-out", listing)
    return listing


def make(directory):
    directory.mkdir(mode=0o700)
    server_ca, _ = issue(directory, "server-ca", "/CN=benchmark server authority", AUTHORITY)
    client_ca, _ = issue(directory, "client-ca", f"/CN={TRUST_DOMAIN}", AUTHORITY)
    server, server_key = issue(directory, "server", "/CN=localhost", SERVER, signer="server-ca")
    client, client_key = issue_client(directory, "client", CLIENT_ACCOUNT, CLIENT_ROLE)
    pair = directory / "server-pair.pem"
    pair.touch(mode=0o600)
    pair.write_text(server.read_text() + server_key.read_text())
    return Certificates(
        directory=directory,
        server_ca=server_ca,
        server_certificate=server,
        server_key=server_key,
        server_pair=pair,
        client_ca=client_ca,
        client_crl=empty_revocation_list(directory, "client-ca"),
        client_certificate=client,
        client_key=client_key,
    )
