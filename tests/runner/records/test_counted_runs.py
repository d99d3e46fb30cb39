"""Which recorded runs are compared with each other."""

from __future__ import annotations

from pathlib import Path

import pytest

from monopod.runner.records.counted_runs import trends
from monopod.runner.records.store import Ended, Header, Record


def record(number, seconds, tasks=4, **fields):
    known = {"name": "a", "namespace": "ci", "uid": "1", "kind": "PipelineRun", "pipeline": "p", "backend": "host"}
    header = Header(**{**known, **fields}, files=(), started=1000.0 * number, version="1")
    message = f"Tasks Completed: {tasks} (Failed: 0, Cancelled 0), Skipped: {4 - tasks}"
    ended = Ended("Succeeded", "Completed", message, header.started + seconds)
    return Record(Path(f"a-{number}"), header, ended, is_locked=False)


def test_runs_of_a_part_are_not_compared_with_whole_ones():
    whole = [record(number, 100) for number in range(3)]
    part = record(3, 10, tasks=1)
    found = trends([*whole, part, record(4, 200)])
    assert "a-3" not in found
    assert found["a-4"] == pytest.approx(1.0)


@pytest.mark.parametrize("fields", [{"backend": "podman"}, {"pipeline": "other"}, {"project": "/other"}])
def test_other_runs_are_not_compared(fields):
    assert trends([*(record(number, 100) for number in range(3)), record(3, 10, **fields)]).keys() <= {"a-1", "a-2"}
