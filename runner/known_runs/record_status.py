"""Prints the status of a recorded run: a table of its Tasks and Steps, or its PipelineRun up to now."""

from __future__ import annotations

import json
import time
from typing import Any, Literal

from monopod.runner.display.ci_log import write_json, write_yaml
from monopod.runner.display.printable import printable
from monopod.runner.follow.completed_document import completed
from monopod.runner.follow.ended_document import ended_document
from monopod.runner.follow.follower import ReplayingFollower
from monopod.runner.known_runs.status_lines import active_lines, ended_lines
from monopod.runner.records.recorded_run import outcome_of, read_events, read_plan
from monopod.runner.records.store import Record
from monopod.schemas.run_document import run_document


def print_record_status(record: Record, output: Literal["human", "json", "yaml"]) -> None:
    """Print the status of a recorded run. Raises RecordError."""
    follower = ReplayingFollower(read_plan(record))
    events = read_events(record)
    for event in events:
        follower.take_shown(event)
    last = events[-1].at if events else record.header.started
    if output == "human":
        for line in _lines(record, follower, last):
            print(printable(line, colours=False))
        return
    document = _document(record, follower, last)
    if output == "yaml":
        write_yaml([document])
    else:
        write_json(json.dumps(document, indent=2) + "\n")


def _lines(record: Record, follower: ReplayingFollower, last: float) -> list[str]:
    if record.status == "Running":
        return active_lines(follower, record.header.name, time.time())
    if record.ended is None:
        return ended_lines(follower, outcome_of(record), last, is_end_known=False)
    return ended_lines(follower, outcome_of(record), record.ended.at)


def _document(record: Record, follower: ReplayingFollower, last: float) -> dict[str, Any]:
    if record.status == "Running":
        document = run_document(follower.plan, follower.progress, {}, time.time())
    else:
        ended = last if record.ended is None else record.ended.at
        document = ended_document(follower.plan, follower.progress, outcome_of(record), ended)
    return completed(document, follower.plan, {})
