"""Lowers the requests of a Pod while its run continues: when, and to what.

Rules:

- The peak of what is still to run only falls, and so do the requests (``lowered_requests``). They are never raised.
- A change is worth a request to the API server if it gives back at least `WORTH_SHARE` of what the Pod requested of a
  resource at first, and not less than `WORTH`. So a run makes few changes, however many Tasks it has.
- Nothing is given back once no container is needed any more: the Pod is about to end.

Pure, and standard library only, since the coordinator imports it. Left to others: who requests a change, at which
moment, and what a refusal means (``runner.kubernetes.pod_shrinking``, ``coordinator.capacity.self_shrinking``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from monopod.schemas.capacity.lowered_requests import lowered
from monopod.schemas.capacity.shares import Requests, Resource
from monopod.schemas.capacity.still_needed import needed_containers
from monopod.schemas.plan import Plan, runnable_tasks
from monopod.schemas.run_events import RunEvent, StepFinished, TaskFinished, TaskSkipped
from monopod.schemas.run_progress import RunProgress

WORTH_SHARE = 0.05
WORTH: Mapping[Resource, int] = {"cpu": 50, "memory": 32 * 2**20}
"""Thousandths of a core, and bytes."""


class Resize(NamedTuple):
    """New requests of a Pod. ``before`` are the present ones."""

    before: tuple[Requests, ...]
    after: tuple[Requests, ...]

    def given_back(self, resource: Resource) -> int:
        """Return by how much the Pod requests less of a resource."""
        return _sum(self.before, resource) - _sum(self.after, resource)

    @property
    def spec(self) -> dict[str, Any]:
        """The changed fields of the Pod's spec, for a strategic merge patch of its subresource ``resize``."""
        containers: dict[str, dict[str, str]] = {}
        for before, after in zip(self.before, self.after, strict=True):
            for old, new in zip(before.shares, after.shares, strict=True):
                if new.requested != old.requested:
                    text = quantity_text(after.resource, new.requested)
                    containers.setdefault(new.container, {})[after.resource] = text
        listed = [{"name": name, "resources": {"requests": requests}} for name, requests in containers.items()]
        return {"containers": listed}


class Shrinking:
    """Follows a run of a Plan whose Pod has these requests."""

    def __init__(self, plan: Plan, requests: Iterable[Requests]) -> None:
        self._plan = plan
        self._requests = tuple(requests)
        self._first = self._requests
        self._progress = RunProgress(plan)
        slots = (slot for each in runnable_tasks(plan.pipeline) for slot in each.task.slots)
        self._needed = frozenset(container for slot in slots for container in slot.all_containers)

    def take(self, event: RunEvent) -> bool:
        """Take an event of the run; return whether a container may be over since."""
        self._progress.apply(event)
        return isinstance(event, StepFinished | TaskFinished | TaskSkipped)

    def next(self) -> Resize | None:
        """Return the change that is worth requesting now; None if there is none."""
        self._needed &= needed_containers(self._plan, self._progress)
        if not self._needed:
            return None
        pipeline, max_parallel = self._plan.pipeline, self._plan.max_parallel
        after = tuple(lowered(each, pipeline, self._needed, max_parallel) for each in self._requests)
        resize = Resize(self._requests, after)
        return resize if any(self._is_worth(resize, each.resource) for each in self._requests) else None

    @property
    def requests(self) -> tuple[Requests, ...]:
        """The present requests."""
        return self._requests

    def restore(self, requests: tuple[Requests, ...]) -> None:
        """Take the requests that the Pod has after earlier changes."""
        self._requests = requests

    def accept(self, resize: Resize) -> None:
        """Take that the Pod has these requests now."""
        self._requests = resize.after

    def _is_worth(self, resize: Resize, resource: Resource) -> bool:
        given_back = resize.given_back(resource)
        return given_back >= max(WORTH[resource], WORTH_SHARE * _sum(self._first, resource))


def node_refusal(pod: Mapping[str, Any]) -> str:
    """Return why the node of a Pod has not made the latest change; empty if it has, or may."""
    for condition in (pod.get("status") or {}).get("conditions") or ():
        if condition.get("type") == "PodResizePending" and condition.get("status") == "True":
            return f"{condition.get('reason')}: {condition.get('message') or 'its node refuses'}"
    return ""


def quantity_text(resource: Resource, amount: int) -> str:
    """Return an amount as a Quantity: of cpu in thousandths, of memory in bytes or whole KiB."""
    if resource == "cpu":
        return f"{amount}m" if amount else "0"
    return f"{amount // 1024}Ki" if amount and amount % 1024 == 0 else str(amount)


def _sum(requests: tuple[Requests, ...], resource: Resource) -> int:
    return sum(each.sum for each in requests if each.resource == resource)
