"""Senders for the tests of faults: one connection each, every answer kept, so that promises can be held against the log."""

import http.client
import json
import ssl
import subprocess
import threading

from gateway import BUS_ARN, binary

TARGET = "AWSEvents.PutEvents"


def entry(number, source="com.acme.orders", size=0):
    """An entry whose detail tells it from all others."""
    detail = {"n": number}
    if size:
        detail["filling"] = "x" * size
    return {"Source": source, "DetailType": "Numbered", "Detail": json.dumps(detail), "EventBusName": BUS_ARN}


def body_of(*entries):
    return json.dumps({"Entries": list(entries)}).encode()


class Answer:
    """A response: status, fields and what PutEvents says."""

    def __init__(self, response):
        self.status, self.fields = response.status, response.headers
        self.content = response.read()
        self.json = json.loads(self.content) if self.content else {}

    @property
    def ids(self):
        """The EventIds of a wholly accepted request; `None` of any other."""
        if self.status != 200 or self.json.get("FailedEntryCount") != 0:
            return None
        return [one["EventId"] for one in self.json["Entries"]]

    @property
    def code(self):
        return self.json.get("__type", "").split("#")[-1]

    def __repr__(self):
        return f"{self.status} {self.content[:300]!r}"


class Publisher:
    """One HTTP/1.1 connection over mutual TLS, identified by its certificate; opened again only when asked."""

    def __init__(self, gateway, leaf=None, port=None, timeout=30, key=None):
        self.gateway, self.key = gateway, key
        context = ssl.create_default_context(cafile=str(gateway.servers.bundle))
        context.set_alpn_protocols(["http/1.1"])
        context.load_cert_chain(*(leaf or gateway.publisher).pair)
        self.connection = http.client.HTTPSConnection("localhost", port or gateway.port, context=context, timeout=timeout)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def post(self, body, headers=None, target=TARGET):
        fields = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": target, **(headers or {})}
        self.connection.request("POST", "/", body, fields)
        return Answer(self.connection.getresponse())

    def put(self, *entries, headers=None):
        return self.post(body_of(*entries), headers)


class Flood:
    """Several connections that send numbered events without a pause until told to stop.

    `acknowledged` maps each number to its EventId; `refused` holds complete answers that were not a success, each with the
    `numbers` it is about, `broken` what ended a connection. A sender stops at its first broken connection.
    """

    def __init__(self, gateway, connections=4, size=0, begin=0, headers=None, per_request=1, timeout=30):
        self.gateway, self.size, self.headers, self.per_request = gateway, size, headers, per_request
        self.timeout = timeout
        self.acknowledged, self.refused, self.broken, self.sent = {}, [], [], 0
        self.ending, self.first = threading.Event(), threading.Event()
        self.threads = [
            threading.Thread(target=self.send, args=(begin + 1_000_000 * index,), daemon=True)
            for index in range(connections)]

    def start(self):
        for thread in self.threads:
            thread.start()
        assert self.first.wait(20) and self.sent and not self.broken, f"nothing was answered: {self.broken}"
        return self

    def send(self, number):
        try:
            with Publisher(self.gateway, timeout=self.timeout) as publisher:
                while not self.ending.is_set():
                    numbers = range(number, number + self.per_request)
                    number += self.per_request
                    self.sent += self.per_request
                    answer = publisher.put(*[entry(one, size=self.size) for one in numbers], headers=self.headers)
                    if answer.ids:
                        self.acknowledged.update(zip(numbers, answer.ids))
                    else:
                        answer.numbers = list(numbers)
                        self.refused.append(answer)
                    self.first.set()
        except (OSError, http.client.HTTPException) as error:
            self.broken.append(error)
            self.first.set()

    def stop(self):
        self.ending.set()
        return self.wait()

    def wait(self):
        for thread in self.threads:
            thread.join(60)
            assert not thread.is_alive(), "a sender hangs"
        return self


def stored(gateway):
    """Every event of the bus `orders` as {number: id}; a number stored twice, and a gap in the sequence, are errors."""
    return checked(gateway.events())


def stored_until_mark(gateway, mark=-1):
    """As `stored`, of a bus with more than one wants in memory as text: puts one more event and follows the bus up to it."""
    with Publisher(gateway) as publisher:
        assert publisher.put(entry(mark)).ids
    follower = subprocess.Popen(
        [binary(), "tail", "--config", str(gateway.config), "--bus", "orders", "--from", "1"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    events = []
    try:
        while not events or events[-1]["detail"]["n"] != mark:
            event = json.loads(follower.stdout.readline())
            event["detail"].pop("filling", None)
            events.append(event)
    finally:
        follower.terminate()
        follower.wait()
        follower.stdout.close()
    found = checked(events)
    del found[mark]
    return found


def checked(events):
    found, sequences = {}, []
    for event in events:
        number = event["detail"]["n"]
        assert number not in found, f"event {number} is stored twice"
        found[number] = event["id"]
        sequences.append(event["isthmus"]["sequence"])
    assert sequences == list(range(1, len(sequences) + 1)), "the sequences are not dense"
    return found


def assert_not_stored(numbers, found):
    """What a 503 promises: of these requests nothing is there."""
    there = sorted(set(numbers) & found.keys())
    assert not there, f"{len(there)} events that were answered 503 are stored: {there[:5]}"


def assert_kept(acknowledged, found):
    lost = {number: name for number, name in acknowledged.items() if found.get(number) != name}
    assert not lost, f"{len(lost)} of {len(acknowledged)} acknowledged events are lost: {sorted(lost)[:5]}"
