"""A partner's event sources for the comparison: what stands in the configuration, and what the interface makes.

Every source is active, on a bus of its own, and the first has a webhook with a secret. The partner is the account of
the client's certificate, the customer the one that owns the buses; here one authority speaks for both.
"""

import base64
import json
import secrets
import subprocess

import certificates as pki
import gateway
import load

PARTNER = "acme.example"
NUMBER = "0" * 16
SOURCES = f"aws.partner/{PARTNER}/orders/{NUMBER}"
#: The first that is made.
SOURCE = SOURCES
# Of this run alone: it is given to the gateway on its control socket and to h2load in its environment.
KEY = secrets.token_bytes(32)
SIGNED = ("webhook-id", "webhook-timestamp", "webhook-signature")
# The control plane lets 32 calls of one principal wait.
STREAMS = 30

ADMINISTRATOR = "administrator"
IDENTITY = {
    "Effect": "Allow", "Action": ["events:CreatePartnerEventSource", "events:PutPartnerEvents"], "Resource": "*"
}
CUSTOMER = f"""account: "{gateway.BUS_ACCOUNT}"
name: globex
principals:
  - name: role/{ADMINISTRATOR}
    policies:
      - {{"Version": "2012-10-17", "Statement": [{{"Effect": "Allow", "Action": "events:*", "Resource": "*"}}]}}
"""
# A quota of calls would only make the preparation slow.
CONFIGURATION = f"""partners:
  - name: {PARTNER}
    account: "{pki.CLIENT_ACCOUNT}"
webhooks:
  - source: {SOURCE}
    scheme: standard-webhooks
    detailType: {{value: OrderPlaced}}
quotas:
  everybody:
    "*": {{perSecond: 1000000, burst: 10000000}}
"""
PARTNERSHIP = gateway.Partnership(CONFIGURATION, (pki.CLIENT_ACCOUNT, gateway.BUS_ACCOUNT), CUSTOMER, IDENTITY)


def prepare(bench, server, count):
    """Makes `count` sources, gives each a bus, which activates it, and the webhook of the very first its secret."""
    certificate, key = pki.issue_client(
        bench.certificates.directory, "customer", gateway.BUS_ACCOUNT, ADMINISTRATOR
    )
    customer = {"CLIENT_CERTIFICATE": str(certificate), "CLIENT_KEY": str(key)}
    call(bench, server, count, "CreatePartnerEventSource", {"Name": SOURCES, "Account": gateway.BUS_ACCOUNT}, {})
    call(bench, server, count, "CreateEventBus", {"Name": SOURCES, "EventSourceName": SOURCES}, customer)
    answer = gateway.ask(server, {"verb": "webhook.secret.create", "source": SOURCE, "key": secret()})
    if "id" not in answer:
        raise RuntimeError(f"the webhook takes no secret: {answer}")


def call(bench, server, count, operation, parameters, caller):
    """Calls `count` times by h2load; the names of each call carry the next number."""
    body = json.dumps(parameters).encode()
    places = tuple(at for at in range(len(body)) if body.startswith(NUMBER.encode(), at))
    form = load.Form("", api_headers(operation), body, numbers_at=places)
    command = bench.h2load(server, 1, f"-n{count}", "-c1", f"-m{min(count, STREAMS)}", form=form)
    environment = {**bench.with_certificate(form), **caller, "BODY_NUMBERS_FROM": "0"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    asked, good = load.successes(done.stdout)
    if (asked, good) != (count, count):
        raise RuntimeError(f"{operation}: {good} of {count} were answered with success: {done.stdout[-600:]}")


def api_headers(operation):
    return {"content-type": gateway.CONTENT_TYPE, "x-amz-target": f"AWSEvents.{operation}"}


def secret():
    return "whsec_" + base64.b64encode(KEY).decode()


def filled(make):
    """The content that `make` gives for a filling of so many bytes, such that it has BODY_BYTES bytes."""
    return make(gateway.BODY_BYTES - len(make(0)))


def detail(filling):
    return {"order": "7d1c2f0e", "amount": 4200, "currency": "EUR", "note": "x" * filling}


def webhook():
    """An event of BODY_BYTES bytes as Standard Webhooks has it; ids and signatures are made while it is sent."""
    body = filled(lambda filling: json.dumps(detail(filling), separators=(",", ":")).encode())
    headers = {"content-type": "application/json", **dict.fromkeys(SIGNED, "-")}
    return load.Form(f"webhooks/{SOURCE}", headers, body, webhook_key=KEY.hex())


def put_partner_events():
    def content(filling):
        text = json.dumps(detail(filling))
        entry = {"Source": SOURCE, "DetailType": "OrderPlaced", "Detail": text}
        return json.dumps({"Entries": [entry]}, separators=(",", ":")).encode()

    return load.Form("", api_headers("PutPartnerEvents"), filled(content))
