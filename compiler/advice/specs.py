"""The Pipelines and Tasks in the documents: on their own, embedded in runs, and embedded in one another.

Left to others: the advice itself (the other modules of ``advice``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from monopod.compiler.documents.documents import Document, Documents
from monopod.compiler.documents.places import DocumentPlace
from monopod.compiler.scope.texts import texts
from monopod.schemas.tekton.params import Param
from monopod.schemas.tekton.pipelines import EmbeddedTask, Pipeline, PipelineRef, PipelineSpec, PipelineTask
from monopod.schemas.tekton.runs import PipelineRun, PipelineRunSpec, TaskRun
from monopod.schemas.tekton.tasks import Sidecar, Step, StepAction, StepActionSpec, Task, TaskRef, TaskSpec
from monopod.schemas.variables import only_reference


@dataclass(frozen=True, slots=True)
class Embedding:
    """What embeds a Task or Pipeline: a PipelineTask and its Pipeline, or a run.

    `params` are the params of the run or of the PipelineTask; `outer` is the Pipeline of the PipelineTask.
    """

    params: tuple[Param, ...]
    task: PipelineTask | None = None
    outer: WrittenPipeline | None = None


@dataclass(frozen=True, slots=True)
class WrittenTask:
    """A Task as written, in its own document or `embedded`.

    `annotations` are the annotations of its document; those of an embedded Task are in its spec.
    """

    name: str
    spec: TaskSpec
    place: DocumentPlace
    embedded: Embedding | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)

    def containers(self) -> Iterator[tuple[Step | Sidecar, DocumentPlace]]:
        """Yield the Steps, then the Sidecars."""
        for index, step in enumerate(self.spec.steps):
            yield step, self.place.at("steps", index)
        for index, sidecar in enumerate(self.spec.sidecars):
            yield sidecar, self.place.at("sidecars", index)

    @property
    def is_custom(self) -> bool:
        """Whether this is a custom task, whose spec is not Tekton's."""
        return isinstance(self.spec, EmbeddedTask) and self.spec.is_custom


@dataclass(frozen=True, slots=True)
class WrittenPipeline:
    """A Pipeline as written, in its own document or `embedded`; `runs` are the runs that use it."""

    name: str
    spec: PipelineSpec
    place: DocumentPlace
    embedded: Embedding | None = None
    runs: tuple[PipelineRunSpec, ...] = ()

    def tasks(self) -> Iterator[tuple[PipelineTask, DocumentPlace]]:
        """Yield the PipelineTasks, the finally Tasks last."""
        for name, tasks in (("tasks", self.spec.tasks), ("finally", self.spec.finally_)):
            for index, task in enumerate(tasks):
                yield task, self.place.at(name, index)


@dataclass(frozen=True, slots=True)
class WrittenStepAction:
    """A StepAction as written."""

    name: str
    spec: StepActionSpec
    place: DocumentPlace


@dataclass(frozen=True, slots=True)
class Specs:
    """Everything in the documents, and by name what references can point to."""

    documents: Documents
    pipelines: tuple[WrittenPipeline, ...]
    tasks: tuple[WrittenTask, ...]
    step_actions: Mapping[str, WrittenStepAction]

    def task_of(self, task: PipelineTask) -> TaskSpec | None:
        """Return the Task that a PipelineTask runs; None if it is not in the documents."""
        return task.task_spec or self.task_named(task.task_ref)

    def task_named(self, reference: TaskRef | None) -> TaskSpec | None:
        """Return the Task of a reference; None if it is not in the documents."""
        document_and_model = self.documents.find(Task, reference.name) if reference is not None else None
        return document_and_model[1].spec if document_and_model is not None else None

    def pipeline_of(self, task: PipelineTask) -> PipelineSpec | None:
        """Return the Pipeline that a PipelineTask runs; None if it is not in the documents."""
        return task.pipeline_spec or self.pipeline_named(task.pipeline_ref)

    def pipeline_named(self, reference: PipelineRef | None) -> PipelineSpec | None:
        """Return the Pipeline of a reference; None if it is not in the documents."""
        document_and_model = self.documents.find(Pipeline, reference.name) if reference is not None else None
        return document_and_model[1].spec if document_and_model is not None else None

    def texts_of(self, task: TaskSpec) -> list[str] | None:
        """Return all texts of a Task and its StepActions.

        None if there may be more: a StepAction is not in the documents, or a Step runs code from elsewhere.
        """
        all_texts = texts(task)
        for step in task.steps:
            if _may_run_more(step):
                return None
            if step.ref is not None:
                action = self.step_actions.get(step.ref.name)
                if action is None:
                    return None
                all_texts += texts(action.spec)
        return all_texts


def _may_run_more(step: Step) -> bool:
    """Whether a Step runs its image's entrypoint, or a param as a whole argument or a whole line of its script."""
    if not (step.script or step.command or step.ref):
        return True
    words = (*step.command, *step.args, *step.script.splitlines())
    return any(reference.path[0] == "params" for word in words if (reference := only_reference(word.strip())))


def specs_in(documents: Documents) -> Specs:
    """Return everything in the documents."""
    pipelines: list[WrittenPipeline] = []
    tasks: list[WrittenTask] = []
    runs = [model.spec for _, model in documents.of(PipelineRun)]
    for document in documents:
        for pipeline in _pipelines(document, runs):
            pipelines.append(pipeline)
            tasks += _embedded_tasks(pipeline)
        tasks += _tasks(document)
    actions = {
        document.name: WrittenStepAction(document.name, model.spec, DocumentPlace(document, ("spec",)))
        for document, model in documents.of(StepAction)
    }
    return Specs(documents, tuple(pipelines), tuple(tasks), actions)


def _pipelines(document: Document, runs: list[PipelineRunSpec]) -> Iterator[WrittenPipeline]:
    """Yield the Pipeline of a document, and those nested in it."""
    model, place = document.model, DocumentPlace(document, ("spec",))
    if isinstance(model, Pipeline):
        of_this = [run for run in runs if run.pipeline_ref is not None and run.pipeline_ref.name == document.name]
        top = WrittenPipeline(document.name, model.spec, place, runs=tuple(of_this))
    elif isinstance(model, PipelineRun) and model.spec.pipeline_spec is not None:
        spec = model.spec.pipeline_spec
        top = WrittenPipeline(
            document.name, spec, place.at("pipelineSpec"), Embedding(model.spec.params), (model.spec,)
        )
    else:
        return
    rest = [top]
    while rest:
        pipeline = rest.pop()
        yield pipeline
        rest += [
            WrittenPipeline(
                task.name, task.pipeline_spec, where.at("pipelineSpec"), Embedding(task.params, task, pipeline)
            )
            for task, where in pipeline.tasks()
            if task.pipeline_spec is not None
        ]


def _embedded_tasks(pipeline: WrittenPipeline) -> Iterator[WrittenTask]:
    for task, place in pipeline.tasks():
        if task.task_spec is not None:
            yield WrittenTask(task.name, task.task_spec, place.at("taskSpec"), Embedding(task.params, task, pipeline))


def _tasks(document: Document) -> Iterator[WrittenTask]:
    model, place = document.model, DocumentPlace(document, ("spec",))
    if isinstance(model, Task):
        annotations = {} if model.metadata is None else model.metadata.annotations
        yield WrittenTask(document.name, model.spec, place, annotations=annotations)
    elif isinstance(model, TaskRun) and model.spec.task_spec is not None:
        yield WrittenTask(document.name, model.spec.task_spec, place.at("taskSpec"), Embedding(model.spec.params))
