"""Statistics of recorded runs: success rates, durations, and flaky Tasks.

Rules:

- Only runs, and Tasks of them, that succeeded or failed (or reached their timeout) count. What was skipped, reused,
  cancelled or is still active does not. Durations are those of what succeeded.
- Percentiles are nearest-rank: p95 is the shortest duration that at least 95 % do not exceed.
- A Task instance is **flaky** if it failed and then succeeded although nothing about it had changed: in a later attempt
  of the same run, or in a later run. Between runs, that needs the same digest of its resolved spec
  (``repeating.task_digests``), the same values of its params, and the same files in folders of this machine. If it is
  not known that the files are the same, runs are not compared.

Pure.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Params: TypeAlias = tuple[tuple[str, Any], ...]
_FAILURES = ("Failed", "TimedOut")
_BARS = "▁▂▃▄▅▆▇█"
MOST_IN_TREND = 20
"""How many earlier runs a duration is compared with."""


@dataclass(frozen=True, slots=True)
class Instance:
    """A Task instance in a run. ``attempts`` are the statuses of its attempts.

    ``digest`` is that of its spec and inputs, None if it is not known to be the same in another run.
    """

    path: str
    label: str
    status: str
    seconds: float | None
    attempts: tuple[str, ...]
    digest: str | None
    params: Params


@dataclass(frozen=True, slots=True)
class CountedRun:
    """A run. ``name`` is the name of its record."""

    name: str
    pipeline: str
    status: str
    started: float
    seconds: float | None
    instances: tuple[Instance, ...] = ()


@dataclass(frozen=True, slots=True)
class Flake:
    """A flaky Task instance, and the runs in which it succeeded after it had failed."""

    label: str
    runs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Figures:
    """How often something ran and succeeded, and how long that took. ``durations`` are in the order of the runs."""

    runs: int
    succeeded: int
    durations: tuple[float, ...]

    @property
    def rate(self) -> float | None:
        """The share that succeeded."""
        return self.succeeded / self.runs if self.runs else None

    def percentile(self, percent: float) -> float | None:
        """Return a percentile of the durations; None without any."""
        if not self.durations:
            return None
        rank = max(math.ceil(percent / 100 * len(self.durations)), 1)
        return sorted(self.durations)[rank - 1]


@dataclass(frozen=True, slots=True)
class TaskStatistics:
    """The statistics of a Task: of all its instances."""

    path: str
    figures: Figures
    flakes: tuple[Flake, ...]


@dataclass(frozen=True, slots=True)
class PipelineStatistics:
    """The statistics of a Pipeline and its Tasks."""

    pipeline: str
    figures: Figures
    tasks: tuple[TaskStatistics, ...]


@dataclass(slots=True)
class _Tally:
    runs: int = 0
    succeeded: int = 0
    durations: list[float] = field(default_factory=list)

    def count(self, status: str, seconds: float | None) -> None:
        if status == "Succeeded" or status in _FAILURES:
            self.runs += 1
        if status == "Succeeded":
            self.succeeded += 1
            if seconds is not None:
                self.durations.append(seconds)

    def figures(self) -> Figures:
        return Figures(self.runs, self.succeeded, tuple(self.durations))


def statistics_of(runs: Iterable[CountedRun]) -> tuple[PipelineStatistics, ...]:
    """Return the statistics of each Pipeline, in the order of the names."""
    by_pipeline: dict[str, list[CountedRun]] = {}
    for run in sorted(runs, key=lambda run: (run.started, run.name)):
        by_pipeline.setdefault(run.pipeline, []).append(run)
    return tuple(_of_pipeline(name, runs) for name, runs in sorted(by_pipeline.items()))


def _of_pipeline(pipeline: str, runs: Sequence[CountedRun]) -> PipelineStatistics:
    whole, tasks = _Tally(), dict[str, _Tally]()
    for run in runs:
        whole.count(run.status, run.seconds)
        for instance in run.instances:
            tasks.setdefault(instance.path, _Tally()).count(instance.status, instance.seconds)
    flakes = flakes_of(runs)
    return PipelineStatistics(
        pipeline,
        whole.figures(),
        tuple(TaskStatistics(path, tally.figures(), flakes.get(path, ())) for path, tally in tasks.items()),
    )


def flakes_of(runs: Sequence[CountedRun]) -> Mapping[str, tuple[Flake, ...]]:
    """Return the flaky instances by the path of their Task. The runs are in the order in which they started."""
    failed: set[tuple[str, str, Params]] = set()
    found: dict[tuple[str, str], list[str]] = {}
    for run in runs:
        for instance in run.instances:
            if instance.status == "Succeeded" and (
                any(status in _FAILURES for status in instance.attempts[:-1]) or _key(instance) in failed
            ):
                found.setdefault((instance.path, instance.label), []).append(run.name)
            key = _key(instance)
            if key is None:
                continue
            if instance.status in _FAILURES:
                failed.add(key)
            elif instance.status == "Succeeded":
                failed.discard(key)
    flakes: dict[str, tuple[Flake, ...]] = {}
    for (path, label), names in found.items():
        flakes[path] = (*flakes.get(path, ()), Flake(label, tuple(names)))
    return flakes


def _key(instance: Instance) -> tuple[str, str, Params] | None:
    return None if instance.digest is None else (instance.label, instance.digest, instance.params)


def trend(seconds: float, earlier: Sequence[float]) -> float | None:
    """Return by which share a run took longer than the median of the latest earlier ones; None without any."""
    latest = earlier[-MOST_IN_TREND:]
    median = statistics.median(latest) if latest else 0.0
    return seconds / median - 1 if median else None


def sparkline(values: Sequence[float]) -> str:
    """Return a bar for each value, from the lowest to the highest."""
    low, high = min(values, default=0.0), max(values, default=0.0)
    span = high - low
    return "".join(_BARS[round((value - low) / span * (len(_BARS) - 1)) if span else 0] for value in values)
