"""One gateway for each module of tests; the leftovers of a failed test are printed, then removed."""

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

import attacks
from authority import key_usage
from gateway import Gateway


@pytest.fixture(scope="module")
def gateway():
    running = Gateway().start()
    yield running
    running.stop()
    running.remove()


@pytest.fixture(scope="module")
def rsa_gateway():
    """The same gateway behind an RSA certificate, for the suites that need one."""
    running = Gateway()
    running.server = running.servers.leaf("server-rsa", [
        (x509.SubjectAlternativeName([x509.DNSName("localhost")]), False),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (key_usage(digital_signature=True, key_encipherment=True), True)], key=rsa.generate_private_key(65537, 2048))
    running.write_configuration()
    running.start()
    yield running
    running.stop()
    running.remove()


@pytest.fixture(params=[attacks.REQUIRED, attacks.WEBHOOK], ids=["certificate", "webhook"])
def way(request, monkeypatch):
    """The test once at the API of a listener that requires a certificate, once at a webhook's path where none is needed."""
    monkeypatch.setattr(attacks, "WAY", request.param)
    return request.param


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    running = item.funcargs.get("gateway")
    if report.failed and running is not None:
        report.sections.append(("gateway log (end)", running.logged()[-4000:]))
