"""The commands that follow from an event, collected from all parts of the engine, and who takes the answers.

Rules: the only clock is the time of the event. Commands keep the order in which they were issued.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from monopod.coordinator.engine.events import CelEvaluated, ClearTimer, Command, EvaluateCel, Report, SetTimer
from monopod.coordinator.engine.run_state import Change
from monopod.schemas.run_events import RunEvent

Action: TypeAlias = Callable[[], Change | None]
"""What a timer does when it fires. Returns the change that follows."""


class _Paused:
    """A timer that is paused, once or more often, and the seconds that it has left."""

    def __init__(self, rest: float, action: Action) -> None:
        self.rest = rest
        self.action = action
        self.times = 1


class Commands:
    """The commands of one event, and its time ``now`` (seconds since the epoch)."""

    def __init__(self) -> None:
        self.now = 0.0
        self.issued: list[Command] = []
        self._actions: dict[str, Action] = {}
        self._due: dict[str, float] = {}
        self._paused: dict[str, _Paused] = {}
        self._questions = 0
        self._answers: dict[int, Callable[[CelEvaluated], Change | None]] = {}

    def begin(self, now: float) -> None:
        """Start the commands of another event, at the time `now`."""
        self.now = now
        self.issued = []

    def do(self, command: Command) -> None:
        """Issue a command."""
        self.issued.append(command)

    def report(self, event: RunEvent) -> None:
        """Issue the command to report that something happened."""
        self.issued.append(Report(event))

    def evaluate(self, expression: str, take_answer: Callable[[CelEvaluated], Change | None]) -> None:
        """Have a CEL expression evaluated; `take_answer` is called with the answer."""
        self._questions += 1
        self._answers[self._questions] = take_answer
        self.issued.append(EvaluateCel(self._questions, expression))

    def answer(self, event: CelEvaluated) -> Change | None:
        """Pass an answer to the part that asked, and return the change that follows."""
        return self._answers.pop(event.number)(event)

    def set_timer(self, name: str, delay: float, action: Action) -> None:
        """Do `action` after `delay` seconds. A timer of the same name is replaced."""
        self._actions[name] = action
        self._due[name] = self.now + delay
        self.issued.append(SetTimer(name, self._due[name]))

    def has_timer(self, name: str) -> bool:
        """Return whether a timer is set."""
        return name in self._actions

    def clear_timer(self, name: str) -> None:
        """Clear a timer, if it is set."""
        self._paused.pop(name, None)
        if self._actions.pop(name, None) is not None:
            self.issued.append(ClearTimer(name))

    def pause_timer(self, name: str) -> None:
        """Stop the clock of a timer, if it is set, until `resume_timer` was called as often as this."""
        if name in self._paused:
            self._paused[name].times += 1
        elif name in self._actions:
            self._paused[name] = _Paused(self._due[name] - self.now, self._actions.pop(name))
            self.issued.append(ClearTimer(name))

    def resume_timer(self, name: str) -> None:
        """Let the clock of a paused timer run on."""
        paused = self._paused.get(name)
        if paused is None:
            return
        paused.times -= 1
        if not paused.times:
            del self._paused[name]
            self.set_timer(name, paused.rest, paused.action)

    def fire(self, name: str) -> Change | None:
        """Do the action of a timer, unless it was cleared, and return the change that follows."""
        action = self._actions.pop(name, None)
        return action() if action is not None else None
