"""The commands that follow from an event, gathered by all parts of the engine; and what the timers are for.

Rules: the time is the event's, and there is no other clock. The order in which commands were given is kept.
"""

from __future__ import annotations

from collections.abc import Callable

from monopod.coordinator.engine.events import ClearTimer, Command, SetTimer, Tell
from monopod.schemas.run_events import RunEvent


class Commands:
    """What is to be done because of the event of the time ``now`` (seconds since the epoch)."""

    def __init__(self) -> None:
        self.now = 0.0
        self.given: list[Command] = []
        self._actions: dict[str, Callable[[], None]] = {}

    def begin(self, now: float) -> None:
        """Another event is handled: forget the commands of the one before, which were carried out."""
        self.now = now
        self.given = []

    def do(self, command: Command) -> None:
        """Give a command."""
        self.given.append(command)

    def tell(self, event: RunEvent) -> None:
        """Have it told that something happened in the run."""
        self.given.append(Tell(event))

    def set_timer(self, name: str, delay: float, action: Callable[[], None]) -> None:
        """Have something done after `delay` seconds. A timer of the same name is replaced."""
        self._actions[name] = action
        self.given.append(SetTimer(name, self.now + delay))

    def has_timer(self, name: str) -> bool:
        """Say whether a timer is set."""
        return name in self._actions

    def clear_timer(self, name: str) -> None:
        """Forget a timer, if there is one of that name."""
        if self._actions.pop(name, None) is not None:
            self.given.append(ClearTimer(name))

    def fire(self, name: str) -> None:
        """Do what a timer is for, unless it was cleared in the meantime."""
        action = self._actions.pop(name, None)
        if action is not None:
            action()
