"""What a client may try in a handshake: a single suite, an older version, renegotiation, a session from before."""

import socket
import ssl
import subprocess
import threading

from attacks import client_context, connect_tls


def s_client(gateway, *arguments, text="", port=None):
    alpn = [] if "-alpn" in arguments else ["-alpn", "http/1.1"]
    done = subprocess.run(
        ["openssl", "s_client", *alpn, "-connect", f"127.0.0.1:{port or gateway.open_port}", "-servername", "localhost",
         "-CAfile", str(gateway.servers.bundle), *arguments], input=text.encode(), capture_output=True, timeout=20)
    return (done.stdout + done.stderr).decode(errors="replace")


def speaks(gateway, prepare):
    """What a client of these settings agrees on with the gateway: (version, suite); `None` when nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(str(gateway.servers.bundle))
    context.set_alpn_protocols(["http/1.1"])
    try:
        prepare(context)
        with connect_tls(gateway.open_port, context) as connection:
            return connection.version(), connection.cipher()[0]
    except (ssl.SSLError, OSError):
        return None


def only(suite, version):
    def prepare(context):
        context.set_ciphers(f"{suite}:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = version
    return prepare


def renegotiated(gateway):
    """What `openssl s_client` says after its command to renegotiate; the input stays open until the end."""
    client = subprocess.Popen(
        ["openssl", "s_client", "-tls1_2", "-alpn", "http/1.1", "-connect", f"127.0.0.1:{gateway.open_port}"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    client.stdin.write(b"R\n")
    client.stdin.flush()
    said = b""
    while b"no renegotiation" not in said and (piece := client.stdout.read1()):
        said += piece
    client.stdin.close()
    client.stdout.close()
    client.wait(timeout=10)
    return said.decode(errors="replace")


class Visitor:
    """A client of one version of TLS; each of its sessions may be offered again anywhere."""

    def __init__(self, gateway, leaf, version):
        self.context = client_context(gateway, leaf, alpn=["http/1.1"])
        self.context.check_hostname = False
        self.context.minimum_version = self.context.maximum_version = version

    def visit(self, port, request, session=None, name="localhost"):
        """Sends a request on a new connection: (whether it was served, whether `session` was resumed, the session)."""
        plain = socket.create_connection(("127.0.0.1", port), timeout=10)
        # Else the request waits for the acknowledgement of the handshake's last message.
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self.context.wrap_socket(plain, server_hostname=name, session=session) as peer:
            peer.sendall(request)
            served = peer.recv(12) == b"HTTP/1.1 200"
            return served, peer.session_reused, peer.session


class Hesitant:
    """A client that keeps back the last record of its handshake, the Finished, until it asks for something."""

    def __init__(self, gateway, leaf, version):
        context = client_context(gateway, leaf, alpn=["http/1.1"])
        context.minimum_version = context.maximum_version = version
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.session = context.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")
        self.plain = socket.create_connection(("127.0.0.1", gateway.port), timeout=10)
        self.plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        assert not self.advance()
        self.plain.sendall(self.outgoing.read())
        while not self.outgoing.pending:
            self.receive()
            self.advance()
        flight, at = self.outgoing.read(), 0
        while (end := at + 5 + int.from_bytes(flight[at + 3:at + 5], "big")) < len(flight):
            at = end
        assert at > 0
        self.plain.sendall(flight[:at])
        self.last = flight[at:]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.plain.close()

    def advance(self):
        try:
            self.session.do_handshake()
            return True
        except ssl.SSLWantReadError:
            return False

    def receive(self):
        """Whether there was more to come."""
        piece = self.plain.recv(65536)
        if piece:
            self.incoming.write(piece)
        else:
            self.incoming.write_eof()
        return bool(piece)

    def ask(self, request):
        """Ends the handshake and sends a request that asks for the connection's end: all that is answered."""
        self.plain.sendall(self.last)
        while not self.advance():
            assert self.receive(), "the handshake was refused"
        self.session.write(request)
        self.plain.sendall(self.outgoing.read())
        while self.receive():
            pass
        answer = b""
        while piece := self.session.read(65536):
            answer += piece
        return answer


class TicketServer:
    """Serves with the gateway's own certificate and, unlike the gateway, lets a client resume its session: shows that what
    is offered to the gateway can be resumed where it comes from."""

    def __init__(self, gateway):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*gateway.server.pair)
        self.context.load_verify_locations(str(gateway.acme.bundle))
        self.context.verify_mode = ssl.CERT_REQUIRED
        self.context.set_alpn_protocols(["http/1.1"])
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]

    def __enter__(self):
        self.serving = threading.Thread(target=self.serve, daemon=True)
        self.serving.start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.serving.join(10)

    def serve(self):
        while True:
            try:
                plain, _ = self.listener.accept()
            except OSError:
                return
            try:
                with self.context.wrap_socket(plain, server_side=True) as peer:
                    while peer.recv(65536):
                        peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            except OSError:
                # The client went without a word; it has what it came for.
                continue
