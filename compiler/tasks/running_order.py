"""The order in which the containers of a Pipeline are needed, if every Step took the same time.

Left to others: the actual order while running (``monopod.coordinator.engine.engine``).
"""

from __future__ import annotations

from collections.abc import Sequence

from monopod.schemas.capacity.task_levels import task_levels
from monopod.schemas.plan import Pipeline, Task


def container_starts(pipeline: Pipeline) -> dict[str, int]:
    """Return for each container how many Steps must have ended, one after the other, before it is needed."""
    starts: dict[str, int] = {}
    _place_pipeline(pipeline, 0, starts)
    return starts


def _place_pipeline(pipeline: Pipeline, start: int, starts: dict[str, int]) -> int:
    """Record where the containers of a Pipeline start, if it starts at `start`; return where it ends."""
    return _place_tasks(pipeline.final_tasks, _place_tasks(pipeline.tasks, start, starts), starts)


def _place_tasks(tasks: Sequence[Task], start: int, starts: dict[str, int]) -> int:
    by_name = {task.name: task for task in tasks}
    ends: dict[str, int] = {}
    for name in task_levels(tasks):
        task_start = max((ends[earlier] for earlier in by_name[name].after if earlier in ends), default=start)
        ends[name] = _place_task(by_name[name], task_start, starts)
    return max(ends.values(), default=start)


def _place_task(task: Task, start: int, starts: dict[str, int]) -> int:
    if task.pipeline is not None:
        return _place_pipeline(task.pipeline, start, starts)
    for slot in task.slots:
        starts.update(dict.fromkeys(slot.sidecars, start))
        for index, container in enumerate(slot.containers):
            starts[container] = min(start + index, starts.get(container, start + index))
    return start + len(task.steps)
