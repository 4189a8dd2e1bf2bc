"""Puts load on one server with h2load and with the connections program, and counts what the server paid.

CPU a request: the server is sampled twice while h2load is in full swing, and the requests that ended
between the two samples are counted in h2load's own log (one line a request). So neither handshakes nor
the ramp at both ends are in the figure. Latency percentiles are of the same requests.
"""

import dataclasses
import os
import pathlib
import re
import subprocess
import threading
import time

import gateway
import measure
import servers

WARM_UP_SECONDS = 1.0
SHORT_WARM_UP_SECONDS = 0.3
EDGE_SECONDS = 0.2
IDLE_CONNECTIONS = 1000
WARM_CONNECTIONS = 20


@dataclasses.dataclass(frozen=True)
class Shape:
    connections: int
    streams: int
    entries: int = 1

    @property
    def name(self):
        return f"{self.connections}x{self.streams}" + (f" {self.entries} entries" if self.entries > 1 else "")


@dataclasses.dataclass(frozen=True)
class Figure:
    """One run of one shape. `server_share` and `other_share` are parts of the server's core."""

    requests: int
    requests_a_second: float
    cpu_microseconds: float
    p50_microseconds: float
    p99_microseconds: float
    resident_bytes: int
    server_share: float
    other_share: float


@dataclasses.dataclass(frozen=True)
class Form:
    """Another way to send one event: path below `/`, header fields, content, and where running numbers stand in it.

    With a `webhook_key`, in hexadecimal, each request is signed as Standard Webhooks has it, under an id of its own.
    """

    path: str
    headers: dict
    body: bytes
    numbers_at: tuple[int, ...] = ()
    webhook_key: str | None = None


class Bench:
    """The tools of one run: compiled helpers, certificates, request bodies, and the cores."""

    def __init__(self, directory, sources, certificates, cores):
        self.directory = pathlib.Path(directory)
        self.certificates = certificates
        self.cores = cores
        self.preload = self.directory / "client_certificate.so"
        self.signing_preload = self.directory / "webhook_signature.so"
        self.connections = self.directory / "connections"
        self.body_of_form = self.directory / "body-of-form"
        compile_c(sources / "client_certificate.c", self.preload, "-shared", "-fPIC")
        compile_c(sources / "webhook_signature.c", self.signing_preload, "-shared", "-fPIC")
        compile_c(sources / "connections.c", self.connections)
        self.bodies = {}
        for entries in (1, 10):
            path = self.directory / f"body-{entries}.json"
            path.write_bytes(gateway.put_events_body(entries))
            self.bodies[entries] = path

    def with_certificate(self, form=None):
        signed = {}
        if form and form.webhook_key:
            signed = {"WEBHOOK_KEY": form.webhook_key, "WEBHOOK_BODY": str(self.body_of_form)}
        named = {
            "LD_PRELOAD": ":".join(map(str, [self.preload, *([self.signing_preload] if signed else [])])),
            **signed,
            "CLIENT_CERTIFICATE": str(self.certificates.client_certificate),
            "CLIENT_KEY": str(self.certificates.client_key),
            **({"BODY_NUMBERS_AT": ",".join(map(str, form.numbers_at))} if form and form.numbers_at else {}),
        }
        return {**os.environ, **named}

    def on_load_core(self, *command):
        return ["taskset", "-c", str(self.cores.load), *map(str, command)]

    def h2load(self, server, entries, *options, headers=None, form=None):
        fields = {"content-type": gateway.CONTENT_TYPE, "x-amz-target": gateway.TARGET, **(headers or {})}
        body, path = self.bodies[entries], ""
        if form:
            fields, path = form.headers, form.path
            body = self.body_of_form
            body.write_bytes(form.body)
        lines = [word for name, value in fields.items() for word in ("-H", f"{name.lower()}: {value}")]
        where = [f"--connect-to={servers.HOST}:{server.port}", url(server) + path]
        return self.on_load_core("h2load", "-t1", *options, "-d", body, *lines, *where)


def url(server):
    """The host that is signed is the host h2load sends as :authority."""
    return f"https://localhost:{server.port}/"


def compile_c(source, output, *options):
    warnings = ["-O2", "-Wall", "-Wextra", "-Werror"]
    command = ["cc", *warnings, *options, "-o", output, source, "-lssl", "-lcrypto", "-ldl"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"cannot compile {source.name}: {done.stderr}")


def successes(output):
    """(requests done, requests that succeeded) from h2load's summary.

    Its count of 2xx may be one short after a warm-up: an answer whose header came before the main phase and
    whose end came within it. The other statuses are never ours.
    """
    counts = re.search(r"(\d+) done, (\d+) succeeded", output)
    others = re.search(r"(\d+) 3xx, (\d+) 4xx, (\d+) 5xx", output)
    if not counts or not others:
        raise RuntimeError(f"h2load: {output.strip()[-400:]}")
    return int(counts[1]), int(counts[2]) - int(others[1])


def one_request(bench, server, with_certificate, headers=None):
    """Sends one request; true if the answer was 2xx."""
    command = bench.h2load(server, 1, "-n1", "-c1", headers=headers)
    environment = bench.with_certificate() if with_certificate else None
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    return successes(done.stdout)[1] == 1


def prove_mutual_tls(bench, server):
    """The comparison is void unless a request without a certificate fails and one with it is served."""
    if one_request(bench, server, with_certificate=False):
        raise RuntimeError(f"{server.name} serves a client without a certificate")
    if not one_request(bench, server, with_certificate=True):
        raise RuntimeError(f"{server.name} refuses the client's certificate: {server.last_words()}")


def run_shape(bench, server, shape, seconds, headers=None, count_entries=None, form=None):
    """One run of one shape against one server; raises if a single request failed.

    `count_entries` returns (entries accepted, entries refused) so far, where the server keeps events.
    """
    counted = count_entries() if count_entries else None
    warm_up = WARM_UP_SECONDS if seconds > 1 else SHORT_WARM_UP_SECONDS
    log = bench.directory / "h2load.log"
    log.unlink(missing_ok=True)
    options = [f"-c{shape.connections}", f"-m{shape.streams}", f"-D{seconds}"]
    options += [f"--warm-up-time={round(warm_up * 1000)}ms", f"--log-file={log}"]
    command = bench.h2load(server, shape.entries, *options, headers=headers, form=form)
    environment = bench.with_certificate(form)
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as load:
        heard = []
        reader = threading.Thread(target=lambda: heard.append(load.stdout.read()))
        reader.start()
        time.sleep(warm_up + EDGE_SECONDS)
        first = measure.sample(server.pid, bench.cores.server)
        time.sleep(max(0.1, seconds - 2 * EDGE_SECONDS))
        last = measure.sample(server.pid, bench.cores.server)
        resident = measure.resident_bytes(server.pid)
        load.wait()
        reader.join()
    output = heard[0]
    done, good = successes(output)
    if load.returncode != 0 or done == 0 or good != done:
        raise RuntimeError(f"{server.name} {shape.name}: {done - good} of {done} failed: {output[-600:]}")
    if count_entries:
        check_entries(server, shape, done, counted, count_entries())
    return figure_between(log, first, last, resident, f"{server.name} {shape.name}")


def check_entries(server, shape, done, before, after):
    """PutEvents answers 200 also when it refuses an entry, so the gateway's own counters must agree."""
    accepted, refused = (now - then for now, then in zip(after, before))
    if refused or accepted < done * shape.entries:
        counted = f"{done} requests, entries: {accepted} accepted, {refused} refused"
        raise RuntimeError(f"{server.name} {shape.name}: {counted}")


def figure_between(log, first, last, resident, what):
    """Counts the requests of h2load's log that ended between two samples."""
    durations = []
    begin, end = first.wall * 1e6, last.wall * 1e6
    with open(log, "rb") as lines:
        for line in lines:
            started, status, took = map(int, line.split()[:3])
            if status != 200:
                raise RuntimeError(f"{what}: an answer with status {status}")
            if begin <= started + took < end:
                durations.append(took)
    if not durations:
        raise RuntimeError(f"{what}: no request ended while the server was watched")
    durations.sort()
    wall = last.wall - first.wall
    cpu = last.cpu - first.cpu
    busy = last.core_busy - first.core_busy
    return Figure(
        requests=len(durations),
        requests_a_second=len(durations) / wall,
        cpu_microseconds=cpu / len(durations) * 1e6,
        p50_microseconds=measure.percentile(durations, 0.50),
        p99_microseconds=measure.percentile(durations, 0.99),
        resident_bytes=resident,
        server_share=cpu / wall,
        other_share=max(0.0, busy - cpu) / wall,
    )


def files_of(bench):
    certificates = bench.certificates
    return [certificates.client_certificate, certificates.client_key, certificates.server_ca]


def run_handshakes(bench, server, count):
    """CPU of the server for a full mutual-TLS handshake up to its SETTINGS, and the tickets it sent with it."""

    def connect(times):
        command = bench.on_load_core(bench.connections, "handshake", server.port, times, *files_of(bench))
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"{server.name} handshakes: {done.stderr.strip()}")
        return re.match(r"handshakes (\d+) tickets (\d+) microseconds (\d+)", done.stdout)

    connect(WARM_CONNECTIONS)
    before = measure.cpu_seconds(server.pid)
    said = connect(count)
    spent = measure.cpu_seconds(server.pid) - before
    return {
        "handshakes": count,
        "cpu_microseconds": spent / count * 1e6,
        "elapsed_microseconds": int(said[3]) / count,
        "tickets_each": int(said[2]) / count,
    }


class IdleConnections:
    """A client process that keeps connections open; ended by `close`."""

    def __init__(self, bench, server, count):
        self.server = server
        command = bench.on_load_core(
            bench.connections, "idle", server.port, count, *files_of(bench), bench.bodies[1]
        )
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            said = self.process.stdout.readline()
        except BaseException:
            self.process.kill()
            self.close()
            raise
        if said != f"ready {count}\n":
            self.close()
            raise RuntimeError(f"{server.name} did not accept {count} connections")

    def served(self, wanted):
        """Sends a request on `wanted` of the connections; how many were answered with 200."""
        print(f"request {wanted}", file=self.process.stdin, flush=True)
        said = re.match(r"served (\d+) of", self.process.stdout.readline())
        return int(said[1]) if said else 0

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


def run_idle(bench, server, total, asked):
    """Resident memory a connection at IDLE_CONNECTIONS and at `total`, and requests on the idle ones.

    The server is fresh and has served a few connections, so that what it allocates once is not counted.
    """
    run_handshakes(bench, server, WARM_CONNECTIONS)
    held = []
    first = min(total, IDLE_CONNECTIONS)
    try:
        base = measure.resident_bytes(server.pid)
        held.append(IdleConnections(bench, server, first))
        at_first = measure.resident_bytes(server.pid)
        if total > first:
            held.append(IdleConnections(bench, server, total - first))
        at_total = measure.resident_bytes(server.pid)
        served = sum(each.served(asked) for each in held)
        after = measure.resident_bytes(server.pid)
    finally:
        for each in held:
            each.close()
    return {
        "connections": first,
        "bytes_a_connection": (at_first - base) / first,
        "total": total,
        "bytes_a_connection_at_total": (at_total - base) / total,
        "bytes_a_connection_after_requests": (after - base) / total,
        "asked": asked * len(held),
        "served": served,
        "resident_before": base,
    }
