"""The summary of a run that has ended: failures, a table of the Tasks, Results and the outcome.

Pure: text made from the state of a `Follower`. The displays render it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

from monopod.runner.exit_codes import CANCELLED, FAILED, SUCCEEDED
from monopod.runner.follow.follower import Follower
from monopod.runner.follow.unfinished_tasks import end_unfinished
from monopod.runner.reports.failures import Failure, FailureContext, ended_sidecars, find_failures
from monopod.runner.reports.given_back import describe_total, given_back
from monopod.schemas.formats.words import format_duration
from monopod.schemas.run_events import FinalStatus
from monopod.schemas.run_log import describe_times
from monopod.schemas.run_progress import TaskState, TaskStatus

MOST_FAILURES = 10
"""The maximum number of failures that are described in full."""
LONGEST_WHY = 100
"""Characters of a failure that fit in the table."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the run ended, and the exit code of the command that ran it (DESIGN.md, "The contract of the command line").

    Unknown: it may have succeeded or failed, or may still be running. ``lacks_events``: the coordinator's log was not
    read to its end, or not recorded to its end, so how single Tasks ended may not be known.
    """

    status: FinalStatus | Literal["Unknown"]
    reason: str
    message: str
    lacks_events: bool = False

    @property
    def exit_code(self) -> int:
        """0 Succeeded or Completed, 1 Failed or unknown, 130 cancelled."""
        return {"Succeeded": SUCCEEDED, "Cancelled": CANCELLED}.get(self.status, FAILED)


@dataclass(frozen=True, slots=True)
class Row:
    """A Task instance in the table. ``started`` counts from the start of the run."""

    task: str
    status: TaskStatus | Literal["Unknown"]
    started: str
    took: str
    why: str


@dataclass(frozen=True, slots=True)
class Summary:
    """Everything in a summary. ``logs`` is the directory in which the logs were kept, if they were.

    ``sidecars`` are Sidecars that ended before the Steps of their Task did. ``given_back`` says what the run gave back
    to its cluster; empty if it was nothing.
    """

    name: str
    outcome: Outcome
    took: str
    rows: tuple[Row, ...]
    failures: tuple[Failure, ...]
    sidecars: tuple[Failure, ...]
    results: tuple[tuple[str, str], ...]
    logs: str | None
    given_back: str = ""

    @property
    def headline(self) -> str:
        """The name, the outcome and the duration of the run in one line."""
        outcome = self.outcome.status if self.outcome.reason != "Completed" else "Completed"
        return f"{self.name or 'The run'} {outcome}" + (f" in {self.took}" if self.took else "")


def summarize(
    follower: Follower,
    outcome: Outcome,
    ended: float,
    logs: str | None,
    context: FailureContext | None = None,
    *,
    is_end_known: bool = True,
) -> Summary:
    """Return the summary of a run that ended at `ended` (seconds since the epoch), or was still running then.

    What the follower says of Tasks whose end was not reported is completed (``unfinished_tasks``).
    """
    start = follower.started
    failures = find_failures(follower, context or FailureContext())
    if is_end_known and not outcome.lacks_events:
        end_unfinished(follower.tasks, outcome.status, outcome.reason, ended)
    given = given_back(follower.progress.given_back, ended)
    return Summary(
        name=follower.name or str((follower.plan.document.get("metadata") or {}).get("name") or ""),
        outcome=outcome,
        took="" if start is None or not is_end_known else format_duration(ended - start),
        rows=tuple(_row(task, start or 0.0, ended, outcome, failures) for task in follower.tasks),
        failures=() if outcome.status == "Succeeded" else failures[:MOST_FAILURES],
        sidecars=ended_sidecars(follower)[:MOST_FAILURES],
        results=_results(follower.finished.document) if follower.finished else (),
        logs=logs,
        given_back="" if given is None else describe_total(given),
    )


def _row(task: TaskState, run_started: float, run_ended: float, outcome: Outcome, failures: tuple[Failure, ...]) -> Row:
    if task.status in ("Waiting", "Running") and (outcome.lacks_events or outcome.status == "Unknown"):
        return Row(task.label, "Unknown", "-", "-", "its end was not reported")
    # the reason of a cancelled run is printed once, and not repeated for each Task
    why = "" if task.status == outcome.status == "Cancelled" else _why(task, failures)
    return Row(task.label, task.status, *describe_times(task, run_started, run_ended), why)


def _why(task: TaskState, failures: tuple[Failure, ...]) -> str:
    """Return why a Task was skipped or did not succeed, and how many attempts it took."""
    match task.status:
        case "Succeeded":
            reasons = []
        case "Skipped":
            reasons = [task.why]
        case "Waiting":
            reasons = ["never started"]
        case "Running":
            reasons = ["did not end"]
        case "Failed" if task.failed_steps:
            reasons = [
                _shortened(f"{failure.step}: {failure.ending}") for failure in failures if failure.task == task.label
            ]
        case "Failed":  # the whole message is the heading of the failure
            reasons = [_shortened(task.message or task.reason)]
        case _:
            reasons = [task.message or task.reason]
    if task.attempt:
        reasons.append(f"{task.attempt + 1} attempts")
    return "; ".join(reasons)


def _shortened(text: str) -> str:
    """Shorten a text for the table; the whole text is above it."""
    return text if len(text) <= LONGEST_WHY else text[: LONGEST_WHY - 1] + "…"


def _results(document: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return the Results of the run, each value as one line of text."""
    results = document.get("status", {}).get("results", [])
    return tuple((result["name"], _one_line(result["value"])) for result in results)


def _one_line(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text.strip() if "\n" not in text.strip() else json.dumps(text, ensure_ascii=False)
