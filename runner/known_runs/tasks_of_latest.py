"""Finds the latest run of this project by the name of one of its Tasks: `monopod logs TASK`.

A name that is the name of a recorded run or of its Pipeline is never taken for a Task.
"""

from __future__ import annotations

from monopod.compiler.diagnostics import did_you_mean
from monopod.runner.follow.source import Source, find_source
from monopod.runner.known_runs.finding import Found, Wanted, find_run
from monopod.runner.records.recorded_run import read_plan
from monopod.runner.records.store import RecordError, choose, named, own_project, records, records_root
from monopod.schemas.plan import PlannedTask, runnable_tasks


def find_latest_with(task: str) -> Found | None:
    """Return the latest run of this project if it has this Task, and no run or Pipeline is called so; else None."""
    if named(task, records(records_root())):
        return None
    path, tasks = task.partition("[")[0], _tasks_of_latest()  # a combination that does not exist is reported later,
    paths = (path, path.rpartition("/")[0])  # as is a Step
    return find_run(Wanted(None)) if any(isinstance(find_source(each, tasks, {}), Source) for each in paths) else None


def suggested_task(name: str) -> str:
    """Return the end of a message that suggests a Task of the latest run with a similar name; empty without one."""
    suggestion = did_you_mean(name, [task.path for task in _tasks_of_latest()])
    return f"; the latest run has no such Task{suggestion}" if suggestion else ""


def _tasks_of_latest() -> list[PlannedTask]:
    try:
        return list(runnable_tasks(read_plan(choose(records_root(), None, own_project())).pipeline))
    except RecordError:
        return []
