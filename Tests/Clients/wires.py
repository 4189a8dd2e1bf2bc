"""A TCP proxy that breaks connections on purpose, and peers that send or read slowly."""

import select
import socket
import struct
import threading


def reset(connection):
    """Closes with RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


class FaultProxy:
    """Stands before a TLS port and breaks every connection at its second request:

    - `reset-before`: the request is not passed on, the client gets RST
    - `reset-after`: passed on; when the answer comes, the client gets RST instead
    - `drop-after`: passed on; when the answer comes, the client gets an orderly end instead
    - `half-answer`: passed on; the client gets half of the answer's bytes, then an end

    It knows a request by the length of its TLS record, which no message of a handshake without a client certificate has.
    """

    REQUEST_BYTES = 400

    def __init__(self, upstream, fault):
        self.upstream, self.fault, self.faults = upstream, fault, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]

    def __enter__(self):
        self.accepting = threading.Thread(target=self.accept, daemon=True)
        self.accepting.start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.accepting.join(10)

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.carry, args=(client,), daemon=True).start()

    def carry(self, client):
        server = socket.create_connection(("127.0.0.1", self.upstream))
        requests = 0
        with client, server:
            while True:
                ready, _, _ = select.select([client, server], [], [], 30)
                if not ready:
                    return
                for source in ready:
                    try:
                        octets = source.recv(65536)
                    except OSError:
                        return
                    if not octets:
                        return
                    if source is client:
                        requests += self.holds_request(octets)
                        if requests == 2 and self.fault == "reset-before":
                            self.faults += 1
                            return reset(client)
                        server.sendall(octets)
                    elif requests == 2:
                        self.faults += 1
                        if self.fault == "reset-after":
                            return reset(client)
                        if self.fault == "half-answer":
                            client.sendall(octets[:len(octets) // 2])
                        return
                    else:
                        client.sendall(octets)

    def holds_request(self, octets):
        """Whether these bytes hold a TLS record of application data that is long enough for a request."""
        while len(octets) >= 5:
            kind, _, length = struct.unpack(">BHH", octets[:5])
            if kind == 23 and length >= self.REQUEST_BYTES:
                return True
            octets = octets[5 + length:]
        return False
