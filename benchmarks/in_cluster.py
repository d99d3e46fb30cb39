"""The figure ``cluster``: how long small runs take in a cluster, and what the client adds to that.

Rules:

- The runs go through a proxy (``observing_proxy``), which sees when the Pod's creation is requested, when the first
  Step's start and the outcome reach the client, and every request between.
- The image must be on the nodes: a first run, which is not counted, pulls it otherwise.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import generated
from figures import Figure
from measured_run import MONOPOD, MeasurementError, written
from observing_proxy import Observed, ObservingProxy

TASKS = 10
MANY = 200
"""Steps that packing lets start like `TASKS`."""
PACKED = ("--pack",)


@dataclass(frozen=True)
class ClusterOptions:
    """The cluster to measure in, the image of the Steps, and how often each Pipeline runs."""

    context: str
    namespace: str = "default"
    image: str = "docker.io/library/busybox:stable"
    runs: int = 5


@dataclass(frozen=True)
class _Measured:
    """A Pipeline, the options it runs with, and how many containers its Steps then have. ``goal``: in seconds."""

    what: str
    pipeline: str
    containers: int
    options: tuple[str, ...] = ()
    goal: float | None = None


@dataclass(frozen=True)
class _Run:
    """Seconds from the command to the creation of the Pod, the report of the first Step, the outcome, and the end."""

    creation: float
    first_step: float
    outcome: float
    end: float
    requests: int
    refused: int
    logs: int


def in_cluster(options: ClusterOptions) -> Iterator[Figure]:
    """Command to outcome, the client's time before and after, and its requests. Raises MeasurementError."""
    measured = (
        _Measured("1 Task", generated.chain_of_tasks(1), 1),
        _Measured(f"{TASKS} Tasks in a chain", generated.chain_of_tasks(TASKS), TASKS),
        _Measured(f"{TASKS} Tasks in a chain, packed", generated.chain_of_tasks(TASKS), 1, PACKED),
        _Measured(f"{MANY} Tasks in a chain, packed", generated.chain_of_tasks(MANY), 1, PACKED),
        _Measured(f"{TASKS} Tasks at once", generated.tasks_at_once(TASKS), TASKS),
        _Measured(f"1 Task of {TASKS} Steps", generated.chain_of_steps(TASKS), TASKS),
        _Measured(f"1 Task of {TASKS} Steps, packed", generated.chain_of_steps(TASKS), 1, PACKED, goal=2.5),
    )
    with tempfile.TemporaryDirectory(prefix="monopod-bench-") as directory:
        proxy = ObservingProxy(options.context, Path(directory))
        try:
            for each in measured:
                yield from _figures(each, _runs(proxy, options, each))
        finally:
            proxy.close()


def _figures(measured: _Measured, runs: list[_Run]) -> Iterator[Figure]:
    outcome, first = median(run.outcome for run in runs), median(run.first_step for run in runs)
    before, after = median(run.creation for run in runs), median(run.end - run.outcome for run in runs)
    goal = "" if measured.goal is None else f"<= {measured.goal} s"
    reached = None if measured.goal is None else outcome <= measured.goal
    yield Figure(f"{measured.what}: to the outcome", f"{outcome:.2f} s", goal, reached)
    yield Figure("  to the first Step", f"{first:.2f} s")
    yield Figure("  before the Pod's creation", _ms(before), "<= 350 ms", before <= 0.350)
    yield Figure("  after the outcome", _ms(after), "<= 150 ms", after <= 0.150)
    requests, logs = max(run.requests for run in runs), max(run.logs for run in runs)
    allowed = 2 * (measured.containers + 1)
    refused = max(run.refused for run in runs)
    yield Figure("  requests, at most", f"{requests}, {refused} of them refused")
    yield Figure("  requests for logs, at most", str(logs), f"<= {allowed}", logs <= allowed)


def _runs(proxy: ObservingProxy, options: ClusterOptions, measured: _Measured) -> list[_Run]:
    with written(measured.pipeline.replace(generated.IMAGE, options.image)) as file:
        command = [
            MONOPOD,
            "run",
            "--context",
            "measured",
            "-n",
            options.namespace,
            "--no-record",
            *measured.options,
            "-f",
            file,
        ]
        _measured(proxy, command)
        return [_measured(proxy, command) for _ in range(options.runs)]


def _measured(proxy: ObservingProxy, command: list[str]) -> _Run:
    proxy.begin()
    began = time.monotonic()
    environment = {**os.environ, "KUBECONFIG": str(proxy.kubeconfig)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    end = time.monotonic()
    if done.returncode != 0:
        raise MeasurementError(f"monopod run: {(done.stderr or done.stdout).strip()[-400:]}")
    return _seen(proxy.observed, began, end)


def _seen(observed: Observed, began: float, end: float) -> _Run:
    created = [request.at for request in observed.requests if request.is_creation]
    if not created or observed.first_step_at is None or observed.outcome_at is None:
        raise MeasurementError("the proxy saw no creation of a Pod, no start of a Step, or no outcome")
    return _Run(
        creation=created[0] - began,
        first_step=observed.first_step_at - began,
        outcome=observed.outcome_at - began,
        end=end - began,
        requests=len(observed.requests),
        refused=sum(request.status >= 400 for request in observed.requests),
        logs=sum(request.is_log for request in observed.requests),
    )


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"
