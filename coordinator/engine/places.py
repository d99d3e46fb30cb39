"""The places of a run: how many TaskRuns may run at the same time, and who is next.

Rules (docs/policies.md):

- A TaskRun takes a place when its first attempt starts and keeps it until it has ended, through all retries.
- Tasks get places in the order in which they became ready; those that became ready at the same moment in the order in
  which they are written. A Task that has started gets places for all combinations that have a slot before the next
  Task starts.
- A Task that waits for a place has not started: it is skipped if its Pipeline stops. A Pipeline in a Pipeline needs no
  place itself.

Without a limit nothing waits. Pure.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from monopod.coordinator.engine.run_state import InstanceState, TaskState
from monopod.schemas.plan import Pipeline, Plan


class Places:
    """The places, the Tasks that are ready, and the combinations that have a slot, but no place yet.

    ``ready``: Tasks that have not started, in the order of their turns.
    """

    def __init__(self, plan: Plan) -> None:
        self._limit = plan.max_parallel
        self._taken = 0
        self._order = {} if self._limit is None else {path: number for number, path in enumerate(_paths(plan.pipeline))}
        self._turns: dict[TaskState, int] = {}
        self._waiting: list[InstanceState] = []
        self.ready: deque[TaskState] = deque()

    @property
    def are_limited(self) -> bool:
        """Whether anything waits for a place."""
        return self._limit is not None

    @property
    def is_full(self) -> bool:
        """Whether no place is free."""
        return self._limit is not None and self._taken >= self._limit

    def line_up(self, tasks: Iterable[TaskState]) -> None:
        """Add Tasks that have become ready at the same moment."""
        for task in sorted(tasks, key=lambda task: self._order.get(task.path, 0)):
            self._turns[task] = len(self._turns)
            self.ready.append(task)

    def wait(self, instance: InstanceState) -> None:
        """Let an instance that has a slot wait for a place."""
        self._waiting.append(instance)

    def give_up(self, instance: InstanceState) -> bool:
        """Remove an instance that waits for a place. Returns False if it does not."""
        if instance not in self._waiting:
            return False
        self._waiting.remove(instance)
        return True

    def take(self) -> InstanceState | None:
        """Give a free place to the instance that is next; None if none waits."""
        if self.is_full or not self._waiting:
            return None
        instance = min(self._waiting, key=self._turn)
        self._waiting.remove(instance)
        instance.has_place = True
        self._taken += 1
        return instance

    def leave(self, instance: InstanceState) -> None:
        """Give back the place of an instance, if it has one."""
        self._taken -= instance.has_place
        instance.has_place = False

    def _turn(self, instance: InstanceState) -> tuple[int, int]:
        return self._turns[instance.task], instance.index or 0


def _paths(pipeline: Pipeline, prefix: str = "") -> Iterable[str]:
    """Yield the paths of all Tasks: those of a Pipeline, then those of the Pipelines inside it."""
    yield from (prefix + task.name for task in pipeline.all_tasks)
    for task in pipeline.all_tasks:
        if task.pipeline is not None:
            yield from _paths(task.pipeline, f"{prefix}{task.name}/")
