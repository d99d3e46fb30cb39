"""Tasks that can run at the same time and write the same Workspace, where the last writer of a file wins.

Rules:

- Tasks that depend on one another, directly or indirectly, never run at the same time. Finally Tasks all do.
- A Task may write each Workspace bound to it that it does not declare readOnly. A Task that is not in the files is not
  checked.
- A Task with a private view of a Workspace does not write it itself: its changes are merged (``tasks.views``).
- Different subPaths do not conflict, unless one contains the other. Secrets and ConfigMaps cannot be written.

Reported once per Workspace, where the Pipeline declares it.
"""

from __future__ import annotations

import itertools
import posixpath
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import TypeAlias

from monopod.compiler.advice.specs import Specs, WrittenPipeline
from monopod.compiler.diagnostics import Problem
from monopod.compiler.documents.own_annotations import MAX_CONCURRENCY, VIEWS
from monopod.compiler.documents.places import DocumentPlace
from monopod.compiler.scope.texts import paths_in
from monopod.compiler.tasks.ordering import order_tasks, references_of_task
from monopod.compiler.tasks.views import viewed
from monopod.schemas.model import Path
from monopod.schemas.tekton.pipelines import EmbeddedTask, Matrix, PipelineSpec, PipelineTask
from monopod.schemas.tekton.tasks import Task

_MAX_DEPTH = 20
_LISTED = 8
"""The most Tasks that a message names."""


@dataclass(frozen=True, slots=True)
class _Writer:
    """A PipelineTask that may write a Workspace; `place` is the place of the binding, or of the Task."""

    task: PipelineTask
    sub_path: str
    place: DocumentPlace
    several: bool


def parallel_writers(specs: Specs) -> Iterator[Problem]:
    """Yield a warning for each Workspace that Tasks can write at the same time."""
    may_write = _MayWrite(specs)
    for pipeline in specs.pipelines:
        read_only = _read_only_in_runs(pipeline)
        writers = {name: tasks for name, tasks in _writers(pipeline, specs, may_write).items() if name not in read_only}
        for name, in_conflict in _in_conflict(writers, pipeline).items():
            yield _place(name, in_conflict[0], pipeline).problem(
                "parallel-writers", _message(name, in_conflict), "warning"
            )


def _place(workspace: str, first: _Writer, pipeline: WrittenPipeline) -> DocumentPlace:
    for index, declared in enumerate(pipeline.spec.workspaces):
        if declared.name == workspace:
            return pipeline.place.at("workspaces", index)
    return first.place


def _message(workspace: str, writers: list[_Writer]) -> str:
    way_out = (
        "order them with runAfter, declare the Workspace readOnly in Tasks that only read it, or give them private "
        f"views ({VIEWS})"
    )
    names = [f"'{writer.task.name}'" for writer in writers]
    if len(names) == 1:
        return (
            f"the combinations of the Task {names[0]} can run at the same time, and each may write the Workspace "
            f"'{workspace}'; give each its own subPath, declare the Workspace readOnly in the Task, or give each a "
            f"private view ({VIEWS})"
        )
    if len(names) > _LISTED:
        names = [*names[: _LISTED - 1], f"{len(names) - _LISTED + 1} more"]
    listed = f"{', '.join(names[:-1])} and {names[-1]}"
    return f"the Tasks {listed} can run at the same time, and each may write the Workspace '{workspace}'; {way_out}"


# Who writes what


def _writers(pipeline: WrittenPipeline, specs: Specs, may_write: _MayWrite) -> dict[str, list[_Writer]]:
    """Return the PipelineTasks that may write each Workspace of a Pipeline."""
    writers: dict[str, list[_Writer]] = {}
    for task, place in pipeline.tasks():
        several = task.matrix is not None and _is_parallel(task, task.matrix, specs)
        for outer, (inner, sub_path, path) in _bound(task).items():
            if may_write(task, inner):
                writers.setdefault(outer, []).append(_Writer(task, sub_path, place.at(*path), several))
    return writers


def _bound(task: PipelineTask) -> dict[str, tuple[str, str, Path]]:
    """Return the bindings by Workspace of the Pipeline: the name in the Task, the subPath, and the place."""
    bound: dict[str, tuple[str, str, Path]] = {
        binding.workspace or binding.name: (binding.name, binding.sub_path, ("workspaces", index))
        for index, binding in enumerate(task.workspaces)
    }
    inner = task.task_spec or task.pipeline_spec
    if inner is not None:
        names = [declared.name for declared in inner.workspaces]
        names += [path[1] for path in paths_in(inner) if path[0] == "workspaces" and path[2:] == ("path",)]
        bound_names = {name for name, _, _ in bound.values()}
        for name in dict.fromkeys(names):
            if name not in bound_names:
                bound.setdefault(name, (name, "", ()))
    return bound


class _MayWrite:
    """Whether a Task, or any Task of a nested Pipeline, may write the Workspace with this name."""

    def __init__(self, specs: Specs) -> None:
        self._specs = specs
        self._written: dict[tuple[int, int], frozenset[str]] = {}
        """Results of `_written_in`, by identity of the Pipeline and depth: a Pipeline may be used many times."""

    def __call__(self, task: PipelineTask, workspace: str, depth: int = _MAX_DEPTH) -> bool:
        pipeline = self._specs.pipeline_of(task)
        if pipeline is not None:
            return workspace in self._written_in(pipeline, depth)
        spec = self._specs.task_of(task)
        if spec is None or (isinstance(spec, EmbeddedTask) and spec.is_custom):
            return False
        if workspace in viewed(_annotations(task, self._specs)):
            return False
        return not any(declared.name == workspace and declared.read_only for declared in spec.workspaces)

    def _written_in(self, pipeline: PipelineSpec, depth: int) -> frozenset[str]:
        """Return the Workspaces that the Tasks of a Pipeline may write, down to `depth` nested Pipelines."""
        if depth == 0:
            return frozenset()
        key = id(pipeline), depth
        if key not in self._written:
            self._written[key] = frozenset(
                outer
                for task in (*pipeline.tasks, *pipeline.finally_)
                for outer, (inner, _, _) in _bound(task).items()
                if self(task, inner, depth - 1)
            )
        return self._written[key]


def _is_parallel(task: PipelineTask, matrix: Matrix, specs: Specs) -> bool:
    """Whether several combinations of a matrix can run at the same time."""
    if _annotations(task, specs).get(MAX_CONCURRENCY) == "1":
        return False
    single = all(isinstance(param.value, tuple) and _has_one(param.value) for param in matrix.params)
    return not single or len(matrix.include) > 1


def _annotations(task: PipelineTask, specs: Specs) -> Mapping[str, str]:
    """Return the annotations of the Task that a PipelineTask runs."""
    if isinstance(task.task_spec, EmbeddedTask):
        return task.task_spec.metadata.annotations
    document_and_task = None if task.task_ref is None else specs.documents.find(Task, task.task_ref.name)
    return {} if document_and_task is None else document_and_task[1].metadata.annotations


def _has_one(values: tuple[str, ...]) -> bool:
    return len(values) == 1 and "$(" not in values[0]


def _read_only_in_runs(pipeline: WrittenPipeline) -> set[str]:
    """Return the Workspaces that every run binds to something read-only."""
    can_be_written: dict[str, bool] = {}
    for binding in (binding for run in pipeline.runs for binding in run.workspaces):
        can_be_written.setdefault(binding.name, False)
        can_be_written[binding.name] |= not (binding.config_map or binding.secret or binding.projected)
    return {name for name, can_be in can_be_written.items() if not can_be}


# What can run at the same time. Sets of PipelineTasks are bits of an int: fast and small


def _in_conflict(writers: Mapping[str, list[_Writer]], pipeline: WrittenPipeline) -> dict[str, list[_Writer]]:
    """Return the writers of each Workspace that can run at the same time as another writer of the same place."""
    predecessors = _predecessors(pipeline)
    final = [task.name for task in pipeline.spec.finally_]
    bits = {name: 1 << number for number, name in enumerate((*predecessors, *final))}
    same_places = {workspace: _same_places(of_one, bits) for workspace, of_one in writers.items()}
    written: dict[str, list[str]] = {}
    conflicting = dict.fromkeys(writers, 0)
    for workspace, places in same_places.items():
        for name in places:
            written.setdefault(name, []).append(workspace)
    for name, before in itertools.chain(_all_before(predecessors, bits), _before_final(final, bits)):
        for workspace in written.get(name, ()):
            others = same_places[workspace][name] & (bits[name] - 1) & ~before
            if others:
                conflicting[workspace] |= others | bits[name]
    conflicts = {
        workspace: [
            writer for writer in of_one if _is_several(writer) or bits.get(writer.task.name, 0) & conflicting[workspace]
        ]
        for workspace, of_one in writers.items()
    }
    return {workspace: in_conflict for workspace, in_conflict in conflicts.items() if in_conflict}


def _is_several(writer: _Writer) -> bool:
    """Whether a Task conflicts with itself."""
    return writer.several and "$(" not in writer.sub_path


def _predecessors(pipeline: WrittenPipeline) -> dict[str, tuple[str, ...]]:
    """Return the PipelineTasks in topological order, each with its predecessors, without the finally Tasks.

    Returns an empty mapping if there is a cycle, which is reported as an error elsewhere.
    """
    tasks = pipeline.spec.tasks
    orders = order_tasks(tasks, {task.name: references_of_task(task) for task in tasks})
    after = {name: order.after for name, order in orders.items()}
    try:
        return {name: after[name] for name in TopologicalSorter(after).static_order()}
    except CycleError:
        return {}


def _all_before(predecessors: Mapping[str, Sequence[str]], bits: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    """Yield each Task, in the order of `predecessors`, with all Tasks that have ended when it starts.

    A set is dropped once no Task needs it: for a long chain, all sets together would be large.
    """
    waiting = Counter(itertools.chain.from_iterable(predecessors.values()))
    ended: dict[str, int] = {}
    """Each Task and all before it."""
    for name, directly in predecessors.items():
        before = 0
        for predecessor in directly:
            before |= ended[predecessor]
            waiting[predecessor] -= 1
            if not waiting[predecessor]:
                del ended[predecessor]
        if waiting[name]:
            ended[name] = before | bits[name]
        yield name, before


def _before_final(final: Sequence[str], bits: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    """Yield each finally Task with all Tasks that have ended when it starts: all that are not finally Tasks."""
    for name in final:
        yield name, bits[final[0]] - 1


_Location: TypeAlias = "tuple[str, ...] | str"
"""The parts of a subPath, or its text if it is only known at run time."""


def _same_places(writers: Iterable[_Writer], bits: Mapping[str, int]) -> dict[str, int]:
    """Return, for each Task that writes a Workspace, all Tasks (itself included) that write the same place.

    Two places are the same if one contains the other or, if only known at run time, if their texts are equal.
    """
    locations = {writer.task.name: _location(writer.sub_path) for writer in writers if writer.task.name in bits}
    at: dict[_Location, int] = {}
    for name, location in locations.items():
        at[location] = at.get(location, 0) | bits[name]
    reach = dict(at)
    enclosing: list[tuple[str, ...]] = []
    for location in sorted(place for place in at if isinstance(place, tuple)):
        while enclosing and location[: len(enclosing[-1])] != enclosing[-1]:
            enclosing.pop()
        for outer in enclosing:
            reach[outer] |= at[location]
            reach[location] |= at[outer]
        enclosing.append(location)
    return {name: reach[location] for name, location in locations.items()}


def _location(sub_path: str) -> _Location:
    if "$(" in sub_path:
        return sub_path
    return tuple(part for part in posixpath.normpath(sub_path or ".").split("/") if part != ".")
