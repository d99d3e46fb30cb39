"""What the engine knows of the Pod's containers: which are there, which are lost, and how each is to end.

Rules: a container is released once, with the exit code of its last Step; one of a failed run must not be 0, since it
decides the Pod's phase. What is left to others: what runs in a container (``attempts``), whose turn it is (``engine``).
"""

from __future__ import annotations

from monopod.coordinator.engine.commands import Commands
from monopod.coordinator.engine.events import ReleaseContainer
from monopod.coordinator.engine.start_failures import StartFailure
from monopod.schemas.plan import Slot


def containers_of(slot: Slot) -> tuple[str, ...]:
    """Return the containers of a slot: those of the Steps, then those of the Sidecars."""
    return slot.containers + slot.sidecars


class Containers:
    """The containers by name."""

    def __init__(self, commands: Commands) -> None:
        self._commands = commands
        self._ready: set[str] = set()
        self._lost: dict[str, str] = {}  # with the reason
        self._never_started: dict[str, StartFailure] = {}
        self._released: set[str] = set()
        self._exit_codes: dict[str, int] = {}
        self._failed_release = False

    def add(self, container: str) -> None:
        """The entrypoint of a container is there."""
        self._ready.add(container)

    def lose(self, container: str, why: str) -> None:
        """A container is gone, or given up. `why` follows "the container"."""
        self._lost.setdefault(container, why)
        self._ready.discard(container)

    def cannot_start(self, container: str, failure: StartFailure) -> None:
        """A container has never started, and never will."""
        self.lose(container, "did not start")
        self._never_started.setdefault(container, failure)

    def start_failure(self, slot: Slot) -> tuple[str, StartFailure] | None:
        """Return a container of the slot that cannot start, and why, if there is one."""
        for container in containers_of(slot):
            if container in self._never_started:
                return container, self._never_started[container]
        return None

    def is_ready(self, container: str) -> bool:
        """Say whether something can run in a container."""
        return container in self._ready

    def is_lost(self, container: str) -> bool:
        """Say whether nothing will ever run in a container again."""
        return container in self._lost

    def why_lost(self, container: str) -> str:
        """Return why nothing will ever run in a container again; it follows "the container"."""
        return self._lost[container]

    def is_released(self, container: str) -> bool:
        """Say whether a container was let go."""
        return container in self._released

    def is_whole(self, slot: Slot) -> bool:
        """Say whether all containers that a further attempt needs may still come, or are there."""
        return self._lost.keys().isdisjoint(slot.containers) and self.start_failure(slot) is None

    def end_with(self, container: str, exit_code: int) -> None:
        """Note with which exit code a container is to end, as things are now."""
        self._exit_codes[container] = exit_code

    def end_with_failure(self, slot: Slot) -> None:
        """See to it that a container of the slot ends with a failure."""
        if not any(self._exit_codes.get(name) for name in slot.containers):
            self._exit_codes[slot.containers[-1]] = 1

    def end_with_success(self, slot: Slot) -> None:
        """Let all that failed in a slot be forgotten."""
        self._exit_codes.update(dict.fromkeys(slot.containers, 0))

    def release(self, slot: Slot) -> None:
        """Let the containers of a slot end, if they were not let go before."""
        for container in containers_of(slot):
            if container in self._released:
                continue
            self._released.add(container)
            code = self._exit_codes.get(container, 0)
            self._failed_release = self._failed_release or code != 0
            self._commands.do(ReleaseContainer(container, code))

    def fail_one(self) -> None:
        """See to it that a Pod whose run failed has a container that failed: that decides the Pod's phase."""
        if self._failed_release:
            return
        given = self._commands.given
        for position in range(len(given) - 1, -1, -1):
            command = given[position]
            if isinstance(command, ReleaseContainer):
                given[position] = ReleaseContainer(command.container, 1)
                return
