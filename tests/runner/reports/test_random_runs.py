"""Random Pipelines in simulated time, recorded and reported: reports match what happened, in every format.

More, and from other seeds: MONOPOD_RANDOM_PIPELINES=2000 MONOPOD_RANDOM_SEED=5000.
"""

import json
import os
from pathlib import Path

import pytest
import xmlschema
from observed import run as simulated
from random_pipelines import random_case
from recorded import recorded_run

from monopod.runner.records.recorded_run import RecordedRun, finished_document
from monopod.runner.reports.junit import junit
from monopod.runner.reports.page import page
from monopod.runner.reports.time_spent import time_spent, to_json
from monopod.runner.reports.trace import trace
from monopod.schemas.run_events import RunStarted, StepFinished, TaskStarted

COUNT = int(os.environ.get("MONOPOD_RANDOM_PIPELINES", "100"))
FIRST = int(os.environ.get("MONOPOD_RANDOM_SEED", "0"))
PART = 25
SCHEMA = xmlschema.XMLSchema(str(Path(__file__).with_name("junit.xsd")))


@pytest.mark.parametrize("first", range(FIRST, FIRST + COUNT, PART))
def test_reports_match_the_events(first, tmp_path):
    for seed in range(first, min(first + PART, FIRST + COUNT)):
        case = random_case(seed)
        events = simulated(case).reported
        run = recorded_run(tmp_path / str(seed), case.plan, events)
        try:
            check_tasks(run, events)
            check_values(run)
            check_times(run)
            check_reports(run)
        except Exception as error:
            raise AssertionError(f"seed {seed}") from error


def check_tasks(run: RecordedRun, events):
    attempts = [event for event in events if isinstance(event, TaskStarted)]
    assert sum(len(task.attempts) for task in run.tasks) == len(attempts)
    steps = [event for event in events if isinstance(event, StepFinished)]
    assert sum(len(attempt.steps) for task in run.tasks for attempt in task.attempts) == len(steps)
    assert run.started == next(event.at for event in events if isinstance(event, RunStarted))
    assert all(task.state.is_over for task in run.tasks)
    for task in run.tasks:
        assert task.label not in task.before
        for before in task.before:
            ended = run.by_label[before].state.ended
            if task.state.started is not None and ended is not None:
                assert ended <= task.state.started


def check_values(run: RecordedRun):
    """Every Result in the document belongs to a Task instance."""
    found = sorted(repr(pair) for task in run.tasks for pair in task.results)
    assert found == sorted(repr(pair) for pair in results_in(finished_document(run)["status"]))


def results_in(status):
    for each in status.get("taskRuns", {}).values():
        for result in each["status"].get("results", ()):
            value = result["value"]
            yield result["name"], tuple(value) if isinstance(value, list) else value
    for each in status.get("pipelineRuns", {}).values():
        yield from results_in(each["status"])


def check_times(run: RecordedRun):
    spent = time_spent(run)
    ran = [span for span in spent.spans if run.by_label[span.label].attempts]
    for span in ran:
        assert 0 <= span.ready <= span.free <= span.started <= span.ended <= spent.total
    if ran and spent.total:  # without any length, no path is the longest
        assert spent.critical[-1].ended == max(span.ended for span in ran)
        assert spent.work == pytest.approx(sum(span.seconds for span in ran))
        assert spent.peak <= len(ran)
        assert spent.peak <= spent.widest
    assert all(0 < change.saved <= spent.total for change in spent.changes)
    json.dumps(to_json(spent))


def check_reports(run: RecordedRun):
    assert page(run).endswith("</html>\n")
    SCHEMA.validate(junit([run]))
    spans = json.loads(trace([run]))["resourceSpans"][0]["scopeSpans"][0]["spans"]
    identities = {span["spanId"] for span in spans}
    assert len(identities) == len(spans)
    assert all(span.get("parentSpanId", spans[0]["spanId"]) in identities for span in spans)
