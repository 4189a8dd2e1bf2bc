"""What more rules, other forms and more senders cost: the gateway beside itself, in one run.

Each variant is compared with a base that runs at the same time and waits while the other works:

    law     a bus policy of 20 statements with an organization's membership asked for, against one statement
    forms   one structured CloudEvent against the same event by PutEvents
    scale   1,000 trust domains against 10
"""

import dataclasses
import json
import statistics

import gateway
import load

PATH = f"accounts/{gateway.BUS_ACCOUNT}/buses/{gateway.BUS}/events"
NUMBER = "0" * 16
SHAPES = [load.Shape(32, 1), load.Shape(16, 10), load.Shape(4, 100)]


@dataclasses.dataclass(frozen=True)
class Variant:
    """`goal` is the most its CPU a request may be, as a multiple of the base's; none where none is set."""

    name: str
    setting: gateway.Setting = gateway.PLAIN
    form: load.Form | None = None
    goal: float | None = None


def detail(filling):
    return {"order": "7d1c2f0e", "amount": 4200, "currency": "EUR", "note": "x" * filling}


def structured():
    """A CloudEvent of BODY_BYTES bytes whose id is a running number: a repeated id would not be stored again."""

    def event(filling):
        fields = {"specversion": "1.0", "id": NUMBER, "source": "acme.orders", "type": "OrderPlaced"}
        return json.dumps({**fields, "data": detail(filling)}, separators=(",", ":")).encode()

    body = event(gateway.BODY_BYTES - len(event(0)))
    return load.Form(
        PATH, {"content-type": "application/cloudevents+json"}, body, number_at=body.index(NUMBER.encode())
    )


PARTS = {
    "law": [
        Variant("one statement"),
        Variant("20, organization", gateway.Setting(statements=20, organization=True)),
    ],
    "forms": [Variant("PutEvents"), Variant("CloudEvent", form=structured(), goal=1.3)],
    "scale": [
        Variant("10 trust domains", gateway.Setting(trust_domains=10)),
        Variant("1,000", gateway.Setting(trust_domains=1000), goal=1.1),
    ],
}


def measure(comparison, part):
    """Rows of every shape and round; the variants of a part take turns."""
    started = {}
    for variant in PARTS[part]:
        key = variant.setting
        if key not in started:
            started[key] = comparison.start("isthmus", variant.setting)
    rows = []
    amount = comparison.chosen.amount
    for turn in range(amount.rounds):
        for shape in SHAPES:
            for variant in PARTS[part]:
                server = started[variant.setting]

                def count(server=server):
                    return gateway.count_entries(server)

                figure = load.run_shape(
                    comparison.bench, server, shape, amount.seconds, None, count, form=variant.form
                )
                rows.append({"part": part, "variant": variant.name, "shape": shape.name, **dataclasses.asdict(figure)})
                comparison.progress(f"round {turn + 1} {shape.name:8} {variant.name:18} {figure.cpu_microseconds:7.1f}")
    for server in started.values():
        comparison.stop(server)
    return rows


def table(rows):
    print(f"\n{'variant':20}{'shape':10}{'CPU µs/request':>15}{'ratio':>7}{'goal':>6}{'p50 ms':>8}{'p99 ms':>8}{'others':>8}")
    for part in dict.fromkeys(row["part"] for row in rows):
        for shape in dict.fromkeys(row["shape"] for row in rows):
            base = None
            for variant in PARTS[part]:
                runs = [
                    row for row in rows
                    if (row["part"], row["shape"], row["variant"]) == (part, shape, variant.name)
                ]
                if not runs:
                    continue
                cost, half, tail, others = (
                    statistics.median(run[key] for run in runs)
                    for key in ("cpu_microseconds", "p50_microseconds", "p99_microseconds", "other_share")
                )
                base = base or cost
                goal = f"{variant.goal:.2f}" if variant.goal else ""
                print(
                    f"{variant.name:20}{shape:10}{cost:>15.2f}{cost / base:>7.2f}{goal:>6}"
                    f"{half / 1000:>8.2f}{tail / 1000:>8.2f}{others:>8.1%}"
                )
