"""The gateway's evaluator against a naive one in another language, on generated policies and requests (THREATS P2)."""

import collections
import json
import os
import subprocess
import time

import hypothesis
import pytest

import second_evaluator
from gateway import binary
from policy_universe import universes

# Decisions of one run, and seconds it may take; with DECISIONS set, as many as it says, however long. SEED asks others.
ASKED = int(os.environ.get("DECISIONS", "100000"))
SECONDS = None if "DECISIONS" in os.environ else 90
# Sets of policies drawn from one seed; the next has the next number.
UNIVERSES = 40
SEED = int(os.environ.get("SEED", "20261121"))


class Evaluator:
    """`isthmus policy simulate --batch`, asked a line at a time; ours decides while it does."""

    def __init__(self):
        command = [binary(), "policy", "simulate", "--batch", "--compat", "aws"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, line):
        self.process.stdin.write(line)
        self.process.stdin.flush()

    def answer(self):
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        assert self.process.wait(10) == 0


@pytest.fixture
def evaluator():
    running = Evaluator()
    yield running
    running.close()


def disagreement(evaluator, request):
    """The effect, and what the two say of the request when that is not the same."""
    line = json.dumps(request)
    evaluator.ask(line.encode() + b"\n")
    effect, side = second_evaluator.decide(request)
    answer = evaluator.answer()
    if answer.get("decision") == effect and (side is None or answer["side"] == side):
        return effect, None
    return effect, f"expected {effect} {side or ''}, got {json.dumps(answer)}\nasked {line}"


def agree(evaluator, counts, seed):
    """Some universes whole; a disagreement is made as small as it gets and raised."""

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=UNIVERSES, deadline=None, database=None, suppress_health_check=list(hypothesis.HealthCheck),
        phases=[hypothesis.Phase.generate, hypothesis.Phase.shrink])
    @hypothesis.given(universes())
    def each(questions):
        for request in questions.requests:
            effect, difference = disagreement(evaluator, request)
            counts[effect] += 1
            assert not difference, f"seed {seed}: {difference}"

    each()


def test_a_naive_evaluator_in_another_language_agrees_on_every_generated_decision(evaluator):
    counts, seed, began = collections.Counter(), SEED, time.monotonic()
    while counts.total() < ASKED and (SECONDS is None or time.monotonic() - began < SECONDS):
        agree(evaluator, counts, seed)
        seed += 1
    seconds = time.monotonic() - began
    print(f"seeds {SEED} to {seed - 1}: {counts.total()} decisions in {seconds:.0f} s, {dict(counts)}, 0 disagreements")
    # A machine may be slow; one that gets to less than this has compared nothing to speak of.
    assert counts.total() >= ASKED / 4, f"{counts.total()} of {ASKED} decisions in {seconds:.0f} s"
    assert min(counts[effect] for effect in ("allow", "explicitDeny", "implicitDeny")) > counts.total() / 50
