"""A webhook that takes events: a partner's active source with a secret, and messages signed for it."""

import contextlib
import datetime
import http.client
import itertools
import json
import ssl

import boto3
from botocore.config import Config
from standardwebhooks import Webhook

from attacks import Way
from canary import body_of
from gateway import OWNER, REGION, SENDER, Gateway

SOURCE = "aws.partner/acme.example/attacked/orders"
PATH = f"/webhooks/{SOURCE}"
#: The content of a PutEvents request is a good message, too: an attack is the same bytes at either path.
EXTRA = f"""
partners: [{{name: acme.example, account: "{SENDER}"}}]
webhooks: [{{source: {SOURCE}, scheme: standard-webhooks, detailType: {{pointer: /Entries/0/DetailType}}}}]
"""


@contextlib.contextmanager
def hooked(**arguments):
    """A running gateway with a `hook`, removed in the end."""
    running = Gateway(EXTRA, **arguments).start()
    try:
        running.hook = Hook(running)
        yield running
        running.stop()
    finally:
        running.remove()


class Hook:
    def __init__(self, gateway):
        self.gateway, self.numbers = gateway, itertools.count(1)
        self.way = Way("open_port", False, PATH.encode(), SOURCE, self.fields)
        self.client(SENDER, "role/publisher", gateway.publisher).create_partner_event_source(Name=SOURCE, Account=OWNER)
        self.client(OWNER, "role/administrator", gateway.administrator).create_event_bus(
            Name=SOURCE, EventSourceName=SOURCE)
        lines = gateway.run("webhook", "secret", "create", "--source", SOURCE, "--config", str(gateway.config)).stdout
        self.webhook = Webhook(dict(line.split(None, 1) for line in lines.splitlines())["secret"])

    def client(self, account, name, leaf):
        key = self.gateway.credentials(account, name)
        return boto3.client(
            "events", region_name=REGION, endpoint_url=self.gateway.url, verify=str(self.gateway.servers.bundle),
            aws_access_key_id=key[0], aws_secret_access_key=key[1], config=Config(client_cert=leaf.pair))

    def fields(self, body):
        """The fields of a message that was never sent before, always of the same length."""
        moment = datetime.datetime.now(datetime.timezone.utc)
        identifier = f"msg_{next(self.numbers):08}"
        return ((b"content-type", b"application/json"), (b"webhook-id", identifier.encode()),
                (b"webhook-timestamp", b"%d" % int(moment.timestamp())),
                (b"webhook-signature", self.webhook.sign(identifier, moment, body.decode()).encode()))

    def takes(self):
        """Sends a good message without a client certificate; its EventId."""
        context = ssl.create_default_context(cafile=str(self.gateway.servers.bundle))
        context.set_alpn_protocols(["http/1.1"])
        connection = http.client.HTTPSConnection("localhost", self.gateway.open_port, context=context, timeout=10)
        body = body_of()
        try:
            fields = {name.decode(): value.decode() for name, value in self.fields(body)}
            connection.request("POST", PATH, body, fields)
            response = connection.getresponse()
            content = response.read()
            assert response.status == 200, (response.status, content)
            return json.loads(content)["EventId"]
        finally:
            connection.close()
