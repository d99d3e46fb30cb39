"""Descriptions of how Steps and Tasks ended and where the time went, the same on a terminal and on a page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from monopod.runner.reports.failures import describe_failed_step
from monopod.schemas.formats.words import describe_exit_code, format_duration

if TYPE_CHECKING:
    from monopod.runner.records.recorded_run import TaskRun
    from monopod.runner.reports.time_spent import Change, TimeSpent, Wait
    from monopod.schemas.run_progress import StepRun


def step_status(step: StepRun) -> str:
    """Return the status of a Step, as a status of Tasks. A Step that could not start has failed."""
    if step.could_not_start:
        return "Failed"
    statuses = {"": "Running", "Completed": "Succeeded"} | {name: name for name in ("TimedOut", "Cancelled", "Skipped")}
    return statuses.get(step.reason, "Failed")  # Error, OOMKilled, Continued


def describe_step_end(step: StepRun) -> str:
    """Describe how a Step ended."""
    if step.reason in ("", "Completed"):
        return "Completed" if step.reason else "did not end"
    if step.reason == "Continued":
        return f"{step.message or describe_exit_code(step.exit_code)}; the Task continued (onError: continue)"
    if step.could_not_start:
        return f"could not start: {step.message}"
    if step.reason == "Skipped":
        return f"skipped: {step.message}" if step.message else "skipped"
    ending = describe_failed_step(step)
    return ending if step.failed else f"{step.reason}: {ending}"


def explain_task(task: TaskRun) -> str:
    """Explain why a Task was skipped, retried or did not succeed. Empty if there is nothing to explain."""
    state = task.state
    if state.status == "Succeeded":
        return f"It took {len(task.attempts)} attempts." if len(task.attempts) > 1 else ""
    if state.status == "Skipped":
        return f"Skipped: {state.why}"
    return state.message or (state.reason if state.reason != state.status else "")


def describe_parallelism(spent: TimeSpent) -> Iterator[str]:
    """Yield lines that compare how much ran in parallel with how much could have."""
    work, total, shortest = map(format_duration, (spent.work, spent.total, spent.shortest))
    yield (
        f"Tasks ran for {work} in total, the run took {total}. "
        f"Average parallelism {spent.reached:.1f}, maximum {spent.peak}."
    )
    yield f"With no waiting: {shortest}. Average parallelism {spent.possible:.1f}, maximum {spent.widest}."
    cores = spent.cpu / spent.total if spent.total else 0.0
    yield f"Steps used {format_duration(spent.cpu)} of CPU time, {cores:.1f} cores on average."


def describe_wait(wait: Wait) -> str:
    """Describe what a Task waited for."""
    return f"{wait.label} waited for {wait.why}"


def describe_change(change: Change, spent: TimeSpent) -> str:
    """Describe how much faster a change would make the run."""
    saved, left = format_duration(change.saved), format_duration(spent.total - change.saved)
    return f"{change.what}, the run would take {left} ({saved} less)"
