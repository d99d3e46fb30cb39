"""What keeps containers from starting, and how long each of them is waited for. Pure.

Rules:

- A container with a permanent trouble is given up at once.
- Without a start timeout, a container is also given up if kubelet has tried and failed while its Task runs. All other
  troubles may last `START_TIMEOUT`.
- A Task that starts after others may need something that they made, such as an image or a Secret: kubelet tries once
  more. What it says of an image changes then; of anything else it may say the same, so it gets the time for a try.
- No Task starts before folders are copied, for which the first Step that uses them must have started: so it is needed.
- A Pod that waits for quota in a queue is waited for without limit.
- If only an Event reports why nothing starts, the Pod has failed if its coordinator does not start in time.
"""

from __future__ import annotations

from collections.abc import Iterable

from monopod.runner.kubernetes.pod_states import Trouble
from monopod.runner.kubernetes.timers import Timers
from monopod.schemas import plan as planned

START_TIMEOUT = 300.0
"""How long, in seconds, a container that is not needed yet, or the whole Pod, may be kept from starting."""
TRY_SECONDS = 30.0
"""How long kubelet takes at most until it tries again, except to pull (Kubernetes pkg/kubelet, backOffPeriod)."""
_NOTHING_STARTS = "nothing starts"
_CONTAINER = "start of "


class StartTroubles:
    """The troubles of one Pod. A container that is not given up with a trouble has a timer."""

    def __init__(self, plan: planned.Plan, start_timeout: float | None, timers: Timers, *, is_live: bool) -> None:
        self._start_timeout = start_timeout
        self._timers = timers
        self._is_live = is_live
        self._first_slots = {slot.name for task in plan.pipeline.tasks if not task.after for slot in task.slots}
        self._needed: set[str] = set()  # containers of Tasks that have started
        self._troubles: dict[str, Trouble] = {}
        self._pod_trouble: Trouble | None = None  # reported by an Event only
        self.given_up: set[str] = set()

    @property
    def containers(self) -> list[str]:
        """The containers (empty: the Pod) that have a trouble now."""
        return list(self._troubles)

    def update(self, troubles: Iterable[Trouble], now: float) -> None:
        """Take the troubles that the Pod's status shows now."""
        before = self._troubles
        self._troubles = {trouble.container or "": trouble for trouble in troubles}
        for container in before.keys() - self._troubles.keys():
            self._timers.cancel(_CONTAINER + container)
        for container, trouble in self._troubles.items():
            is_new = container not in before or before[container].reason != trouble.reason
            if is_new and self._is_final(trouble):
                self._wait_for(container, now)
            elif (container not in before or before[container].in_queue) and not trouble.in_queue:
                self._wait_for(container, now + self._patience)

    def pod_trouble(self, trouble: Trouble, now: float) -> None:
        """Take an Event that reports why no container starts."""
        if self._pod_trouble is None:
            self._timers.set(_NOTHING_STARTS, now + self._patience)
        self._pod_trouble = trouble

    def task_started(self, slot: planned.Slot, now: float) -> None:
        """Take that a Task needs its containers now."""
        for container in slot.all_containers:
            self._is_needed(container, now, may_have_changed=slot.name not in self._first_slots)

    def copy_started(self, user: str, now: float) -> None:
        """Take that folders are copied, which needs the container `user` to start."""
        self._is_needed(user, now, may_have_changed=False)

    def _is_needed(self, container: str, now: float, *, may_have_changed: bool) -> None:
        """Note that a container is needed. `may_have_changed`: earlier Tasks may have made what it lacked."""
        self._needed.add(container)
        trouble = self._troubles.get(container)
        if trouble is None or not self._is_final(trouble):
            return
        if not may_have_changed:
            self._wait_for(container, now)
        elif not trouble.is_of_image:
            self._wait_for(container, now + TRY_SECONDS)

    def lasting(self, timer: str, *, waits_for_coordinator: bool) -> Trouble | None:
        """Return the trouble whose timer is due; None if it has passed, or the timer is not one of a trouble."""
        if timer == _NOTHING_STARTS:
            return self._pod_trouble if waits_for_coordinator else None
        return self._troubles.get(timer.removeprefix(_CONTAINER)) if timer.startswith(_CONTAINER) else None

    @property
    def _patience(self) -> float:
        return START_TIMEOUT if self._start_timeout is None else self._start_timeout

    def _is_final(self, trouble: Trouble) -> bool:
        """Return whether waiting is pointless: it is permanent, or kubelet has tried while the Task needs it."""
        if trouble.hopeless:
            return True
        return self._start_timeout is None and trouble.container in self._needed and trouble.was_tried

    def _wait_for(self, container: str, until: float) -> None:
        if self._is_live and container not in self.given_up:
            self._timers.set(_CONTAINER + container, until)
