"""A wall clock for one gateway that a test moves while it runs."""

import pathlib
import struct
import subprocess

SOURCE = pathlib.Path(__file__).with_name("wall_clock.c")


class WallClock:
    """A wrapper for `Gateway.start`; `move` sets how many seconds its clock is ahead of the machine's."""

    def __init__(self, folder):
        library = folder / "wall_clock.so"
        subprocess.run(["cc", "-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o", str(library), str(SOURCE)], check=True)
        self.path = folder / "wall_clock.shift"
        self.ahead = 0
        self.path.write_bytes(bytes(8))
        self.command = ["env", f"LD_PRELOAD={library}", f"WALL_CLOCK_SHIFT={self.path}"]

    def move(self, seconds):
        self.ahead = seconds
        with open(self.path, "r+b") as file:
            file.write(struct.pack("=q", seconds))
