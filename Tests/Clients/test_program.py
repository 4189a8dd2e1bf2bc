"""The program's verbs as an operator uses them: check, pki, credentials, tail, signature, and what leaves no secret behind."""

import http.client
import json
import os
import select
import socket
import stat
import subprocess
import time

import pytest

from authority import Authority, Leaf
from gateway import BUS_ARN, OWNER, SENDER, Gateway, binary, wait_until
from measures import report  # noqa: F401 (a fixture)
from publishing import Publisher, body_of, entry
from stracing import FileFault
from test_idempotency import signed_fields

CONFIGURATION_STATUS, UNREACHABLE_STATUS, USAGE_STATUS = 3, 4, 64


@pytest.fixture(scope="module")
def gateway():
    running = Gateway().start()
    yield running
    running.stop()
    running.remove()


@pytest.fixture
def made():
    """A configuration that is not served, to be broken."""
    one = Gateway()
    yield one
    one.remove()


def check(made):
    return made.run("check", "--config", str(made.config), check=False)


# check

def test_check_prints_what_is_in_effect_which_checks_again_and_holds_no_secret(made, tmp_path):
    done = check(made)
    assert (done.returncode, done.stderr) == (0, "")
    for key in (made.server, made.publisher, made.administrator):
        assert not any(line in done.stdout for line in key.key_path.read_text().splitlines()[1:-1])
    assert "PRIVATE KEY" not in done.stdout and "content not shown" in done.stdout
    assert "connectionsPerPrincipal: 100" in done.stdout, "defaults are filled in"
    again = made.folder / "effective.yaml"
    again.write_text(done.stdout + "\naccounts: accounts/*.yaml\n")
    second = made.run("check", "--config", str(again), check=False)
    assert second.returncode == 0 and second.stdout == done.stdout, second.stderr


def replace(made, old, new):
    text = made.config.read_text()
    assert old in text
    made.config.write_text(text.replace(old, new, 1))


def swap_key(made):
    made.server.key_path.write_bytes(made.publisher.key_path.read_bytes())


MISTAKES = {
    "unknown key": (lambda made: replace(made, "admin:", "admni:"), ["unknown key `admni`", "did you mean `admin`"]),
    "wrong type": (lambda made: replace(made, f"port: {made.port}", "port: many"), ["port", "many"]),
    "out of range": (lambda made: replace(made, f"port: {made.port}", "port: 65536"), ["65536"]),
    "missing file": (lambda made: made.acme.bundle.unlink(), ["acme-ca.pem", "there is no such file"]),
    "open key": (lambda made: made.server.key_path.chmod(0o644), ["0644", "chmod 600"]),
    "directory as key": (lambda made: (made.server.key_path.unlink(), made.server.key_path.mkdir()), ["not a regular file"]),
    "key of another": (swap_key, ["is not the key of"]),
    "not a certificate": (lambda made: made.server.path.write_text("hello"), ["holds no usable certificates"]),
    "wrong pin": (lambda made: replace(made, made.acme.pin(), "0" * 64), ["is the key of no CA"]),
    "no revocation list": (lambda made: replace(made, str(made.acme.crl), str(made.globex.crl)), ["no revocation list"]),
    "public admin": (lambda made: replace(made, "admin: {address: 127.0.0.1", "admin: {address: 0.0.0.0"), ["loopback"]),
    "one port twice": (lambda made: replace(made, f"port: {made.open_port}", f"port: {made.port}"), ["both listen on"]),
    "no policy": (lambda made: (made.folder / "orders-bus.json").write_text("{"), ["orders-bus.json"]),
    "repeated key": (lambda made: made.config.write_text(made.config.read_text() + "region: eu-west-1\n"), ["region"]),
    "no such configuration": (lambda made: made.config.unlink(), ["there is no such file"]),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_a_line_with_file_line_and_advice_for_check_and_serve(made, report, mistake):
    breaks, words = MISTAKES[mistake]
    breaks(made)
    done = check(made)
    lines = done.stderr.splitlines()
    assert done.returncode == CONFIGURATION_STATUS and done.stdout == "", done
    assert "nothing was applied" in lines[-1]
    for line in lines[:-1]:
        path, number, rest = line.split(":", 2)
        assert path.startswith(str(made.folder)) and int(number) >= 1, line
        assert rest.count(": ") >= 1 and not rest.rstrip().endswith("."), f"no advice: {line}"
    assert any(all(word in line for word in words) for line in lines), done.stderr
    started = subprocess.run([binary(), "serve", "--config", str(made.config)], capture_output=True, text=True, timeout=20)
    assert started.returncode == CONFIGURATION_STATUS and lines[0] in started.stderr
    assert not made.data.exists()
    report("C1", mistake, lines[0].replace(str(made.folder) + "/", "")[:120])


def test_all_mistakes_are_said_at_once_in_their_order(made):
    replace(made, f"port: {made.port}", "port: many")
    replace(made, "admin:", "admni:")
    replace(made, made.globex.pin(), "0" * 64)
    lines = check(made).stderr.splitlines()
    numbers = [int(line.split(":")[1]) for line in lines[:-1]]
    assert len(lines) >= 4 and lines[-1].startswith(f"isthmus: {len(lines) - 1} errors")
    assert numbers == sorted(numbers), lines


def test_a_key_the_user_may_not_read_is_said(made):
    if os.geteuid() == 0:
        made.folder.chmod(0o755)
        runner = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    else:
        made.server.key_path.chmod(0)
        runner = []
    done = subprocess.run([*runner, binary(), "check", "--config", str(made.config)], capture_output=True, text=True, timeout=20)
    assert done.returncode == CONFIGURATION_STATUS and "this user may not read it" in done.stderr, done


def test_a_full_disk_under_the_log_ends_nothing_and_the_lines_come_when_there_is_room(made):
    made.start()
    before = len(made.logged())
    with FileFault(made.process.pid, made.log_path, "write", "ENOSPC"):
        with Publisher(made) as publisher:
            for number in range(3):
                made.reload()
                assert publisher.put(entry(number)).ids
        assert len(made.logged()) == before
    wait_until(lambda: made.logged().count('"reloaded"') == 3, 20, "the lines")
    assert {event["detail"]["n"] for event in made.events()} == {0, 1, 2}
    made.stop()


# pki

def test_the_whole_story_of_a_certificate(report):
    """init, issue, publish, revoke, reload, refused; then a fresh list does not bring it back."""
    made = Gateway()
    try:
        place = made.folder / "pki"
        pki = lambda verb, *words: made.run("pki", verb, "--directory", str(place), *words).stdout
        first = pki("init", "--trust-domain", "acme.example")
        pin = first.split('issuerPins: ["')[1].split('"')[0]
        issued = {}
        for name in ("one", "two"):
            pki("issue-principal", "--account", SENDER, "--principal", "role/publisher", "--out", str(made.folder / name))
            issued[name] = Leaf(None, made.folder / f"{name}.pem", made.folder / f"{name}.key")
            assert stat.S_IMODE(issued[name].key_path.stat().st_mode) == 0o600
        assert stat.S_IMODE((place / "ca.key").stat().st_mode) == 0o600
        pki("issue-server", "--name", "localhost", "--address", "127.0.0.1", "--out", str(made.folder / "own"))
        replace(made, str(made.acme.bundle), str(place / "ca.pem"))
        replace(made, made.acme.pin(), pin)
        replace(made, str(made.acme.crl), str(place / "crl.pem"))
        text = made.config.read_text()
        made.config.write_text(text.replace(str(made.server.path), str(made.folder / "own.pem"))
                               .replace(str(made.server.key_path), str(made.folder / "own.key")))
        made.servers.bundle.write_bytes((place / "ca.pem").read_bytes())
        made.start()
        with Publisher(made, leaf=issued["one"]) as one, Publisher(made, leaf=issued["two"]) as two:
            assert one.put(entry(1)).ids and two.put(entry(2)).ids
            said = pki("revoke", "--certificate", str(issued["one"].path))
            serial = said.split()[1].rstrip(";")
            assert one.put(entry(3)).ids, "a list that was not loaded yet is in force"
            began = time.monotonic()
            made.reload()
            refused = outcome(one)
            report("T6", "pki revoke, SIGHUP: refused after", f"{(time.monotonic() - began) * 1000:.0f} ms, {refused}")
            assert refused != 200 and two.put(entry(4)).ids
        assert f"{serial}  revoked" in pki("list")
        pki("crl")
        made.reload()
        with Publisher(made, leaf=issued["one"]) as one:
            assert outcome(one) != 200
        assert made.run("pki", "init", "--directory", str(place), "--trust-domain", "acme.example", check=False).returncode != 0
        made.stop()
        assert {event["detail"]["n"] for event in made.start().events()} == {1, 2, 3, 4}
        made.stop()
    finally:
        made.remove()


def outcome(publisher):
    try:
        return publisher.put(entry(99)).status
    except (OSError, http.client.HTTPException) as error:
        return type(error).__name__


# credentials and the control socket

def test_credentials_are_created_listed_and_disabled(gateway):
    config = ("--config", str(gateway.config))
    identity, secret = gateway.credentials()
    body = body_of(entry(1))
    with Publisher(gateway) as publisher:
        assert publisher.post(body, signed_fields(gateway, (identity, secret), body, {})).ids
        listed = gateway.run("credentials", "list", *config).stdout
        assert f"{identity}  enabled" in listed and secret not in listed
        assert secret not in gateway.run("credentials", "list", "--json", *config).stdout
        gateway.run("credentials", "disable", "--access-key-id", identity, *config)
        assert f"{identity}  disabled" in gateway.run("credentials", "list", *config).stdout
        answer = publisher.post(body, signed_fields(gateway, (identity, secret), body, {}))
        assert (answer.status, answer.code) == (400, "UnrecognizedClientException"), answer
    for words in (["create", "--principal", f"arn:aws:iam::{SENDER}:role/nobody"], ["create", "--principal", "me"],
                  ["disable", "--access-key-id", "AKIA" + "Z" * 16]):
        done = gateway.run("credentials", *words, *config, check=False)
        assert done.returncode == 1 and done.stderr.startswith("isthmus: ") and done.stdout == "", done


def test_the_verbs_say_when_no_gateway_answers(made):
    for words in (["credentials", "list"], ["tail", "--bus", "orders"]):
        done = made.run(*words, "--config", str(made.config), check=False)
        assert done.returncode == UNREACHABLE_STATUS and "no gateway answers on" in done.stderr, done


def test_the_control_socket_is_for_its_owner_alone_and_takes_nonsense(gateway):
    path = gateway.data / "control.sock"
    mode = path.stat()
    assert stat.S_ISSOCK(mode.st_mode) and stat.S_IMODE(mode.st_mode) == 0o600
    assert stat.S_IMODE(gateway.data.stat().st_mode) == 0o700
    for octets in (b"hello\n", b"{}\n", b'{"verb":"nothing"}\n', b"[" * 1000 + b"\n", b"\xff\x00\n", b'{"verb":1}\n'):
        with socket.socket(socket.AF_UNIX) as peer:
            peer.settimeout(5)
            peer.connect(str(path))
            peer.sendall(octets)
            assert b'"error"' in peer.recv(65536), octets
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(5)
        peer.connect(str(path))
        try:
            peer.sendall(b"x" * 10_000_000)
            peer.recv(1)
        except OSError:
            pass
    assert gateway.run("credentials", "list", "--config", str(gateway.config)).returncode == 0


def test_the_control_socket_turns_another_user_away_whatever_its_mode(gateway):
    """The mode alone would do; SO_PEERCRED holds where somebody has changed it."""
    if os.geteuid() != 0:
        pytest.skip("only root can be somebody else")
    path = gateway.data / "control.sock"
    ask = f"import socket; peer = socket.socket(socket.AF_UNIX); peer.settimeout(5); peer.connect({str(path)!r}); print(peer.recv(1))"
    try:
        for place, mode in ((gateway.folder, 0o755), (gateway.data, 0o755), (path, 0o666)):
            place.chmod(mode)
        done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "/usr/bin/python3", "-c", ask],
                              capture_output=True, text=True, timeout=20)
    finally:
        for place, mode in ((path, 0o600), (gateway.data, 0o700), (gateway.folder, 0o700)):
            place.chmod(mode)
    assert (done.stdout, done.stderr) == ("b''\n", "")
    wait_until(lambda: "control-refused" in gateway.logged(), what="a line about it")
    line = next(json.loads(text) for text in gateway.logged().splitlines() if "control-refused" in text)
    assert (line["level"], line["userId"]) == ("warning", 65534)


# tail

def tail(gateway, *words):
    return subprocess.Popen(
        [binary(), "tail", "--config", str(gateway.config), "--account", OWNER, "--bus", "orders", *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_tail_shows_what_comes_from_now_on_and_from_a_sequence_to_a_limit():
    running = Gateway().start()
    try:
        with Publisher(running) as publisher:
            for number in range(1, 6):
                assert publisher.put(entry(number)).ids
            following = tail(running, "--limit", "3")
            assert following.stderr.readline().strip() == f"tailing {BUS_ARN} from 6"
            for number in range(6, 10):
                assert publisher.put(entry(number)).ids
            out, _ = following.communicate(timeout=10)
            assert [json.loads(line)["detail"]["n"] for line in out.splitlines()] == [6, 7, 8]
            assert following.returncode == 0
            for words, expected in ((["--from", "8"], [8, 9]), (["--from", "2", "--limit", "2"], [2, 3]), (["--from", "100"], []), ([], [])):
                out, said = tail(running, "--no-follow", *words).communicate(timeout=10)
                assert [json.loads(line)["detail"]["n"] for line in out.splitlines()] == expected, (words, said)
            for words in (["--from", "0"], ["--limit", "0"], ["--from", "x"]):
                bad = tail(running, "--no-follow", *words)
                out, said = bad.communicate(timeout=10)
                assert bad.returncode in (1, USAGE_STATUS) and out == "" and said, words
            waiting = tail(running)
            waiting.stderr.readline()
            running.stop()
            assert waiting.communicate(timeout=10)[0] == ""
    finally:
        running.remove()


def test_tail_gives_a_slow_reader_every_event_before_it_ends(report):
    """Readers of the control socket that begin to read only when the gateway has written, or ended, what it had."""
    running, total = Gateway().start(), 1200
    try:
        with Publisher(running) as publisher:
            for number in range(0, total, 10):
                assert publisher.put(*[entry(number + one) for one in range(10)]).ids
        readers = {}
        for count in range(50, total, 50):
            peer = readers[count] = socket.socket(socket.AF_UNIX)
            peer.settimeout(10)
            peer.connect(str(running.data / "control.sock"))
            peer.sendall(json.dumps({
                "verb": "tail", "account": OWNER, "bus": "orders", "from": total - count + 1, "follow": False}).encode() + b"\n")
        ended = select.poll()
        for peer in readers.values():
            ended.register(peer, select.POLLRDHUP)
        while ended.poll(1000):
            for descriptor, _ in ended.poll(0):
                ended.unregister(descriptor)
        missing = {}
        for count, peer in readers.items():
            with peer, peer.makefile("rb") as lines:
                whole = sum(line.endswith(b"}\n") for line in lines) - 1
            if whole != count:
                missing[count] = count - whole
        running.stop()
    finally:
        running.remove()
    report("C2", "slow readers of tail; of them without all events", f"{len(readers)}; {len(missing)}")
    assert not missing, f"events that never came, by the number asked for: {missing}"


def test_tail_shows_large_events_whole(report):
    running, count = Gateway().start(), 20
    try:
        with Publisher(running) as publisher:
            for number in range(count):
                assert publisher.put(entry(number, size=200_000)).ids
        ended = tail(running, "--from", "1", "--no-follow")
        out, said = ended.communicate(timeout=20)
        assert ended.returncode == 0, f"after {len(out.splitlines())} of {count} events: {said}"
        assert [json.loads(line)["detail"]["n"] for line in out.splitlines()] == list(range(count))
        running.stop()
    finally:
        running.remove()


def test_the_size_of_a_request_and_the_time_of_events_are_limits_of_the_configuration():
    made = Gateway(limits={"entriesBytes": 262144, "retentionDays": 30, "retentionBytes": 67108864})
    try:
        made.start()
        with Publisher(made) as publisher:
            assert publisher.put(entry(1, size=262_000)).ids
            refused = publisher.put(entry(2, size=262_144))
        assert (refused.status, refused.code) == (400, "ValidationException")
        assert refused.json["message"] == "Total size of the entries in the request is over the limit."
        shown = made.run("check", "--config", str(made.config)).stdout
        assert all(f"{name}: {value}\n" in shown for name, value in made.limits.items()), shown
        made.stop()
    finally:
        made.remove()


@pytest.mark.parametrize("length, words", [(None, "any number of"), (2, "2"), (1, None), (0, None)])
def test_an_authority_that_may_make_authorities_is_warned_of(made, length, words):
    made.acme = Authority("acme", made.folder, path_length=length)
    made.write_configuration()
    said = made.run("check", "--config", str(made.config)).stderr
    assert ("authorities below it" in said) == (words is not None), said
    assert words is None or f"may have {words} authorities below it" in said


# the file itself

def section(name, of):
    """Where a section lies in memory, as `readelf --sections --wide` has it."""
    words = next(line.partition(f" {name} ")[2].split() for line in of.splitlines() if f" {name} " in line)
    start, size = (int(word, 16) for word in (words[1], words[3]))
    return range(start, start + size)


def test_the_tables_of_functions_are_read_only_once_the_program_runs():
    """Full RELRO: position-independent, every symbol bound at the start, the tables of them within what becomes read-only."""
    read = ["readelf", "--wide", "--dynamic", "--segments", "--sections", binary()]
    shown = subprocess.run(read, capture_output=True, text=True, check=True).stdout
    flags = next(line for line in shown.splitlines() if "(FLAGS_1)" in line).split()
    assert {"NOW", "PIE"} <= set(flags), flags
    segment = next(line for line in shown.splitlines() if "GNU_RELRO" in line).split()
    start, size = int(segment[2], 16), int(segment[5], 16)
    for table in (".got", ".got.plt", ".data.rel.ro"):
        lies = section(table, shown)
        assert start <= lies.start and lies.stop <= start + size, (table, segment)
