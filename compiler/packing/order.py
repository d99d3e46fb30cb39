"""The order of the slots of a Pipeline: which slots can never be in use at the same time, because one comes first.

The DAG has a node for each slot, and nodes for the start and the end of each PipelineTask and of the Tasks of each
Pipeline; `finally` comes after all of them. The slots of one Task are not ordered.

Of two slots with the same *fate*, the later one does not run if the Task of the earlier one has failed. So a container
that is killed takes nothing with it that would have run. These have a fate of their own: the slots of `finally` Tasks,
those of a Task whose failure is tolerated (also as a part of a Pipeline), and those of a matrix of which one success is
enough.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from monopod.schemas.capacity.task_levels import task_levels
from monopod.schemas.plan import Pipeline, Task

Fate: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SlotOrder:
    """The DAG of a Pipeline's slots.

    ``predecessors[i]`` are the nodes before node i, all with smaller numbers. ``nodes`` and ``fates`` are by slot.
    """

    predecessors: list[list[int]] = field(default_factory=list)
    nodes: dict[str, int] = field(default_factory=dict)
    fates: dict[str, Fate] = field(default_factory=dict)

    def add(self, *predecessors: int) -> int:
        """Add a node and return its number."""
        self.predecessors.append(list(predecessors))
        return len(self.predecessors) - 1


def slot_order(pipeline: Pipeline) -> SlotOrder:
    """Return the order of the slots of a Pipeline and of the Pipelines inside it."""
    order = SlotOrder()
    _add_pipeline(order, pipeline, order.add(), "", ())
    return order


def _add_pipeline(order: SlotOrder, pipeline: Pipeline, start: int, path: str, fate: Fate) -> int:
    """Add what a Pipeline runs after the node `start`; return the node of its end."""
    end = _add_tasks(order, pipeline.tasks, start, path, fate)
    return _add_tasks(order, pipeline.final_tasks, end, path, (*fate, f"{path}finally"))


def _add_tasks(order: SlotOrder, tasks: Sequence[Task], start: int, path: str, fate: Fate) -> int:
    by_name = {task.name: task for task in tasks}
    ends: dict[str, int] = {}
    for name in task_levels(tasks):
        task = by_name[name]
        begin = order.add(start, *(ends[earlier] for earlier in task.after if earlier in ends))
        ends[name] = _add_task(order, task, begin, f"{path}{name}/", fate)
    return order.add(start, *ends.values())


def _add_task(order: SlotOrder, task: Task, start: int, path: str, fate: Fate) -> int:
    if task.on_error == "continue" or (task.matrix is not None and task.matrix.completion == "any"):
        fate = (*fate, path)
    if task.pipeline is not None:
        return _add_pipeline(order, task.pipeline, start, path, fate)
    slots = []
    for slot in task.slots:
        order.nodes[slot.name] = order.add(start)
        order.fates[slot.name] = fate
        slots.append(order.nodes[slot.name])
    return order.add(start, *slots)
