"""Starts the real gateway for a test, on free ports and its own directory, and ends exactly what it started."""

import contextlib
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from authority import Authority

ROOT = pathlib.Path(__file__).resolve().parents[2]
REGION = "eu-central-1"
SENDER = "111122223333"
OWNER = "444455556666"
STRANGER = "777788889999"
BUS_ARN = f"arn:aws:events:{REGION}:{OWNER}:event-bus/orders"


def binary():
    named = os.environ.get("ISTHMUS_BIN")
    if named:
        return named
    for build in ("release", "debug"):
        path = ROOT / ".build" / build / "isthmus"
        if path.exists():
            return str(path)
    raise SystemExit("build the gateway first: swift build -c release")


def free_ports(count):
    """So many ports, all different: each is held until all are found."""
    with contextlib.ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def free_port():
    return free_ports(1)[0]


def wait_until(condition, seconds=10, what="the condition"):
    """Polls until `condition()` is true: for other processes, which tell us nothing by themselves."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"{what} did not come true within {seconds} s")


class Gateway:
    """A configuration with two organizations, and the process that serves it."""

    def __init__(self, extra="", limits=None, base=None):
        place = base or os.environ.get("ISTHMUS_TEST_DIR") or None
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="isthmus-test-", dir=place))
        self.port, self.open_port, self.admin_port = free_ports(3)
        self.data = self.folder / "data"
        self.acme = Authority("acme", self.folder)
        self.globex = Authority("globex", self.folder)
        self.servers = Authority("servers", self.folder)
        self.server = self.servers.server("server")
        self.publisher = self.acme.principal("publisher", f"spiffe://acme.example/account/{SENDER}/role/publisher")
        self.administrator = self.globex.principal(
            "administrator", f"spiffe://globex.example/account/{OWNER}/role/administrator")
        self.extra, self.limits = extra, limits or {}
        self.process = None
        self.log_path = self.folder / "gateway.log"
        self.write_configuration()

    @property
    def url(self):
        return f"https://localhost:{self.port}"

    @property
    def open_url(self):
        return f"https://localhost:{self.open_port}"

    @property
    def config(self):
        return self.folder / "isthmus.yaml"

    def write_configuration(self):
        accounts = self.folder / "accounts"
        accounts.mkdir(exist_ok=True)
        (accounts / "owner.yaml").write_text(f"""
account: "{OWNER}"
name: globex
principals:
  - name: role/administrator
    policies:
      - Version: "2012-10-17"
        Statement: [{{Effect: Allow, Action: "events:*", Resource: "*"}}]
  - name: role/reader
    policies:
      - Version: "2012-10-17"
        Statement: [{{Effect: Allow, Action: ["events:Describe*", "events:List*"], Resource: "*"}}]
""")
        (accounts / "sender.yaml").write_text(f"""
account: "{SENDER}"
name: acme
local: false
principals:
  - name: role/publisher
  - name: role/other
""")
        (self.folder / "orders-bus.json").write_text(json.dumps({
            "Version": "2012-10-17",
            "Statement": [{
                "Sid": "AcmePublishes", "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{SENDER}:role/publisher"},
                "Action": "events:PutEvents", "Resource": BUS_ARN,
                "Condition": {"StringLike": {"events:source": "com.acme.*"}}}]}))
        limits = "".join(f"  {name}: {value}\n" for name, value in self.limits.items())
        self.config.write_text(f"""
region: {REGION}
dataDirectory: {self.data}
listeners:
  - {{id: vpce-mutual, address: 127.0.0.1, port: {self.port}, clientCertificate: required,
     certificate: {self.server.path}, privateKey: {self.server.key_path}}}
  - {{id: vpce-open, address: 127.0.0.1, port: {self.open_port}, clientCertificate: optional,
     certificate: {self.server.path}, privateKey: {self.server.key_path}}}
admin: {{address: 127.0.0.1, port: {self.admin_port}}}
trustDomains:
  - name: acme.example
    bundle: {self.acme.bundle}
    issuerPins: ["{self.acme.pin()}"]
    revocationLists: [{self.acme.crl}]
    accounts: ["{SENDER}"]
  - name: globex.example
    bundle: {self.globex.bundle}
    issuerPins: ["{self.globex.pin()}"]
    revocationLists: [{self.globex.crl}]
    accounts: ["{OWNER}"]
accounts: accounts/*.yaml
buses:
  - {{account: "{OWNER}", name: orders, policy: orders-bus.json}}
{"limits:" if limits else ""}
{limits}{self.extra}
""")

    def start(self, wrapper=()):
        self.log = open(self.log_path, "ab")
        self.process = subprocess.Popen(
            [*wrapper, binary(), "serve", "--config", str(self.config)], stdout=self.log, stderr=self.log,
            env={**os.environ, "SWIFT_BACKTRACE": "enable=no"})
        wait_until(self.is_ready, 20, "readiness")
        return self

    def is_ready(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the gateway ended with {self.process.returncode}:\n{self.logged()}")
        return self.page("/readyz", missing=(0, ""))[0] == 200

    def page(self, path, missing=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=5)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        except OSError:
            if missing is None:
                raise
            return missing
        finally:
            connection.close()

    def metric(self, name):
        for line in self.page("/metrics")[1].splitlines():
            if line.startswith(name + " "):
                return float(line.split()[1])
        raise AssertionError(f"no metric {name}")

    def reload(self):
        """Asks for a reload and returns when it is in force (or refused)."""
        names = ("isthmus_reloads_total", "isthmus_reload_failures_total")
        before = [self.metric(name) for name in names]
        self.process.send_signal(signal.SIGHUP)
        wait_until(lambda: [self.metric(name) for name in names] != before, 5, "the reload")

    def stop(self, expected=0):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            code = self.process.wait(timeout=40)
            assert expected is None or code == expected, f"exit code {code}:\n{self.logged()}"
        if self.process:
            self.log.close()
        return self

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.log.close()

    def remove(self):
        if self.process and self.process.poll() is None:
            self.kill()
        if self.process:
            self.log.close()
        shutil.rmtree(self.folder)

    def logged(self):
        return self.log_path.read_text(errors="replace")

    def run(self, *arguments, check=True, given=None):
        done = subprocess.run(
            [binary(), *arguments], capture_output=True, text=True, timeout=30, input=given,
            env={**os.environ, "SWIFT_BACKTRACE": "enable=no"})
        assert not check or done.returncode == 0, f"{arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def credentials(self, account=SENDER, name="role/publisher"):
        """A new access key for a principal: (id, secret)."""
        done = self.run(
            "credentials", "create", "--config", str(self.config), "--principal", f"arn:aws:iam::{account}:{name}",
            "--format", "json")
        answer = json.loads(done.stdout)
        return answer["accessKeyId"], answer["secretAccessKey"]

    def events(self, bus="orders", account=OWNER, start=1):
        """Every admitted event of a bus from sequence `start`, as `isthmus tail` shows them."""
        last = self.run("tail", "--config", str(self.config), "--account", account, "--bus", bus,
                        "--from", str(start), "--no-follow")
        return [json.loads(line) for line in last.stdout.splitlines()]
