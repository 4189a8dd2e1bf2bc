"""Organizations from signed manifests: members, control policies, expiry, and who may not take any of it back (P5)."""

import datetime
import json
import time

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID

from authority import key_pem, key_usage, now
from gateway import BUS_ARN, OWNER, REGION, SENDER, STRANGER, Gateway, wait_until
from measures import report  # noqa: F401 (a fixture)
from publishing import Publisher, entry

ID, ROOT = "o-exampleorgid", "o-exampleorgid/r-ab12/"
UNIT = ROOT + "ou-ab12-11111111/"
MANAGEMENT = "123456789012"
EFFECTIVE_SECONDS = 1
MEMBERS = {"Type": "StringEquals", "Key": "aws:PrincipalOrgID", "Value": ID}
EXTRA = "organizations:\n  - {manifest: org/manifest.json, signature: org/manifest.sig, publicKey: org/public.pem}\n"
ALLOW_ALL = {"Effect": "Allow", "Action": "*", "Resource": "*"}


def moment(seconds):
    return (now() + datetime.timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


class Manifests:
    """The organization's own side: its key, and the manifests it signs with the program."""

    def __init__(self, gateway):
        self.gateway, self.folder = gateway, gateway.folder / "org"
        self.folder.mkdir()
        self.key = ed25519.Ed25519PrivateKey.generate()
        self.key_path = gateway.folder / "organization.key"
        self.key_path.write_bytes(key_pem(self.key))
        self.key_path.chmod(0o600)
        (self.folder / "public.pem").write_bytes(self.key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo))
        self.sequence = 0

    def draft(self, members=(SENDER, OWNER), lifetime=3600, sequence=None, **more):
        self.sequence = sequence or self.sequence + 1
        accounts = [{"id": MANAGEMENT, "path": ROOT}] + [{"id": account, "path": UNIT} for account in members]
        return {"organization": ID, "managementAccount": MANAGEMENT, "sequence": self.sequence, "issuedAt": moment(-60),
                "expiresAt": moment(lifetime), "accounts": accounts, **more}

    def sign(self, check=True, **facts):
        """A new manifest where the gateway reads it."""
        draft = self.gateway.folder / "draft.json"
        draft.write_text(json.dumps(self.draft(**facts), indent=2))
        return self.gateway.run("organization", "sign", "--draft", draft, "--key", self.key_path, "--out", self.folder,
                                check=check)

    def kept(self):
        """The files as they are, to be put back."""
        return {path: path.read_bytes() for path in self.folder.glob("manifest.*")}


@pytest.fixture(scope="module")
def gateway():
    made = Gateway(extra=EXTRA)
    made.manifests = Manifests(made)
    made.manifests.sign()
    (made.folder / "accounts" / "stranger.yaml").write_text(
        f'account: "{STRANGER}"\nlocal: false\nprincipals: [{{name: role/visitor}}]\n')
    made.start()
    yield made
    made.stop()
    made.remove()


@pytest.fixture(autouse=True)
def membership(gateway):
    """Each test begins with sender and owner as members."""
    gateway.manifests.sign()
    gateway.reload()


def client(gateway, account, name):
    key = gateway.credentials(account, name)
    return boto3.client(
        "events", region_name=REGION, endpoint_url=gateway.open_url, aws_access_key_id=key[0], aws_secret_access_key=key[1],
        verify=str(gateway.servers.bundle), config=Config(retries={"total_max_attempts": 1}))


@pytest.fixture(scope="module")
def administrator(gateway):
    return client(gateway, OWNER, "role/administrator")


@pytest.fixture(scope="module")
def visitor(gateway):
    return client(gateway, STRANGER, "role/visitor")


@pytest.fixture(scope="module")
def members_bus(administrator):
    """A bus that every account of the organization may put events on."""
    arn = administrator.create_event_bus(Name="members")["EventBusArn"]
    administrator.put_permission(
        EventBusName="members", StatementId="members", Action="events:PutEvents", Principal="*", Condition=MEMBERS)
    return arn


def outcome(publisher, arn):
    """None for an event that was taken, else the words it was denied with."""
    answer = publisher.put({**entry(1), "EventBusName": arn}).json["Entries"][0]
    return None if "EventId" in answer else answer["ErrorMessage"]


def refusals(gateway):
    lines = [json.loads(line) for line in gateway.logged().splitlines() if "organization-refused" in line]
    return [line["reason"] for line in lines]


def test_a_member_is_allowed_and_others_are_not(gateway, members_bus, visitor):
    with Publisher(gateway) as publisher:
        assert outcome(publisher, members_bus) is None
    denied = visitor.put_events(Entries=[{**entry(1), "EventBusName": members_bus}])["Entries"][0]
    assert denied["ErrorCode"] == "AccessDeniedException"
    assert "because no resource-based policy allows the events:PutEvents action" in denied["ErrorMessage"]
    event = gateway.events("members")[-1]
    assert event["isthmus"]["principal"].startswith(f"arn:aws:iam::{SENDER}:")
    gateway.manifests.sign(members=(SENDER, OWNER, STRANGER))
    gateway.reload()
    assert visitor.put_events(Entries=[{**entry(2), "EventBusName": members_bus}])["FailedEntryCount"] == 0


def test_an_account_that_leaves_is_denied_within_a_second_on_its_open_connection(gateway, members_bus, report):  # noqa: F811
    with Publisher(gateway) as publisher:
        assert outcome(publisher, members_bus) is None
        gateway.manifests.sign(members=(OWNER,))
        began = time.monotonic()
        gateway.reload()
        denied = outcome(publisher, members_bus)
        took = time.monotonic() - began
        assert "no resource-based policy allows" in denied
        report("P5", "account out of the organization, SIGHUP to denial", f"{took * 1000:.0f} ms")
        assert took <= EFFECTIVE_SECONDS


def test_an_organization_that_a_header_a_certificate_or_an_event_claims_is_none(gateway, members_bus):
    gateway.manifests.sign(members=(OWNER,))
    gateway.reload()
    claims = {"aws:PrincipalOrgID": ID, "aws:PrincipalOrgPaths": [UNIT], "account": OWNER, "organization": ID}
    event = {**entry(1), "EventBusName": members_bus, "Detail": json.dumps(claims), "Resources": [UNIT, ID],
             "TraceHeader": f"Root={ID}"}
    leaf = gateway.acme.leaf("claiming", [
        (x509.SubjectAlternativeName([
            x509.UniformResourceIdentifier(f"spiffe://acme.example/account/{SENDER}/role/publisher")]), False),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False), (key_usage(digital_signature=True), True),
        (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.55555.1"), b"\x0c\x0e" + ID.encode()), False)])
    fields = {name: ID for name in (
        "X-Amz-Organization", "X-Amz-Principal-Org-Id", "Aws-PrincipalOrgID", "X-Forwarded-Client-Cert", "Isthmus-Organization")}
    for headers, certificate in (({}, None), (fields, None), (fields, leaf)):
        with Publisher(gateway, leaf=certificate) as publisher:
            answer = publisher.put(event, headers=headers).json["Entries"][0]
            assert answer["ErrorCode"] == "AccessDeniedException", answer


def test_past_its_expiry_a_manifest_denies_on_an_open_connection_without_a_reload(gateway, members_bus, report):  # noqa: F811
    with Publisher(gateway) as publisher:
        gateway.manifests.sign(lifetime=3)
        expiry = json.loads((gateway.manifests.folder / "manifest.json").read_text())["expiresAt"]
        gateway.reload()
        assert outcome(publisher, members_bus) is None
        denied = wait_until(lambda: outcome(publisher, members_bus), 6, "the denial")
        late = time.time() - datetime.datetime.fromisoformat(expiry).timestamp()
        report("P5", "first denial behind the manifest's expiry", f"{late * 1000:.0f} ms")
        assert "no resource-based policy allows" in denied and 0 <= late < EFFECTIVE_SECONDS
        # What does not ask for the organization goes on.
        assert outcome(publisher, BUS_ARN) is None
        gateway.manifests.sign()
        gateway.reload()
        assert outcome(publisher, members_bus) is None


def control(name, statement, **more):
    policy = {"Version": "2012-10-17", "Statement": [{**ALLOW_ALL, **more}, {**statement, **more}]}
    return {"name": name, "targets": [UNIT], "policy": policy}


def test_a_service_control_policy_denies_and_the_message_says_so(gateway):
    deny = {"Effect": "Deny", "Action": "events:PutEvents", "Resource": BUS_ARN}
    with Publisher(gateway) as publisher:
        assert outcome(publisher, BUS_ARN) is None
        gateway.manifests.sign(serviceControlPolicies=[control("no-orders", deny)])
        gateway.reload()
        denied = outcome(publisher, BUS_ARN)
        assert denied.startswith(f"User: arn:aws:iam::{SENDER}:role/publisher is not authorized to perform: events:PutEvents")
        assert "with an explicit deny in a service control policy" in denied


def test_a_resource_control_policy_keeps_strangers_from_every_bus_of_the_organization(gateway, members_bus, visitor):
    deny = {"Effect": "Deny", "Action": "events:*", "Resource": "*",
            "Condition": {"StringNotEqualsIfExists": {"aws:PrincipalOrgID": ID}}}
    gateway.manifests.sign(resourceControlPolicies=[control("ours", deny, Principal="*")])
    gateway.reload()
    denied = visitor.put_events(Entries=[{**entry(1), "EventBusName": members_bus}])["Entries"][0]
    assert "with an explicit deny in a resource control policy" in denied["ErrorMessage"]
    with Publisher(gateway) as publisher:
        assert outcome(publisher, members_bus) is None


def test_a_lower_sequence_or_a_wrong_signature_leaves_the_last_good_manifest_also_past_a_restart(gateway, members_bus, report):  # noqa: F811
    manifests = gateway.manifests
    manifests.sign(members=(SENDER, OWNER))
    rolled_back = manifests.kept()
    manifests.sign(members=(OWNER,))
    gateway.reload()
    before = len(refusals(gateway))

    def is_denied():
        with Publisher(gateway) as publisher:
            return "no resource-based policy allows" in (outcome(publisher, members_bus) or "")

    assert is_denied()
    for path, content in rolled_back.items():
        path.write_bytes(content)
    gateway.reload()
    assert is_denied() and "is lower than" in refusals(gateway)[-1]
    # A manifest with a higher number, signed by another key.
    forged = json.dumps(manifests.draft(sequence=manifests.sequence + 10), sort_keys=True, separators=(",", ":")).encode()
    (manifests.folder / "manifest.json").write_bytes(forged)
    (manifests.folder / "manifest.sig").write_bytes(ed25519.Ed25519PrivateKey.generate().sign(forged))
    gateway.reload()
    assert is_denied() and "the signature is not" in refusals(gateway)[-1]
    gateway.stop().start()
    assert is_denied() and "the signature is not" in refusals(gateway)[-1]
    for path, content in rolled_back.items():
        path.write_bytes(content)
    gateway.stop().start()
    assert is_denied() and "is lower than" in refusals(gateway)[-1]
    report("P5", "manifests forged or rolled back, and kept from force", len(refusals(gateway)) - before)
    manifests.sequence += 10


def test_everyone_without_a_condition_is_refused_with_the_reason_unless_aws_rules_are_asked_for(gateway, administrator):
    administrator.create_event_bus(Name="open")
    call = {"EventBusName": "open", "StatementId": "all", "Action": "events:PutEvents", "Principal": "*"}
    with pytest.raises(ClientError) as error:
        administrator.put_permission(**call)
    assert error.value.response["Error"]["Code"] == "ValidationException"
    assert "statement 0 (`all`): `Principal` `*` with `Allow` needs a condition" in str(error.value)
    assert "Policy" not in administrator.describe_event_bus(Name="open")
    policy = {"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "NotPrincipal": {"AWS": SENDER}, "Action": "events:PutEvents", "Resource": "*"}]}
    with pytest.raises(ClientError) as error:
        administrator.put_permission(EventBusName="open", Policy=json.dumps(policy))
    assert "statement 0: `NotPrincipal` with `Allow`" in str(error.value)
    text = gateway.config.read_text()
    gateway.config.write_text(text + "policies: {compat: aws}\n")
    try:
        gateway.reload()
        administrator.put_permission(**call)
        assert "all" in administrator.describe_event_bus(Name="open")["Policy"]
    finally:
        gateway.config.write_text(text)
        gateway.reload()
    administrator.delete_event_bus(Name="open")


def test_the_program_signs_verifies_and_shows(gateway):
    folder = gateway.manifests.folder
    names = ["--manifest", folder / "manifest.json", "--signature", folder / "manifest.sig", "--public-key", folder / "public.pem"]
    good = gateway.run("organization", "verify", *names).stdout
    assert good.startswith(f"good: organization {ID}, sequence {gateway.manifests.sequence}, accounts 3, expires ")
    shown = gateway.run("organization", "show", folder / "manifest.json").stdout.splitlines()
    assert shown[1:] == [f"{MANAGEMENT}  {ROOT}  (management account)", f"{SENDER}  {UNIT}", f"{OWNER}  {UNIT}"]
    kept = gateway.manifests.kept()
    (folder / "manifest.json").write_bytes(kept[folder / "manifest.json"].replace(b'"sequence":', b'"sequence":9'))
    done = gateway.run("organization", "verify", *names, check=False)
    assert done.returncode == 1 and "the signature is not" in done.stderr
    checked = gateway.run("check", "--config", gateway.config)
    assert "manifest.json` is refused: the signature is not" in checked.stderr
    wrong = gateway.manifests.sign(check=False, members=(SENDER, SENDER))
    assert wrong.returncode == 1 and "`/accounts/2/id`" in wrong.stderr
    gateway.manifests.key_path.chmod(0o644)
    assert "others may read" in gateway.manifests.sign(check=False).stderr
    gateway.manifests.key_path.chmod(0o600)
