"""Gives back what a followed Pod no longer needs (``--shrink``): when its requests are lowered, what an answer means.

Rules:

- A change is looked for `DELAY_SECONDS` after something has ended, and requested if it is worth that
  (``schemas.capacity.shrinking``). At most one request is under way.
- It never delays or fails the run. The first refusal, by the API server or by the node, ends it with one notice.
- Nothing is requested for a Pod that is Guaranteed: lower requests would change its QoS class, which nobody may.
- No request is raised, also if somebody else has lowered it: then nothing is lowered any further.
- Capacity counts as given back from the answer of the API server on. If the node refuses the change later, it is taken
  back from the account.

Pure. ``observation`` passes on what happens, ``following`` makes the requests.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from monopod.runner.follow.pod_events import Event, PodNotice, PodResized
from monopod.runner.kubernetes.commands import Command, Report, ResizePod
from monopod.runner.kubernetes.messages import ResizeAnswered
from monopod.runner.kubernetes.timers import Timers
from monopod.schemas.capacity.shares import Requests
from monopod.schemas.capacity.shrinking import Resize, Shrinking, node_refusal
from monopod.schemas.formats import quantity
from monopod.schemas.plan import Plan
from monopod.schemas.run_events import RunEvent, RunFinished

DELAY_SECONDS = 0.5
TIMER = "lower requests"
_GUARANTEED = "it is Guaranteed, and its QoS class may not change"


class PodShrinking:
    """Lowers the requests of one Pod that runs a Plan. Without `requests` it does nothing."""

    def __init__(self, plan: Plan, requests: Sequence[Requests], timers: Timers) -> None:
        self._shrinking = Shrinking(plan, requests) if requests else None
        self._timers = timers
        self._requested: Resize | None = None
        self._accepted: Resize | None = None
        self._is_due = False  # while a request is under way
        self._pod: Mapping[str, Any] = {}

    @property
    def is_active(self) -> bool:
        """Whether requests are still lowered."""
        return self._shrinking is not None

    def stop(self) -> None:
        """Lower nothing more."""
        self._shrinking = None
        self._timers.cancel(TIMER)

    def take(self, event: RunEvent, now: float) -> None:
        """Take an event of the run."""
        if self._shrinking is None:
            return
        if isinstance(event, RunFinished):
            self.stop()
        elif self._shrinking.take(event) and TIMER not in self._timers:
            self._timers.set(TIMER, now + DELAY_SECONDS)

    def due(self) -> Iterator[Command]:
        """Yield the request that is worth making now, if any."""
        self._is_due = self._requested is not None
        if self._shrinking is not None and not self._is_due:
            self._requested = self._shrinking.next()
            if self._requested is not None and (raised := self._raised(self._requested)):
                self._requested = None
                yield from self._refused(f"somebody else has changed the requests of the container '{raised}'")
            elif self._requested is not None:
                yield ResizePod(self._requested)

    def answered(self, answer: ResizeAnswered) -> Iterator[Command]:
        """Take the answer of the API server."""
        self._requested = None
        if answer.problem:
            yield from self._refused(answer.problem)
            return
        if self._shrinking is None:  # the node has refused an earlier one, or nothing is left to give back
            return
        yield Report(_resized(answer.resize))
        self._accepted = answer.resize
        self._shrinking.accept(answer.resize)
        if self._is_due:
            yield from self.due()

    def seen(self, pod: Mapping[str, Any]) -> Iterator[Command]:
        """Take the Pod as it is now: the node may have refused a change."""
        if self._shrinking is None:
            return
        self._pod = pod
        if (pod.get("status") or {}).get("qosClass") == "Guaranteed":
            yield from self._refused(_GUARANTEED)
            return
        refusal = node_refusal(pod)
        if refusal and self._accepted is not None:
            yield Report(_resized(self._accepted, -1))
            yield from self._refused(refusal)

    def _raised(self, resize: Resize) -> str:
        """Return a container whose request, as the Pod was last seen, a change would raise; empty if there is none."""
        containers = self._pod.get("spec", {}).get("containers", ())
        present = {each["name"]: each.get("resources") or {} for each in containers}
        for container in resize.spec["containers"]:
            for resource, text in container["resources"]["requests"].items():
                now = (present.get(container["name"], {}).get("requests") or {}).get(resource)
                if now is not None and quantity.parse(text) > quantity.parse(now):
                    return str(container["name"])
        return ""

    def _refused(self, why: str) -> Iterator[Command]:
        if self._shrinking is not None:
            self.stop()
            yield Report(_notice(why))


def _notice(why: str) -> Event:
    return PodNotice(f"The requests of the Pod are not lowered any further: {why}")


def _resized(resize: Resize, sign: int = 1) -> Event:
    return PodResized(sign * resize.given_back("cpu") / 1000, sign * resize.given_back("memory"))
