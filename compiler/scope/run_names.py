"""The names in a run: the values of ``$(context.…)`` that are known when compiling, and Tekton's labels.

Rules (Tekton docs/variables.md and labels.md; pkg/reconciler/{pipelinerun,taskrun}/resources/apply.go):

- The run has the name of its Pod. It is known if the run has a name and is a Pod: the cluster names the Pods of a Job.
- A Task instance has the name that its TaskRun would have, a Pipeline in a Pipeline the name of its PipelineRun.
- ``context.task.name`` and ``context.pipeline.name`` of an embedded spec are the names of its TaskRun and PipelineRun;
  a referenced Task or Pipeline has its own.
- The Pod has the Tekton labels that are true for all Tasks in it.

Left to others: the values while running (``monopod.coordinator.engine.engine``).
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace

from monopod.schemas.plan import Value
from monopod.schemas.variables import Path

_SUFFIX = "bcdfghjklmnpqrstvwxz2456789"  # as an API server's: no vowels, so no words
_MOST_CHARACTERS = 63


def generated_name(prefix: str) -> str:
    """Return a unique name for a generateName, as an API server makes it."""
    suffix = "".join(secrets.choice(_SUFFIX) for _ in range(5))
    return prefix[: _MOST_CHARACTERS - len(suffix)] + suffix


def placeholder_name(prefix: str) -> str:
    """Return a name such as `generated_name` makes, but always the same, for a Plan that is only displayed."""
    return prefix[: _MOST_CHARACTERS - 5] + "xxxxx"


@dataclass(frozen=True, slots=True)
class RunNames:
    """The name and the namespace of a PipelineRun or TaskRun; None if known only once the Pod is created."""

    name: str | None = None
    namespace: str | None = None
    is_task_run: bool = False

    def of_run(self) -> dict[Path, Value]:
        """Return the variables that the run's own texts may use."""
        return self._of("taskRun" if self.is_task_run else "pipelineRun", self.name)

    def of_pipeline(self, *, embedded: bool) -> dict[Path, Value]:
        """Return the variables known in a Pipeline, except its own name if it is not `embedded`."""
        values = self._of("pipelineRun", self.name)
        if embedded and self.name is not None:
            values["context", "pipeline", "name"] = self.name
        return values

    def of_task(self, task: str, index: int | None = None, *, embedded: bool) -> dict[Path, Value]:
        """Return the variables known in an instance of a Task, except its own name if it is not `embedded`."""
        name = self.name if self.is_task_run else self._joined(task)
        if name is not None and index is not None:
            name = f"{name}-{index}"
        values = self._of("taskRun", name)
        if embedded and name is not None:
            values["context", "task", "name"] = name
        return values

    def of_all_instances(self) -> dict[Path, Value]:
        """Return the variables known in all instances of a Task that a matrix fans out."""
        return self._of("taskRun", None)

    def inner(self, task: str) -> RunNames:
        """Return the names of the Pipeline that a PipelineTask runs."""
        return replace(self, name=self._joined(task))

    def _joined(self, task: str) -> str | None:
        return None if self.name is None else f"{self.name}-{task}"

    def _of(self, kind: str, name: str | None) -> dict[Path, Value]:
        words: dict[str, str | None] = {"name": name, "namespace": self.namespace}
        return {("context", kind, word): value for word, value in words.items() if value is not None}


NOT_NAMED = RunNames()

_OF_ONE_TASK = {
    "tekton.dev/pipelineTask": "write the name of the Task as value",
    "tekton.dev/memberOf": "write tasks or finally as value",
    "tekton.dev/taskRun": "use $(context.taskRun.name) as value",
    "tekton.dev/task": "use $(context.task.name) as value",
}
"""Labels of the Pod of one Task, and what to use instead."""


@dataclass(frozen=True, slots=True)
class TektonLabels:
    """Tekton's labels on the Pod, and the labels that it lacks because its name is not known yet (`late`)."""

    present: Mapping[str, str]
    late: frozenset[str]
    is_task_run: bool

    @classmethod
    def of(cls, names: RunNames, referenced: str | None) -> TektonLabels:
        """Return the labels for a run; `referenced` is its Pipeline or Task, None for an embedded one."""
        if names.is_task_run:
            values = {"tekton.dev/taskRun": names.name}
            values |= {"tekton.dev/task": referenced} if referenced is not None else {}
        else:
            values = {"tekton.dev/pipelineRun": names.name, "tekton.dev/pipeline": referenced or names.name}
        present = {label: value for label, value in values.items() if value is not None}
        return cls(present, frozenset(values.keys() - present), names.is_task_run)

    def why_not(self, label: str) -> str:
        """Return why the Pod does not have one of Tekton's labels, and what to use instead."""
        if label in self.late:
            return (
                f"the Pod has no label {label}, since the run gets its name only with the Pod; "
                "use fieldPath: metadata.name, which is that name"
            )
        if label in _OF_ONE_TASK and not self.is_task_run:
            return f"one Pod runs all Tasks, so it cannot have the label of one of them; {_OF_ONE_TASK[label]}"
        return f"the Pod has no label {label}; remove it"
