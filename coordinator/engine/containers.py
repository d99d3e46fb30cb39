"""The containers of the Pod: one record each, by name.

A container becomes ready, runs one request after another, and is released once, with the exit code of its last Step.
It belongs to one slot or, if it is shared, to several that never overlap: it is released when all of them have been.
It may be lost at any time: then nothing runs in it again. If kubelet restarts it instead, it is not ready for a while,
and accepts further requests in its next life. What ran in the life before was killed with it.

The exit codes decide the Pod's phase, so at least one container of a failed run must not exit with 0.

Pure. Left to others: what runs in a container (``attempts``), and when it is released (``engine``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from monopod.coordinator.engine.commands import Commands
from monopod.coordinator.engine.events import ReleaseContainer
from monopod.coordinator.engine.run_state import SidecarState, StepState
from monopod.coordinator.engine.start_failures import StartFailure
from monopod.schemas.formats import exit_codes
from monopod.schemas.plan import Pipeline, Slot, reused_containers, walk

REQUESTS_PER_LIFE = 1_000_000
FIRST_BACK_OFF = 10.0
LONGEST_BACK_OFF = 300.0

Occupant: TypeAlias = StepState | SidecarState


class Container:
    """One container, and the Step or Sidecar that runs in it (``occupant``).

    - ``ready``: its entrypoint accepts requests.
    - ``lost``: why nothing can run in it again, as in "the container *was killed*"; empty while something can.
    - ``start_failure``: why it never started, if Kubernetes gave a reason. It is lost then.
    - ``slots``: the slots that run Steps in it. ``users``: those that have not been released.
    - ``released``: its entrypoint was asked to exit.
    - ``is_reused``: it may run more than one request.
    - ``restarts``: kubelet restarts it when it is killed.
    - ``deaths``: how often that has happened, or is about to.
    - ``ending``: it still lives, but is about to end to be restarted.
    - ``exit_code``: the code with which it will be released.
    - ``next_request``: the number of its next request. Nothing else numbers requests.
    """

    def __init__(self, name: str, *, is_reused: bool) -> None:
        self.name = name
        self.is_reused = is_reused
        self.slots: list[str] = []
        self.users: set[str] = set()
        self._steps = 0
        self.restarts = False
        self.deaths = 0
        self.ending = False
        self.ready = False
        self.lost = ""
        self.start_failure: StartFailure | None = None
        self.released = False
        self.exit_code = 0
        self.next_request = 1
        self.occupant: Occupant | None = None

    def serve(self, slot: Slot) -> None:
        """Make it one of the slot's containers."""
        self._steps += slot.containers.count(self.name)
        self.slots.append(slot.name)
        self.users.add(slot.name)
        self.restarts |= slot.restarts

    def lose(self, why: str) -> None:
        """Record that nothing can run in it again. The first reason is kept."""
        self.lost = self.lost or why
        self.ready = False

    def die(self) -> None:
        """Take its death, after which it is restarted. A death that was expected is counted already."""
        self.deaths += not self.ending
        self.ending = self.ready = False

    def expect_restart(self) -> None:
        """Record that its entrypoint exits by itself, to be restarted."""
        self.die()
        self.ending = True

    def restart(self, life: int) -> None:
        """Record that it accepts requests again, in this life, whose requests have numbers of their own."""
        if not self.lost:
            self.ready, self.ending = True, False
        self.next_request = first_request(life)

    @property
    def is_shared(self) -> bool:
        """Whether it runs more than one Step."""
        return self._steps > 1

    @property
    def back_off(self) -> float:
        """How long kubelet waits before it restarts the container (Kubernetes docs, "Container restarts")."""
        return min(FIRST_BACK_OFF * 2 ** min(self.deaths - 2, 8), LONGEST_BACK_OFF) if self.deaths > 1 else 0.0

    def admit(self, occupant: Occupant) -> None:
        """Make a Step or Sidecar its occupant, under the next number."""
        self.occupant, occupant.request = occupant, self.number_request()

    def number_request(self) -> int:
        """Return the number of a further request."""
        self.next_request += 1
        return self.next_request - 1


def first_request(life: int) -> int:
    """Return the number of the first request of a container's life, counted from 1 (docs/control-directory.md).

    No life runs the requests of another one, since their numbers differ.
    """
    return (life - 1) * REQUESTS_PER_LIFE + 1


def slots_of(pipeline: Pipeline) -> Iterator[Slot]:
    """Yield the slots of a Pipeline and of the Pipelines inside it."""
    return (slot for each in walk(pipeline) for slot in each.task.slots)


class Containers:
    """All containers of a Plan."""

    def __init__(self, pipeline: Pipeline, commands: Commands) -> None:
        self._commands = commands
        self._by_name: dict[str, Container] = {}
        reused = reused_containers(pipeline)
        for slot in slots_of(pipeline):
            for name in slot.all_containers:
                if name not in self._by_name:
                    self._by_name[name] = Container(name, is_reused=name in reused)
                self._by_name[name].serve(slot)
        self._a_release_failed = False

    def __getitem__(self, name: str) -> Container:
        return self._by_name[name]

    def of(self, slot: Slot) -> list[Container]:
        """Return the containers of a slot: those of the Steps, then those of the Sidecars."""
        return [self._by_name[name] for name in slot.all_containers]

    @property
    def are_idle(self) -> bool:
        """Whether nothing runs in any container."""
        return all(container.occupant is None for container in self._by_name.values())

    def lost_in(self, slot: Slot) -> Container | None:
        """Return a container of the slot that is lost, so that no further attempt can be made in it, or None."""
        return next((container for container in self.of(slot) if container.lost), None)

    def used_up_in(self, slot: Slot) -> Container | None:
        """Return a Sidecar's container that is lost after an earlier attempt ran in it, or None."""
        sidecars = (self._by_name[name] for name in slot.sidecars)
        return next((container for container in sidecars if container.lost and container.next_request > 1), None)

    def end_with_failure(self, slot: Slot) -> None:
        """Make at least one container of the slot exit with a failure."""
        if not any(self._by_name[name].exit_code for name in slot.containers):
            self._by_name[slot.containers[-1]].exit_code = 1

    def end_with_success(self, slot: Slot) -> None:
        """Make all containers of the slot exit with 0, whatever failed in them."""
        for name in slot.containers:
            self._by_name[name].exit_code = 0

    def release(self, slot: Slot) -> None:
        """Release the containers of a slot that are not released yet, except those that another slot still needs."""
        for container in self.of(slot):
            container.users.discard(slot.name)
            if not container.released and not container.users:
                container.released = True
                if container.restarts and container.exit_code in exit_codes.RESTARTED:
                    container.exit_code = 1  # it must not be restarted once it is released
                self._a_release_failed |= container.exit_code != 0
                self._commands.do(ReleaseContainer(container.name, container.exit_code))

    def fail_one(self) -> None:
        """Make a container exit with 1 if none has failed: the run failed, and the Pod's phase must show it."""
        if self._a_release_failed:
            return
        issued = self._commands.issued
        for position in range(len(issued) - 1, -1, -1):
            command = issued[position]
            if isinstance(command, ReleaseContainer):
                issued[position] = ReleaseContainer(command.container, 1)
                return
