"""openssl.cnf: what the operator asks of OpenSSL and it cannot give is a reason not to start (THREATS T12)."""

import os
import ssl
import subprocess

import pytest

from attacks import connect_tls
from gateway import Gateway, binary
from measures import report  # noqa: F401 (a fixture)
from publishing import Publisher, entry

START = "openssl_conf = start\n[start]\n"


@pytest.fixture
def gateway():
    made = Gateway()
    yield made
    made.remove()


def written(gateway, text):
    path = gateway.folder / "openssl.cnf"
    path.write_text(text)
    return path


def refused(gateway, path, *said):
    for verb in ("serve", "check"):
        done = subprocess.run(
            [binary(), verb, "--config", str(gateway.config)], capture_output=True, text=True, timeout=20,
            env={**os.environ, "OPENSSL_CONF": str(path), "SWIFT_BACKTRACE": "enable=no"})
        assert done.returncode == 1, (verb, done)
        lines = done.stderr.splitlines()
        assert len(lines) == 1 and all(words in lines[0] for words in [f"`{path}`", *said]), (verb, done.stderr)
    assert not gateway.data.exists(), "nothing may be half begun"
    return lines[0]


@pytest.mark.parametrize("beside", ["", "default = plain\n[plain]\nactivate = 1\n"], ids=["alone", "beside the default provider"])
@pytest.mark.parametrize("name", ["fips", "pkcs11"])
def test_a_provider_that_is_asked_for_and_does_not_load_is_refused(gateway, report, name, beside):  # noqa: F811
    path = written(gateway, f"{START}providers = all\n[all]\n{name} = asked\n{beside}[asked]\nactivate = 1\n")
    report("T12", f"{name} absent", refused(gateway, path, f"the provider `{name}`, which did not load"))


def test_a_provider_whose_section_was_never_written_is_refused(gateway):
    path = written(gateway, f"{START}providers = all\n[all]\ndefault = plain\nfips = fips_sect\n[plain]\nactivate = 1\n")
    refused(gateway, path, "the provider `fips`, which did not load")


def test_fips_that_no_provider_offers_is_refused(gateway, report):  # noqa: F811
    path = written(gateway, f"{START}alg_section = chosen\n[chosen]\ndefault_properties = fips=yes\n")
    report("T12", "fips asked for", refused(gateway, path, "offer no `", "default_properties"))


@pytest.mark.parametrize("text", ["openssl_conf = start\n[start\n", "openssl_conf\n", "openssl_conf = start\n", None],
                         ids=["half a section", "no value", "no section", "missing"])
def test_a_configuration_that_cannot_be_read_is_refused(gateway, text):
    path = gateway.folder / "openssl.cnf"
    if text is not None:
        written(gateway, text)
    refused(gateway, path, "cannot be read")


def test_a_configuration_of_the_operators_own_is_served_with(gateway):
    path = written(
        gateway, f"{START}providers = all\n[all]\ndefault = plain\nbase = plain\n[plain]\nactivate = 1\n")
    gateway.start(["env", f"OPENSSL_CONF={path}"])
    with Publisher(gateway) as publisher:
        assert publisher.put(entry(1)).ids
    gateway.stop()


def test_a_configuration_that_would_weaken_tls_weakens_nothing(gateway):
    path = written(
        gateway, f"{START}ssl_conf = tls\n[tls]\nsystem_default = weak\n[weak]\nMinProtocol = TLSv1\nMaxProtocol = TLSv1.1\n"
        "CipherString = ALL:@SECLEVEL=0\nOptions = UnsafeLegacyRenegotiation,SessionTicket\n")
    gateway.start(["env", f"OPENSSL_CONF={path}"])
    with Publisher(gateway) as publisher:
        assert publisher.put(entry(1)).ids
    for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(str(gateway.servers.bundle))
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = version
        with pytest.raises((ssl.SSLError, OSError)):
            connect_tls(gateway.open_port, context).close()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(str(gateway.servers.bundle))
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    with connect_tls(gateway.open_port, context) as connection:
        assert connection.version() == "TLSv1.2"
        assert not connection.session.has_ticket
    gateway.stop()
