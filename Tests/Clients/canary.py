"""A legitimate client beside an attack: 20 signed PutEvents a second over mutual TLS, in a process of its own."""

import http.client
import json
import multiprocessing
import os
import ssl
import tempfile
import threading
import time

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from gateway import BUS_ARN, REGION

PER_SECOND = 20
ENTRY = {"Source": "com.acme.orders", "DetailType": "Canary", "Detail": "{}", "EventBusName": BUS_ARN}


def body_of(*entries):
    return json.dumps({"Entries": list(entries or [ENTRY])}).encode()


def signed(key, url, body, target="AWSEvents.PutEvents", region=REGION, extra=(), service="events"):
    """The headers of a POST signed by botocore, `host` included."""
    request = AWSRequest("POST", url + "/", data=body, headers={
        "Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": target, **dict(extra)})
    SigV4Auth(Credentials(*key), service, region).add_auth(request)
    return {**dict(request.headers), "Host": url.split("//")[1]}


def put_once(connection, key, url):
    body = body_of()
    connection.request("POST", "/", body, signed(key, url, body))
    response = connection.getresponse()
    answer = json.loads(response.read())
    if response.status != 200 or answer["FailedEntryCount"] != 0:
        raise RuntimeError(f"{response.status} {answer}")


class Metronome(threading.Thread):
    """How long a small write of its own waits for the disk, 20 times a second: shown beside the canary, judged by none."""

    def __init__(self, folder):
        super().__init__(daemon=True)
        self.folder, self.end, self.stall = folder, threading.Event(), 0.0

    def run(self):
        with tempfile.TemporaryFile(dir=self.folder) as file:
            while not self.end.is_set():
                start = time.monotonic()
                self.end.wait(1 / PER_SECOND)
                os.pwrite(file.fileno(), b"beat", 0)
                os.fdatasync(file.fileno())
                if not self.end.is_set():
                    self.stall = max(self.stall, time.monotonic() - start - 1 / PER_SECOND)


def sing(pipe, port, url, key, pair, authority, folder):
    metronome = Metronome(folder)
    metronome.start()
    context = ssl.create_default_context(cafile=authority)
    context.load_cert_chain(*pair)
    context.set_alpn_protocols(["http/1.1"])
    connection = http.client.HTTPSConnection("localhost", port, context=context, timeout=10)
    times, failures, due = [], [], time.monotonic()
    try:
        put_once(connection, key, url)
    except Exception as error:  # whatever it is, it is the finding
        failures.append(f"first request: {error!r}")
    pipe.send("singing")
    while not pipe.poll(max(0, due - time.monotonic())):
        start = time.monotonic()
        due = max(due + 1 / PER_SECOND, start)
        try:
            put_once(connection, key, url)
            times.append(time.monotonic() - start)
        except Exception as error:
            failures.append(repr(error))
            connection.close()
    pipe.recv()
    metronome.end.set()
    metronome.join()
    pipe.send((times, failures, metronome.stall))


class Canary:
    """`with Canary(gateway, key) as canary: …`, then `canary.failures`, `canary.p99` and `canary.stall`."""

    def __init__(self, gateway, key):
        self.arguments = (gateway.port, gateway.url, key, gateway.publisher.pair, str(gateway.servers.bundle),
                          str(gateway.folder))

    def __enter__(self):
        self.pipe, theirs = multiprocessing.Pipe()
        self.process = multiprocessing.get_context("spawn").Process(target=sing, args=(theirs, *self.arguments))
        self.process.start()
        if not self.pipe.poll(30):
            raise AssertionError("the canary does not start")
        self.pipe.recv()
        return self

    def __exit__(self, *_):
        self.pipe.send("stop")
        if not self.pipe.poll(30):
            self.process.kill()
            raise AssertionError("the canary does not answer")
        self.times, self.failures, stall = self.pipe.recv()
        self.stall = stall * 1000
        self.process.join()

    @property
    def p99(self):
        """Milliseconds; of few requests the slowest."""
        return sorted(self.times)[int(len(self.times) * 0.99)] * 1000 if self.times else float("inf")

    def __str__(self):
        return f"{len(self.times)} served, {len(self.failures)} failed, p99 {self.p99:.1f} ms, a write beside it {self.stall:.1f} ms"
