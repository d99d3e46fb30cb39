"""Reads recorded runs for statistics (``reports.run_statistics``)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping

from monopod.runner.records.recorded_run import RecordedRun, TaskRun, read_run
from monopod.runner.records.repetition import Repetition, read_repetition
from monopod.runner.records.store import Record, RecordError
from monopod.runner.reports.run_statistics import CountedRun, Instance, trend


def counted_runs(recorded: Iterable[Record]) -> Iterator[CountedRun]:
    """Yield the runs of these records. A record that cannot be read is left out."""
    for record in recorded:
        with contextlib.suppress(RecordError):
            yield _counted(read_run(record))


def _counted(run: RecordedRun) -> CountedRun:
    repetition = None
    with contextlib.suppress(RecordError):
        repetition = read_repetition(run.record.directory)
    instances = tuple(_instance(task, repetition) for task in run.tasks)
    return CountedRun(
        run.record.identity,
        run.header.pipeline or run.header.name,
        run.record.status,
        run.started,
        _seconds(run.record),
        instances,
    )


def _instance(task: TaskRun, repetition: Repetition | None) -> Instance:
    state = task.state
    took = None if state.started is None or state.ended is None else state.ended - state.started
    digest = None
    if repetition is not None and repetition.inputs:
        own = repetition.digests.get(state.path.partition("/")[0])
        digest = None if own is None else f"{own} {repetition.inputs}"
    attempts = tuple(attempt.status for attempt in task.attempts)
    return Instance(state.path, task.label, state.status, took, attempts, digest, task.params)


def _seconds(record: Record) -> float | None:
    return None if record.ended is None else record.ended.at - record.header.started


def trends(recorded: Iterable[Record]) -> Mapping[str, float]:
    """Return the trend of each run that succeeded, by its identity.

    It is against earlier ones of the same Pipeline in which the same Tasks ran. Records of earlier versions only say
    how many, in the message of the outcome.
    """
    earlier: dict[tuple[str, ...], list[float]] = {}
    found = {}
    for record in sorted(recorded, key=lambda record: (record.header.started, record.identity)):
        seconds = _seconds(record)
        if record.ended is None or record.status != "Succeeded" or seconds is None:
            continue
        header = record.header
        kind = header.project, header.pipeline or header.name, header.backend, record.ended.ran or record.ended.message
        before = earlier.setdefault(kind, [])
        change = trend(seconds, before)
        if change is not None:
            found[record.identity] = change
        before.append(seconds)
    return found
