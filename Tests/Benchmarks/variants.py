"""What more rules, other forms and more senders cost: the gateway beside itself, in one run.

Each variant is compared with a base that runs at the same time and waits while the other works:

    law     a bus policy of 20 statements with an organization's membership asked for, against one statement
    forms   one structured CloudEvent against the same event by PutEvents; one webhook (Standard Webhooks, HMAC, an id
            of its own) against it by PutEvents under a certificate, and under SigV4 as well
    scale   1,000 trust domains against 10; 10,000 partner event sources against 10, by PutPartnerEvents, all active;
            where valgrind is there, a request's instructions as well, which do not depend on who else is busy
"""

import dataclasses
import json
import statistics

import gateway
import instructions
import load
import partners

PATH = f"accounts/{gateway.BUS_ACCOUNT}/buses/{gateway.BUS}/events"
NUMBER = "0" * 16
SHAPES = [load.Shape(32, 1), load.Shape(16, 10), load.Shape(4, 100)]


@dataclasses.dataclass(frozen=True)
class Variant:
    """`goal` is the most its CPU a request may be, as a multiple of a base's; none where none is set.

    `bases` are the variants it is compared with, the part's first by default. `signed` is by SigV4, on the same
    connections.
    """

    name: str
    setting: gateway.Setting = gateway.PLAIN
    form: load.Form | None = None
    goal: float | None = None
    signed: bool = False
    bases: tuple[str, ...] = ()


def structured():
    """A CloudEvent of BODY_BYTES bytes whose id is a running number: a repeated id would not be stored again."""

    def event(filling):
        fields = {"specversion": "1.0", "id": NUMBER, "source": "acme.orders", "type": "OrderPlaced"}
        return json.dumps({**fields, "data": partners.detail(filling)}, separators=(",", ":")).encode()

    body = partners.filled(event)
    return load.Form(
        PATH, {"content-type": "application/cloudevents+json"}, body, numbers_at=(body.index(NUMBER.encode()),)
    )


ONE_SOURCE = gateway.Setting(sources=1)
PARTS = {
    "law": [
        Variant("one statement"),
        Variant("20, organization", gateway.Setting(statements=20, organization=True)),
    ],
    "forms": [
        Variant("PutEvents", ONE_SOURCE),
        Variant("PutEvents, SigV4", ONE_SOURCE, signed=True),
        Variant("CloudEvent", ONE_SOURCE, form=structured(), goal=1.3),
        Variant(
            "webhook", ONE_SOURCE, form=partners.webhook(), goal=1.3, bases=("PutEvents", "PutEvents, SigV4")
        ),
    ],
    "scale": [
        Variant("10 trust domains", gateway.Setting(trust_domains=10)),
        Variant("1,000", gateway.Setting(trust_domains=1000), goal=1.1),
        Variant(
            "10 sources", gateway.Setting(sources=10), form=partners.put_partner_events(), bases=("10 sources",)
        ),
        Variant(
            "10,000 sources", gateway.Setting(sources=10_000), form=partners.put_partner_events(), goal=1.1,
            bases=("10 sources",),
        ),
    ],
}


# The gateway remembers webhook messages and CloudEvents up to a limit: each run begins with none.
REMEMBERED = {"forms"}
# Whose instructions are counted.
COUNTED = {"scale"}


def measure(comparison, part):
    """Rows of every shape and round; the variants of a part take turns, every other round the other way round."""
    rows, started = [], {}
    for turn in range(comparison.chosen.amount.rounds):
        for shape in SHAPES:
            started = started or start_all(comparison, part)
            for variant in PARTS[part][:: -1 if turn % 2 else 1]:
                figure = measure_one(comparison, shape, variant, *started[variant.setting])
                about = {"part": part, "variant": variant.name, "shape": shape.name, "round": turn}
                rows.append({**about, **dataclasses.asdict(figure)})
                comparison.progress(f"round {turn + 1} {shape.name:8} {variant.name:18} {figure.cpu_microseconds:7.1f}")
            if part in REMEMBERED:
                stop_all(comparison, started)
    stop_all(comparison, started)
    return rows


def count(comparison, part):
    """Instructions of a request by each variant of a part; nothing where there is no valgrind."""
    if part not in COUNTED or instructions.missing():
        return {}
    counted = {}
    for variant in PARTS[part]:
        try:
            counted[variant.name] = instructions.a_request(comparison, variant.setting, variant.form)
        except RuntimeError as error:
            # What was measured stands without it: not every valgrind runs every program.
            comparison.progress(f"no instructions are counted: {error}")
            return {}
        comparison.progress(f"{variant.name:18} {counted[variant.name]:,.0f} instructions a request")
    return counted


def start_all(comparison, part):
    """A gateway for each setting of the part, and an access key where a variant signs with one."""
    started = {}
    for setting in dict.fromkeys(variant.setting for variant in PARTS[part]):
        server = comparison.start("isthmus", setting)
        signs = any(variant.signed for variant in PARTS[part] if variant.setting == setting)
        started[setting] = server, gateway.create_access_key(server) if signs else None
    return started


def stop_all(comparison, started):
    for server, _ in started.values():
        comparison.stop(server)
    started.clear()


def measure_one(comparison, shape, variant, server, key):
    bench, seconds, headers = comparison.bench, comparison.chosen.amount.seconds, None
    if variant.signed:
        # One signature serves the whole run: it holds for five minutes, and a repeat is served again.
        headers = gateway.signature(load.url(server), bench.bodies[shape.entries].read_bytes(), key)

    def count():
        return gateway.count_entries(server)

    return load.run_shape(bench, server, shape, seconds, headers, count, form=variant.form)


MIDDLES = ("cpu_microseconds", "p50_microseconds", "p99_microseconds", "other_share")


def medians(rows, part, shape):
    """The middle of each figure, for every variant that was measured."""
    found = {}
    for variant in PARTS[part]:
        runs = [row for row in rows if (row["part"], row["shape"], row["variant"]) == (part, shape, variant.name)]
        if runs:
            found[variant.name] = [statistics.median(run[key] for run in runs) for key in MIDDLES]
    return found


def ratio(rows, part, shape, variant, base):
    """The middle of the ratios of neighbours: what was measured right after, or right before, its base."""
    costs = {
        (row["variant"], row["round"]): row["cpu_microseconds"]
        for row in rows if (row["part"], row["shape"]) == (part, shape)
    }
    return statistics.median(costs[variant, turn] / costs[base, turn] for name, turn in costs if name == variant)


def table(rows, counted):
    heads = (f"{name:>{width}}" for name, width in (
        ("CPU µs/request", 15), ("ratio", 14), ("goal", 6), ("p50 ms", 8), ("p99 ms", 8), ("others", 8)
    ))
    print(f"\n{'variant':20}{'shape':10}{''.join(heads)}")
    for part in dict.fromkeys(row["part"] for row in rows):
        for shape in dict.fromkeys(row["shape"] for row in rows):
            found = medians(rows, part, shape)
            for variant in PARTS[part]:
                if variant.name not in found:
                    continue
                cost, half, tail, others = found[variant.name]
                bases = variant.bases or (PARTS[part][0].name,)
                ratios = " and ".join(f"{ratio(rows, part, shape, variant.name, base):.2f}" for base in bases)
                goal = f"{variant.goal:.2f}" if variant.goal else ""
                print(
                    f"{variant.name:20}{shape:10}{cost:>15.2f}{ratios:>14}{goal:>6}"
                    f"{half / 1000:>8.2f}{tail / 1000:>8.2f}{others:>8.1%}"
                )
    print("ratio: to the first of its part; webhook: to PutEvents by certificate and by SigV4; sources: to 10 sources")
    for part in dict.fromkeys(row["part"] for row in rows):
        if part in COUNTED:
            instructions_table(part, counted)


def instructions_table(part, counted):
    print(f"\n{'variant':20}{'instructions/request':>22}{'ratio':>8}")
    for variant in PARTS[part]:
        number = counted.get(variant.name)
        base = counted.get((variant.bases or (PARTS[part][0].name,))[0])
        print(f"{variant.name:20}" + (f"{number:>22,.0f}{number / base:>8.3f}" if number else f"{'n/a':>22}{'n/a':>8}"))
    print("one connection, one request at a time, under valgrind; n/a: valgrind is not installed or cannot run it")
