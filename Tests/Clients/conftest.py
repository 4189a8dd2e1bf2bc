"""One gateway for each module of tests; the leftovers of a failed test are printed, then removed."""

import contextlib
import signal

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

import attacks
from authority import key_usage
from gateway import Gateway
from unread import Unread


def pytest_configure(config):
    # Whoever asks the tests to end wants their gateways to end, too: fixtures are torn down as after Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # What fails in a thread or in a finalizer fails the test it belongs to.
    for warning in ("PytestUnhandledThreadExceptionWarning", "PytestUnraisableExceptionWarning"):
        config.addinivalue_line("filterwarnings", f"error::pytest.{warning}")


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


@pytest.fixture(scope="session")
def unread_answers():
    """Begins the minute of row H12; whoever asks for it early leaves the minute to pass beside other tests."""
    with contextlib.ExitStack() as stack:
        yield Unread(stack)


@pytest.fixture(params=["certificate", "webhook"])
def way(request, monkeypatch, gateway):
    """The test once at the API of a listener that requires a certificate, once at a webhook that needs none.

    The webhook takes an event before the attack and after it. The module's gateway is one of `hook.hooked`.
    """
    if request.param == "certificate":
        yield attacks.REQUIRED
        return
    monkeypatch.setattr(attacks, "WAY", gateway.hook.way)
    before = gateway.hook.takes()
    yield gateway.hook.way
    assert gateway.hook.takes() != before


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    running = getattr(item, "funcargs", {}).get("gateway")
    # A test may have removed its gateway, and a fixture of that name need not be one of ours.
    log = getattr(running, "log_path", None)
    if report.failed and log is not None and log.is_file():
        report.sections.append(("gateway log (end)", running.logged()[-4000:]))
