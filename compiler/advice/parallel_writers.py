"""Tasks that can run at the same time and write one Workspace: the last one to write a file wins.

Rules:

- Tasks that wait for one another, directly or not, never run at the same time; final Tasks all do.
- A Task may write each Workspace that is bound to it, unless it declares that as readOnly. Of a Task that is not among
  the files nothing is known, so nothing is told.
- Different subPaths are different places, unless one is within the other. A Secret or ConfigMap cannot be written.

Told of once a Workspace, where the Pipeline declares it.
"""

from __future__ import annotations

import contextlib
import itertools
import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from monopod.compiler.advice.specs import Specs, WrittenPipeline
from monopod.compiler.diagnostics import Problem
from monopod.compiler.fan_out import MAX_CONCURRENCY
from monopod.compiler.ordering import order_tasks, paths_in
from monopod.compiler.places import DocumentPlace
from monopod.schemas.model import Path
from monopod.schemas.tekton import EmbeddedTask, Matrix, PipelineSpec, PipelineTask, Task

_MAX_DEPTH = 20
_LISTED = 8
"""How many Tasks a message names at most."""


@dataclass(frozen=True, slots=True)
class _Writer:
    """A PipelineTask that may write a Workspace; `place` is where that is bound, or the Task."""

    task: PipelineTask
    sub_path: str
    place: DocumentPlace
    several: bool


def parallel_writers(specs: Specs) -> Iterator[Problem]:
    """Yield a warning for each Workspace that Tasks can write at the same time."""
    for pipeline in specs.pipelines:
        overlap = _Overlap(pipeline)
        for name, writers in _writers(pipeline, specs).items():
            if _is_read_only_in_runs(pipeline, name):
                continue
            in_conflict = _in_conflict(writers, overlap)
            if in_conflict:
                yield _place(name, in_conflict[0], pipeline).problem(
                    "parallel-writers", _message(name, in_conflict), "warning"
                )


def _place(workspace: str, first: _Writer, pipeline: WrittenPipeline) -> DocumentPlace:
    for index, declared in enumerate(pipeline.spec.workspaces):
        if declared.name == workspace:
            return pipeline.place.at("workspaces", index)
    return first.place


def _message(workspace: str, writers: list[_Writer]) -> str:
    way_out = "let one run after the other, or declare the Workspace readOnly in Tasks that only read it"
    names = [f"'{writer.task.name}'" for writer in writers]
    if len(names) == 1:
        return (
            f"the combinations of the Task {names[0]} can run at the same time, and each may write the Workspace "
            f"'{workspace}'; give each a place of its own, or declare the Workspace readOnly in the Task"
        )
    if len(names) > _LISTED:
        names = [*names[: _LISTED - 1], f"{len(names) - _LISTED + 1} more"]
    listed = f"{', '.join(names[:-1])} and {names[-1]}"
    return f"the Tasks {listed} can run at the same time, and each may write the Workspace '{workspace}'; {way_out}"


# Who writes what


def _writers(pipeline: WrittenPipeline, specs: Specs) -> dict[str, list[_Writer]]:
    """Return by Workspace of a Pipeline the PipelineTasks that may write it."""
    writers: dict[str, list[_Writer]] = {}
    for task, place in pipeline.tasks():
        several = task.matrix is not None and _is_parallel(task, task.matrix, specs)
        for outer, (inner, sub_path, path) in _bound(task).items():
            if _writes(task, inner, specs, _MAX_DEPTH):
                writers.setdefault(outer, []).append(_Writer(task, sub_path, place.at(*path), several))
    return writers


def _bound(task: PipelineTask) -> dict[str, tuple[str, str, Path]]:
    """Return by Workspace of the Pipeline its name in the Task, the subPath, and where in the PipelineTask that is."""
    bound: dict[str, tuple[str, str, Path]] = {
        binding.workspace or binding.name: (binding.name, binding.sub_path, ("workspaces", index))
        for index, binding in enumerate(task.workspaces)
    }
    inner = task.task_spec or task.pipeline_spec
    if inner is not None:
        names = [declared.name for declared in inner.workspaces]
        names += [path[1] for path in paths_in(inner) if path[0] == "workspaces" and path[2:] == ("path",)]
        given = {name for name, _, _ in bound.values()}
        for name in dict.fromkeys(names):
            if name not in given:
                bound.setdefault(name, (name, "", ()))
    return bound


def _writes(task: PipelineTask, workspace: str, specs: Specs, depth: int) -> bool:
    """Whether the Task (or any of the Pipeline's) may write a Workspace that has this name in it."""
    pipeline = specs.pipeline_of(task)
    if pipeline is not None:
        return depth > 0 and any(
            _writes(each, inner, specs, depth - 1)
            for each in (*pipeline.tasks, *pipeline.finally_)
            for outer, (inner, _, _) in _bound(each).items()
            if outer == workspace
        )
    spec = specs.task_of(task)
    if spec is None or (isinstance(spec, EmbeddedTask) and spec.is_custom):
        return False
    return not any(each.name == workspace and each.read_only for each in spec.workspaces)


def _is_parallel(task: PipelineTask, matrix: Matrix, specs: Specs) -> bool:
    """Whether combinations of a matrix can run at the same time."""
    annotations: Mapping[str, str] = {}
    if isinstance(task.task_spec, EmbeddedTask):
        annotations = task.task_spec.metadata.annotations
    elif task.task_ref is not None:
        found = specs.documents.find(Task, task.task_ref.name)
        annotations = found[1].metadata.annotations if found is not None else {}
    if annotations.get(MAX_CONCURRENCY) == "1":
        return False
    single = all(isinstance(param.value, tuple) and _has_one(param.value) for param in matrix.params)
    return not single or len(matrix.include) > 1


def _has_one(values: tuple[str, ...]) -> bool:
    return len(values) == 1 and "$(" not in values[0]


def _is_read_only_in_runs(pipeline: WrittenPipeline, workspace: str) -> bool:
    """Whether all runs bind to a Workspace what cannot be written."""
    bindings = [binding for run in pipeline.runs for binding in run.workspaces if binding.name == workspace]
    return bool(bindings) and all(each.config_map or each.secret or each.projected for each in bindings)


# Who runs at the same time


class _Overlap:
    """Which PipelineTasks of a Pipeline can run at the same time."""

    def __init__(self, pipeline: WrittenPipeline) -> None:
        spec: PipelineSpec = pipeline.spec
        places = [(task, pipeline.place.at("tasks", index)) for index, task in enumerate(spec.tasks)]
        after = {name: order.after for name, order in order_tasks(places, []).items()}
        self._final = {task.name for task in spec.finally_}
        self._before: dict[str, set[str]] = {}
        with contextlib.suppress(CycleError):  # an error of its own; nothing more is told of what waits for itself
            for name in TopologicalSorter(after).static_order():
                self._before[name] = set(after[name]).union(*(self._before[each] for each in after[name]))

    def __call__(self, first: str, second: str) -> bool:
        """Whether two different ones can run at the same time."""
        if first in self._final or second in self._final:
            return first in self._final and second in self._final
        if first not in self._before or second not in self._before:
            return False
        return first not in self._before[second] and second not in self._before[first]


def _in_conflict(writers: list[_Writer], overlap: _Overlap) -> list[_Writer]:
    """Return those writers that can run at the same time as another one, in the same place."""
    found = {writer.task.name for writer in writers if writer.several and "$(" not in writer.sub_path}
    for first, second in itertools.combinations(writers, 2):
        if first.task.name in found and second.task.name in found:
            continue
        if _same_place(first.sub_path, second.sub_path) and overlap(first.task.name, second.task.name):
            found |= {first.task.name, second.task.name}
    return [writer for writer in writers if writer.task.name in found]


def _same_place(first: str, second: str) -> bool:
    """Whether one of two subPaths is within the other; of those that are known only later, if they are equal."""
    if first == second or "$(" in first or "$(" in second:
        return first == second
    parts = [[each for each in posixpath.normpath(path or ".").split("/") if each != "."] for path in (first, second)]
    return all(a == b for a, b in zip(*parts, strict=False))
