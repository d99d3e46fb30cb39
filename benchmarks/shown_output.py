"""Measures runs with much output, shown in several ways: how long the Steps took, and which lines were lost.

Rules: the command is the installed one. Its output is read as fast as possible, from a pipe or from a pseudo-terminal
of 120 columns and 40 rows.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from dataclasses import dataclass
from typing import Literal, TypeAlias

from measured_run import MONOPOD, MeasurementError, kept_folder, read_journal, written

Shown: TypeAlias = Literal["not at all", "plain", "in folds", "live"]

_PIECE = 1 << 16
_LINE = re.compile(rb"<([a-z]+) (\d+)>")


@dataclass(frozen=True)
class Output:
    """The result of a run with much output: the seconds of its longest Step, and the number of lost lines."""

    seconds: float
    lost: int


def run_with_output(pipeline: str, shown: Shown, names: list[str], lines: int) -> Output:
    """Run a Pipeline whose Tasks write many lines (`generated.writers`).

    Raises MeasurementError.
    """
    with written(pipeline) as file, kept_folder() as folder:
        environment = {key: value for key, value in os.environ.items() if key not in ("CI", "NO_COLOR")}
        environment |= {"TMPDIR": str(folder), "TERM": "xterm-256color", "LANG": "C.UTF-8"}
        if shown == "in folds":
            environment["GITHUB_ACTIONS"] = "true"
        command = [MONOPOD, "run", "--backend", "host", "--keep", "always", "-f", file]
        data = _output_of(
            [*command, *(["--quiet"] if shown == "not at all" else [])], environment, live=shown == "live"
        )
        seconds = max(step.end - step.start for step in read_journal(folder))
    found = {(name, int(number)) for name, number in _LINE.findall(data)}
    expected = {(name.encode(), number) for name in names for number in range(lines)}
    return Output(seconds, 0 if shown == "not at all" else len(expected - found))


def _output_of(command: list[str], environment: dict[str, str], *, live: bool) -> bytes:
    reader, writer = pty.openpty() if live else os.pipe()
    if live:
        fcntl.ioctl(writer, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    run = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=writer, stderr=subprocess.DEVNULL)
    os.close(writer)
    pieces = []
    try:
        while piece := os.read(reader, _PIECE):
            pieces.append(piece)
    except OSError:  # EIO: no process has the terminal open
        pass
    os.close(reader)
    data = b"".join(pieces)
    if run.wait() != 0:
        raise MeasurementError(f"monopod run: {data[-400:].decode(errors='replace')}")
    return data
