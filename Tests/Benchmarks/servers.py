"""Starts the servers to compare and ends them: the gateway's peers and the backend behind them.

Every peer is a TLS server that requires and verifies a client certificate, speaks HTTP/2 in front, has one
worker with one thread, and passes the request to one trivial backend on this host. Settings that only
limit (connections, requests a connection, idle time) are raised, logs and tickets are off, nginx gets body
buffers that hold ten entries (half the CPU there); all else is what Debian ships.

Two ways to the backend are measured, as they differ by a factor of two: HTTP/1.1 with connections kept
alive, which every proxy speaks (nginx nothing else), and, for `nghttpx+h2` and `haproxy+h2`, one clear-text
HTTP/2 connection, on which requests of all clients share a system call. The backend of the first is nginx;
that of the second is HAProxy, because nginx answers before it has read a body and resets streams for it.
"""

import dataclasses
import os
import pathlib
import signal
import socket
import subprocess
import time

HOST = "127.0.0.1"
START_SECONDS = 15
STOP_SECONDS = 10
IDLE_SECONDS = 600
CONNECTIONS_MAX = 6000
REQUESTS_MAX = 2_000_000_000
BACKEND_REPLY = '{"FailedEntryCount":0,"Entries":[{"EventId":"11710aed-b79e-4468-a20b-bb3c0c3b4860"}]}'


@dataclasses.dataclass(frozen=True)
class Cores:
    """The server alone on one core. With only two, the backend shares the load generator's."""

    server: int
    load: int
    backend: int

    @staticmethod
    def of_this_machine():
        mine = sorted(os.sched_getaffinity(0))
        if len(mine) < 2:
            raise RuntimeError("two cores are needed: one for the server, one for the load")
        return Cores(server=mine[0], load=mine[1], backend=mine[2] if len(mine) > 2 else mine[1])


class Server:
    """One running server: started on construction, ended by `stop`, its output in LOG."""

    def __init__(self, name, port, core, command, log, environment=None, start_seconds=START_SECONDS):
        self.name = name
        self.port = port
        self.log = log
        self.command = command
        self.on_stop = []
        with open(log, "ab") as output:
            self.process = subprocess.Popen(
                ["taskset", "-c", str(core), *map(str, command)],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, start_new_session=True,
            )
        self.pid = self.process.pid
        try:
            self._wait_until_listening(start_seconds)
        except BaseException:
            self.stop()
            raise

    def _wait_until_listening(self, seconds):
        give_up = time.monotonic() + seconds
        while time.monotonic() < give_up:
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.name} ended with {self.process.returncode}: {self.last_words()}")
            try:
                socket.create_connection((HOST, self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise RuntimeError(f"{self.name} does not listen on {self.port}: {self.last_words()}")

    def last_words(self):
        return "\n".join(pathlib.Path(self.log).read_text(errors="replace").splitlines()[-12:])

    def stop(self):
        """SIGTERM, then SIGKILL to what is left of the session this server was started in."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(self.pid, signal.SIGKILL)
                self.process.wait()
        for action in self.on_stop:
            action()
        self.on_stop = []


def free_port():
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


def write(directory, name, text):
    path = pathlib.Path(directory) / name
    path.write_text(text)
    return path


def without_tickets(directory):
    """An environment in which OpenSSL sends no session ticket, whichever server runs in it.

    HAProxy and nginx with tickets off still send two stateful ones in a TLS 1.3 handshake, and nghttpx has no
    such setting. The gateway sends none, so a handshake that pays for them would be an unfair comparison.
    """
    text = "openssl_conf = top\n[top]\nssl_conf = ssl\n[ssl]\nsystem_default = all\n[all]\nNumTickets = 0\n"
    configuration = write(directory, "openssl.cnf", text)
    return {**os.environ, "OPENSSL_CONF": str(configuration)}


def nginx_command(configuration, directory):
    return ["nginx", "-c", configuration, "-p", directory, "-e", "stderr"]


def nginx_common(directory, name):
    """The part both nginx processes share: foreground, own pid file, no access log, own temporary paths."""
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = "\n".join(f"    {kind}_temp_path {directory}/{name}-{kind};" for kind in kinds)
    user = "user root;\n" if os.geteuid() == 0 else ""
    events = f"events {{ worker_connections {2 * CONNECTIONS_MAX}; }}\n"
    head = f"{user}daemon off;\nworker_processes 1;\npid {directory}/{name}.pid;\nerror_log stderr error;\n{events}"
    limits = f"    access_log off;\n    keepalive_requests {REQUESTS_MAX};\n    keepalive_timeout {IDLE_SECONDS}s;\n"
    return head, limits + paths


def start_backend(directory, core):
    """nginx answering every request from memory: cheap, and its CPU is counted nowhere."""
    port = free_port()
    head, common = nginx_common(directory, "backend")
    text = f"""{head}http {{
{common}
    default_type application/x-amz-json-1.1;
    server {{ listen {HOST}:{port}; location / {{ return 200 '{BACKEND_REPLY}'; }} }}
}}
"""
    configuration = write(directory, "backend.conf", text)
    command = nginx_command(configuration, directory)
    return Server("backend", port, core, command, pathlib.Path(directory) / "backend.log")


def start_http2_backend(directory, core):
    """The same reply over clear-text HTTP/2, given after the whole body has been read."""
    port = free_port()
    text = f"""global
    nbthread 1
    maxconn {CONNECTIONS_MAX}
defaults
    mode http
    timeout connect 5s
    timeout client {IDLE_SECONDS}s
    timeout server {IDLE_SECONDS}s
frontend front
    bind {HOST}:{port} proto h2
    http-request wait-for-body time 5s
    http-request return status 200 content-type application/x-amz-json-1.1 string '{BACKEND_REPLY}'
"""
    configuration = write(directory, "backend-h2.cfg", text)
    command = ["haproxy", "-db", "-f", configuration]
    return Server("backend-h2", port, core, command, pathlib.Path(directory) / "backend-h2.log")


def start_haproxy(directory, core, certificates, backend, name="haproxy", protocol=""):
    port = free_port()
    tls = f"ssl crt {certificates.server_pair} ca-file {certificates.client_ca} verify required"
    text = f"""global
    nbthread 1
    maxconn {CONNECTIONS_MAX}
    tune.ssl.cachesize 0
    ssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets
defaults
    mode http
    option http-keep-alive
    http-reuse always
    timeout connect 5s
    timeout client {IDLE_SECONDS}s
    timeout http-keep-alive {IDLE_SECONDS}s
    timeout server {IDLE_SECONDS}s
frontend front
    bind {HOST}:{port} {tls} alpn h2,http/1.1
    default_backend back
backend back
    server one {HOST}:{backend.port}{protocol}
"""
    configuration = write(directory, f"{name}.cfg", text)
    command = ["haproxy", "-db", "-f", configuration]
    return Server(name, port, core, command, pathlib.Path(directory) / f"{name}.log", without_tickets(directory))


def start_nghttpx(directory, core, certificates, backend, name="nghttpx", protocol=""):
    port = free_port()
    configuration = write(directory, "nghttpx.conf", "")
    command = [
        "nghttpx", f"--conf={configuration}", "--workers=1", "--single-thread", "--no-ocsp",
        f"--frontend={HOST},{port}", f"--backend={HOST},{backend.port}{protocol}",
        "--verify-client", f"--verify-client-cacert={certificates.client_ca}",
        f"--frontend-http2-read-timeout={IDLE_SECONDS}", f"--frontend-keep-alive-timeout={IDLE_SECONDS}",
        certificates.server_key, certificates.server_certificate,
    ]
    return Server(name, port, core, command, pathlib.Path(directory) / f"{name}.log", without_tickets(directory))


def start_nginx(directory, core, certificates, backend):
    port = free_port()
    head, common = nginx_common(directory, "nginx")
    text = f"""{head}http {{
{common}
    upstream back {{ server {HOST}:{backend.port}; keepalive 512; keepalive_requests {REQUESTS_MAX}; }}
    server {{
        listen {HOST}:{port} ssl http2;
        ssl_certificate {certificates.server_certificate};
        ssl_certificate_key {certificates.server_key};
        ssl_client_certificate {certificates.client_ca};
        ssl_verify_client on;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_session_tickets off;
        ssl_session_cache off;
        client_body_buffer_size 64k;
        http2_body_preread_size 64k;
        location / {{
            proxy_pass http://back;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }}
    }}
}}
"""
    configuration = write(directory, "nginx.conf", text)
    command = nginx_command(configuration, directory)
    return Server("nginx", port, core, command, pathlib.Path(directory) / "nginx.log", without_tickets(directory))


def start_haproxy_h2(directory, core, certificates, backend):
    return start_haproxy(directory, core, certificates, backend, "haproxy+h2", " proto h2")


def start_nghttpx_h2(directory, core, certificates, backend):
    return start_nghttpx(directory, core, certificates, backend, "nghttpx+h2", ";;proto=h2")


# Name: how it starts, and how its backend does.
PROXIES = {
    "haproxy": (start_haproxy, start_backend),
    "nghttpx": (start_nghttpx, start_backend),
    "nginx": (start_nginx, start_backend),
    "haproxy+h2": (start_haproxy_h2, start_http2_backend),
    "nghttpx+h2": (start_nghttpx_h2, start_http2_backend),
}
