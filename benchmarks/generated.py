"""Pipelines for the benchmarks, as YAML that anybody could have written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

IMAGE = "busybox:stable"
"""The image of all Steps that need no Python."""
_GATE = f"""\
    - name: gate
      workspaces:
        - name: gate
      taskSpec:
        workspaces:
          - name: gate
        steps:
          - name: wait
            image: {IMAGE}
            script: |
              #!/bin/sh
              while [ ! -e "$(workspaces.gate.path)/open" ]; do sleep 0.1; done
"""
"""A Task that waits for a file `open` in the Workspace `gate`."""


def chain_of_tasks(count: int) -> str:
    """Return a Pipeline of `count` Tasks in a chain, each with one Step that does nothing."""
    return _pipeline("chain-of-tasks", _chain(count))


def tasks_at_once(count: int) -> str:
    """Return a Pipeline of `count` Tasks that run at the same time, each with one Step that does nothing."""
    return _pipeline("tasks-at-once", [_task(f"task-{number}") for number in range(count)])


def chain_of_steps(count: int) -> str:
    """Return a Pipeline of one Task with `count` Steps that do nothing."""
    return _pipeline("chain-of-steps", [_task("task-0", steps=count)])


def gated_chain_of_tasks(count: int) -> str:
    """Return the Pipeline of `chain_of_tasks` behind the gate of `fan_out`."""
    return _pipeline("gated-chain-of-tasks", [_GATE, *_chain(count, after="gate")], workspaces=["gate"])


def _chain(count: int, after: str = "") -> list[str]:
    names = [after, *(f"task-{number}" for number in range(count))]
    return [_task(name, after=[before] if before else []) for before, name in pairwise(names)]


def gated_chain_of_steps(count: int) -> str:
    """Return a Pipeline of one Task with `count` Steps that do nothing, behind the gate of `fan_out`."""
    task = _task("task-0", after=["gate"], steps=count)
    return _pipeline("gated-chain-of-steps", [_GATE, task], workspaces=["gate"])


def many_lines(count: int) -> str:
    """Return a Pipeline of one Task whose only Step writes `count` lines, as fast as it can."""
    return _pipeline(
        "many-lines",
        [
            f"""\
    - name: write
      taskSpec:
        steps:
          - name: lines
            image: {IMAGE}
            command: [seq, -f, "line %.0f of an output of usual width, as builds have it", "{count}"]
"""
        ],
    )


def fan_out(count: int) -> str:
    """Return a Pipeline of one Task, and `count` Tasks that wait only for it.

    The first Task waits for a file `open` in the Workspace `gate`.
    """
    return _pipeline("fan-out", _fan(count), workspaces=["gate"])


def fan_out_and_in(count: int) -> str:
    """Return the Pipeline of `fan_out` with one more Task that waits for all those."""
    join = _task("join", after=[f"branch-{number}" for number in range(count)])
    return _pipeline("fan-out-and-in", [*_fan(count), join], workspaces=["gate"])


def _fan(count: int) -> list[str]:
    return [_GATE, *(_task(f"branch-{number}", after=["gate"]) for number in range(count))]


def writers(names: Iterable[str], lines: int, per_minute: int | None) -> str:
    """Return a Pipeline with a Task per name that writes numbered lines, at that rate or (None) at once."""
    return _pipeline("writers", (_writer(name, lines, per_minute) for name in names))


def _writer(name: str, lines: int, per_minute: int | None) -> str:
    pace = "" if per_minute is None else f"time.sleep(max(0, start + number * 60 / {per_minute} - time.monotonic()))"
    return f"""\
    - name: {name}
      taskSpec:
        steps:
          - name: write
            image: python:3-slim
            script: |
              #!/usr/bin/env python3
              import sys, time
              start = time.monotonic()
              for number in range({lines}):
                  sys.stdout.write(f"<{name} {{number}}> compiling something with a name of the usual length\\n")
                  if number % 100 == 99:
                      sys.stdout.flush()
                      {pace or "pass"}
"""


def realistic(count: int) -> str:
    """Return a Pipeline of `count` realistic Tasks: in layers of ten, with params, Results, guards and a Workspace.

    Each Task depends on two Tasks of the layer above: on one by `runAfter`, on the other by its Result.
    """
    tasks = []
    for number in range(count):
        above = number // 10 * 10 - 10
        after = f"      runAfter: [task-{above + number % 10}]\n" if above >= 0 else ""
        source = f"$(tasks.task-{above + (number + 3) % 10}.results.digest)" if above >= 0 else "$(params.revision)"
        when = f'      when: [{{input: "{source}", operator: notin, values: ["", "none"]}}]\n'
        tasks.append(
            f"""\
    - name: task-{number}
{after}{when if number % 4 == 0 else ""}      params: [{{name: source, value: "{source}"}}]
      workspaces: [{{name: shared}}]
      taskSpec:
        params: [{{name: source}}]
        workspaces: [{{name: shared}}]
        results: [{{name: digest}}]
        steps:
          - name: make
            image: {IMAGE}
            env: [{{name: SOURCE, value: "$(params.source)"}}]
            workingDir: $(workspaces.shared.path)
            computeResources: {{requests: {{cpu: {100 + number % 7 * 50}m, memory: 64Mi}}}}
            script: |
              #!/bin/sh
              echo "$SOURCE" | sha256sum | cut -d ' ' -f 1 > $(results.digest.path)
"""
        )
    return _pipeline("realistic", tasks, workspaces=["shared"], params={"revision": "main"})


def _task(name: str, after: Sequence[str] = (), steps: int = 1) -> str:
    run_after = f"      runAfter: [{', '.join(after)}]\n" if after else ""
    return f"    - name: {name}\n{run_after}      taskSpec:\n        steps:\n" + "".join(
        f"          - {{name: step-{number}, image: {IMAGE}, command: ['true']}}\n" for number in range(steps)
    )


def _pipeline(
    name: str, tasks: Iterable[str], workspaces: Sequence[str] = (), params: dict[str, str] | None = None
) -> str:
    declared = "".join(f"    - name: {workspace}\n" for workspace in workspaces)
    defaults = "".join(f"    - {{name: {param}, default: {value}}}\n" for param, value in (params or {}).items())
    return (
        f"apiVersion: tekton.dev/v1\nkind: Pipeline\nmetadata:\n  name: {name}\nspec:\n"
        + (f"  params:\n{defaults}" if defaults else "")
        + (f"  workspaces:\n{declared}" if declared else "")
        + "  tasks:\n"
        + "".join(tasks)
    )
