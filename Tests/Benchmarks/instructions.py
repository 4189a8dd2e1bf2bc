"""Counts what a request costs in instructions: the gateway under valgrind's callgrind, which no neighbour disturbs.

Few requests on one connection, one at a time, so that each is a commit of its own; its one handshake is in the count.
"""

import os
import pathlib
import re
import shutil
import subprocess

import load
import servers

TOOLS = ("valgrind", "callgrind_control", "strip")
WARM_REQUESTS = 100
REQUESTS = 500
# Under valgrind a program takes some fifty times as long: it also has ten thousand sources to read.
START_SECONDS = 300


def missing():
    """The tools that are not there; without them nothing is counted."""
    return [tool for tool in TOOLS if shutil.which(tool) is None]


def a_request(comparison, setting, form):
    """Instructions of a request; the setting is made by a gateway that runs as it is, before the counted one."""
    bench, server = comparison.bench, comparison.start("isthmus", setting)
    kept, server.on_stop = server.on_stop, []
    comparison.stop(server)
    out = bench.directory / "callgrind.out"
    # valgrind does not read every compiler's debugging information, and does not need it to count.
    program = bench.directory / "isthmus-to-count"
    subprocess.run(["strip", "--strip-debug", "-o", program, server.command[0]], check=True)
    command = ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={out}", program]
    command += server.command[1:]
    shim = bench.directory / "sigsuspend.so"
    load.compile_c(pathlib.Path(__file__).with_name("sigsuspend.c"), shim, "-shared", "-fPIC")
    try:
        counted = servers.Server(
            "isthmus", server.port, bench.cores.server, command, server.log, {**os.environ, "LD_PRELOAD": str(shim)},
            start_seconds=START_SECONDS)
        comparison.running.append(counted)
        send(bench, counted, form, WARM_REQUESTS)
        control(counted, "-i", "on")
        send(bench, counted, form, REQUESTS)
        control(counted, "-i", "off")
        control(counted, "--dump")
        comparison.stop(counted)
    finally:
        for action in kept:
            action()
    return totals(out) / REQUESTS


def control(server, *words):
    done = subprocess.run(["callgrind_control", *words, str(server.pid)], capture_output=True, text=True)
    if done.returncode != 0 or "OK" not in done.stdout:
        raise RuntimeError(f"callgrind_control {words}: {(done.stdout + done.stderr).strip()}")


def send(bench, server, form, count):
    command = bench.h2load(server, 1, f"-n{count}", "-c1", "-m1", form=form)
    done = subprocess.run(command, env=bench.with_certificate(form), capture_output=True, text=True)
    if load.successes(done.stdout) != (count, count):
        raise RuntimeError(f"under valgrind not all of {count} requests succeeded: {done.stdout[-600:]}")


def totals(out):
    """The sum of callgrind's dumps: the one that was asked for, and what it writes at its end."""
    found = 0
    for dump in out.parent.glob(out.name + "*"):
        found += sum(int(number) for number in re.findall(r"^totals: (\d+)", dump.read_text(), re.MULTILINE))
        dump.unlink()
    if not found:
        raise RuntimeError(f"callgrind counted nothing: no totals in {out}")
    return found
