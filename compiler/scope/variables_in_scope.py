"""Which variables there are in a Pipeline, in a Task and in a Step, apart from params (Tekton docs/variables.md).

Left to others: params (``params``), Workspaces (``workspaces``), checking references (``references``).
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass

from monopod.compiler.scope.references import STRING, Names, Shape
from monopod.schemas.plan import Value
from monopod.schemas.tekton.params import StepResult
from monopod.schemas.tekton.pipelines import PipelineSpec, PipelineTask
from monopod.schemas.tekton.tasks import TaskSpec
from monopod.schemas.variables import Path

RUN_CONTEXT: dict[Path, Shape] = {("context", "pipelineRun", name): STRING for name in ("name", "namespace", "uid")}
PIPELINE_NAME: Path = ("context", "pipeline", "name")
TASK_RUN_CONTEXT: dict[Path, Shape] = {("context", "taskRun", name): STRING for name in ("name", "namespace", "uid")}
_TASK_CONTEXT: dict[Path, Shape] = {("context", "task", name): STRING for name in ("name", "retry-count")}
_PIPELINE_CONTEXT: dict[Path, Shape] = {
    **RUN_CONTEXT,
    PIPELINE_NAME: STRING,
    ("context", "pipelineTask", "retries"): STRING,
}
_PLAIN = re.compile(r"[A-Za-z0-9_-]+").fullmatch
"""Matches what a reference names after a dot (``schemas.variables``)."""
CREDENTIALS_PATH = "/tekton/creds"


@dataclass(frozen=True, slots=True)
class Outputs:
    """The outputs of a PipelineTask for other Tasks: its Results, and whether it has a matrix.

    If the Results are None, nothing is known about them: its Task or Pipeline is reported as a problem.
    """

    results: Mapping[str, Shape] | None
    has_matrix: bool = False

    def shapes_for_others(self) -> Mapping[str, Shape]:
        """Return the shapes of the Results as other Tasks see them: a matrix turns each string into an array."""
        results = self.results or {}
        if not self.has_matrix:
            return results
        return {name: Shape("array") for name, shape in results.items() if shape.type == "string"}


def declared_results(results: Iterable[StepResult]) -> dict[str, Shape]:
    """Return the shapes of the Results that a Task or Step declares."""
    return {
        result.name: Shape(
            result.value_type,
            keys=frozenset(result.properties or ()) if result.value_type == "object" else None,
        )
        for result in results
    }


def pipeline_names(
    spec: PipelineSpec, outputs: Mapping[str, Outputs], workspaces: Iterable[str], inner: Names
) -> tuple[Names, Names]:
    """Return the names for the tasks and for the finally Tasks of a Pipeline; `inner` are its params."""
    shapes: dict[Path, Shape] = dict(_PIPELINE_CONTEXT)
    shapes.update((("workspaces", name, "bound"), STRING) for name in workspaces)
    for task in spec.tasks:
        shapes.update(_of_task(task.name, outputs[task.name]))
    kinds = ("outputs", "inputs")
    open_ended = {("tasks", task.name, kind) for task in spec.tasks for kind in kinds}
    unresolved = _unresolved(spec.tasks, outputs)
    status: dict[Path, Shape] = {("tasks", "status"): STRING}
    for task in spec.tasks:
        for field in ("status", "reason"):
            status["tasks", task.name, field] = STRING
    names = {task.name for task in spec.tasks}
    final = {task.name for task in spec.finally_}

    def refused(path: Path) -> str | None:
        if path == ("tasks", "status") or (path in status and path[1] in names):
            return "only finally Tasks can use it, when all others have ended"
        return _refusal(path, names, final, _NOT_OF_FINALLY)

    def refused_in_finally(path: Path) -> str | None:
        return _refusal(path, names, final, _NOT_AMONG_FINALLY)

    return (
        Names(shapes, inner, open_ended=open_ended, unresolved=unresolved, refused=refused),
        Names({**shapes, **status}, inner, open_ended=open_ended, unresolved=unresolved, refused=refused_in_finally),
    )


def resolver_names(inner: Names) -> Names:
    """Return the names for the params of a resolver in a Pipeline; `inner` are the Pipeline's params.

    Results are included, though they are known too late, so that the error can explain this.
    """
    return Names(_PIPELINE_CONTEXT, inner, open_ended=[("tasks",)])


def result_names(spec: PipelineSpec, outputs: Mapping[str, Outputs], inner: Names) -> Names:
    """Return the names for the Results of a Pipeline (Tekton docs/pipelines.md, "Emitting Results")."""
    shapes: dict[Path, Shape] = dict(_PIPELINE_CONTEXT)
    for task in (*spec.tasks, *spec.finally_):
        shapes.update(_of_task(task.name, outputs[task.name]))
    for task in spec.finally_:
        results = outputs[task.name].shapes_for_others()
        shapes.update((("finally", task.name, "results", name), shape) for name, shape in results.items())
    return Names(shapes, inner, unresolved=_unresolved((*spec.tasks, *spec.finally_), outputs))


def _unresolved(tasks: Iterable[PipelineTask], outputs: Mapping[str, Outputs]) -> set[Path]:
    """Return the paths of Results and matrices that are unknown, because their Tasks were reported."""
    unknown = [task.name for task in tasks if outputs[task.name].results is None]
    return {(root, name, kind) for root in ("tasks", "finally") for name in unknown for kind in ("results", "matrix")}


_NOT_OF_FINALLY = "'{}' is a finally Task: no other Task can wait for it or use its Results"
_NOT_AMONG_FINALLY = (
    "'{}' is a finally Task too: they start together, so that none can use the Results or the status of another; "
    "make it one of the tasks, or read them in one finally Task"
)


def _refusal(path: Path, names: Container[str], final: Container[str], of_final: str) -> str | None:
    """Return why an unknown path is wrong, although a Task has that name."""
    match path:
        case ("tasks" | "finally", name, *_) if name in final:
            return of_final.format(name)
        case ("tasks", name, "results", result, *_) if name in names:
            return f"the Task '{name}' has no Result '{result}'"
    return None


def _of_task(name: str, outputs: Outputs) -> dict[Path, Shape]:
    shapes: dict[Path, Shape] = {
        ("tasks", name, "results", result): shape for result, shape in outputs.shapes_for_others().items()
    }
    if outputs.has_matrix:
        shapes["tasks", name, "matrix", "length"] = STRING
        shapes.update((("tasks", name, "matrix", result, "length"), STRING) for result in outputs.results or ())
    return shapes


def step_name(name: str, index: int) -> str:
    """Return the name of a Step; an unnamed Step is named after its index (container contract)."""
    return name or f"unnamed-{index}"


def task_variables(spec: TaskSpec, task_name: str | None) -> dict[Path, Value]:
    """Return the variables of a Task whose values are fixed, without its Workspaces' variables.

    `task_name` is None for an embedded Task, which has the name of its TaskRun.
    """
    fixed: dict[Path, Value] = {
        **({("context", "task", "name"): task_name} if task_name is not None else {}),
        ("artifacts", "path"): "/tekton/artifacts/provenance.json",
        ("credentials", "path"): CREDENTIALS_PATH,
    }
    for result in spec.results:
        fixed["results", result.name, "path"] = f"/tekton/results/{result.name}"
    for index, step in enumerate(spec.steps):
        directory = f"step-{step_name(step.name, index)}"
        fixed["steps", directory, "exitCode", "path"] = f"/tekton/steps/{directory}/exitCode"
    return fixed


def running_task_shapes() -> dict[Path, Shape]:
    """Return the variables of a Task that get their values while running, except Results of its Steps."""
    return {**TASK_RUN_CONTEXT, **_TASK_CONTEXT}


def step_variables(results: Iterable[StepResult], name: str) -> dict[Path, Value]:
    """Return the variables of a Step whose values are fixed."""
    directory = f"/tekton/steps/step-{name}"
    fixed: dict[Path, Value] = {("step", "artifacts", "path"): f"{directory}/artifacts/provenance.json"}
    for result in results:
        fixed["step", "results", result.name, "path"] = f"{directory}/results/{result.name}"
    return fixed


def variable_name(path: Path) -> str:
    """Return the name under which the Plan lists a variable: ``workspaces["a.b"].path``. `parse_path` reverses it."""
    return path[0] + "".join([f".{part}" if _PLAIN(part) else f"[{_quoted(part)}]" for part in path[1:]])


def _quoted(part: str) -> str:
    return f"'{part}'" if '"' in part else f'"{part}"'


def _is_referable(path: Path) -> bool:
    """Return whether there can be a reference to a variable. Workspaces may have any name."""
    return not any('"' in part and "'" in part for part in path)


def listed(variables: Mapping[Path, Value], used: Container[Path]) -> tuple[tuple[str, str], ...]:
    """Return the fixed variables that are used (all of them strings), as the Plan lists them."""
    return tuple(
        [
            (variable_name(path), value)
            for path, value in variables.items()
            if path in used and isinstance(value, str) and _is_referable(path)
        ]
    )
