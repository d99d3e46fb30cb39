"""Prints the status of a run whose Pod is in a cluster: a table of its Tasks, or its PipelineRun up to now."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any, Literal

from monopod.compiler.pod.assembly import COORDINATOR
from monopod.runner.display.ci_log import write_json, write_yaml
from monopod.runner.display.printable import printable
from monopod.runner.display.summary import Outcome
from monopod.runner.follow.completed_document import completed
from monopod.runner.follow.ended_document import ended_document
from monopod.runner.follow.evidence import evident_outcome
from monopod.runner.follow.follower import Follower
from monopod.runner.known_runs.status_lines import active_lines, ended_lines
from monopod.runner.kubernetes import pod_states
from monopod.runner.kubernetes.existing import ExistingPod, NoSuchPodError
from monopod.runner.kubernetes.reading import read_events
from monopod.schemas.run_document import run_document
from monopod.schemas.run_events import RunEvent
from monopod.schemas.run_progress import progress_of


def print_status(existing: ExistingPod, output: Literal["human", "json", "yaml"]) -> None:
    """Print the status of a run. Raises NoSuchPodError, BackendUnavailableError."""
    if not existing.reports_events:
        _print_termination_message(existing, output)
        return
    events, warnings = read_events(existing)
    if output == "human":
        for line in (*_lines(existing, events), *(f"warning: {text}" for text in warnings)):
            print(printable(line, colours=False))
        return
    document = completed(_document(existing, events), existing.plan, existing.pod.get("status") or {})
    if output == "yaml":
        write_yaml([document])
    else:
        write_json(json.dumps(document, indent=2) + "\n")


def _print_termination_message(existing: ExistingPod, output: str) -> None:
    """Print the termination message of a coordinator that logs text only, unless that is for other groups."""
    hint = existing.cluster.command("logs", existing.name)
    if output != "human":
        raise NoSuchPodError(f"no status of {existing.name}: its coordinator logs text only; see {hint}")
    hands_over = existing.plan.hands_over and pod_states.phase(existing.pod) == "Succeeded"
    for status in () if hands_over else pod_states.statuses(existing.pod):
        message = ((status.get("state") or {}).get("terminated") or {}).get("message")
        if status["name"] == COORDINATOR and message:
            print("\n".join(printable(line, colours=False) for line in message.splitlines()))
            return
    print(f"{existing.name} is {pod_states.phase(existing.pod)}; its coordinator logs text only: {hint}")


def _document(existing: ExistingPod, events: Sequence[RunEvent]) -> dict[str, Any]:
    finished = _follower(existing, events).finished
    if finished is not None:
        return finished.document
    metadata = existing.pod["metadata"]
    progress = progress_of(existing.plan, events)
    if not pod_states.is_over(existing.pod):
        return run_document(existing.plan, progress, metadata, time.time())
    ended = pod_states.ended_at(existing.pod) or max((event.at for event in events), default=time.time())
    return ended_document(existing.plan, progress, _unreported(existing), ended, pod=metadata)


def _unreported(existing: ExistingPod) -> Outcome:
    """Return the outcome of a run whose Pod has ended without a report of the outcome by its coordinator."""
    evident = evident_outcome(existing.pod.get("status") or {})
    if evident is not None:
        return evident
    why = pod_states.describe_ending(existing.pod)
    message = "the coordinator did not report how the run ended" + (f": {why}" if why else "")
    return Outcome("Failed", "OutcomeUnknown", message)


def _follower(existing: ExistingPod, events: Sequence[RunEvent]) -> Follower:
    follower = Follower(existing.plan)
    for event in events:
        follower.event(event)
    return follower


def _lines(existing: ExistingPod, events: Sequence[RunEvent]) -> list[str]:
    follower = _follower(existing, events)
    if follower.finished is not None:
        finished = follower.finished
        outcome = Outcome(finished.status, finished.reason, finished.message)
        return ended_lines(follower, outcome, finished.at)
    if pod_states.is_over(existing.pod):
        return ended_lines(follower, _unreported(existing), time.time())
    metadata = existing.pod["metadata"]
    remark = "; it is being deleted" if metadata.get("deletionTimestamp") else ""
    return active_lines(follower, metadata["name"], time.time(), remark)
