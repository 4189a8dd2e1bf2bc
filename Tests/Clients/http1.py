"""A raw HTTP/1.1 client over TLS with a client certificate, and the responses as they stand on the wire."""

import json
import socket
import ssl

from attacks import client_context, connect_tls


class Peer:
    """One connection: bytes out, whole responses in."""

    def __init__(self, gateway, context=None, port=None):
        self.socket = connect_tls(
            port or gateway.port, context or client_context(gateway, gateway.publisher, alpn=["http/1.1"]))
        self.pending = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, octets):
        try:
            self.socket.sendall(octets)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLEOFError):
            # The gateway has refused what came before; its answer is still to be read.
            pass

    def fill(self):
        try:
            piece = self.socket.recv(65536)
        except (ConnectionResetError, ssl.SSLEOFError):
            piece = b""
        self.pending += piece
        return bool(piece)

    def response(self):
        """The next response: (status, fields, body); `None` at the end of the connection."""
        while b"\r\n\r\n" not in self.pending:
            if not self.fill():
                assert not self.pending, f"half a response: {self.pending!r}"
                return None
        head, self.pending = self.pending.split(b"\r\n\r\n", 1)
        lines = head.split(b"\r\n")
        fields = {}
        for line in lines[1:]:
            name, value = line.split(b":", 1)
            fields[name.strip().lower().decode()] = value.strip().decode()
        status = int(lines[0].split(b" ")[1])
        if status == 100:
            return status, fields, b""
        length = int(fields["content-length"])
        while len(self.pending) < length:
            assert self.fill(), "half a body"
        body, self.pending = self.pending[:length], self.pending[length:]
        return status, fields, body

    def statuses_until_end(self, seconds=3):
        """Every status until the gateway closes; the last is `open` when it does not."""
        self.socket.settimeout(seconds)
        seen = []
        try:
            while (response := self.response()) is not None:
                seen.append(response[0])
        except (socket.timeout, ssl.SSLWantReadError):
            seen.append("open")
        return seen


def event_id(response):
    """The EventId of a PutEvents answer with one accepted entry, or of a webhook's."""
    status, _, body = response
    answer = json.loads(body)
    if status == 200 and answer.keys() == {"EventId"}:
        return answer["EventId"]
    assert status == 200 and answer["FailedEntryCount"] == 0, (status, body)
    (entry,) = answer["Entries"]
    return entry["EventId"]
