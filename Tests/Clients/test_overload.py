"""L1: one, two, five and ten times what a sender may send, on a clock and not after answers: it is served as before."""

import re
import subprocess
import types

import pytest

from attacks import Usage
from gateway import SENDER, Gateway
from measures import report  # noqa: F401 (a fixture)
from publishing import body_of, entry
from signing import call

# One small entry costs two units: itself, and one for the first 64 KiB of its content.
COST = 2
PER_SECOND = 400
#: Requests a second that the quota takes; the burst is a quarter of a second's more.
CAPACITY = PER_SECOND / COST
BURST = PER_SECOND // 4
SECONDS = 3
CONNECTIONS = 8
#: What a refusal may take, where the scheduler of a busy machine does not keep it waiting.
REFUSAL_SECONDS = 0.005


@pytest.fixture
def gateway():
    quota = f"{{perSecond: {PER_SECOND}, burst: {BURST}}}"
    made = Gateway(extra=f"quotas: {{everybody: {{events:PutEvents: {quota}}}}}\n").start()
    yield made
    made.stop()
    made.remove()


def offer(gateway, key, times, seconds=SECONDS):
    """Sends at `times` the capacity on a clock, not after answers; when each answer came, by its status."""
    body, log = gateway.folder / "body.json", gateway.folder / "h2load.log"
    body.write_bytes(body_of(entry(1)))
    log.unlink(missing_ok=True)
    signed = call(key, "PutEvents", body.read_bytes(), host=f"localhost:{gateway.open_port}")
    fields = [*signed.fields()[1:], ("authorization", signed.authorization())]
    usage = Usage(gateway)
    done = subprocess.run(
        ["h2load", "-t1", f"-c{CONNECTIONS}", "-m100", f"-D{seconds}", f"--rps={times * CAPACITY / CONNECTIONS:g}",
         f"--log-file={log}", "-d", str(body),
         *(part for name, value in fields for part in ("-H", f"{name.lower()}: {value}")),
         f"--connect-to=127.0.0.1:{gateway.open_port}", f"https://localhost:{gateway.open_port}/"],
        capture_output=True, text=True, timeout=10 * seconds, check=True)
    counts = re.search(r" (\d+) started, (\d+) done, .* 0 errored, 0 timeout", done.stdout)
    assert counts, done.stdout
    answers = [[int(word) for word in line.split()[1:3]] for line in log.read_text().splitlines()]
    took = {status: sorted(micros / 1e6 for code, micros in answers if code == status) for status in (200, 400)}
    assert len(answers) == sum(map(len, took.values())), {code for code, _ in answers}
    return types.SimpleNamespace(
        offered=len(answers) / seconds, goodput=len(took[200]) / seconds, taken=took[200], refused=took[400],
        under_way=int(counts[1]) - int(counts[2]), cpu_ms=usage.cpu_ms)


def at(took, percent):
    return took[len(took) * percent // 100]


def test_ten_times_the_load_is_served_as_one(gateway, report):
    key = gateway.credentials(SENDER)
    steps = {times: offer(gateway, key, times) for times in (1, 2, 5, 10)}
    for times, step in steps.items():
        half, tail = (f"{at(step.refused, percent) * 1000:.1f}" if step.refused else "none" for percent in (50, 99))
        report("L1", f"{times} x {CAPACITY:.0f} requests a second: offered, taken, p50 and p99 of refusals in ms",
               f"{step.offered:.0f}, {step.goodput:.0f}, {half}, {tail}")
    one, ten = steps[1], steps[10]
    each = (ten.cpu_ms - one.cpu_ms) / (len(ten.refused) - len(one.refused))
    report("L1", "CPU of the gateway for one refusal", f"{each * 1000:.0f} µs")
    for times, step in steps.items():
        assert step.offered >= 0.95 * times * CAPACITY, "the load was not what it should be"
        assert 0.9 * CAPACITY <= step.goodput <= 1.05 * (CAPACITY + BURST / COST / SECONDS)
    assert at(ten.refused, 50) <= REFUSAL_SECONDS
    # Reading the log takes longer than the bucket needs for the first request of each connection.
    assert gateway.events()
    after = offer(gateway, key, 0.5, seconds=1)
    assert after.taken and not after.refused, "the load is over and requests are still refused"
    accepted = sum(len(step.taken) for step in [*steps.values(), after])
    # h2load goes with the clock, too: answers of requests under way at its end are not in its log.
    under_way = sum(step.under_way for step in [*steps.values(), after])
    stored = len(gateway.events())
    assert accepted <= stored <= accepted + under_way
    assert gateway.metric("isthmus_put_events_entries_accepted_total") == stored
