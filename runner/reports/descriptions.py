"""How Steps and Tasks ended and where the time went, in words: the same in a terminal and on a page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from monopod.runner.display.selection import FAILING_REASONS
from monopod.runner.follow.follower import FailedStep
from monopod.runner.reports.failures import describe_failed_step
from monopod.schemas.formats.words import duration_in_words, exit_code_in_words

if TYPE_CHECKING:
    from monopod.runner.records.recorded_run import StepRun, TaskRun
    from monopod.runner.reports.time_spent import Change, TimeSpent


def step_status(step: StepRun) -> str:
    """Return how a Step stands, in the words that are used of Tasks."""
    known = {"": "Running", "Completed": "Succeeded", **{each: each for each in ("TimedOut", "Cancelled", "Skipped")}}
    return known.get(step.reason, "Failed")  # Error, OOMKilled, Continued


def describe_step_end(step: StepRun) -> str:
    """Return how a Step ended."""
    if step.reason in ("", "Completed"):
        return "Completed" if step.reason else "did not end"
    if step.reason == "Continued":
        return f"{step.message or exit_code_in_words(step.exit_code)}; the Task went on (onError: continue)"
    if step.reason == "Skipped":
        return f"skipped: {step.message}" if step.message else "skipped"
    words = describe_failed_step(FailedStep("", step.name, step.exit_code, step.reason, step.message, ()))
    return words if step.reason in FAILING_REASONS else f"{step.reason}: {words}"


def explain_task(task: TaskRun) -> str:
    """Return why a Task was skipped or did not succeed; empty if there is nothing to be said."""
    state = task.state
    if state.status == "Succeeded":
        return f"It took {len(task.attempts)} attempts." if len(task.attempts) > 1 else ""
    if state.status == "Skipped":
        return f"Skipped: {state.why}"
    return state.message or (state.reason if state.reason != state.status else "")


def describe_parallelism(spent: TimeSpent) -> Iterator[str]:
    """Yield lines about how much ran at the same time, and how much could have."""
    work, total, shortest = map(duration_in_words, (spent.work, spent.total, spent.shortest))
    yield f"Tasks ran for {work} altogether, in {total}: {spent.reached:.1f} at a time, {spent.peak} at most."
    yield (
        f"Without any wait it would take {shortest}, with {spent.possible:.1f} at a time; "
        f"the DAG lets {spent.widest} run at once."
    )
    cores = spent.cpu / spent.total if spent.total else 0.0
    yield f"Steps used {duration_in_words(spent.cpu)} of processor time: {cores:.1f} cores on average."


def describe_change(change: Change, spent: TimeSpent) -> str:
    """Return what a change would bring."""
    saved, left = duration_in_words(change.saved), duration_in_words(spent.total - change.saved)
    return f"{change.what}, the run would take {saved} less: {left}"
