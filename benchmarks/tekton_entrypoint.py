"""Measures Tekton's entrypoint like monopod's: ``python benchmarks/tekton_entrypoint.py ENTRYPOINT``.

ENTRYPOINT is the program built from Tekton's source (``CGO_ENABLED=0 go build -ldflags='-s -w' ./cmd/entrypoint``). The
Steps of one Task start as in Tekton's Pod: all at once, each waiting for the file that the previous one writes at its
end (Tekton cmd/entrypoint/README.md). Nothing is asserted.
"""

from __future__ import annotations

import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

from measured_run import resident_kib

_STEPS = 100


def main(entrypoint: str) -> int:
    """Print the size of the program, its memory while it waits, and the delay between two Steps."""
    with tempfile.TemporaryDirectory(prefix="monopod-bench-") as name:
        resident, gaps = _chain(os.path.abspath(entrypoint), Path(name))
    print(f"size {os.path.getsize(entrypoint) / 1e6:.1f} MB, waiting {statistics.median(resident) / 1024:.1f} MiB")
    print(f"from a Step's end to the next one's start: {statistics.mean(gaps) * 1000:.0f} ms on average", end=" ")
    print(f"({min(gaps) * 1000:.0f} to {max(gaps) * 1000:.0f}), load {os.getloadavg()[0]:.1f}")
    return 0


def _chain(entrypoint: str, folder: Path) -> tuple[list[int], list[float]]:
    """Run a Task with this many Steps; return the KiB of each waiting entrypoint, and the seconds between Steps."""
    steps = []
    for number in random.Random(1).sample(range(_STEPS), _STEPS):
        time.sleep(1 / _STEPS)  # they poll once a second, each at its own time
        options = ["-wait_file", str(folder / f"out-{number}"), "-post_file", str(folder / f"out-{number + 1}")]
        options += ["-termination_path", str(folder / f"termination-{number}"), "-entrypoint", "/bin/sh", "--"]
        # it leaves files in the current directory: exitCode, results, artifacts
        steps.append(subprocess.Popen([entrypoint, *options, "-c", f": > {folder}/ran-{number}"], cwd=folder))
    resident = [resident_kib(step.pid) for step in steps]
    (folder / "out-0").touch()
    for step in steps:
        step.wait()
    ran = [(folder / f"ran-{number}").stat().st_mtime for number in range(_STEPS)]
    return resident, [later - earlier for earlier, later in pairwise(ran)]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
