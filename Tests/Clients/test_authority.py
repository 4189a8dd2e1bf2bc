"""`isthmus pki` under an operator's mishaps: wrong words, what is there already, no right, no space, a kill at every step, two at once."""

import concurrent.futures
import os
import pathlib
import shutil
import stat
import subprocess
import tempfile

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gateway import binary
from measures import report  # noqa: F401 (a fixture)
from stracing import kill_at

# The act is done, only its words could not be said.
UNSAID = 13
# What writes.
CALLS = ("write", "fsync", "link", "rename", "ftruncate", "unlink", "mkdir")
PRINCIPAL = ("--account", "111122223333", "--principal", "role/publisher")


class Place:
    def __init__(self, folder, program=None):
        self.folder = folder / "authority"
        self.program = program or binary()
        self.count = 0

    def run(self, verb, *words, wrapper=()):
        command = [*wrapper, self.program, "pki", verb, "--directory", str(self.folder), *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    def init(self, wrapper=()):
        return self.run("init", "--trust-domain", "acme.example", wrapper=wrapper)

    def issue(self, wrapper=(), out=None):
        self.count += 1
        return self.run("issue-principal", *PRINCIPAL, "--out", str(out or self.folder / f"leaf{self.count}"), wrapper=wrapper)

    def must(self, done):
        assert done.returncode == 0, done.stderr
        return done.stdout

    def serial(self):
        return self.must(self.issue()).split()[1].rstrip(",")

    def revoked(self):
        return {f"{entry.serial_number:x}" for entry in self.list()}

    def list(self):
        return x509.load_pem_x509_crl((self.folder / "crl.pem").read_bytes())

    def index(self):
        return {words[0]: words[1] for words in map(str.split, self.must(self.run("list")).splitlines()[1:])}

    def assert_whole(self):
        """Keys are whole and their owner's from the first byte, certificates are of their keys, list and index can be read."""
        for path in self.folder.rglob("*.key*"):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
        for path in self.folder.rglob("*.key"):
            key = load_pem_private_key(path.read_bytes(), None).public_key()
            if path.with_suffix(".pem").exists():
                assert x509.load_pem_x509_certificate(path.with_suffix(".pem").read_bytes()).public_key() == key, path
        issued = self.index()
        authority = x509.load_pem_x509_certificate((self.folder / "ca.pem").read_bytes())
        assert self.list().is_signature_valid(authority.public_key())
        for path in self.folder.glob("leaf*.pem"):
            leaf = x509.load_pem_x509_certificate(path.read_bytes())
            assert any(int(serial, 16) == leaf.serial_number for serial in issued), f"{path} is not in the index"


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def failing(call, count):
    return ["strace", "-f", "-qq", "-o", os.devnull, "-e", f"trace={call}", "-e", f"inject={call}:error=ENOSPC:when={count}"]


def steps(act, undo):
    """Lets `act` fail, then die, at each call that writes, until it makes no more such calls; yields each outcome."""
    for wrap in (failing, kill_at):
        for call in CALLS:
            for count in range(1, 60):
                undo()
                done = act(wrap(call, count))
                yield wrap, call, count, done
                if done.returncode == 0:
                    break
            else:
                raise AssertionError(f"over 60 calls of {call}")


def test_an_authority_that_fails_at_any_step_can_be_founded_after(place, report):
    seen = 0
    for wrap, call, count, done in steps(place.init, lambda: subprocess.run(["rm", "-rf", str(place.folder)], check=True)):
        seen += 1
        if wrap is failing and done.returncode != 0:
            assert done.stderr.count("\n") == 1 and done.stderr.startswith("isthmus: "), done
            advice = "send its words elsewhere" if done.returncode == UNSAID else "free some space there and run it again"
            assert f"No space left on device: {advice}" in done.stderr.replace("what was asked for is done, ", ""), done
        if not (place.folder / "ca.pem").exists():
            # A kill may leave the key alone, which is not taken for nobody's.
            again = place.init()
            if again.returncode != 0:
                assert wrap is kill_at and "ca.key` is there already" in again.stderr and "move it away" in again.stderr
                (place.folder / "ca.key").unlink()
                place.must(place.init())
        place.must(place.run("crl"))
        place.assert_whole()
    report("T6", "`pki init` cut short at every step", f"{seen} steps, each whole or founded after")


def test_issuing_and_revoking_cut_short_at_any_step_leave_all_whole(place, report):
    place.must(place.init())
    acts = {
        "issue": lambda wrapper: place.issue(wrapper),
        "revoke": lambda wrapper: place.run("revoke", "--serial", serial, wrapper=wrapper),
        "crl": lambda wrapper: place.run("crl", wrapper=wrapper),
    }
    seen, kept = 0, set()
    for name, act in acts.items():
        serial = place.serial()
        for wrap, call, count, done in steps(act, lambda: None):
            seen += 1
            place.assert_whole()
            assert kept <= place.revoked()
            if wrap is failing and done.returncode != 0:
                assert done.stderr.count("\n") == 1, done
                if name == "issue" and done.returncode != UNSAID:
                    out = place.folder / f"leaf{place.count}"
                    assert not out.with_suffix(".pem").exists() and not out.with_suffix(".key").exists()
            # What a kill left beside a place is nobody's; the next that writes there takes it away.
            for path in place.folder.rglob("*.new"):
                assert wrap is kill_at or call == "unlink", f"{name} {call} {count}: {path}"
                path.unlink()
        place.must(place.run("revoke", "--serial", serial))
        kept.add(serial.lstrip("0"))
    assert kept <= place.revoked()
    report("T6", "`pki issue-principal`, `revoke`, `crl` cut short at every step", f"{seen} steps, index, list and keys whole")


def test_many_at_once_take_turns(place):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        founded = list(pool.map(lambda _: place.init(), range(4)))
        assert [done.returncode for done in founded].count(0) == 1
        assert all("is there already" in done.stderr for done in founded if done.returncode)
        place.assert_whole()
        verbs = [lambda number=number: place.issue(out=place.folder / f"leaf{number}") for number in range(8)]
        verbs += [lambda: place.run("crl")] * 4 + [lambda: place.issue(out=place.folder / "leaf-one")] * 3
        done = list(pool.map(lambda verb: verb(), verbs))
    assert [one.returncode for one in done[:12]] == [0] * 12, done
    assert [one.returncode for one in done[12:]].count(0) == 1
    place.assert_whole()
    assert len(place.index()) == 9
    numbers = [extension.value.crl_number for extension in place.list().extensions
               if isinstance(extension.value, x509.CRLNumber)]
    assert numbers == [5]


MISTAKES = [
    (("init", "--trust-domain", "Not A Domain"), "write a name such as `acme.example`"),
    (("init", "--trust-domain", "acme.example"), "`{place}/ca.key` is there already: it was left alone, move it away"),
    (("issue-principal", "--account", "1", "--principal", "role/a"), "write exactly 12 digits"),
    (("issue-principal", "--account", "111122223333", "--principal", "a"), "write `role/NAME` or `user/NAME`"),
    (("issue-principal", *PRINCIPAL, "--valid-for", "9000d"), "give a shorter `--valid-for`"),
    (("issue-principal", *PRINCIPAL, "--out", "{place}/no/where"), "No such file or directory: name a directory that is there"),
    (("issue-principal", *PRINCIPAL, "--csr", "{place}/ca.pem"), "name a PEM file, `BEGIN CERTIFICATE REQUEST`"),
    (("issue-principal", *PRINCIPAL, "--csr", "{place}/none"), "there is no such file: name another file"),
    (("issue-server",), "give `--name HOST` or `--address IP`"),
    (("issue-server", "--address", "localhost"), "is not an IP address"),
    (("revoke",), "`--serial HEX` or `--certificate FILE`"),
    (("revoke", "--serial", "xyz"), "write its hexadecimal digits, as `isthmus pki list` shows them"),
    (("revoke", "--serial", "a" * 42), "write its hexadecimal digits"),
    (("revoke", "--certificate", "{place}/crl.pem"), "name a PEM file, `BEGIN CERTIFICATE`"),
    (("crl", "--next-update", "1"), "next-update"),
]


@pytest.mark.parametrize("words,advice", MISTAKES, ids=[" ".join(words)[:60] for words, _ in MISTAKES])
def test_a_mistake_is_answered_by_what_to_do_and_changes_nothing(place, words, advice):
    place.must(place.init())
    before = {path: path.read_bytes() for path in place.folder.rglob("*") if path.is_file()}
    done = place.run(*[word.replace("{place}", str(place.folder)) for word in words])
    assert done.returncode != 0 and advice.replace("{place}", str(place.folder)) in done.stderr, done.stderr
    assert {path: path.read_bytes() for path in place.folder.rglob("*") if path.is_file()} == before


def test_a_directory_that_is_none_is_said_and_not_made(place):
    for verb in (("crl",), ("list",), ("revoke", "--serial", "ab"), ("issue-principal", *PRINCIPAL)):
        done = place.run(*verb)
        assert done.returncode == 1, done
        assert "`isthmus pki init`" in done.stderr, done.stderr
        assert not place.folder.exists()


WRITING = (("crl",), ("revoke", "--serial", "ab"), ("issue-principal", *PRINCIPAL))


def assert_owner_is_asked_for(place, wrapper):
    for verb in WRITING:
        done = place.run(*verb, wrapper=wrapper)
        assert done.returncode == 1 and "run it as the user that owns the directory" in done.stderr, done


def test_a_directory_that_may_not_be_written_is_said_and_a_revocation_that_was_noted_is_kept(place):
    place.must(place.init())
    # root writes everywhere, by a capability that is taken away here.
    plain = ("setpriv", "--bounding-set=-dac_override,-dac_read_search") if os.geteuid() == 0 else ()
    before = sorted(place.folder.rglob("*"))
    place.folder.chmod(0o555)
    try:
        assert_owner_is_asked_for(place, plain)
        assert sorted(place.folder.rglob("*")) == before and place.revoked() == set()
    finally:
        place.folder.chmod(0o700)
    place.must(place.run("crl"))
    assert place.revoked() == {"ab"}
    place.assert_whole()


def test_a_directory_of_another_user_is_said_and_nothing_in_it_changes():
    if os.geteuid() != 0:
        pytest.skip("only root makes a directory and then asks as another user")
    # Of our own, for pytest keeps its directories to their owner.
    with tempfile.TemporaryDirectory(prefix="isthmus-authority-", dir="/tmp") as folder:
        pathlib.Path(folder).chmod(0o755)
        place = Place(pathlib.Path(folder), shutil.copy(binary(), folder))
        place.must(place.init())
        place.folder.chmod(0o755)
        before = {path: path.read_bytes() for path in place.folder.rglob("*") if path.is_file()}
        assert_owner_is_asked_for(place, ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"))
        assert {path: path.read_bytes() for path in place.folder.rglob("*") if path.is_file()} == before


def test_a_number_that_was_not_issued_is_revoked_and_doubted(place):
    place.must(place.init())
    serial = place.serial()
    assert "knows no such" not in place.must(place.run("revoke", "--serial", f"00{serial.upper()}"))
    assert place.index()[serial] == "revoked"
    assert "was `abcd` the right number?" in place.must(place.run("revoke", "--serial", "abcd"))
    assert place.revoked() == {serial.lstrip("0"), "abcd"}
