"""Prints what a run found: medians over the rounds, and ratios against the cheapest proxies of each shape."""

import statistics
import sys

import variants

OURS = "isthmus"
# A core that gave more than this to others while a server was measured makes the figure doubtful.
NOISE = 0.05
# What issue 2 asks for, as ratios to the cheapest proxy, and microseconds an entry at 16 x 10 with ten entries.
GOALS = {OURS: 1.0, f"{OURS}+sigv4": 1.25}
ENTRY_GOAL_MICROSECONDS = 6.0


def progress(text):
    print(text, file=sys.stderr, flush=True)


def medians(rows):
    """One row for each (shape, server), in the order they were first measured."""
    grouped = {}
    for row in rows:
        grouped.setdefault((row["shape"], row["server"]), []).append(row)
    found = []
    for (shape, server), runs in grouped.items():
        middle = {
            key: statistics.median(run[key] for run in runs)
            for key in runs[0]
            if key not in ("shape", "server", "round")
        }
        costs = [run["cpu_microseconds"] for run in runs]
        found.append({"shape": shape, "server": server, **middle, "least": min(costs), "most": max(costs)})
    return found


def cheapest_proxy(rows, shape, among=lambda server: True):
    proxies = [row for row in rows if row["shape"] == shape and not row["server"].startswith(OURS)]
    return min((row["cpu_microseconds"] for row in proxies if among(row["server"])), default=None)


def speaks_http1_behind(server):
    return "+h2" not in server


def ratio(cost, base):
    return f"{cost / base:.2f}" if base else "-"


def shapes_table(rows):
    rows = medians(rows)
    print(
        f"{'shape':17}{'server':15}{'CPU µs/request':>15}{'least–most':>15}{'ratio':>7}{'of all':>7}{'goal':>6}"
        f"{'µs/entry':>10}{'requests/s':>12}{'p50 ms':>8}{'p99 ms':>8}{'MiB':>7}{'core':>6}{'others':>8}"
    )
    for shape in dict.fromkeys(row["shape"] for row in rows):
        base = cheapest_proxy(rows, shape, speaks_http1_behind)
        of_all = cheapest_proxy(rows, shape)
        for row in (row for row in rows if row["shape"] == shape):
            cost = row["cpu_microseconds"]
            goal = f"{GOALS[row['server']]:.2f}" if row["server"] in GOALS and row["entries"] == 1 else ""
            noisy = " !" if row["other_share"] > NOISE else ""
            spread = f"{row['least']:.1f}–{row['most']:.1f}"
            half, tail = row["p50_microseconds"] / 1000, row["p99_microseconds"] / 1000
            memory = row["resident_bytes"] / 2**20
            print(
                f"{shape:17}{row['server']:15}{cost:>15.2f}{spread:>15}"
                f"{ratio(cost, base):>7}{ratio(cost, of_all):>7}{goal:>6}"
                f"{cost / row['entries']:>10.2f}{row['requests_a_second']:>12,.0f}{half:>8.2f}{tail:>8.2f}"
                f"{memory:>7.1f}{row['server_share']:>6.0%}{row['other_share']:>8.1%}{noisy}"
            )
    print("ratio: to the shape's cheapest proxy over an HTTP/1.1 backend; of all: over HTTP/2 (+h2) as well")
    print(f"goal: of the first ratio; ten entries: at most {ENTRY_GOAL_MICROSECONDS:.0f} µs an entry")
    print("core: part of its core the server used; others: what else ran there (! above 5 %: doubtful)")


def handshakes_table(found):
    print(f"\n{'mutual TLS handshake':22}{'CPU µs':>10}{'least–most':>14}{'elapsed µs':>12}{'tickets each':>14}")
    for name, runs in found.items():
        costs = [run["cpu_microseconds"] for run in runs]
        elapsed = statistics.median(run["elapsed_microseconds"] for run in runs)
        tickets = max(run["tickets_each"] for run in runs)
        spread = f"{min(costs):.0f}–{max(costs):.0f}"
        print(f"{name:22}{statistics.median(costs):>10.0f}{spread:>14}{elapsed:>12.0f}{tickets:>14.1f}")


def idle_table(found):
    first = next(iter(found.values()))
    total = first["total"]
    print(
        f"\n{'idle connections':22}{'KiB each':>10}{f'of {total}':>10}{'after use':>11}"
        f"{'requests served':>20}{'MiB before':>12}"
    )
    for name, one in found.items():
        each = [one[key] / 1024 for key in (
            "bytes_a_connection", "bytes_a_connection_at_total", "bytes_a_connection_after_requests"
        )]
        served = f"{one['served']} of {one['asked']}"
        before = one["resident_before"] / 2**20
        print(f"{name:22}{each[0]:>10.1f}{each[1]:>10.1f}{each[2]:>11.1f}{served:>20}{before:>12.1f}")
    print(f"KiB each: resident memory a connection at {first['connections']}, at {total}, and after some were used")


def table(results):
    machine = results["machine"]
    print(f"{machine['processor']}, Linux {machine['kernel']}, cores {machine['cores']}")
    print(", ".join(machine["versions"].values()))
    for when in ("before", "after"):
        sync = machine[f"fdatasync_{when}"]
        print(
            f"fdatasync {when} on {machine['data_file_system']}: "
            f"p50 {sync['p50_microseconds']:.0f} µs, p99 {sync['p99_microseconds']:.0f} µs"
        )
    print()
    if results["shapes"]:
        shapes_table(results["shapes"])
    if results["handshakes"]:
        handshakes_table(results["handshakes"])
    if results["idle"]:
        idle_table(results["idle"])
    if results["variants"]:
        variants.table(results["variants"], results["instructions"])
