"""How a Task instance, or the Pipeline that a Task runs, is called for people: its ``displayName``.

Rules (Tekton docs/matrix.md, "DisplayName"; pkg/reconciler/pipelinerun/resources, getDisplayName):

- It may refer to what the Pipeline knows, and to params of type string of the TaskRun, also those of its combination of
  a matrix. Where both have a string of one name, the Pipeline's is put in.
- Entries of ``matrix.include`` that have a name, and whose values the combination has, name it: their names, joined by
  spaces, take the place of the ``displayName``.
"""

from __future__ import annotations

from collections.abc import Mapping

from monopod.coordinator.engine.run_state import InstanceState, TaskState
from monopod.schemas.plan import Value
from monopod.schemas.variables import EvaluationError, Path, Scope, evaluate, substitute


def display_name(task: TaskState, instance: InstanceState | None) -> str:
    """Return the display name of an instance of a Task, or of the Pipeline that it runs; empty without one."""
    scope = _Strings(_own_params(task, instance), task.pipeline.scope)
    names = [] if instance is None else [_put_in(name, scope) for name in _names_of_entries(task, instance)]
    return " ".join(names) or _put_in(task.plan.display_name, scope)


class _Strings(Scope):
    """What a display name may hold: a string of the scope around, else one of the params."""

    def get(self, path: Path) -> Value | None:
        assert self._outer is not None
        value = self._outer.get(path)
        return value if isinstance(value, str) else super().get(path)


def _own_params(task: TaskState, instance: InstanceState | None) -> dict[Path, Value]:
    if instance is None:
        assert task.child is not None
        values: Mapping[Path, Value] = task.child.values
        names: set[Path] = {("params", param.name) for param in task.plan.params}
    else:
        attempted = instance.attempts[-1].values if instance.attempts else {}
        values = {**attempted, **{("params", name): value for name, value in instance.params.items()}}
        names = {path for path in values if path[0] == "params"}
    return {path: value for path, value in values.items() if path in names and isinstance(value, str)}


def _names_of_entries(task: TaskState, instance: InstanceState) -> list[str]:
    """Return the names of the entries of ``matrix.include`` that a combination has all values of."""
    entries = task.plan.matrix.include if task.plan.matrix is not None else ()
    try:
        return [
            entry.name
            for entry in entries
            if entry.name
            and all(
                instance.params.get(each.name) == evaluate(each.value, task.pipeline.scope) for each in entry.params
            )
        ]
    except EvaluationError:
        return []


def _put_in(text: str, scope: Scope) -> str:
    try:
        return substitute(text, scope)
    except EvaluationError:
        return text
