"""Which group saves a Workspace as an artifact, and which groups restore it from there.

Rules:

- A group that uses a Workspace gets it as the last group before it that may write it has left it. What the groups wait
  for decides which are before it; the others do not matter.
- If two groups before it may write the Workspace, one of them must come after the other. Otherwise no group has what
  both have written, and artifacts are not merged: this is a clash.
- A group saves a Workspace only if another group restores it from there.

Pure. Left to others: who uses and may write what (``partition``), the Tasks that do it (``tasks.artifact_tasks``).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from monopod.compiler.grouping.partition import TaskGroup


@dataclass(frozen=True, slots=True)
class Route:
    """The group ``target`` restores what the group ``source`` has saved of the Workspace in a volume."""

    volume: str
    source: str
    target: str


@dataclass(frozen=True, slots=True)
class Clash:
    """The group ``target`` needs what several groups, ``writers``, have left, and none of them has all of it."""

    volume: str
    writers: tuple[str, ...]
    target: str


def routes(
    volume: str, groups: Sequence[TaskGroup], users: Collection[str], writers: Collection[str]
) -> tuple[list[Route], list[Clash]]:
    """Return how a volume comes to the groups that use it, and where it cannot.

    `groups` are in an order in which they can run. `users` and `writers` are Tasks.
    """
    before = all_before(groups)
    writing = [group.name for group in groups if not set(writers).isdisjoint(group.tasks)]
    found: list[Route] = []
    clashes: list[Clash] = []
    for group in groups:
        if set(users).isdisjoint(group.tasks):
            continue
        earlier = [name for name in writing if name in before[group.name]]
        last = [name for name in earlier if not any(name in before[other] for other in earlier)]
        if len(last) > 1:
            clashes.append(Clash(volume, tuple(last), group.name))
        elif last:
            found.append(Route(volume, last[0], group.name))
    return found, clashes


def all_before(groups: Sequence[TaskGroup]) -> Mapping[str, set[str]]:
    """Return for each group those that have ended when it starts. The groups are in an order in which they can run."""
    before: dict[str, set[str]] = {}
    for group in groups:
        before[group.name] = set(group.needs).union(*(before[name] for name in group.needs))
    return before
