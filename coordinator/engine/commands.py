"""The commands that follow from an event, gathered from all parts of the engine, and what each answer is for.

Rules: the time is the event's, and there is no other clock. Commands keep the order in which they were given.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from monopod.coordinator.engine.events import CelEvaluated, ClearTimer, Command, EvaluateCel, Report, SetTimer
from monopod.coordinator.engine.run_state import Change
from monopod.schemas.run_events import RunEvent

Action: TypeAlias = Callable[[], Change | None]
"""What a timer is for; returns what ended by it."""


class Commands:
    """The commands of one event, and its time ``now`` (seconds since the epoch)."""

    def __init__(self) -> None:
        self.now = 0.0
        self.issued: list[Command] = []
        self._actions: dict[str, Action] = {}
        self._questions = 0
        self._answers: dict[int, Callable[[CelEvaluated], Change | None]] = {}

    def begin(self, now: float) -> None:
        """Forget the commands of the event before, and take up one of the time `now`."""
        self.now = now
        self.issued = []

    def do(self, command: Command) -> None:
        """Give a command."""
        self.issued.append(command)

    def report(self, event: RunEvent) -> None:
        """Have it told that something happened in the run."""
        self.issued.append(Report(event))

    def evaluate(self, expression: str, take_answer: Callable[[CelEvaluated], Change | None]) -> None:
        """Have a CEL expression evaluated; `take_answer` is called with the answer."""
        self._questions += 1
        self._answers[self._questions] = take_answer
        self.issued.append(EvaluateCel(self._questions, expression))

    def answer(self, event: CelEvaluated) -> Change | None:
        """Hand an answer to the one that asked, and return what ended by it."""
        return self._answers.pop(event.number)(event)

    def set_timer(self, name: str, delay: float, action: Action) -> None:
        """Have something done after `delay` seconds. A timer of the same name is replaced."""
        self._actions[name] = action
        self.issued.append(SetTimer(name, self.now + delay))

    def has_timer(self, name: str) -> bool:
        """Return whether a timer is set."""
        return name in self._actions

    def clear_timer(self, name: str) -> None:
        """Forget a timer, if there is one of that name."""
        if self._actions.pop(name, None) is not None:
            self.issued.append(ClearTimer(name))

    def fire(self, name: str) -> Change | None:
        """Do what a timer is for, unless it was cleared, and return what ended by it."""
        action = self._actions.pop(name, None)
        return action() if action is not None else None
