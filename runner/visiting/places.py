"""Which container of a run somebody means with ``TASK[COMBINATION]/STEP``. Pure.

Rules:

- A Step that is held comes first, then one that is running. Of several nobody is chosen.
- A container that several Steps share counts as the Step that it runs or holds now.
- A run that does not know what its containers do (``states`` is None) is believed to run what is named, if that is one
  container.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, TypeAlias

from monopod.runner.follow.source import step_names
from monopod.runner.known_runs.task_selection import NoSuchTaskError, choose
from monopod.schemas.plan import Plan, runnable_tasks

ENTRYPOINT = "/monopod/bin/entrypoint"
"""The program in each container that opens shells and releases Steps (docs/control-directory.md)."""

State: TypeAlias = Literal["held", "running"]


class Activity(NamedTuple):
    """What a container does. ``label`` is its Step, as ``TASK/STEP``; empty if that is not known."""

    state: State
    label: str = ""


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

    def states(self) -> Mapping[str, Activity] | None:
        """Return the containers in which a Step is held or something is running; None if that is not known."""

    def execute(self, container: str, command: Sequence[str], *, on_terminal: bool) -> int:
        """Run a command in a container, on the streams of this process; return its exit code.

        Raises VisitError.
        """


class VisitError(Exception):
    """A command could not be run in a container. The text is for people."""


class CutOffError(VisitError):
    """The container, or the whole run, ended while a command ran in it."""


def find_place(plan: Plan, states: Mapping[str, Activity] | None, text: str | None, wanted: Sequence[State]) -> Place:
    """Return the container that `text` names, in one of the `wanted` states, the first of which come first.

    Raises NoSuchTaskError if the run has no such Task or Step, NoSuchPlaceError.
    """
    labels = _labels(plan)
    selection = None if text is None else choose(plan, text)
    if states is None:
        if selection is None or len(selection.steps) != 1:
            raise NoSuchPlaceError("name one Step, as TASK/STEP: the run does not report its events")
        container = next(iter(selection.steps))
        return Place(container, labels[container][0] if container not in selection.shared else f"container {container}")
    active = {
        Place(container, doing.label if doing.label in labels[container] else labels[container][-1]): doing.state
        for container, doing in states.items()
    }
    named = [
        place
        for place in active
        if selection is None or (place.container in selection.steps and place.label in selection.labels)
    ]
    for state in wanted:
        found = [place for place in named if active[place] == state]
        if len(found) == 1:
            return found[0]
        if found:
            listed = ", ".join(sorted({place.label for place in found}))
            raise NoSuchPlaceError(f"several Steps are {state}: {listed}; name one, as TASK/STEP")
    what = "is held" if list(wanted) == ["held"] else "is running or held"
    others = sorted({place.label for place, state in active.items() if state in wanted})
    hint = f"; these are: {', '.join(others)}" if others else ""
    raise NoSuchPlaceError(f"no Step {what}" + (f" in '{text}'" if text is not None else "") + hint)


def _labels(plan: Plan) -> dict[str, list[str]]:
    """Return what people call the Steps of each container."""
    labels: dict[str, list[str]] = {}
    for planned in runnable_tasks(plan.pipeline):
        for slot in planned.task.slots:
            for container, step in zip((*slot.containers, *slot.sidecars), step_names(planned.task), strict=True):
                labels.setdefault(container, []).append(f"{planned.path}/{step}")
    return labels


def names_a_task(plan: Plan, text: str) -> bool:
    """Return whether `text` names a Task or Step of the run."""
    try:
        choose(plan, text)
    except NoSuchTaskError:
        return False
    return True
