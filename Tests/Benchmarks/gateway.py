"""Starts Isthmus for the comparison: one listener, one trust domain, one bus whose policy names the caller.

The whole decision is made for every request: certificate to principal, the caller's identity policy, the
bus policy of the other account, and the durable commit before the answer. Only limits that would stop a
benchmark (thousands of connections of one principal from one address) are raised, none is switched off.
"""

import base64
import dataclasses
import datetime
import hashlib
import http.client
import json
import pathlib
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import urllib.request

import certificates as pki
import measure
import servers

REGION = "eu-central-1"
BUS_ACCOUNT = "444455556666"
BUS = "orders"
BUS_ARN = f"arn:aws:events:{REGION}:{BUS_ACCOUNT}:event-bus/{BUS}"
PRINCIPAL = f"arn:aws:iam::{pki.CLIENT_ACCOUNT}:role/{pki.CLIENT_ROLE}"
SERVICE = "events"
TARGET = "AWSEvents.PutEvents"
CONTENT_TYPE = "application/x-amz-json-1.1"
BODY_BYTES = 1024
SYSTEM_PYTHON = "/usr/bin/python3"
CONTROL_SECONDS = 10
COUNTERS = "isthmus_put_events_entries_"


def put_events_body(entries):
    """A PutEvents body of `entries` entries, each such that a body of one has BODY_BYTES bytes."""

    def entry(filling):
        detail = json.dumps({"order": "7d1c2f0e", "amount": 4200, "currency": "EUR", "note": "x" * filling})
        return {"Source": "acme.orders", "DetailType": "OrderPlaced", "EventBusName": BUS_ARN, "Detail": detail}

    bare = len(json.dumps({"Entries": [entry(0)]}, separators=(",", ":")))
    return json.dumps({"Entries": [entry(BODY_BYTES - bare)] * entries}, separators=(",", ":")).encode()


def issuer_pin(authority):
    """SHA-256 of the authority's public key (SPKI), in hex, as the configuration wants it."""
    public = pki.openssl("x509", "-in", authority, "-noout", "-pubkey")
    lines = [line for line in public.splitlines() if not line.startswith("-----")]
    return hashlib.sha256(base64.b64decode("".join(lines))).hexdigest()


@dataclasses.dataclass(frozen=True)
class Setting:
    """What stands beside the one trust domain and the one statement of the plain gateway.

    `statements` is of the bus policy: all but the last name others, the last one allows and asks for membership in
    the organization when there is one. `trust_domains` counts all of them; the client's is one. `sources` are the
    client's as a partner, all of them active.
    """

    statements: int = 1
    organization: bool = False
    trust_domains: int = 1
    sources: int = 0


PLAIN = Setting()
ORGANIZATION = "o-a1b2c3d4e5"
MEMBERS = f"{ORGANIZATION}/r-ab12/ou-ab12-11111111/"
MORE_DOMAINS = "domain-{:04}.example"


def bus_policy(setting):
    """Statements that could match, each by another principal, source or address, and the one that does at the end."""
    publish = {"Effect": "Allow", "Action": "events:PutEvents", "Resource": BUS_ARN}
    others = []
    for number in range(setting.statements - 1):
        account = f"{200000000000 + number}"
        condition = (
            {"StringEquals": {"events:source": f"com.other.{number}"}},
            {"StringLike": {"events:detail-type": [f"Other{number}*"]}},
            {"IpAddress": {"aws:SourceIp": f"10.{number}.0.0/16"}},
        )[number % 3]
        who = {"AWS": f"arn:aws:iam::{account}:role/sender"} if number % 2 else "*"
        one = {"Sid": f"Other{number}", **publish, "Principal": who, "Condition": condition}
        others.append(one if who != "*" else {**one, "Effect": "Deny"})
    last = {"Sid": "Publisher", **publish, "Principal": {"AWS": PRINCIPAL}}
    if setting.organization:
        last["Condition"] = {
            "StringEquals": {"aws:PrincipalOrgID": ORGANIZATION},
            "ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": [f"{MEMBERS}*"]},
        }
    return {"Version": "2012-10-17", "Statement": [*others, last]}


def organization_lines(program, directory):
    """Signs a manifest with the two accounts as members; the lines of the configuration that name it."""
    key, public, draft = (directory / name for name in ("organization.key", "organization.pub", "draft.json"))
    pki.openssl("genpkey", "-algorithm", "ed25519", "-out", key)
    key.chmod(0o600)
    pki.openssl("pkey", "-in", key, "-pubout", "-out", public)
    now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    moments = [(now + datetime.timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ") for days in (0, 1)]
    accounts = [{"id": account, "path": MEMBERS} for account in sorted((pki.CLIENT_ACCOUNT, BUS_ACCOUNT))]
    manifest = {
        "organization": ORGANIZATION, "managementAccount": "999988887777", "sequence": 1, "issuedAt": moments[0],
        "expiresAt": moments[1],
        "accounts": [*accounts, {"id": "999988887777", "path": f"{ORGANIZATION}/r-ab12/"}],
    }
    draft.write_text(json.dumps(manifest))
    command = [program, "organization", "sign", "--draft", draft, "--key", key, "--out", directory]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"organization sign: {done.stderr}")
    return (
        f"organizations:\n  - manifest: {directory}/manifest.json\n    signature: {directory}/manifest.sig\n"
        f"    publicKey: {public}\n"
    )


def more_domains(directory, count):
    """Trust domains of others, each with its own authority, list and account: the lines that name them."""
    lines = []
    for number in range(count):
        name = MORE_DOMAINS.format(number)
        where = directory / name
        where.mkdir()
        pki.issue(where, "ca", f"/CN={name}", pki.AUTHORITY)
        listing = pki.empty_revocation_list(where, "ca")
        lines.append(
            f"  - name: {name}\n    bundle: {where}/ca.pem\n    issuerPins: [\"{issuer_pin(where / 'ca.pem')}\"]\n"
            f"    revocationLists: [{listing}]\n    accounts: [\"{300000000000 + number}\"]\n"
        )
    return "".join(lines)


@dataclasses.dataclass(frozen=True)
class Partnership:
    """What a gateway with partner event sources has besides: lines of its configuration, and what the accounts may do.

    `accounts` are those for which the client's authority may speak.
    """

    configuration: str
    accounts: tuple[str, ...]
    customer: str
    statement: dict


ALONE = Partnership("", (pki.CLIENT_ACCOUNT,), f'account: "{BUS_ACCOUNT}"\nname: globex\nprincipals: []\n', {})


def write_configuration(directory, data, port, admin_port, certificates, program, setting, partnership=ALONE):
    """Writes the YAML and the accounts it names; the schema is that of config/isthmus.yaml."""
    accounts = pathlib.Path(directory) / "accounts"
    accounts.mkdir()
    allow = {"Effect": "Allow", "Action": "events:PutEvents", "Resource": BUS_ARN}
    identity = {"Version": "2012-10-17", "Statement": [one for one in (allow, partnership.statement) if one]}
    servers.write(directory, "bus-policy.json", json.dumps(bus_policy(setting)))
    organization = organization_lines(program, pathlib.Path(directory)) if setting.organization else ""
    domains = more_domains(pathlib.Path(directory), setting.trust_domains - 1)
    # JSON is YAML: the policy stands in the account's file as it is.
    servers.write(accounts, "globex.yaml", partnership.customer)
    servers.write(
        accounts,
        "acme.yaml",
        f'account: "{pki.CLIENT_ACCOUNT}"\nname: acme\nlocal: false\nprincipals:\n'
        f"  - name: role/{pki.CLIENT_ROLE}\n    policies:\n      - {json.dumps(identity)}\n",
    )
    text = f"""region: {REGION}
dataDirectory: {data}
threads: 1
limits:
  connections: {2 * servers.CONNECTIONS_MAX}
  connectionsPerAddress: {servers.CONNECTIONS_MAX}
  connectionsPerPrincipal: {servers.CONNECTIONS_MAX}
  idleSeconds: {servers.IDLE_SECONDS}
  busesPerAccount: {setting.sources + 10}
listeners:
  - id: vpce-0benchmark
    address: {servers.HOST}
    port: {port}
    clientCertificate: required
    certificate: {certificates.server_certificate}
    privateKey: {certificates.server_key}
admin:
  address: {servers.HOST}
  port: {admin_port}
trustDomains:
  - name: {pki.TRUST_DOMAIN}
    bundle: {certificates.client_ca}
    issuerPins: ["{issuer_pin(certificates.client_ca)}"]
    revocationLists: [{certificates.client_crl}]
    accounts: {json.dumps(partnership.accounts)}
{domains}{organization}accounts: accounts/*.yaml
buses:
  - account: "{BUS_ACCOUNT}"
    name: {BUS}
    policy: bus-policy.json
{partnership.configuration}log:
  level: warning
"""
    return servers.write(directory, "isthmus.yaml", text)


def start(program, directory, core, certificates, data_parent, setting=PLAIN, partnership=ALONE):
    """A fresh gateway with an empty data directory, which is removed when it stops.

    The data directory must be on a real disk: on tmpfs an fdatasync costs nothing and proves nothing.
    """
    kind = measure.file_system(data_parent)
    if kind in measure.MEMORY_FILE_SYSTEMS:
        raise RuntimeError(f"`{data_parent}` is on {kind}: name a disk with --data-directory")
    own = pathlib.Path(tempfile.mkdtemp(prefix="gateway-", dir=directory))
    data = pathlib.Path(tempfile.mkdtemp(prefix="isthmus-compare-data-", dir=data_parent))
    port, admin_port = servers.free_port(), servers.free_port()
    configuration = write_configuration(own, data, port, admin_port, certificates, program, setting, partnership)
    try:
        command = [program, "serve", "--config", configuration]
        server = servers.Server("isthmus", port, core, command, own / "isthmus.log")
    except Exception:
        shutil.rmtree(data)
        raise
    server.data = data
    server.admin_port = admin_port
    server.on_stop.append(lambda: shutil.rmtree(data))
    return server


def ask(server, question):
    """The answer to one question on the control socket."""
    with socket.socket(socket.AF_UNIX) as control:
        control.settimeout(CONTROL_SECONDS)
        control.connect(str(server.data / "control.sock"))
        control.sendall(json.dumps(question).encode() + b"\n")
        return json.loads(control.makefile().readline())


def create_access_key(server):
    """An access key for the principal of the certificate."""
    answer = ask(server, {"verb": "credentials.create", "principal": PRINCIPAL})
    if "accessKeyId" not in answer:
        raise RuntimeError(f"no access key: {answer}")
    return answer["accessKeyId"], answer["secretAccessKey"]


def count_entries(server):
    """(accepted, refused) entries so far, by the gateway's counters."""
    with urllib.request.urlopen(f"http://{servers.HOST}:{server.admin_port}/metrics", timeout=CONTROL_SECONDS) as page:
        lines = page.read().decode().splitlines()
    values = {}
    for line in lines:
        name, _, value = line.partition(" ")
        if name.startswith(COUNTERS):
            values[name.removeprefix(COUNTERS).removesuffix("_total")] = float(value.split()[0])
    if "accepted" not in values:
        raise RuntimeError(f"no {COUNTERS}accepted_total in /metrics")
    return int(values["accepted"]), int(sum(values.get(kind, 0) for kind in ("denied", "invalid", "failed")))


def check_admission(server, certificates, body, headers=None):
    """Sends one request over HTTP/1.1 and reads the answer: every entry must have been admitted."""
    context = ssl.create_default_context(cafile=certificates.server_ca)
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(certificates.client_certificate, certificates.client_key)
    connection = http.client.HTTPSConnection("localhost", server.port, context=context, timeout=CONTROL_SECONDS)
    try:
        fields = {"Content-Type": CONTENT_TYPE, "X-Amz-Target": TARGET, **(headers or {})}
        connection.request("POST", "/", body=body, headers=fields)
        answer = connection.getresponse()
        text = answer.read().decode(errors="replace")
    finally:
        connection.close()
    if answer.status != 200 or json.loads(text).get("FailedEntryCount") != 0:
        raise RuntimeError(f"the gateway does not admit the event: {answer.status} {text}")


SIGNER = """
import json, sys
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
asked = json.load(sys.stdin)
request = AWSRequest("POST", asked["url"], headers=asked["headers"], data=asked["body"].encode())
SigV4Auth(Credentials(*asked["key"]), asked["service"], asked["region"]).add_auth(request)
json.dump({name: request.headers[name] for name in ("X-Amz-Date", "Authorization")}, sys.stdout)
"""


def signature(url, body, key):
    """Headers that sign this request, made by botocore's own signer: not by code of ours.

    botocore may belong to this interpreter or to Debian's (python3-botocore); the first that has it signs.
    """
    headers = {"Content-Type": CONTENT_TYPE, "X-Amz-Target": TARGET}
    asked = {"url": url, "headers": headers, "body": body.decode(), "key": key, "service": SERVICE, "region": REGION}
    complaint = ""
    for python in (sys.executable, SYSTEM_PYTHON):
        done = subprocess.run([python, "-c", SIGNER], input=json.dumps(asked), capture_output=True, text=True)
        if done.returncode == 0:
            return json.loads(done.stdout)
        complaint = done.stderr.strip().splitlines()[-1]
    raise RuntimeError(f"botocore cannot sign: {complaint}: install python3-botocore")
