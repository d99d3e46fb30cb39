"""CPU and memory of running containers, where the backend can measure them.

Rules: CPU is what was used since the last time it was looked at, in processors (1.0 is one, fully used). Looking costs
a fiftieth of the time at most, however many processes there are.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

SECONDS_BETWEEN = 1.0
MOST_OF_THE_TIME = 1 / 50


@dataclass(frozen=True, slots=True)
class ContainerUsage:
    """What a container's processes have used: CPU seconds since it started, and resident memory now, in bytes."""

    cpu_seconds: float
    memory: int


Measure: TypeAlias = Callable[[Iterable[str]], Mapping[str, ContainerUsage] | None]
"""Returns the usage of the running containers; None if it cannot be measured (`RunningPod.usage`)."""


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
    """Measures a Pod from time to time."""

    def __init__(self, measure: Measure = lambda _: None) -> None:
        self._measure = measure
        self.is_measuring = False
        """Whether the last measurement gave a result."""
        self._loads: dict[str, Load] = {}
        self._last: dict[str, ContainerUsage] = {}
        self._looked_at = 0.0
        self._next_look = 0.0

    def look(self, containers: Iterable[str], now: float) -> bool:
        """Measure these containers if it is time to; return whether there is a result. `now`: seconds of any clock."""
        if now < self._next_look:
            return False
        began = time.perf_counter()
        usage = self._measure(containers)
        self.is_measuring = usage is not None
        if usage is None:
            self._next_look = now + SECONDS_BETWEEN
            return False
        cost = time.perf_counter() - began
        seconds = now - self._looked_at
        self._loads = {name: Load(self._processors(name, used, seconds), used.memory) for name, used in usage.items()}
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


def format_memory(amount: int) -> str:
    """Return bytes as Kubernetes writes them, shortened: ``812Ki``, ``34Mi``, ``1.2Gi``."""
    if amount < 1 << 20:
        return f"{amount >> 10}Ki"
    if amount < 1 << 30:
        return f"{amount >> 20}Mi"
    return f"{amount / (1 << 30):.1f}Gi"
