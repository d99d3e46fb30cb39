"""The baseline for the hand-off: Steps that poll for their turn, as simple as possible."""

from __future__ import annotations

import random
import subprocess
import tempfile
from pathlib import Path

_STEP = 'sleep "$4"; while [ ! -e "$1" ]; do sleep "$3"; done; : > "$2.began"; : > "$2"'


def hand_offs(count: int, interval: float) -> list[float]:
    """Return the seconds from each Step's end to the next Step's start, in a chain of `count` + 1 polling shells.

    They start at different times within the interval, as containers do.
    """
    moments = random.Random(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ends = [folder / f"step-{number}" for number in range(count + 1)]
        steps = []
        for number in range(1, count + 1):
            delay = moments.uniform(0, interval)
            arguments = [str(ends[number - 1]), str(ends[number]), f"{interval:f}", f"{delay:f}"]
            steps.append(subprocess.Popen(["sh", "-c", _STEP, "step", *arguments]))
        ends[0].touch()
        for step in steps:
            step.wait()
        began = [Path(f"{end}.began").stat().st_mtime_ns for end in ends[1:]]
        ended = [end.stat().st_mtime_ns for end in ends[:-1]]
    return [(start - end) / 1e9 for start, end in zip(began, ended, strict=True)]
