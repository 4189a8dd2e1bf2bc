"""T10 by scanners: testssl.sh, sslyze and tlslite-ng against the real gateway find the profile's list and nothing else."""

import pytest
from sslyze import Scanner, ScanCommand, ServerNetworkLocation, ServerScanRequest
from tlslite.extensions import (HeartbeatExtension, PreSharedKeyExtension, PskIdentity, PskKeyExchangeModesExtension,
                                TLSExtension)

import scanners
from measures import report  # noqa: F401
from scanners import GROUPS, NUMBERS_13, NUMBERS_ECDSA, NUMBERS_RSA, SUITES_12, SUITES_13

EARLY_DATA, PRE_SHARED_KEY, SESSION_TICKET, HEARTBEAT = 42, 41, 35, 15


def test_t10_testssl_finds_the_list_of_the_profile_and_nothing_else(gateway, rsa_gateway, report):  # noqa: F811
    scans = [scanners.testssl(gateway.folder, running.open_port, "-p", "-e", "-f", "-R", "-C")
             for running in (gateway, rsa_gateway)]
    bare = scanners.testssl(gateway.folder, gateway.open_port, "-p", "-H", adds_alpn=False)
    suites = set()
    for found in map(scanners.finished, scans):
        suites |= {finding.split()[1] for name, finding in found.items() if name.startswith("cipher_x")}
        assert (found["TLS1"], found["TLS1_1"]) == ("not offered",) * 2
        assert (found["TLS1_2"], found["TLS1_3"]) == ("offered",) * 2
        assert found["PFS_ECDHE_curves"].split() == ["prime256v1", "secp384r1", "X25519"]
        assert found["secure_client_renego"].startswith("not vulnerable")
    without = scanners.finished(bare)
    assert {without[name] for name in ("SSLv2", "SSLv3", "TLS1", "TLS1_1")} == {"not offered"}
    assert without["heartbleed"] == "not vulnerable, no heartbeat extension"
    report("T10", "testssl.sh: suites beyond or short of the list", sorted(suites ^ SUITES_12 ^ SUITES_13))
    assert suites == SUITES_12 | SUITES_13


COMMANDS = {
    ScanCommand.SSL_2_0_CIPHER_SUITES, ScanCommand.SSL_3_0_CIPHER_SUITES, ScanCommand.TLS_1_0_CIPHER_SUITES,
    ScanCommand.TLS_1_1_CIPHER_SUITES, ScanCommand.TLS_1_2_CIPHER_SUITES, ScanCommand.TLS_1_3_CIPHER_SUITES,
    ScanCommand.TLS_COMPRESSION, ScanCommand.TLS_1_3_EARLY_DATA, ScanCommand.SESSION_RENEGOTIATION,
    ScanCommand.SESSION_RESUMPTION, ScanCommand.HEARTBLEED, ScanCommand.ELLIPTIC_CURVES,
    ScanCommand.OPENSSL_CCS_INJECTION, ScanCommand.ROBOT, ScanCommand.TLS_FALLBACK_SCSV}


def scanned(port):
    scanner = Scanner()
    scanner.queue_scans([ServerScanRequest(ServerNetworkLocation("localhost", port, "127.0.0.1"), scan_commands=COMMANDS)])
    answer, = scanner.get_results()
    assert answer.scan_result is not None, answer.connectivity_error_trace
    results = {command: getattr(answer.scan_result, command.value) for command in COMMANDS}
    assert {one.status.name for one in results.values()} == {"COMPLETED"}, results
    return {command: one.result for command, one in results.items()}


@pytest.fixture(scope="module")
def sslyze_results(gateway, rsa_gateway):
    scanners.teach_alpn()
    return [scanned(gateway.open_port), scanned(rsa_gateway.open_port)]


def test_t10_sslyze_finds_the_list_of_the_profile_and_nothing_else(sslyze_results, report):  # noqa: F811
    accepted = {}
    for results in sslyze_results:
        for command in COMMANDS:
            if command.value.endswith("_cipher_suites"):
                names = {suite.cipher_suite.openssl_name for suite in results[command].accepted_cipher_suites}
                accepted.setdefault(command.value, set()).update(names)
    assert accepted.pop("tls_1_2_cipher_suites") == SUITES_12
    assert accepted.pop("tls_1_3_cipher_suites") == SUITES_13
    assert len(accepted) == 4 and not any(accepted.values()), accepted
    known = {"X25519": "X25519", "prime256v1": "P-256", "secp256r1": "P-256", "secp384r1": "P-384"}
    for results in sslyze_results:
        curves = results[ScanCommand.ELLIPTIC_CURVES].supported_curves
        assert {known.get(curve.name, curve.name) for curve in curves} == GROUPS
    report("T10", "sslyze: suites of SSL 2 to TLS 1.1 accepted", sum(map(len, accepted.values())))


def test_t10_sslyze_finds_no_compression_renegotiation_resumption_early_data_or_old_flaw(sslyze_results):
    for results in sslyze_results:
        assert not results[ScanCommand.TLS_COMPRESSION].supports_compression
        assert not results[ScanCommand.TLS_1_3_EARLY_DATA].supports_early_data
        assert not results[ScanCommand.HEARTBLEED].is_vulnerable_to_heartbleed
        assert not results[ScanCommand.OPENSSL_CCS_INJECTION].is_vulnerable_to_ccs_injection
        assert results[ScanCommand.ROBOT].robot_result.name == "NOT_VULNERABLE_RSA_NOT_SUPPORTED"
        assert results[ScanCommand.TLS_FALLBACK_SCSV].supports_fallback_scsv
        renegotiation = results[ScanCommand.SESSION_RENEGOTIATION]
        assert renegotiation.supports_secure_renegotiation
        assert renegotiation.client_renegotiations_success_count == 0
        resumption = results[ScanCommand.SESSION_RESUMPTION]
        assert resumption.session_id_attempted_resumptions_count > 0
        assert resumption.session_id_successful_resumptions_count == 0
        assert resumption.tls_ticket_successful_resumptions_count == 0


def test_t10_of_all_65536_suites_only_those_of_the_profile_are_chosen(gateway, rsa_gateway, report):  # noqa: F811
    hellos = 0
    for running, right in ((gateway, NUMBERS_ECDSA), (rsa_gateway, NUMBERS_RSA)):
        for port in (running.port, running.open_port):
            assert scanners.chosen(port, (3, 3)) == right
            assert scanners.chosen(port, (3, 4)) == NUMBERS_13
            for version in ((2, 0), (3, 0), (3, 1), (3, 2)):
                assert scanners.chosen(port, version) == set(), version
            hellos += 6 * 65_534
    report("T10", "tlslite-ng: suites offered by hand-made hellos; chosen beyond the list", f"{hellos}; 0")


@pytest.mark.parametrize("version, suites", [((3, 3), NUMBERS_ECDSA), ((3, 4), NUMBERS_13)], ids=["1.2", "1.3"])
def test_t10_what_a_hello_asks_beyond_the_profile_is_not_granted(gateway, version, suites):
    """Compression, heartbeat, a ticket, and in TLS 1.3 a pre-shared key with early data."""
    plain = scanners.exchange(gateway.open_port, scanners.hello(version, suites))
    assert plain.cipher_suite in suites, plain
    asked = [HeartbeatExtension().create(1), TLSExtension().create(SESSION_TICKET, b"")]
    if version == (3, 4):
        identity = PskIdentity().create(bytearray(48), 1)
        asked += [TLSExtension().create(EARLY_DATA, b""), PskKeyExchangeModesExtension().create([1])]
        last = [PreSharedKeyExtension().create([identity], [bytearray(32)])]
    else:
        last = []
    answer = scanners.exchange(gateway.open_port, scanners.hello(version, suites, extensions=asked, last=last))
    assert not isinstance(answer, str), answer
    granted = {extension.extType for extension in answer.extensions}
    assert not granted & {HEARTBEAT, SESSION_TICKET, EARLY_DATA, PRE_SHARED_KEY}, granted
    assert answer.compression_method == 0
    # A session id of TLS 1.2 would be an offer to resume.
    assert len(answer.session_id) == 0
    both = scanners.exchange(gateway.open_port, scanners.hello((3, 3), NUMBERS_ECDSA, compressions=(1, 0)))
    assert both.compression_method == 0
    for compressions in ((1,), (1, 64)):
        only = scanners.exchange(gateway.open_port, scanners.hello((3, 3), NUMBERS_ECDSA, compressions=compressions))
        assert isinstance(only, str), "a hello without the null compression was answered"
