"""Counts lines that are shown under the wrong attempt or matrix combination: ``python benchmarks/attribution.py``.

Each run has 40 combinations over 3 slots and 8 Tasks with 5 retries, and every Step prints its owner on both streams. A
line is wrong if it is missing, shown twice, or shown under another owner.

    python benchmarks/attribution.py [--backend host|podman] [RUNS]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

COMBINATIONS, SLOTS, TASKS, RETRIES = 40, 3, 8, 5
_STREAMS = ("out", "err")
_TASK = """\
    - name: t{number}
      retries: {retries}
      taskSpec:
        steps:
          - name: s
            image: {image}
            script: |
              echo "t{number} try $(context.task.retry-count) out"
              echo "t{number} try $(context.task.retry-count) err" >&2
              exit 1
"""
_PIPELINE = """\
apiVersion: tekton.dev/v1
kind: Pipeline
metadata: {{name: attribution}}
spec:
  tasks:
    - name: w
      matrix:
        params: [{{name: item, value: [{items}]}}]
      taskSpec:
        params: [{{name: item}}]
        steps:
          - {{name: s, image: {image}, script: 'echo "item $(params.item) out"; printf "item $(params.item) err" >&2'}}
{tasks}"""


def pipeline(image: str = "busybox") -> str:
    """Return the Pipeline."""
    items = ", ".join(f'"{number}"' for number in range(COMBINATIONS))
    tasks = "".join(_TASK.format(number=number, retries=RETRIES, image=image) for number in range(TASKS))
    return _PIPELINE.format(items=items, tasks=tasks, image=image)


def options() -> list[str]:
    """Return the options of `monopod run` besides the file."""
    return ["--max-concurrency", str(SLOTS)]


def expected() -> Counter[str]:
    """Return the expected lines, each under its Task instance."""
    lines = [f"[w[item={item}] : s] item {item} {stream}" for item in range(COMBINATIONS) for stream in _STREAMS]
    for task in range(TASKS):
        lines += [f"[t{task} : s] t{task} try {n} {stream}" for n in range(RETRIES + 1) for stream in _STREAMS]
    return Counter(lines)


def wrong_lines(shown: Sequence[str]) -> list[str]:
    """Return the wrong lines of a run: lines under another owner, and missing lines."""
    found = Counter(line for line in shown if line.startswith("[") and " : s] " in line and "ended with" not in line)
    found = Counter({line: count for line, count in found.items() if line.endswith(_STREAMS)})
    return [*(found - expected()), *(f"missing: {line}" for line in expected() - found), *_late_attempts(shown)]


def _late_attempts(shown: Sequence[str]) -> list[str]:
    """Return the lines of an attempt that are not between its start and its end."""
    wrong, attempts = [], dict.fromkeys((f"t{task}" for task in range(TASKS)), 0)
    for line in shown:
        for task in attempts:
            if line.startswith(f"[{task}] attempt ") and "started" in line:
                attempts[task] = int(line.split()[2]) - 1
            if line.startswith(f"[{task} : s] {task} try ") and int(line.split()[5]) != attempts[task]:
                wrong.append(f"in attempt {attempts[task]}: {line}")
    return wrong


def main(words: Sequence[str]) -> int:
    """Run it and return 1 if a line was wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backend", choices=("host", "podman"), default="host")
    parser.add_argument("--image", default="busybox")
    parser.add_argument("runs", nargs="?", type=int, default=100)
    options_given = parser.parse_args(words)
    wrong = 0
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "pipeline.yaml")
        file.write_text(pipeline(options_given.image))
        program = [str(Path(sys.executable).with_name("monopod")), "run", "--no-record"]
        network = ["--network", "none"] if options_given.backend == "podman" else []
        command = [*program, "--backend", options_given.backend, *network, *options(), "-f", str(file)]
        for number in range(options_given.runs):
            done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)
            found = wrong_lines(done.stdout.splitlines())
            wrong += len(found)
            for line in found[:5]:
                print(f"run {number + 1}: {line}", file=sys.stderr)
    lines = options_given.runs * sum(expected().values())
    print(f"{options_given.backend}: {options_given.runs} runs, {lines} lines, {wrong} wrong")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
