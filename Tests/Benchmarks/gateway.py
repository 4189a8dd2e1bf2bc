"""Starts Isthmus for the comparison: one listener, one trust domain, one bus whose policy names the caller.

The whole decision is made for every request: certificate to principal, the caller's identity policy, the
bus policy of the other account, and the durable commit before the answer. Only limits that would stop a
benchmark (thousands of connections of one principal from one address) are raised, none is switched off.
"""

import base64
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


def write_configuration(directory, data, port, admin_port, certificates):
    """Writes the YAML and the accounts it names; the schema is that of config/isthmus.yaml."""
    accounts = pathlib.Path(directory) / "accounts"
    accounts.mkdir()
    allow = {"Effect": "Allow", "Action": "events:PutEvents", "Resource": BUS_ARN}
    identity = {"Version": "2012-10-17", "Statement": [allow]}
    grant = {"Version": "2012-10-17", "Statement": [{"Sid": "Publisher", **allow, "Principal": {"AWS": PRINCIPAL}}]}
    servers.write(directory, "bus-policy.json", json.dumps(grant))
    # JSON is YAML: the policy stands in the account's file as it is.
    servers.write(accounts, "globex.yaml", f'account: "{BUS_ACCOUNT}"\nname: globex\nprincipals: []\n')
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
    accounts: ["{pki.CLIENT_ACCOUNT}"]
accounts: accounts/*.yaml
buses:
  - account: "{BUS_ACCOUNT}"
    name: {BUS}
    policy: bus-policy.json
log:
  level: warning
"""
    return servers.write(directory, "isthmus.yaml", text)


def start(program, directory, core, certificates, data_parent):
    """A fresh gateway with an empty data directory, which is removed when it stops.

    The data directory must be on a real disk: on tmpfs an fdatasync costs nothing and proves nothing.
    """
    kind = measure.file_system(data_parent)
    if kind in measure.MEMORY_FILE_SYSTEMS:
        raise RuntimeError(f"`{data_parent}` is on {kind}: name a disk with --data-directory")
    own = pathlib.Path(tempfile.mkdtemp(prefix="gateway-", dir=directory))
    data = pathlib.Path(tempfile.mkdtemp(prefix="isthmus-compare-data-", dir=data_parent))
    port, admin_port = servers.free_port(), servers.free_port()
    configuration = write_configuration(own, data, port, admin_port, certificates)
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


def create_access_key(server):
    """An access key for the principal of the certificate, asked for on the control socket."""
    with socket.socket(socket.AF_UNIX) as control:
        control.settimeout(CONTROL_SECONDS)
        control.connect(str(server.data / "control.sock"))
        control.sendall(json.dumps({"verb": "credentials.create", "principal": PRINCIPAL}).encode() + b"\n")
        answer = json.loads(control.makefile().readline())
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
