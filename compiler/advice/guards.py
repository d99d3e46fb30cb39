"""When-expressions that can never be true, so that their Task or Step never runs.

Rules (Tekton docs/variables.md): the possible values are known of a text without references, of a param with an enum,
and of variables with a few fixed values. All expressions of a Task must hold together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from monopod.compiler.advice.specs import Specs
from monopod.compiler.diagnostics import Problem, did_you_mean
from monopod.compiler.documents.places import DocumentPlace
from monopod.schemas.tekton.params import ParamSpec, WhenExpression
from monopod.schemas.variables import only_reference

_TASK_STATUS = frozenset({"Succeeded", "Failed", "None"})
_STATUS = frozenset({*_TASK_STATUS, "Completed"})
_TRUTH = frozenset({"true", "false"})

Enums = Mapping[str, frozenset[str]]
"""The values that a param can have, by its name."""


def never_true(specs: Specs) -> Iterator[Problem]:
    """Yield a warning at each when-expression that cannot hold, alone or together with those before it."""
    for pipeline in specs.pipelines:
        enums = _enums(pipeline.spec.params)
        tasks = {task.name for task, _ in pipeline.tasks() if task.pipeline_ref is None and task.pipeline_spec is None}
        for task, place in pipeline.tasks():
            yield from _of_guards(task.when, enums, place.at("when"), "Task")
            yield from _of_old_reasons(task.when, tasks, place.at("when"))
    for written in specs.tasks:
        enums = _enums(written.spec.params)
        for index, step in enumerate(written.spec.steps):
            yield from _of_guards(step.when, enums, written.place.at("steps", index, "when"), "Step")


def _enums(params: Sequence[ParamSpec]) -> Enums:
    return {param.name: frozenset(param.enum) for param in params if param.enum and param.default != ""}


def _of_guards(guards: Sequence[WhenExpression], enums: Enums, place: DocumentPlace, what: str) -> Iterator[Problem]:
    possible: dict[str, frozenset[str]] = {}
    """The values that remain possible, by input."""
    for index, guard in enumerate(guards):
        if guard.cel or (guard.operator == "in" and any("$(" in value for value in guard.values)):
            continue
        alone = _values(guard.input, enums)
        before = possible.get(guard.input, alone)
        left = _left(before, guard)
        if left is None:
            continue
        if not left:
            yield place.at(index).problem("never-true", _message(guard, alone, before, what), "warning")
            return
        possible[guard.input] = left


def _of_old_reasons(guards: Sequence[WhenExpression], tasks: set[str], place: DocumentPlace) -> Iterator[Problem]:
    """Yield a warning at each guard that expects `Failed` as the reason of a Task, as it was before Tekton 1.12."""
    for index, guard in enumerate(guards):
        reference = only_reference(guard.input)
        if reference is None or guard.operator != "in" or tuple(guard.values) != ("Failed",):
            continue
        if len(reference.path) == 3 and reference.path[::2] == ("tasks", "reason") and reference.path[1] in tasks:
            message = (
                f"{guard.input} is never 'Failed', so the Task never runs: since Tekton 1.12 the reason is StepFailed, "
                f"StepOOM, SidecarFailed …; use $(tasks.{reference.path[1]}.status) to ask whether the Task failed"
            )
            yield place.at(index).problem("never-true", message, "warning")


def _left(before: frozenset[str] | None, guard: WhenExpression) -> frozenset[str] | None:
    """Return the values that an input can have if the guard holds; None if unknown."""
    values = frozenset(guard.values)
    if guard.operator == "in":
        return values if before is None else before & values
    return None if before is None else before - values


def _values(text: str, enums: Enums) -> frozenset[str] | None:
    """Return all values that the input of a guard can have; None if unknown."""
    reference = only_reference(text)
    if reference is None:
        return frozenset({text}) if "$(" not in text else None
    match reference.path:
        case ("tasks", "status"):
            return _STATUS
        case ("tasks", _, "status"):
            return _TASK_STATUS
        case ("workspaces", _, "bound"):
            return _TRUTH
        case ("params", name):
            return enums.get(name)
    return None


def _message(guard: WhenExpression, alone: frozenset[str] | None, before: frozenset[str] | None, what: str) -> str:
    never = f"so the {what} never runs"
    listed = ", ".join(f"'{value}'" for value in guard.values)
    if alone is None or before != alone:
        return f"'{guard.input}' cannot be {guard.operator} [{listed}] when the guards before this one hold, {never}"
    if "$(" not in guard.input:
        return f"'{guard.input}' is never {guard.operator} [{listed}], {never}; is a $(…) missing?"
    what = f"{guard.input} is always one of {', '.join(sorted(alone))}, never {guard.operator} [{listed}]"
    return f"{what}, {never}{did_you_mean(guard.values[0], alone)}"
