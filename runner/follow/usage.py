"""CPU and memory of what runs, as far as a backend can tell.

Rules: CPU is what was used since the last time it was looked at, in processors (1.0 is one, fully used). Looking costs
a fiftieth of the time at most, however many processes there are.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

SECONDS_BETWEEN = 1.0
MOST_OF_THE_TIME = 1 / 50


@dataclass(frozen=True, slots=True)
class ContainerUsage:
    """What a container's processes have used: CPU seconds since it started, and resident memory now, in bytes."""

    cpu_seconds: float
    memory: int


@runtime_checkable
class MeasuredPod(Protocol):
    """A Pod whose backend can tell what its containers use."""

    def usage(self, containers: Iterable[str]) -> Mapping[str, ContainerUsage]:
        """Return what these containers use, those of them that run."""


@dataclass(frozen=True, slots=True)
class Load:
    """What runs in a container or a Task now: processors in use, None if not known yet, and bytes of memory."""

    cpu: float | None
    memory: int

    def __add__(self, other: Load) -> Load:
        """Return what both use together."""
        cpu = self.cpu if other.cpu is None else other.cpu if self.cpu is None else self.cpu + other.cpu
        return Load(cpu, self.memory + other.memory)


class LoadMeter:
    """Looks at a Pod from time to time. Without a Pod that can be measured, it knows of no load."""

    def __init__(self, pod: object) -> None:
        self._pod = pod if isinstance(pod, MeasuredPod) else None
        self._loads: dict[str, Load] = {}
        self._last: dict[str, ContainerUsage] = {}
        self._looked_at = 0.0
        self._next_look = 0.0

    @property
    def is_measuring(self) -> bool:
        """Whether the Pod is one that can be measured."""
        return self._pod is not None

    def look(self, containers: Iterable[str], now: float) -> bool:
        """Look at these containers, if it is time to; return whether it was. `now` is in seconds of any clock."""
        if self._pod is None or now < self._next_look:
            return False
        began = time.perf_counter()
        usage = self._pod.usage(containers)
        cost = time.perf_counter() - began
        seconds = now - self._looked_at
        self._loads = {name: Load(self._processors(name, each, seconds), each.memory) for name, each in usage.items()}
        self._last, self._looked_at = dict(usage), now
        self._next_look = now + max(SECONDS_BETWEEN, cost / MOST_OF_THE_TIME)
        return True

    def load(self, containers: Iterable[str]) -> Load | None:
        """Return what these containers use together; None if nothing is known of any."""
        total: Load | None = None
        for name in containers:
            load = self._loads.get(name)
            if load is not None:
                total = load if total is None else total + load
        return total

    def _processors(self, name: str, usage: ContainerUsage, seconds: float) -> float | None:
        last = self._last.get(name)
        if last is None or seconds <= 0:
            return None
        return max(usage.cpu_seconds - last.cpu_seconds, 0.0) / seconds


def memory_in_words(amount: int) -> str:
    """Return bytes as Kubernetes writes them, shortened: ``812Ki``, ``34Mi``, ``1.2Gi``."""
    if amount < 1 << 20:
        return f"{amount >> 10}Ki"
    if amount < 1 << 30:
        return f"{amount >> 20}Mi"
    return f"{amount / (1 << 30):.1f}Gi"
