"""Finds the Steps that ``TASK[COMBINATION]/STEP`` selects in a run, and the containers that may run them. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from monopod.compiler.scope.known_combinations import known_combinations
from monopod.runner.follow.follower import OutputLines
from monopod.runner.follow.source import Source, find_source, step_names
from monopod.schemas.matrix_names import InstanceNames
from monopod.schemas.plan import Plan, Slot, Task, reused_containers, runnable_tasks


class NoSuchTaskError(Exception):
    """No Task or Step with this name can have run. The text is for people."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The selected Steps, and the name of one for each container in which they may run.

    ``names`` are the names of all of them, slot for slot. ``shared`` are the containers that also run other Steps.
    ``reused`` are those whose logs have titles. ``labels`` are the Steps as ``TASK/STEP``.
    """

    source: Source
    steps: Mapping[str, str]
    names: tuple[str, ...]
    shared: frozenset[str] = frozenset()
    reused: frozenset[str] = frozenset()
    labels: frozenset[str] = frozenset()

    @property
    def is_single(self) -> bool:
        """Whether all lines come from one Step of one Task instance."""
        one_instance = self.source.combination is not None and len(set(self.names)) == 1
        return one_instance or len(self.names) == 1

    def wants(self, lines: OutputLines, names: InstanceNames) -> bool:
        """Whether lines come from one of these Steps."""
        return self.source.covers(lines.task, lines.step, names)


def choose(plan: Plan, text: str) -> Selection:
    """Return the selection that `text` names in a Plan. Raises NoSuchTaskError."""
    tasks = list(runnable_tasks(plan.pipeline))
    combinations = known_combinations([plan])
    source = find_source(text, tasks, combinations)
    if isinstance(source, str):
        raise NoSuchTaskError(source)
    for task in tasks:
        if task.path == source.path and task.task.left_out is not None:
            raise NoSuchTaskError(f"Task '{task.path}' did not run: {task.task.left_out.message}")
    steps = [
        (container, name, f"{task.path}/{name}")
        for task in tasks
        if source.covers(task.path, None, InstanceNames()) or task.path == source.path
        for slot in _slots(task.task, _index(source, combinations))
        for container, name in zip((*slot.containers, *slot.sidecars), step_names(task.task), strict=True)
        if source.step in (None, name)
    ]
    users = Counter(name for task in tasks for slot in task.task.slots for name in slot.containers)
    return Selection(
        source,
        {container: name for container, name, _ in steps},
        tuple(name for _, name, _ in steps),
        frozenset(container for container, _, _ in steps if users[container] > 1),
        reused_containers(plan.pipeline),
        frozenset(label for _, _, label in steps),
    )


def _index(source: Source, combinations: Mapping[str, Sequence[str]]) -> int | None:
    """Return the index of the selected combination, if it is known."""
    names = combinations.get(source.path, ())
    return names.index(source.combination) if source.combination in names else source.index


def _slots(task: Task, index: int | None) -> tuple[Slot, ...]:
    """Return the slots in which an instance may run: its own, or all if the combination has no own slot."""
    is_pinned = index is not None and task.matrix is not None and task.matrix.pinned
    return task.slots[index : index + 1] if is_pinned and index is not None else task.slots
