"""A certificate authority for the tests: makes any certificate, right or wrong, with the `cryptography` package."""

import datetime
import ipaddress

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = datetime.timedelta(days=1)


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def key_pem(key):
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM)


def key_usage(**set_bits):
    names = ["digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
             "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"]
    return x509.KeyUsage(**{name: set_bits.get(name, False) for name in names})


class Authority:
    """One self-signed CA and what it issues. Written to `folder/NAME.*` as the gateway reads it."""

    def __init__(self, name, folder, key=None, path_length=0):
        self.name, self.folder = name, folder
        self.key = key or ec.generate_private_key(ec.SECP256R1())
        self.subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{name} test CA")])
        self.revoked, self.number = [], 0
        self.certificate = (
            x509.CertificateBuilder().subject_name(self.subject).issuer_name(self.subject)
            .public_key(self.key.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(now() - DAY).not_valid_after(now() + 30 * DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
            .add_extension(key_usage(key_cert_sign=True, crl_sign=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
            .sign(self.key, hashes.SHA256()))
        self.bundle = folder / f"{name}-ca.pem"
        self.bundle.write_bytes(pem(self.certificate))
        self.crl = folder / f"{name}-crl.pem"
        self.write_crl()

    def pin(self):
        """SHA-256 of the CA's SubjectPublicKeyInfo, in hexadecimal."""
        digest = hashes.Hash(hashes.SHA256())
        digest.update(self.key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo))
        return digest.finalize().hex()

    def write_crl(self, next_update=None, last_update=None, path=None):
        self.number += 1
        builder = (
            x509.CertificateRevocationListBuilder().issuer_name(self.subject)
            .last_update(last_update or now() - datetime.timedelta(minutes=1))
            .next_update(next_update or now() + 7 * DAY)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
            .add_extension(x509.CRLNumber(self.number), critical=False))
        for serial in self.revoked:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now() - DAY).build())
        crl = builder.sign(self.key, hashes.SHA256())
        (path or self.crl).write_bytes(crl.public_bytes(serialization.Encoding.PEM))

    def leaf(self, file, extensions, key=None, not_before=None, not_after=None, signer=None, issuer=None,
             algorithm=None, basic=x509.BasicConstraints(ca=False, path_length=None), rsa_padding=None):
        """Issues a certificate with exactly these extensions [(extension, critical)] and writes PEM and key."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, file)]))
            .issuer_name(issuer or self.subject).public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(not_before or now() - datetime.timedelta(hours=1))
            .not_valid_after(not_after or now() + DAY))
        if basic is not None:
            builder = builder.add_extension(basic, critical=True)
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical=critical)
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
        certificate = builder.sign(signer or self.key, algorithm or hashes.SHA256(), rsa_padding=rsa_padding)
        base = self.folder / file
        (base.with_name(file + ".pem")).write_bytes(pem(certificate))
        (base.with_name(file + ".key")).write_bytes(key_pem(key))
        (base.with_name(file + ".key")).chmod(0o600)
        return Leaf(certificate, base.with_name(file + ".pem"), base.with_name(file + ".key"))

    def principal(self, file, uri, **arguments):
        """A correct client certificate for one SPIFFE id."""
        return self.leaf(file, [
            (x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri)]), False),
            (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False),
            (key_usage(digital_signature=True), True)], **arguments)

    def server(self, file):
        return self.leaf(file, [
            (x509.SubjectAlternativeName([
                x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False),
            (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
            (key_usage(digital_signature=True), True)])

    def revoke(self, leaf):
        self.revoked.append(leaf.certificate.serial_number)
        self.write_crl()


class Leaf:
    def __init__(self, certificate, path, key_path):
        self.certificate, self.path, self.key_path = certificate, path, key_path

    @property
    def pair(self):
        return str(self.path), str(self.key_path)
