"""Pipelines and the Tasks in them."""

from collections.abc import Iterator
from itertools import chain
from typing import Annotated, Literal

from pydantic import Field

from monopod.schemas.formats.duration import Duration
from monopod.schemas.kubernetes.metadata import ObjectMeta
from monopod.schemas.model import Anything, ListOf, Model, Path, duplicates, exactly_one, repeated
from monopod.schemas.tekton.fields import Label, NonEmpty, OnError, name_problems
from monopod.schemas.tekton.params import Param, ParamSpec, PipelineResult, WhenExpression, not_strings, type_of
from monopod.schemas.tekton.tasks import Reference, TaskRef, TaskSpec


class PipelineRef(Reference):
    """A Pipeline."""

    api_version: str = ""


class PipelineWorkspaceDeclaration(Model):
    """A Workspace that a Pipeline declares."""

    name: NonEmpty
    description: str = ""
    optional: bool = False


class WorkspacePipelineTaskBinding(Model):
    """The Pipeline's Workspace that is bound to a Task's Workspace; by default the one with the same name."""

    name: NonEmpty
    workspace: str = ""
    sub_path: str = ""


class PipelineTaskMetadata(Model):
    """Labels and annotations of a Task in a Pipeline."""

    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)


def _no_metadata() -> PipelineTaskMetadata:
    """Return metadata without values. Without these arguments, pydantic would inspect how to make each default."""
    return PipelineTaskMetadata.model_construct(set(), labels={}, annotations={})


class EmbeddedTask(TaskSpec):
    """A Task written where it is used. With `apiVersion`, `kind` and `spec` it is a custom task."""

    api_version: str = ""
    kind: str = ""
    spec: Anything | None = None
    metadata: PipelineTaskMetadata = Field(default_factory=_no_metadata)

    @property
    def is_custom(self) -> bool:
        """Whether this is a custom task, which only a controller in a cluster could run."""
        return self.api_version != "" or self.kind not in {"", "Task"}

    def problems(self) -> Iterator[tuple[Path, str]]:
        """A Task has steps; a custom task has a kind and a spec."""
        if not self.is_custom:
            if self.spec is not None:
                yield ("spec",), "only a custom task, with apiVersion and kind, has a spec; write its fields here"
            yield from super().problems()
        elif self.steps:
            yield ("apiVersion" if self.api_version else "kind",), "a taskSpec with steps has no apiVersion and kind"


class IncludeParams(Model):
    """Params for the matching combinations of a matrix, or a further combination."""

    name: str = ""
    params: ListOf[Param] = ()

    def problems(self) -> Iterator[tuple[Path, str]]:
        """Params must be strings and unique (Tekton docs/matrix.md)."""
        yield from duplicates("params", self.params, "param")
        for index, param in enumerate(self.params):
            if not isinstance(param.value, str):
                yield ("params", index, "value"), f"expected a string, got an {type_of(param.value)}"


class Matrix(Model):
    """A fan-out over combinations of params (Tekton docs/matrix.md)."""

    params: ListOf[Param] = ()
    include: ListOf[IncludeParams] = ()

    def problems(self) -> Iterator[tuple[Path, str]]:
        """Params must be arrays or references to whole arrays, and unique."""
        yield from duplicates("params", self.params, "param")
        for index, param in enumerate(self.params):
            if isinstance(param.value, dict) or (isinstance(param.value, str) and not _is_array(param.value)):
                remark = not_strings(param.value)
                way_out = f"a list of strings, or a reference such as $(params.{param.name}[*])"
                wanted = "a matrix needs an array"
                message = f"{wanted} of strings, but {remark}" if remark else f"{wanted}: {way_out}"
                yield ("params", index, "value"), message

    def names(self) -> frozenset[str]:
        """Return the names of all params in the matrix."""
        return frozenset(param.name for param in chain(self.params, *(entry.params for entry in self.include)))


def _is_array(text: str) -> bool:
    return text.startswith("$(") and text.endswith("[*])")


class PipelineTask(Model):
    """A Task in a Pipeline, or a nested Pipeline."""

    name: Label
    display_name: str = ""
    description: str = ""
    task_ref: TaskRef | None = None
    task_spec: EmbeddedTask | None = None
    pipeline_ref: PipelineRef | None = None
    pipeline_spec: "PipelineSpec | None" = None
    when: ListOf[WhenExpression] = ()
    retries: Annotated[int, Field(ge=0)] = 0
    run_after: ListOf[str] = ()
    params: ListOf[Param] = ()
    matrix: Matrix | None = None
    workspaces: ListOf[WorkspacePipelineTaskBinding] = ()
    timeout: Duration | None = None
    on_error: OnError | None = None

    def problems(self) -> Iterator[tuple[Path, str]]:
        """Exactly one Task; params and Workspaces must be unique (Tekton's PipelineTask.Validate)."""
        yield from exactly_one(self, "task_ref", "task_spec", "pipeline_ref", "pipeline_spec")
        if self.on_error == "continue" and self.retries:
            yield ("onError",), "onError cannot be continue when there are retries"
        yield from duplicates("params", self.params, "param")
        yield from duplicates("workspaces", self.workspaces, "Workspace")
        matrix_names = self.matrix.names() if self.matrix is not None else frozenset()
        for index, param in enumerate(self.params):
            if param.name in matrix_names:
                yield ("params", index, "name"), f"the param '{param.name}' is in the matrix too"


class PipelineSpec(Model):
    """The spec of a Pipeline."""

    display_name: str = ""
    description: str = ""
    tasks: ListOf[PipelineTask] = ()
    params: ListOf[ParamSpec] = ()
    workspaces: ListOf[PipelineWorkspaceDeclaration] = ()
    results: ListOf[PipelineResult] = ()
    finally_: ListOf[PipelineTask] = Field((), alias="finally")

    def problems(self) -> Iterator[tuple[Path, str]]:
        """There must be Tasks, and names must be unique (Tekton's PipelineSpec.Validate)."""
        if not self.tasks:
            yield ("finally",) if self.finally_ else (), "a Pipeline needs tasks, a list that is not empty"
        yield from duplicates("params", self.params, "param")
        yield from duplicates("workspaces", self.workspaces, "Workspace")
        places: list[Path] = [("tasks", index) for index in range(len(self.tasks))]
        places += [("finally", index) for index in range(len(self.finally_))]
        names = [task.name for task in (*self.tasks, *self.finally_)]
        for index, first in repeated(names):
            field, place = places[first]
            yield (*places[index], "name"), f"there is already a Task '{names[index]}' at {field}[{place}]"
        for index, task in enumerate(self.finally_):
            if task.run_after:
                yield ("finally", index, "runAfter"), "a finally Task has no runAfter: all of them start together"


class Pipeline(Model):
    """A Pipeline."""

    api_version: Literal["tekton.dev/v1"]
    kind: Literal["Pipeline"]
    metadata: ObjectMeta = Field(default_factory=ObjectMeta.model_construct)
    spec: PipelineSpec

    def problems(self) -> Iterator[tuple[Path, str]]:
        """A valid name."""
        yield from name_problems(self.metadata)
