"""Which containers of a Pod may still be needed, by the progress of its run.

Rules:

- A container is over once no Step or Sidecar will run in it again. It never becomes needed again.
- The containers of a Task are over when the Task is. A slot of a matrix is over when no combination is left for it.
- The container of a Step is over when the Step has ended, if no other attempt or combination can follow in its slot.
- A shared container is over when all its Steps are.

Pure. Left to others: when kubelet sees that a container has ended.
"""

from __future__ import annotations

from collections.abc import Iterator

from monopod.schemas.plan import Plan, PlannedTask, Slot, Task, runnable_tasks
from monopod.schemas.run_progress import RunProgress, TaskState


def needed_containers(plan: Plan, progress: RunProgress) -> frozenset[str]:
    """Return the containers in which something runs, or may run later."""
    return frozenset(
        container
        for planned_task in runnable_tasks(plan.pipeline)
        if not progress.is_over(planned_task.path)
        for container in _needed(planned_task, progress.instances(planned_task.path))
    )


def _needed(planned_task: PlannedTask, instances: tuple[TaskState, ...]) -> Iterator[str]:
    task = planned_task.task
    by_slot = {instance.slot: instance for instance in instances if not instance.is_over}
    has_waiting = any(instance.status == "Waiting" for instance in instances)
    is_pinned = task.matrix is not None and task.matrix.pinned
    for number, slot in enumerate(task.slots):
        instance = by_slot.get(slot.name)
        if instance is not None:
            is_last = instance.attempt >= task.retries and (is_pinned or not has_waiting)
            yield from _needed_in_slot(task, slot, instance, is_last=is_last)
        elif _is_awaited(number, instances) if is_pinned else has_waiting:
            yield from slot.all_containers


def _is_awaited(number: int, instances: tuple[TaskState, ...]) -> bool:
    """Return whether the combination of a slot has not started. It is not known before the matrix is expanded."""
    return any(instance.status == "Waiting" and instance.index in (None, number) for instance in instances)


def _needed_in_slot(task: Task, slot: Slot, instance: TaskState, *, is_last: bool) -> Iterator[str]:
    """Yield the containers of a slot in which an attempt runs. `is_last`: nothing follows in this slot."""
    attempt = instance.last
    assert attempt is not None
    if attempt.ended is not None or not is_last:
        yield from slot.all_containers
        return
    ended = {step.name for step in attempt.steps if step.reason}
    yield from (
        container for container, step in zip(slot.containers, task.steps, strict=True) if step.name not in ended
    )
    yield from slot.sidecars
