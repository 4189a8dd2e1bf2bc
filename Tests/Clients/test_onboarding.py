"""Partners as they come in: one command on each side, and each way in which it can be cut short, repeated or abused."""

import base64
import http.client
import json
import os
import re
import shutil
import ssl
import subprocess
import threading
import time

import pytest

from gateway import Gateway, OWNER, STRANGER, binary, wait_until
from stracing import kill_at

TRUST_DOMAIN = "partners.example"


class Invitations:
    """A gateway that invites partners, and what both sides type."""

    def __init__(self):
        self.gateway = Gateway(limits={"busesPerAccount": 10000, "eventSourcesPerPartner": 10000})
        self.authority = self.gateway.folder / "partners"
        self.gateway.run("pki", "init", "--directory", str(self.authority), "--trust-domain", TRUST_DOMAIN)
        self.gateway.extra = f"""
onboarding:
  authority: {self.authority}
  listener: vpce-open
  endpoint: https://localhost:{self.gateway.open_port}
  bundle: {self.gateway.servers.bundle}
"""
        self.gateway.write_configuration()
        self.gateway.start()
        self.connections = []

    def remove(self):
        for connection in self.connections:
            connection.close()
        self.gateway.stop()
        self.gateway.remove()

    @staticmethod
    def source(number, partner="acme.com"):
        return f"aws.partner/{partner}/shop/orders{number}"

    def invite(self, number, *more, expires="1h", partner="acme.com"):
        done = self.gateway.run(
            "partner", "invite", partner, "--account", OWNER, "--partner-account", STRANGER, "--events", "order.*",
            "--expires", expires, "--source", self.source(number, partner), *more, "--config", str(self.gateway.config))
        return done.stdout

    def folder(self, name):
        return self.gateway.folder / f"member-{name}"

    def join(self, token, folder, wrapper=(), environment=None, more=()):
        return subprocess.run(
            [*wrapper, binary(), "partner", "join", "--directory", str(self.folder(folder)), *more], input=token,
            capture_output=True, text=True, timeout=60,
            env={**os.environ, "SWIFT_BACKTRACE": "enable=no", **(environment or {})})

    def member(self, folder):
        """A TLS context with the member's certificate."""
        context = ssl.create_default_context(cafile=str(self.folder(folder) / "gateway-ca.pem"))
        context.load_cert_chain(str(self.folder(folder) / "partner.pem"), str(self.folder(folder) / "partner.key"))
        context.set_alpn_protocols(["http/1.1"])
        return context

    def connect(self, folder):
        self.connections.append(http.client.HTTPSConnection(
            "localhost", self.gateway.open_port, context=self.member(folder), timeout=10))
        return self.connections[-1]

    def put(self, connection, number, detail_type="order.placed"):
        return self.put_sources(connection, self.source(number), detail_type=detail_type)

    @staticmethod
    def put_sources(connection, *sources, detail_type="order.placed"):
        body = json.dumps({
            "Entries": [{"Source": source, "DetailType": detail_type, "Detail": "{}"} for source in sources]})
        connection.request("POST", "/", body, {
            "Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "AWSEvents.PutPartnerEvents"})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())

    def invitations(self):
        done = self.gateway.run("partner", "list", "--json", "--config", str(self.gateway.config))
        return json.loads(done.stdout.splitlines()[0])["invitations"]

    def state(self, number):
        return [item["state"] for item in self.invitations() if item["source"] == self.source(number)]

    def standing(self):
        """The serial numbers that the authority has issued and not revoked."""
        listed = self.gateway.run("pki", "list", "--directory", str(self.authority)).stdout.splitlines()[1:]
        return {line.split()[0] for line in listed if line.split()[1] == "good"}

    def known(self):
        """The serial numbers that invitations in force know."""
        return {certificate["serial"] for item in self.invitations() if item["state"] in ("bound", "joined")
                for certificate in item.get("certificates", [])}

    def listed(self):
        """The serial numbers on the revocation list."""
        text = subprocess.run(["openssl", "crl", "-in", str(self.authority / "crl.pem"), "-noout", "-text"],
                              capture_output=True, text=True, check=True).stdout
        return {serial.lower() for serial in re.findall(r"Serial Number: ([0-9A-F]+)", text)}

    def sources(self, number):
        done = self.gateway.run("partner", "list", "--json", "--config", str(self.gateway.config))
        return [item["state"] for item in json.loads(done.stdout.splitlines()[1])["sources"]
                if item["name"] == self.source(number)]

    def assert_joined_once(self, number):
        assert self.state(number) == ["joined"]
        assert self.sources(number) == ["ACTIVE"]
        assert len(self.gateway.events(self.source(number), OWNER)) == 1


@pytest.fixture(scope="module")
def side():
    running = Invitations()
    yield running
    running.remove()


def test_from_nothing_to_an_admitted_test_event_in_one_command_each(side):
    done = side.join(side.invite(1), 1)
    assert done.returncode == 0, done.stderr
    event = side.gateway.events(side.source(1), OWNER)
    assert len(event) == 1
    assert event[0]["id"] in done.stdout
    assert event[0]["isthmus"]["decisionId"] in done.stdout
    assert event[0]["source"] == side.source(1)
    assert event[0]["account"] and event[0]["isthmus"]["account"] == STRANGER
    side.assert_joined_once(1)
    assert (side.folder(1) / "partner.key").stat().st_mode & 0o777 == 0o600


def test_the_partner_sends_what_the_invitation_allows_and_nothing_else(side):
    connection = side.connect(1)
    status, answer = side.put(connection, 1)
    assert status == 200 and answer["FailedEntryCount"] == 0
    status, answer = side.put(connection, 1, "invoice.made")
    assert answer["Entries"][0]["ErrorCode"] == "NotAuthorizedForDetailTypeException"
    status, answer = side.put(connection, 2)
    assert answer["Entries"][0]["ErrorCode"], "another source is not the partner's"


def test_a_second_run_changes_nothing_and_another_key_is_refused(side):
    token = side.invite(3)
    first = side.join(token, 3)
    assert first.returncode == 0, first.stderr
    assert side.join(token, 3).stdout == first.stdout
    other = side.join(token, "3-other")
    assert other.returncode == 1
    assert "bound to key" in other.stderr
    side.assert_joined_once(3)


def test_a_directory_belongs_to_one_invitation(side):
    refused = side.join(side.invite(4), 1)
    assert refused.returncode == 1 and "belongs to invitation" in refused.stderr
    assert side.state(4) == ["invited"]


def test_a_changed_token_is_refused_and_leaves_nothing(side):
    token = side.invite(5).strip()
    prefix, terms, code = token.split(".")
    text = base64.urlsafe_b64decode(terms + "==")
    wider = base64.urlsafe_b64encode(text.replace(b"order.*", b"*")).decode().rstrip("=")
    flipped = ("A" if code[0] != "A" else "B") + code[1:]
    for changed in (f"{prefix}.{wider}.{code}", f"{prefix}.{terms}.{flipped}", token[:-1], token + "x", ""):
        done = side.join(changed, "5-changed")
        assert done.returncode == 1, changed
        shutil.rmtree(side.folder("5-changed"), ignore_errors=True)
    assert side.state(5) == ["invited"]
    assert side.sources(5) == []
    assert code not in side.gateway.logged()


def test_the_code_of_a_token_is_never_sent_nor_logged(side):
    token = side.invite(6).strip()
    trace = side.gateway.folder / "sent.trace"
    done = side.join(token, 6, ["strace", "-f", "-qq", "-s", "100000", "-e", "trace=write,sendto", "-o", str(trace)])
    assert done.returncode == 0, done.stderr
    code = token.split(".")[2]
    assert code not in trace.read_text()
    assert code not in side.gateway.logged()
    assert code not in done.stdout + done.stderr


def test_an_expired_token_is_refused(side):
    token = side.invite(7, expires="1s")
    wait_until(lambda: side.state(7) == ["expired"], 15, "the end of the invitation")
    done = side.join(token, 7)
    assert done.returncode == 1 and "the invitation ended at" in done.stderr
    assert side.sources(7) == []


def test_a_join_cut_short_and_never_completed_leaves_nothing(side):
    token = side.invite(8, expires="6s")
    killed = side.join(token, 8, kill_at("rename", 4))
    assert killed.returncode != 0
    wait_until(lambda: side.state(8) == ["expired"], 25, "the end of the half join")
    assert side.sources(8) in ([], ["DELETED"])
    assert side.join(token, 8).returncode == 1
    listed = side.gateway.run("pki", "list", "--directory", str(side.authority)).stdout
    assert "revoked" in listed


def test_a_revoked_partner_is_cut_off_within_a_second(side):
    assert side.join(side.invite(9, partner="acme.com"), 9).returncode == 0
    connection = side.connect(9)
    assert side.put(connection, 9)[1]["FailedEntryCount"] == 0
    waiting = connection.sock
    waiting.settimeout(5)
    invitation = next(item["invitation"] for item in side.invitations() if item["source"] == side.source(9))
    began = time.monotonic()
    side.gateway.run("partner", "revoke", invitation, "--config", str(side.gateway.config))
    try:
        assert waiting.recv(1) == b""
    except ConnectionError:
        pass
    assert time.monotonic() - began < 1.5
    with pytest.raises((ssl.SSLError, ConnectionError, http.client.HTTPException)):
        assert side.put(side.connect(9), 9)[0] == 200
    assert side.join(side.invite(1009), 1009).returncode == 0, "others still join"
    assert side.put(side.connect(1), 1)[1]["FailedEntryCount"] == 0, "others still send"


def test_a_partner_that_never_stops_sending_is_served_for_less_than_a_second_after_it_is_revoked(side):
    assert side.join(side.invite(17), 17).returncode == 0
    live, served = side.connect(17), []

    def send():
        try:
            while side.put(live, 17)[1].get("FailedEntryCount") == 0:
                served.append(time.monotonic())
        except (OSError, http.client.HTTPException):
            pass

    sending = threading.Thread(target=send)
    sending.start()
    wait_until(lambda: served, 10, "a first event")
    began = time.monotonic()
    side.gateway.run("partner", "revoke", side.source(17), "--config", str(side.gateway.config))
    sending.join(10)
    assert not sending.is_alive(), "the connection still serves"
    print(f"served for {served[-1] - began:.3f} s after the order to revoke")
    assert served[-1] - began < 1
    stored = len(side.gateway.events(side.source(17), OWNER))
    assert stored - len(served) in (1, 2), "the test event, what was acknowledged, at most one whose answer was cut off"


def test_renewing_gives_a_new_certificate_and_leaves_the_old_one_good(side):
    assert side.join(side.invite(10), 10).returncode == 0
    old = side.connect(10)
    before = (side.folder(10) / "partner.pem").read_text()
    renew = ["partner", "renew", "--directory", str(side.folder(10))]
    assert "nothing to do" in side.gateway.run(*renew).stdout
    assert "renewed" in side.gateway.run(*renew, "--force").stdout
    assert (side.folder(10) / "partner.pem").read_text() != before
    assert side.put(old, 10)[1]["FailedEntryCount"] == 0
    assert side.put(side.connect(10), 10)[1]["FailedEntryCount"] == 0


def test_renewing_asks_for_the_gateways_key_and_for_its_authority(side):
    assert side.join(side.invite(16), 16).returncode == 0
    folder = side.folder(16)
    before = (folder / "partner.pem").read_bytes()

    def renew(*more):
        done = side.gateway.run("partner", "renew", "--directory", str(folder), *more, check=False)
        assert (done.returncode == 0) == ((folder / "partner.pem").read_bytes() != before), done.stderr
        return done

    def pin():
        return re.search("renew --pin` takes it: ([0-9a-f]{64})",
                         side.gateway.run("check", "--config", str(side.gateway.config)).stdout)[1]

    bundle = folder / "gateway-ca.pem"
    kept, known = bundle.read_bytes(), pin()
    bundle.write_bytes(side.gateway.acme.bundle.read_bytes())
    refused = renew("--force")
    assert refused.returncode == 4 and "is not trusted" in refused.stderr, "the key alone is not enough"
    bundle.write_bytes(kept)
    certificate, key = side.gateway.server.path.read_bytes(), side.gateway.server.key_path.read_bytes()
    try:
        side.gateway.servers.server("server")
        side.gateway.reload()
        refused = renew("--force")
        assert refused.returncode == 4 and "another key" in refused.stderr, "the authority alone is not enough"
        assert "give it with `--pin`" in refused.stderr
        assert renew("--pin", known).returncode == 4
        assert renew("--pin", "abc").returncode == 1
        assert pin() != known
        assert "renewed" in renew("--pin", pin()).stdout
        before = (folder / "partner.pem").read_bytes()
        assert "renewed" in renew("--force").stdout, "the new key is known from now on"
        before = (folder / "partner.pem").read_bytes()
    finally:
        side.gateway.server.path.write_bytes(certificate)
        side.gateway.server.key_path.write_bytes(key)
        side.gateway.reload()
    assert renew("--force").returncode == 4
    assert "renewed" in renew("--pin", known).stdout


def test_a_suspended_partner_is_refused_with_the_reason(side):
    assert side.join(side.invite(11), 11).returncode == 0
    side.gateway.run("partner", "suspend", side.source(11), "--config", str(side.gateway.config))
    entry = side.put(side.connect(11), 11)[1]["Entries"][0]
    assert "suspended" in entry["ErrorMessage"]
    side.gateway.run("partner", "resume", side.source(11), "--config", str(side.gateway.config))
    assert side.put(side.connect(11), 11)[1]["FailedEntryCount"] == 0


def test_an_invitations_quota_holds_its_partner_and_nobody_else(side):
    config = ("--config", str(side.gateway.config))
    shown = "1 units a second, 8 at once"
    source, own = side.source(13, "limited.com"), side.source(1)
    joined = side.join(side.invite(13, "--rate", "1", "--burst", "8", partner="limited.com"), 13)
    assert joined.returncode == 0, joined.stderr
    assert shown in joined.stdout
    assert shown in side.gateway.run("partner", "list", *config).stdout
    record = json.loads(side.gateway.run("partner", "show", "limited.com", *config).stdout)
    assert record["quota"] == {"perSecond": 1, "burst": 8}
    for sources in ([source], ["aws.partner/nobody.com/a/b", source], [own, source]):
        limited = side.connect(13)
        answers = [side.put_sources(limited, *sources) for _ in range(20)]
        refused = [answer for status, answer in answers if status == 400]
        assert refused, f"20 requests of {sources} passed a quota of 8 units"
        assert all(answer["__type"] == "ThrottlingException" for answer in refused)
        assert all("the quota of partner aws.partner/limited.com" in answer["message"] for answer in refused)
        other = side.connect(1)
        for _ in range(20):
            status, answer = side.put(other, 1)
            assert status == 200 and answer["FailedEntryCount"] == 0
    side.gateway.run("partner", "revoke", record["invitation"], *config)
    assert side.join(side.invite(14, partner="limited.com"), 14).returncode == 0
    free = side.connect(14)
    for _ in range(20):
        assert side.put_sources(free, side.source(14, "limited.com"))[1]["FailedEntryCount"] == 0


@pytest.mark.parametrize("more", [
    ("--rate", "1"), ("--burst", "1"), ("--rate", "0", "--burst", "1"), ("--rate", "1000001", "--burst", "1"),
    ("--rate", "1", "--burst", "10000001")])
def test_half_a_quota_or_one_out_of_range_invites_nobody(side, more):
    done = side.gateway.run(
        "partner", "invite", "acme.com", "--account", OWNER, "--partner-account", STRANGER, "--events", "*",
        "--expires", "1h", "--source", side.source(15), *more, "--config", str(side.gateway.config), check=False)
    assert done.returncode == 1 and done.stdout == "" and "--rate" in done.stderr
    assert side.state(15) == []


def test_another_key_at_the_endpoint_is_no_gateway_of_ours(side):
    token = side.invite(12)
    certificate, key = side.gateway.server.path.read_bytes(), side.gateway.server.key_path.read_bytes()
    side.gateway.servers.server("server")
    side.gateway.reload()
    done = side.join(token, 12)
    assert done.returncode == 4 and "another key" in done.stderr
    assert side.state(12) == ["invited"]
    assert not (side.folder(12) / "partner.pem").exists()
    side.gateway.server.path.write_bytes(certificate)
    side.gateway.server.key_path.write_bytes(key)
    side.gateway.reload()
    assert side.join(token, 12).returncode == 0
