"""The order of the Tasks of a Pipeline, by the longest chain of Tasks before each of them."""

from __future__ import annotations

import graphlib
from collections.abc import Iterable, Mapping, Sequence, Set

from monopod.schemas.plan import Task


def task_levels(tasks: Sequence[Task]) -> dict[str, int]:
    """Return for each Task the length of the longest chain of Tasks before it.

    The Tasks are in a topological order: by level, then as they are declared.
    """
    names = {task.name: None for task in tasks}
    levels: dict[str, int] = {}
    before = {task.name: names.keys() & task.after for task in tasks}
    for name in _in_order(before):
        levels[name] = max((levels[earlier] + 1 for earlier in before[name]), default=0)
    return {task.name: levels[task.name] for task in sorted(tasks, key=lambda task: levels[task.name])}


def _in_order(before: Mapping[str, Set[str]]) -> Iterable[str]:
    """Return the names in a topological order: as they are declared, if possible."""
    seen: set[str] = set()
    for name, earlier in before.items():
        if not earlier <= seen:
            return graphlib.TopologicalSorter(before).static_order()
        seen.add(name)
    return before
