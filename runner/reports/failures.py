"""What made a run fail, for a person who has to mend it: which Step, what it ran, how it ended, and what came of it.

Rules:

- A Task that failed for good is told Step by Step, or as a whole if no Step of it failed (a timeout, a container that
  did not start, a Result that is missing).
- A Task was skipped *because of* another if it waits for it, at one remove or more. What was skipped only because the
  run was stopping counts to the Task that failed first. A Task that its own when-expressions kept away counts to none.

Pure: made of what a `Follower` knows and of the compiled Pod.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from monopod.runner.follow.follower import FailedStep, Follower, TaskState, planned_tasks
from monopod.schemas.formats.words import exit_code_in_words, out_of_memory_in_words
from monopod.schemas.plan import Plan, Step

TIME_WAS_UP = "stopped: the time was up"
"""Of a Step whose Task, or Pipeline, has reached its timeout."""

LONGEST_COMMAND = 100
"""Characters of a command that are shown."""
MOST_SKIPPED = 12
"""How many of the Tasks that were skipped are named."""

_SHELLS = ("sh", "ash", "bash", "dash", "ksh", "zsh")
_BY_WHEN = "When Expressions evaluated to false"
_STOPPING = "PipelineRun was stopping"
"""Of Tekton's reasons for skipping a Task (docs/pipelineruns.md, monitoring execution status)."""

More: TypeAlias = Callable[[str, str, str], str]
"""Gives the command that shows more of a Task (its label), a Step and its container."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A Step that failed its Task; ``step`` is empty if the Task failed without one. All in words, one line each.

    ``is_sidecar``: it is a Sidecar that ended early, which did not fail its Task by that.
    """

    task: str
    step: str
    ending: str
    command: str = ""
    last_lines: tuple[str, ...] = ()
    skipped: str = ""
    more: str = ""
    is_sidecar: bool = False

    @property
    def heading(self) -> str:
        """Who failed, and how it ended."""
        if self.is_sidecar:
            return f"{self.task} : {self.step}: {self.ending}"
        return f"{self.task} : {self.step} failed: {self.ending}" if self.step else f"{self.task} failed: {self.ending}"

    @property
    def consequences(self) -> list[tuple[str, str]]:
        """What came of it and what to do next, each under its name."""
        named = (("skipped because of it", self.skipped), ("see more with", self.more))
        return [(name, text) for name, text in named if text]


@dataclass(frozen=True, slots=True)
class FailureContext:
    """What is known beside what happened: Steps by Task path and name, and what to do."""

    steps: Mapping[tuple[str, str], Step] = dataclasses.field(default_factory=dict)
    more: More | None = None


def failure_context(plan: Plan, more: More) -> FailureContext:
    """Return what is known of a Plan's Steps."""
    tasks = planned_tasks(plan.pipeline)
    steps = {(task.state.path, step.name): step for task in tasks for step in task.planned.steps}
    return FailureContext(steps, more)


def images(pod: Mapping[str, Any]) -> dict[str, str]:
    """Return the images of a Pod's containers, by their names."""
    containers = (*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"])
    return {container["name"]: container["image"] for container in containers if container.get("image")}


def memory_limits(pod: Mapping[str, Any]) -> dict[str, str]:
    """Return the memory limits of a Pod's containers, by their names."""
    limits = {}
    for container in pod["spec"]["containers"]:
        limit = ((container.get("resources") or {}).get("limits") or {}).get("memory")
        if limit is not None:
            limits[container["name"]] = str(limit)
    return limits


def find_failures(follower: Follower, context: FailureContext) -> tuple[Failure, ...]:
    """Return what failed for good, in the order in which it ended."""
    failed = [task for task in follower.tasks if task.status in ("Failed", "TimedOut")]
    failed.sort(key=lambda task: task.ended or 0.0)
    first = failed[0].path if failed else ""
    found: list[Failure] = []
    for task in failed:
        skipped = _listed(skipped_because_of(task.path, follower.tasks, is_first=task.path == first))
        if not task.failed_steps:
            found.append(Failure(task.label, "", task.message or task.reason, skipped=skipped))
        containers = {step.step: follower.container_of(task, step.step) for step in task.failed_steps}
        found += [_failed_step(task, step, containers[step.step], context, skipped) for step in task.failed_steps]
    return tuple(found)


def _failed_step(task: TaskState, step: FailedStep, container: str, context: FailureContext, skipped: str) -> Failure:
    planned = context.steps.get((task.path, step.step))
    return Failure(
        task=task.label,
        step=step.step,
        ending=describe_failed_step(step),
        command="" if planned is None else describe_command(planned),
        last_lines=step.last_lines,
        skipped=skipped,
        more="" if context.more is None else context.more(task.label, step.step, container),
    )


def ended_sidecars(follower: Follower) -> tuple[Failure, ...]:
    """Return the Sidecars that ended before their Steps did: those that crashed, and all of Tasks that failed."""
    return tuple(
        Failure(task.label, sidecar.name, sidecar.ending, last_lines=sidecar.last_lines, is_sidecar=True)
        for task in follower.tasks
        for sidecar in task.ended_sidecars
        if sidecar.exit_code or task.status in ("Failed", "TimedOut")
    )


def describe_failed_step(step: FailedStep) -> str:
    """Return how a Step failed."""
    if step.reason == "OOMKilled":
        return step.message or out_of_memory_in_words()
    words = exit_code_in_words(step.exit_code)
    message = step.message or (TIME_WAS_UP if step.reason == "TimedOut" else "")
    if message and step.exit_code in (126, 127):
        words = f"exit code {step.exit_code}"  # what shells say of it is not as exact as the message
    return f"{message} ({words})" if message and message not in words else words


def describe_command(step: Step, most: int = LONGEST_COMMAND) -> str:
    """Return what a Step runs as the author wrote it, in one line of at most so many characters."""
    if step.script is None:
        return _shortened(" ".join(map(_quoted, (*step.command, *step.args))), most)
    lines = [line.strip() for line in step.script.splitlines()]
    told = [line for line in lines if line and not line.startswith("#") and not _is_shell_option(line)]
    if not told:
        return _shortened(next(filter(None, lines), ""), most)
    interpreter = _interpreter(lines[0])
    start = "" if interpreter in _SHELLS else f"{interpreter}: "
    return _shortened(start + told[0] + (" …" if len(told) > 1 else ""), most)


def _interpreter(line: str) -> str:
    """Return the name of the program that runs a script which begins with this line; without ``#!`` it is a shell."""
    if not line.startswith("#!"):
        return "sh"
    names = [os.path.basename(word) for word in line[2:].split() if not word.startswith("-")]
    return next((name for name in names if name != "env"), "sh")


def _is_shell_option(line: str) -> bool:
    return re.fullmatch(r"set( [-+][A-Za-z]+( [a-z]+)?)+;?", line) is not None


def _quoted(argument: str) -> str:
    """Return an argument as one would type it; references stay readable."""
    if argument and re.fullmatch(r"[\w@%+=:,./$()\[\]*{}-]+", argument):
        return argument
    return "'" + argument.replace("'", "'\\''").replace("\n", "\\n") + "'"


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def skipped_because_of(path: str, tasks: Sequence[TaskState], *, is_first: bool) -> list[str]:
    """Return the paths of the Tasks that were skipped because the one at `path` failed, in the order of the Pipeline.

    `is_first`: it failed first, so what was skipped because the run was stopping is its doing too.
    """
    causes = {path}
    skipped = [task for task in tasks if task.status == "Skipped" and task.reason != _BY_WHEN]
    found: set[str] = set()
    growing = True
    while growing:  # Tasks may stand before those they wait for
        new = {
            task.path
            for task in skipped
            if task.path not in found
            and (_waits_for_any(task, causes) or (is_first and task.reason == _STOPPING and not task.is_final))
        }
        found |= new
        causes |= new
        growing = bool(new)
    return [task.path for task in tasks if task.path in found]


def _waits_for_any(task: TaskState, causes: set[str]) -> bool:
    """Return whether it waits for one of these Tasks, or for a Pipeline that one of them is in."""
    return any(cause == each or cause.startswith(f"{each}/") for each in task.after for cause in causes)


def _listed(names: Sequence[str]) -> str:
    if len(names) <= MOST_SKIPPED:
        return ", ".join(names)
    return ", ".join(names[:MOST_SKIPPED]) + f" and {len(names) - MOST_SKIPPED} more"
