"""Which recorded runs are compared with each other."""

from __future__ import annotations

from pathlib import Path

import pytest
from recorded import record_run

from monopod.runner.records.counted_runs import trends
from monopod.runner.records.store import Ended, Header, Record


def record(number, seconds, tasks=4, ran="", **fields):
    known = {"name": "a", "namespace": "ci", "uid": "1", "kind": "PipelineRun", "pipeline": "p", "backend": "host"}
    header = Header(**{**known, **fields}, files=(), started=1000.0 * number, version="1")
    message = f"Tasks Completed: {tasks} (Failed: 0, Cancelled 0), Skipped: {4 - tasks}"
    ended = Ended("Succeeded", "Completed", message, header.started + seconds, ran=ran)
    return Record(Path(f"a-{number}"), header, ended, is_locked=False)


def test_runs_of_a_part_are_not_compared_with_whole_ones():
    whole = [record(number, 100) for number in range(3)]
    part = record(3, 10, tasks=1)
    found = trends([*whole, part, record(4, 200)])
    assert "a-3" not in found
    assert found["a-4"] == pytest.approx(1.0)


def test_runs_of_as_many_other_tasks_are_not_compared():
    found = trends([*(record(number, 100, ran="a b") for number in range(3)), record(3, 10, ran="b c")])
    assert "a-3" not in found
    assert found["a-2"] == 0


def test_tasks_that_ran_are_recorded(tmp_path, sample):
    plan = sample.plan(sample.task("a", "s"), sample.task("b", "s"), sample.task("c", "s"))

    def recorded(*tasks):
        started = [sample.task_started(task, 1, attempt=attempt) for task in tasks for attempt in (0, 1)]
        return record_run(tmp_path, plan, [sample.run_started(), *started, sample.run_finished(3)]).ended.ran

    assert recorded("a", "b") == recorded("b", "a") != recorded("b", "c")
    assert recorded() not in ("", recorded("a"))


@pytest.mark.parametrize("fields", [{"backend": "podman"}, {"pipeline": "other"}, {"project": "/other"}])
def test_other_runs_are_not_compared(fields):
    assert trends([*(record(number, 100) for number in range(3)), record(3, 10, **fields)]).keys() <= {"a-1", "a-2"}
