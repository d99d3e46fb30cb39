"""The status of a run as lines of text: its Tasks and their Steps, with reasons and durations. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from monopod.runner.display.plain import result_lines
from monopod.runner.display.summary import Outcome, summarize
from monopod.runner.follow.follower import Follower
from monopod.runner.reports.descriptions import describe_step_end, step_status
from monopod.schemas.formats.words import format_duration, table_lines
from monopod.schemas.run_log import TABLE_HEAD, describe_times
from monopod.schemas.run_progress import StepRun, TaskState


def ended_lines(follower: Follower, outcome: Outcome, ended: float, *, is_end_known: bool = True) -> list[str]:
    """Return the status of a run that ended at a time, or is last known to have run then."""
    summary = summarize(follower, outcome, ended, None, is_end_known=is_end_known)
    rows: list[tuple[str, ...]] = [TABLE_HEAD]
    for task, row in zip(follower.tasks, summary.rows, strict=True):
        rows += [dataclasses.astuple(row), *_steps(task, follower.started, None)]
    message = f": {outcome.message}" if outcome.message else ""
    return [*table_lines(rows), *result_lines(summary), "", summary.headline + message]


def active_lines(follower: Follower, name: str, now: float, remark: str = "") -> list[str]:
    """Return the status of a run that has not ended. `remark` follows the status of the run."""
    start = follower.started
    rows: list[tuple[str, ...]] = [TABLE_HEAD]
    for task in follower.tasks:
        rows += [
            (task.label, task.status, *describe_times(task, start, now), _why(task, follower)),
            *_steps(task, start, now),
        ]
    status = "has not started" if start is None else f"Running for {format_duration(now - start)}"
    return [*table_lines(rows), "", f"{name} {status}{remark}"]


def _why(task: TaskState, follower: Follower) -> str:
    if task.status == "Waiting":
        waits_for = follower.progress.waits_for(task)
        return f"waits for {', '.join(waits_for)}" if waits_for else ""
    if task.status == "Running":
        attempt = f"attempt {task.attempt + 1}" if task.attempt else ""
        return ", ".join(filter(None, (attempt, *(step.activity for step in task.running_steps))))
    return "" if task.status == "Succeeded" else task.why


def _steps(task: TaskState, run_started: float | None, now: float | None) -> Iterator[tuple[str, ...]]:
    """Yield a row for each Step of the latest attempt that was started or skipped. No `now`: the run is over."""
    for step in task.last.steps if task.last is not None else ():
        end = "" if step.reason in ("", "Completed") else describe_step_end(step)
        status = step_status(step) if step.reason or now is not None else "Unknown"
        yield (f"  {step.name}", status, *_times(step, run_started, now), _without_status(end, status))


def _without_status(end: str, status: str) -> str:
    """Return how a Step ended without its status, which has a column of its own."""
    first, _, rest = end.partition(": ")
    return rest if first.lower() == status.lower() else end


def _times(step: StepRun, run_started: float | None, now: float | None) -> tuple[str, str]:
    started = step.start if step.reason else step.requested
    if started is None or run_started is None:
        return "-", "-"
    ended = step.end if step.reason else now
    took = "-" if ended is None else format_duration(max(ended - started, 0.0))
    return f"+{format_duration(max(started - run_started, 0.0))}", took
