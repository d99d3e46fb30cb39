"""The figure ``cluster``: how long small runs take in a cluster, and what the client adds to that.

Rules:

- The runs go through a proxy (``observing_proxy``), which sees when the Pod's creation is requested, when the outcome
  reaches the client, and every request between.
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


@dataclass(frozen=True)
class ClusterOptions:
    """The cluster to measure in, the image of the Steps, and how often each Pipeline runs."""

    context: str
    namespace: str = "default"
    image: str = "docker.io/library/busybox:stable"
    runs: int = 5


@dataclass(frozen=True)
class _Run:
    """Seconds from the command to the request that creates the Pod, to the outcome, and to the command's end."""

    creation: float
    outcome: float
    end: float
    requests: int
    refused: int
    logs: int


def in_cluster(options: ClusterOptions) -> Iterator[Figure]:
    """Command to outcome, the client's time before and after, and its requests. Raises MeasurementError."""
    pipelines = (
        ("1 Task", generated.chain_of_tasks(1), 1, ()),
        (f"{TASKS} Tasks in a chain", generated.chain_of_tasks(TASKS), TASKS, ()),
        (f"{TASKS} Tasks in a chain, packed", generated.chain_of_tasks(TASKS), 1, ("--pack",)),
        (f"{TASKS} Tasks at once", generated.tasks_at_once(TASKS), TASKS, ()),
        (f"1 Task of {TASKS} Steps", generated.chain_of_steps(TASKS), TASKS, ()),
        (f"1 Task of {TASKS} Steps, packed", generated.chain_of_steps(TASKS), 1, ("--pack",)),
    )
    with tempfile.TemporaryDirectory(prefix="monopod-bench-") as directory:
        proxy = ObservingProxy(options.context, Path(directory))
        try:
            for what, pipeline, containers, packing in pipelines:
                yield from _figures(what, _runs(proxy, options, pipeline, packing), containers)
        finally:
            proxy.close()


def _figures(what: str, runs: list[_Run], containers: int) -> Iterator[Figure]:
    outcome = median(run.outcome for run in runs)
    before, after = median(run.creation for run in runs), median(run.end - run.outcome for run in runs)
    yield Figure(f"{what}: to the outcome", f"{outcome:.2f} s")
    yield Figure("  before the Pod's creation", _ms(before), "<= 350 ms", before <= 0.350)
    yield Figure("  after the outcome", _ms(after), "<= 150 ms", after <= 0.150)
    requests, logs = max(run.requests for run in runs), max(run.logs for run in runs)
    allowed = 2 * (containers + 1)
    refused = max(run.refused for run in runs)
    yield Figure("  requests, at most", f"{requests}, {refused} of them refused")
    yield Figure("  requests for logs, at most", str(logs), f"<= {allowed}", logs <= allowed)


def _runs(proxy: ObservingProxy, options: ClusterOptions, pipeline: str, packing: tuple[str, ...]) -> list[_Run]:
    with written(pipeline.replace(generated.IMAGE, options.image)) as file:
        command = [
            MONOPOD,
            "run",
            "--context",
            "measured",
            "-n",
            options.namespace,
            "--no-record",
            *packing,
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
    if not created or observed.outcome_at is None:
        raise MeasurementError("the proxy saw no creation of a Pod, or no outcome")
    return _Run(
        creation=created[0] - began,
        outcome=observed.outcome_at - began,
        end=end - began,
        requests=len(observed.requests),
        refused=sum(request.status >= 400 for request in observed.requests),
        logs=sum(request.is_log for request in observed.requests),
    )


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"
