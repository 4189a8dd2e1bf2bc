"""What the kernel knows of a TCP connection of another process. Source: sock_diag(7), tcp(7), linux/inet_diag.h.

The table /proc/net/tcp is read a page at a time, and a row may be in it twice or not at all; this asks for one socket.
"""

import errno
import os
import socket
import struct
import typing

NETLINK_SOCK_DIAG = 4
SOCK_DIAG_BY_FAMILY = 20
NLM_F_REQUEST = 1
NLMSG_ERROR = 2
#: Extension that brings a `struct tcp_info`, and the place of `tcpi_bytes_acked` in that.
INET_DIAG_INFO, BYTES_ACKED = 2, 120
ESTABLISHED = 1
ANY_STATE = 0xFFFFFFFF
#: Both halves of the cookie of a socket that is asked for by its addresses: INET_DIAG_NOCOOKIE.
NO_COOKIE = b"\xff" * 8

HEADER = struct.Struct("=IHHII")
ATTRIBUTE = struct.Struct("=HH")
#: `struct inet_diag_msg`: family, state, …, then the addresses, and expires, rqueue, wqueue, uid, inode.
MESSAGE = struct.Struct("=BBBB48xIIIII")


class Sent(typing.NamedTuple):
    """What a socket's owner has written: bytes that the kernel took, and whether the connection still stands."""

    taken: int
    is_established: bool


class SocketDiagnosis:
    def __init__(self):
        self.netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, NETLINK_SOCK_DIAG)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.netlink.close()

    def sent(self, port, peer):
        """Of the IPv4 socket on loopback with these two ports, seen from `port`; `None` when there is none."""
        loopback = socket.inet_aton("127.0.0.1").ljust(16, b"\0")
        request = struct.pack("=BBBxI", socket.AF_INET, socket.IPPROTO_TCP, 1 << INET_DIAG_INFO - 1, ANY_STATE)
        request += struct.pack(">HH", port, peer) + 2 * loopback + struct.pack("=I", 0) + NO_COOKIE
        self.netlink.send(HEADER.pack(HEADER.size + len(request), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, 0, 0) + request)
        answer = self.netlink.recv(65536)
        length, kind, *_ = HEADER.unpack_from(answer)
        if kind == NLMSG_ERROR:
            (code,) = struct.unpack_from("=i", answer, HEADER.size)
            if -code == errno.ENOENT:
                return None
            raise OSError(-code, os.strerror(-code))
        _, state, *_, unsent, _, _ = MESSAGE.unpack_from(answer, HEADER.size)
        return Sent(unsent + self.acknowledged(answer[HEADER.size + MESSAGE.size:length]), state == ESTABLISHED)

    @staticmethod
    def acknowledged(attributes):
        while attributes:
            length, kind = ATTRIBUTE.unpack_from(attributes)
            if kind == INET_DIAG_INFO:
                return struct.unpack_from("=Q", attributes, ATTRIBUTE.size + BYTES_ACKED)[0]
            attributes = attributes[length + 3 & ~3:]
        # A connection that has ended, but for what is still to be acknowledged, may have none.
        return 0
