"""TLS scanners for a server that insists on ALPN: testssl.sh, sslyze, and hand-made hellos of tlslite-ng.

Neither testssl.sh nor sslyze can name an application protocol by itself, and to such a client the gateway speaks to nobody:
testssl.sh gets an `openssl` that adds the option, sslyze's own OpenSSL is told by its C function.
"""

import ctypes
import json
import os
import socket
import stat
import subprocess

from nassl import _nassl, _nassl_legacy
from nassl.ssl_client import BaseSslClient
from tlslite import messages
from tlslite.constants import AlertDescription, ContentType, HandshakeType
from tlslite.defragmenter import Defragmenter
from tlslite.errors import BaseTLSException as TLSError
from tlslite.extensions import (ALPNExtension, ClientKeyShareExtension, KeyShareEntry, SignatureAlgorithmsExtension,
                                SNIExtension, SupportedGroupsExtension, SupportedVersionsExtension, TLSExtension)
from tlslite.messagesocket import MessageSocket

PROTOCOLS = b"\x08http/1.1"

# What may be spoken: Mozilla's profile "intermediate" 6.0, without what OpenSSL 3.0 lacks.
SUITES_12 = {f"ECDHE-{kind}-{cipher}" for kind in ("ECDSA", "RSA") for cipher in (
    "AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305")}
SUITES_13 = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}
GROUPS = {"X25519", "P-256", "P-384"}
#: The same by their numbers (IANA's registry "TLS Cipher Suites").
NUMBERS_ECDSA, NUMBERS_RSA = {0xC02B, 0xC02C, 0xCCA9}, {0xC02F, 0xC030, 0xCCA8}
NUMBERS_13 = {0x1301, 0x1302, 0x1303}


# testssl.sh

def testssl(folder, port, *checks, adds_alpn=True):
    """Starts testssl.sh with these checks; `finished` gives {id: finding}."""
    name = f"testssl-{port}-{'with' if adds_alpn else 'without'}"
    wrapper, answer = folder / f"{name}.openssl", folder / f"{name}.json"
    wrapper.write_text('#!/bin/sh\n[ "$1" = s_client ] && shift && set -- s_client -alpn http/1.1 "$@"\nexec openssl "$@"\n')
    wrapper.chmod(wrapper.stat().st_mode | stat.S_IXUSR)
    native = ["--ssl-native", "--openssl", str(wrapper)] if adds_alpn else []
    process = subprocess.Popen(
        ["testssl", "--quiet", "--color", "0", "--warnings", "off", "--ip", "one", "--nodns", "min", *native, *checks,
         "--jsonfile", str(answer), f"127.0.0.1:{port}"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, "TMPDIR": str(folder)})
    return process, answer


def finished(scan):
    process, answer = scan
    said, _ = process.communicate(timeout=240)
    assert answer.exists(), said.decode(errors="replace")
    return {row["id"]: row["finding"] for row in json.loads(answer.read_text())}


# sslyze

def teach_alpn():
    """Makes every client of sslyze name `http/1.1`: its two OpenSSLs have the call, nassl does not show it."""
    setters = {module: setter_in(module.__file__) for module in (_nassl, _nassl_legacy)}
    without = BaseSslClient._init_ssl_objects

    def with_alpn(self):
        without(self)
        # A PyObject has two words before what it wraps.
        session = ctypes.c_void_p.from_address(id(self._ssl) + 2 * ctypes.sizeof(ctypes.c_void_p)).value
        assert setters[self._NASSL_MODULE](session, PROTOCOLS, len(PROTOCOLS)) == 0
    BaseSslClient._init_ssl_objects = with_alpn


def setter_in(path):
    """`SSL_set_alpn_protos` of a loaded library that keeps the symbol to itself."""
    listed = subprocess.run(["nm", path], capture_output=True, text=True, check=True).stdout
    offset = next(int(line.split()[0], 16) for line in listed.splitlines() if line.endswith(" SSL_set_alpn_protos"))
    with open("/proc/self/maps") as maps:
        start = min(int(line.split("-")[0], 16) for line in maps if line.rstrip().endswith(path))
    kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint)
    return kind(start + offset)


# Hand-made hellos

def hello(version, suites, compressions=(0,), extensions=(), last=()):
    """A ClientHello of these suites; TLS 1.3 is version (3, 4). `last` stands behind all other extensions."""
    groups = [29, 23, 24]
    sent = [SNIExtension().create(b"localhost"), ALPNExtension().create([b"http/1.1"]),
            SupportedGroupsExtension().create(groups),
            # ed25519, ECDSA and RSA-PSS and PKCS#1 with SHA-256, SHA-384 and SHA-1.
            SignatureAlgorithmsExtension().create([(8, 7), (3, 4), (5, 4), (8, 4), (4, 3), (5, 3), (4, 1), (5, 1), (2, 1), (2, 3)]),
            TLSExtension().create(11, b"\x01\x00"), *extensions]
    if version == (3, 4):
        share = os.urandom(32)
        sent += [SupportedVersionsExtension().create([version]), ClientKeyShareExtension().create(
            [KeyShareEntry().create(29, share)])]
    sent += last
    made = messages.ClientHello().create(min(version, (3, 3)), os.urandom(32), b"", list(suites), extensions=sent)
    made.compression_methods = list(compressions)
    return made


def exchange(port, made):
    """What answers a hello: a ServerHello, or the name of the alert, or `closed`."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        parts = Defragmenter()
        parts.add_static_size(ContentType.alert, 2)
        parts.add_static_size(ContentType.change_cipher_spec, 1)
        parts.add_dynamic_size(ContentType.handshake, 1, 3)
        stream = MessageSocket(connection, parts)
        stream.version = (3, 1)
        stream.sendMessageBlocking(made)
        try:
            kind, parser = stream.recvMessageBlocking()
        except (OSError, TLSError) as error:
            return f"closed: {type(error).__name__}"
        if kind.type == ContentType.alert:
            return AlertDescription.toStr(messages.Alert().parse(parser).description)
        assert parser.get(1) == HandshakeType.server_hello
        return messages.ServerHello().parse(parser)


def chosen(port, version):
    """All suites of the 65,536 that the server would choose, each found by taking away what it chose before."""
    found = set()
    for start in range(0, 65_536, 8192):
        # Not suites but signals: RFC 5746 and RFC 7507.
        left = [suite for suite in range(start, start + 8192) if suite not in (0x00FF, 0x5600)]
        while not isinstance(answer := exchange(port, hello(version, left)), str):
            found.add(answer.cipher_suite)
            left.remove(answer.cipher_suite)
    return found
