"""Why a run failed: which Step, what it ran, how it ended, and which Tasks were skipped because of it.

Rules:

- A failed Task is described by its failed Steps, or as a whole if no Step failed (a timeout, a container that did not
  start, a missing Result).
- A Task was skipped *because of* a failed Task if it depends on it, directly or indirectly. Tasks skipped because the
  run was stopping are attributed to the Task that failed first. Tasks skipped by their own when-expressions are not
  attributed to any.
- Of a matrix, the first combinations that failed are described in full. The others are brief: their output is often the
  same, and would hide the other failures. Tasks skipped because of a matrix are named once.

Pure: made from the state of a `Follower` and the compiled Pod.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from monopod.runner.follow.follower import Follower
from monopod.schemas.formats.words import describe_exit_code, describe_out_of_memory
from monopod.schemas.plan import LEFT_OUT, REUSED, Plan, Step, walk
from monopod.schemas.run_events import StepFinished
from monopod.schemas.run_progress import StepRun, TaskState

TIMED_OUT = "stopped after its timeout"
"""The end of a Step whose Task or Pipeline reached its timeout."""

LONGEST_COMMAND = 100
"""The maximum number of characters of a command."""
MOST_SKIPPED = 12
"""The maximum number of skipped Tasks that are named."""
MOST_COMBINATIONS = 3
"""The maximum number of combinations of a matrix that are described in full."""

_SHELLS = ("sh", "ash", "bash", "dash", "ksh", "zsh")
_NOT_BECAUSE_OF_OTHERS = ("When Expressions evaluated to false", LEFT_OUT, REUSED)
_STOPPING = "PipelineRun was stopping"
"""Reasons for skipping a Task: Tekton's (docs/pipelineruns.md, monitoring execution status), and monopod's two."""

More: TypeAlias = Callable[[str, str, str], str]
"""Returns a command that shows the whole output, for a Task's label, a Step and its container."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A Step that failed its Task, described in strings of one line. ``step`` is empty if no Step failed.

    ``is_sidecar``: a Sidecar that ended early, which by itself does not fail its Task. ``is_brief``: show only the
    heading and what to do next.
    """

    task: str
    step: str
    ending: str
    command: str = ""
    last_lines: tuple[str, ...] = ()
    skipped: str = ""
    more: str = ""
    again: str = ""
    is_sidecar: bool = False
    is_brief: bool = False

    @property
    def heading(self) -> str:
        """The Task and Step, and how it ended."""
        if self.is_sidecar:
            return f"{self.task} : {self.step}: {self.ending}"
        return f"{self.task} : {self.step} failed: {self.ending}" if self.step else f"{self.task} failed: {self.ending}"

    @property
    def consequences(self) -> list[tuple[str, str]]:
        """What happened because of it and what to do next, each with a title."""
        titled = (("skipped as a result", self.skipped), ("full output", self.more), ("run it again", self.again))
        return [(title, text) for title, text in titled if text]


@dataclass(frozen=True, slots=True)
class FailureContext:
    """Context for failures: the planned Steps by Task path and name, and the command that shows more.

    ``again`` is the command that runs what failed again; empty if that is not possible.
    """

    steps: Mapping[tuple[str, str], Step] = dataclasses.field(default_factory=dict)
    more: More | None = None
    again: str = ""


def failure_context(plan: Plan, more: More, again: str = "") -> FailureContext:
    """Return the context of a Plan."""
    steps = {(planned.path, step.name): step for planned in walk(plan.pipeline) for step in planned.task.steps}
    return FailureContext(steps, more, again)


def images(pod: Mapping[str, Any]) -> dict[str, str]:
    """Return the images of a Pod's containers, by container name."""
    containers = (*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"])
    return {container["name"]: container["image"] for container in containers if container.get("image")}


def memory_limits(pod: Mapping[str, Any]) -> dict[str, str]:
    """Return the memory limits of a Pod's containers, by container name."""
    limits = {}
    for container in pod["spec"]["containers"]:
        limit = ((container.get("resources") or {}).get("limits") or {}).get("memory")
        if limit is not None:
            limits[container["name"]] = str(limit)
    return limits


def find_failures(follower: Follower, context: FailureContext) -> tuple[Failure, ...]:
    """Return the final failures, in the order in which they ended."""
    failed = [task for task in follower.tasks if task.status in ("Failed", "TimedOut")]
    failed.sort(key=lambda task: task.ended or 0.0)
    first = failed[0].path if failed else ""
    failures: list[Failure] = []
    combinations: Counter[str] = Counter()
    for task in failed:
        combinations[task.path] += 1
        is_brief = combinations[task.path] > MOST_COMBINATIONS
        skipped = ""
        if combinations[task.path] == 1:
            skipped = _listed(skipped_because_of(task.path, follower.tasks, is_first=task.path == first))
        if not task.failed_steps:
            failures.append(Failure(task.label, "", task.message or task.reason, skipped=skipped, is_brief=is_brief))
        for step in task.failed_steps:
            failure = _failed_step(task, step, follower.last_lines(task, step), context, skipped)
            failures.append(dataclasses.replace(failure, is_brief=is_brief))
    if failures:  # once
        failures[-1] = dataclasses.replace(failures[-1], again=context.again)
    return tuple(failures)


def _failed_step(
    task: TaskState, step: StepRun, last_lines: tuple[str, ...], context: FailureContext, skipped: str
) -> Failure:
    planned = context.steps.get((task.path, step.name))
    return Failure(
        task=task.label,
        step=step.name,
        ending=describe_failed_step(step),
        command="" if planned is None else describe_command(planned),
        last_lines=last_lines,
        skipped=skipped,
        more="" if context.more is None else context.more(task.label, step.name, step.container),
    )


def ended_sidecars(follower: Follower) -> tuple[Failure, ...]:
    """Return Sidecars that ended before their Steps: crashed ones, and any Sidecar of a failed Task."""
    failures: list[Failure] = []
    combinations: Counter[str] = Counter()
    for task in follower.tasks:
        ended = [each for each in task.ended_sidecars if each.exit_code or task.status in ("Failed", "TimedOut")]
        combinations[task.path] += bool(ended)
        is_brief = combinations[task.path] > MOST_COMBINATIONS
        for sidecar in ended:
            lines = follower.last_lines(task, sidecar)
            failure = Failure(task.label, sidecar.name, sidecar.ending, last_lines=lines, is_sidecar=True)
            failures.append(dataclasses.replace(failure, is_brief=is_brief))
    return tuple(failures)


def describe_failed_step(step: StepRun | StepFinished) -> str:
    """Describe how a Step failed."""
    if step.reason == "OOMKilled":
        return step.message or describe_out_of_memory()
    ending = describe_exit_code(step.exit_code)
    message = step.message or (TIMED_OUT if step.reason == "TimedOut" else "")
    if message and step.exit_code in (126, 127):
        ending = f"exit code {step.exit_code}"  # the message is more exact than the meaning of the exit code
    return f"{message} ({ending})" if message and message not in ending else ending


def describe_command(step: Step, most: int = LONGEST_COMMAND) -> str:
    """Return the command or script of a Step as the author wrote it, in one line of at most `most` characters."""
    if step.script is None:
        return _shortened(" ".join(map(_quoted, (*step.command, *step.args))), most)
    lines = [line.strip() for line in step.script.splitlines()]
    commands = [line for line in lines if line and not line.startswith("#") and not _is_shell_option(line)]
    if not commands:
        return _shortened(next(filter(None, lines), ""), most)
    interpreter = _interpreter(lines[0])
    start = "" if interpreter in _SHELLS else f"{interpreter}: "
    return _shortened(start + commands[0] + (" …" if len(commands) > 1 else ""), most)


def _interpreter(line: str) -> str:
    """Return the interpreter of a script from its first line; a shell if there is no ``#!``."""
    if not line.startswith("#!"):
        return "sh"
    names = [os.path.basename(word) for word in line[2:].split() if not word.startswith("-")]
    return next((name for name in names if name != "env"), "sh")


def _is_shell_option(line: str) -> bool:
    return re.fullmatch(r"set( [-+][A-Za-z]+( [a-z]+)?)+;?", line) is not None


def _quoted(argument: str) -> str:
    """Quote an argument for a shell if necessary, but keep references readable."""
    if argument and re.fullmatch(r"[\w@%+=:,./$()\[\]*{}-]+", argument):
        return argument
    return "'" + argument.replace("'", "'\\''").replace("\n", "\\n") + "'"


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def skipped_because_of(path: str, tasks: Sequence[TaskState], *, is_first: bool) -> list[str]:
    """Return the paths of the Tasks that were skipped because the Task at `path` failed, in the order of the Pipeline.

    `is_first`: it failed first, so Tasks skipped because the run was stopping are attributed to it.
    """
    causes = {path}
    skipped = [task for task in tasks if task.status == "Skipped" and task.reason not in _NOT_BECAUSE_OF_OTHERS]
    attributed: set[str] = set()
    growing = True
    while growing:  # a Task may be listed before its dependencies
        new = {
            task.path
            for task in skipped
            if task.path not in attributed
            and (_waits_for_any(task, causes) or (is_first and task.reason == _STOPPING and not task.is_final))
        }
        attributed |= new
        causes |= new
        growing = bool(new)
    return [task.path for task in tasks if task.path in attributed]


def _waits_for_any(task: TaskState, causes: set[str]) -> bool:
    """Return whether a Task depends on one of these Tasks, or on a Pipeline that contains one of them."""
    return any(cause == name or cause.startswith(f"{name}/") for name in task.after for cause in causes)


def _listed(names: Sequence[str]) -> str:
    if len(names) <= MOST_SKIPPED:
        return ", ".join(names)
    return ", ".join(names[:MOST_SKIPPED]) + f" and {len(names) - MOST_SKIPPED} more"
