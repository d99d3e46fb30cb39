"""Which container of a run somebody means with ``TASK[COMBINATION]/STEP``. Pure.

Rules: a Step that is held comes first, then one that is running. Of several nobody is chosen. A run that does not know
what its containers do (``states`` is None) is believed to run what is named, if that is one container.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from monopod.runner.follow.source import step_names
from monopod.runner.known_runs.task_selection import NoSuchTaskError, choose
from monopod.schemas.plan import Plan, runnable_tasks

ENTRYPOINT = "/monopod/bin/entrypoint"
"""The program in each container that opens shells and releases Steps (docs/control-directory.md)."""

State: TypeAlias = Literal["held", "running"]


class NoSuchPlaceError(Exception):
    """Nothing that is running or held has this name, or several do. The text is for people."""


@dataclass(frozen=True, slots=True)
class Place:
    """A container in which a Step or Sidecar is running or held, and what people call it: ``build/make``."""

    container: str
    label: str


class Visited(Protocol):
    """A run whose containers can be entered. It is a context manager; leaving it closes connections."""

    @property
    def name(self) -> str:
        """The name of the run."""

    @property
    def plan(self) -> Plan:
        """What it runs."""

    def states(self) -> Mapping[str, State] | None:
        """Return the containers in which a Step is held or something is running; None if that is not known."""

    def execute(self, container: str, command: Sequence[str], *, on_terminal: bool) -> int:
        """Run a command in a container, on the streams of this process; return its exit code.

        Raises VisitError.
        """


class VisitError(Exception):
    """A command could not be run in a container. The text is for people."""


class CutOffError(VisitError):
    """The container, or the whole run, ended while a command ran in it."""


def find_place(plan: Plan, states: Mapping[str, State] | None, text: str | None, wanted: Sequence[State]) -> Place:
    """Return the container that `text` names, in one of the `wanted` states, the first of which come first.

    Raises NoSuchTaskError if the run has no such Task or Step, NoSuchPlaceError.
    """
    named = _labels(plan) if text is None else _selected(plan, text)
    if states is None:
        if text is None or len(named) != 1:
            raise NoSuchPlaceError("name one Step, as TASK/STEP: the run does not report its events")
        return Place(*next(iter(named.items())))
    for state in wanted:
        found = [Place(container, label) for container, label in named.items() if states.get(container) == state]
        if len(found) == 1:
            return found[0]
        if found:
            listed = ", ".join(sorted({place.label for place in found}))
            raise NoSuchPlaceError(f"several Steps are {state}: {listed}; name one, as TASK/STEP")
    what = "is held" if list(wanted) == ["held"] else "is running or held"
    others = sorted({_labels(plan)[container] for container, state in states.items() if state in wanted})
    hint = f"; these are: {', '.join(others)}" if others else ""
    raise NoSuchPlaceError(f"no Step {what}" + (f" in '{text}'" if text is not None else "") + hint)


def _labels(plan: Plan) -> dict[str, str]:
    """Return what people call each container."""
    return {
        container: f"{planned.path}/{step}"
        for planned in runnable_tasks(plan.pipeline)
        for slot in planned.task.slots
        for container, step in zip((*slot.containers, *slot.sidecars), step_names(planned.task), strict=True)
    }


def _selected(plan: Plan, text: str) -> dict[str, str]:
    labels = _labels(plan)
    return {container: labels[container] for container in choose(plan, text).steps}


def names_a_task(plan: Plan, text: str) -> bool:
    """Return whether `text` names a Task or Step of the run."""
    try:
        choose(plan, text)
    except NoSuchTaskError:
        return False
    return True
