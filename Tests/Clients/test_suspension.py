"""A source that the operator suspends: refused with the reason, or held and let go in order, over restarts and kill -9."""

import json
import random
import subprocess
import threading

from gateway import OWNER, binary
from publishing import Publisher
from test_partner_sources import (  # noqa: F401 (fixtures among them)
    TARGET, active, code, customer, event, gateway, keys, name, numbers, partner, put, verb)

SEED = 20_260_404


def test_states_and_holds_survive_a_restart(gateway, partner, customer):
    pending, paused, held = name("r-pending"), active(partner, customer, "r-paused"), active(partner, customer, "r-held")
    partner.create_partner_event_source(Name=pending, Account=OWNER)
    customer.deactivate_event_source(Name=paused)
    assert code(partner, event(held, 1)) == [None]
    assert verb(gateway, verb="partner.suspend", source=held, hold=True)["suspended"] == "hold"
    assert code(partner, event(held, 2), event(held, 3)) == [None, None]
    before = {one["name"]: one for one in verb(gateway, verb="partner.list")["sources"]}
    gateway.stop()
    gateway.start()
    assert {one["name"]: one for one in verb(gateway, verb="partner.list")["sources"]} == before
    names = sorted(before)
    after = verb(gateway, verb="partner.list", after=names[0])["sources"]
    assert [one["name"] for one in after] == names[1:]
    assert before[held]["held"] == 2 and before[pending]["state"] == before[paused]["state"] == "PENDING"
    assert numbers(gateway, held) == [1]
    assert verb(gateway, verb="partner.resume", source=held)["released"] == 2
    assert numbers(gateway, held) == [1, 2, 3]


def test_suspension_refuses_with_the_reason_or_holds_and_drains_in_order(gateway, partner, customer):
    source = active(partner, customer, "suspended")
    assert verb(gateway, verb="partner.suspend", source=source, hold=False)["suspended"] == "refuse"
    refused = put(partner, event(source, 0))[0]
    assert refused[0] == "InvalidStateException" and "suspended since" in refused[1] and "operator" in refused[1]
    assert verb(gateway, verb="partner.resume", source=source)["released"] == 0
    assert verb(gateway, verb="partner.suspend", source=source, hold=True)["held"] == 0
    ids = [one[2] for one in put(partner, *[event(source, number) for number in range(10)])]
    assert None not in ids and verb(gateway, verb="partner.show", source=source)["held"] == 10
    assert gateway.events(bus=source) == []
    # Refusing from now on leaves held what is held; deletion and a new creation do not set it free.
    assert verb(gateway, verb="partner.suspend", source=source, hold=False)["held"] == 10
    assert put(partner, event(source, 99))[0][0] == "InvalidStateException"
    partner.delete_partner_event_source(Name=source, Account=OWNER)
    partner.create_partner_event_source(Name=source, Account=OWNER)
    customer.activate_event_source(Name=source)
    assert put(partner, event(source, 99))[0][0] == "InvalidStateException" and gateway.events(bus=source) == []
    follower = subprocess.Popen(
        [binary(), "tail", "--config", str(gateway.config), "--account", OWNER, "--bus", source, "--from", "1"],
        stdout=subprocess.PIPE, text=True)
    try:
        assert verb(gateway, verb="partner.resume", source=source)["released"] == 10
        assert [json.loads(follower.stdout.readline())["id"] for _ in ids] == ids, "the follower is woken, ids are kept"
    finally:
        follower.terminate()
        follower.wait()
        follower.stdout.close()
    assert verb(gateway, verb="partner.resume", source=source)["error"]["code"] == "InvalidStateException"
    assert verb(gateway, verb="partner.show", source=name("nobody"))["error"]["code"] == "ResourceNotFoundException"
    for wrong in ({"source": "x"}, {"source": source}, {"source": source, "hold": "yes"}):
        assert verb(gateway, verb="partner.suspend", **wrong)["error"]["code"] == "InvalidRequest"


def attempt(gateway, answers, **members):
    """A verb whose gateway may be killed meanwhile."""
    try:
        answers.append(verb(gateway, **members))
    except (OSError, json.JSONDecodeError):
        answers.append(None)


def test_kill_9_while_holding_and_draining_loses_and_doubles_nothing(gateway, partner, customer):
    source, rolling = active(partner, customer, "killed"), random.Random(SEED)
    print(f"seed {SEED}")
    acknowledged, ending, answers, states = {}, threading.Event(), [], []

    def send(first):
        number = first
        try:
            with Publisher(gateway) as wire:
                while not ending.is_set():
                    answer = wire.post(json.dumps({"Entries": [event(source, number)]}), target=TARGET)
                    if answer.ids:
                        acknowledged[number] = answer.ids[0]
                    number += 1
        except OSError:
            pass
        except Exception as error:  # what http.client says of a connection that was cut
            assert type(error).__module__ == "http.client", error

    for kill in range(12):
        ending.clear()
        sender = threading.Thread(target=send, args=(1_000_000 * kill,), daemon=True)
        sender.start()
        hold = kill % 2 == 0
        operator = threading.Thread(
            target=attempt, args=(gateway, answers), daemon=True,
            kwargs={"verb": "partner.suspend" if hold else "partner.resume", "source": source, "hold": True})
        # Not a wait for something: the moments are what is drawn.
        ending.wait(rolling.uniform(0.05, 0.2))
        operator.start()
        ending.wait(rolling.uniform(0, 0.01 if kill < 8 else 0.1))
        gateway.kill()
        sender.join(20)
        operator.join(20)
        assert not sender.is_alive() and not operator.is_alive()
        gateway.start()
        visible = [one["id"] for one in gateway.events(bus=source)]
        assert len(set(visible)) == len(visible)
        states.append(verb(gateway, verb="partner.show", source=source).get("suspended"))
    print(f"answered {sum(answer is not None for answer in answers)} of {len(answers)} verbs; states {states}")
    assert len(answers) == 12 and {"hold", None} == set(states), "the kills fell beside what they were to hit"
    if states[-1]:
        verb(gateway, verb="partner.resume", source=source)
    stored = gateway.events(bus=source)
    found = {one["detail"]["n"]: one["id"] for one in stored}
    assert len(found) == len(stored), "an event stands twice"
    assert acknowledged and {number: found.get(number) for number in acknowledged} == acknowledged
    assert [one["isthmus"]["sequence"] for one in stored] == list(range(1, len(stored) + 1))
    for kill in range(12):
        own = [number for number in (one["detail"]["n"] for one in stored) if number // 1_000_000 == kill]
        assert own == sorted(own), "out of order"
