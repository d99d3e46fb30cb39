"""Where the given documents hold Pipelines and Tasks: by themselves, in runs, and in one another.

Left to others: what there is to say of them (the other modules of ``advice``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

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
    """Where an embedded Task or Pipeline stands: in a PipelineTask and the Pipeline around that, or in a run.

    `given` are the params of the run, or of the PipelineTask.
    """

    given: tuple[Param, ...]
    task: PipelineTask | None = None
    around: WrittenPipeline | None = None


@dataclass(frozen=True, slots=True)
class WrittenTask:
    """A Task as it is written, in a document of its own or `embedded`."""

    name: str
    spec: TaskSpec
    place: DocumentPlace
    embedded: Embedding | None = None

    def containers(self) -> Iterator[tuple[Step | Sidecar, DocumentPlace]]:
        """Yield its Steps, then its Sidecars."""
        for index, step in enumerate(self.spec.steps):
            yield step, self.place.at("steps", index)
        for index, sidecar in enumerate(self.spec.sidecars):
            yield sidecar, self.place.at("sidecars", index)

    @property
    def is_custom(self) -> bool:
        """Whether this is a custom task, which has a spec of its own kind."""
        return isinstance(self.spec, EmbeddedTask) and self.spec.is_custom


@dataclass(frozen=True, slots=True)
class WrittenPipeline:
    """A Pipeline as it is written, in a document of its own or `embedded`; `runs` are those that run it."""

    name: str
    spec: PipelineSpec
    place: DocumentPlace
    embedded: Embedding | None = None
    runs: tuple[PipelineRunSpec, ...] = ()

    def tasks(self) -> Iterator[tuple[PipelineTask, DocumentPlace]]:
        """Yield its PipelineTasks, the final ones last."""
        for field, tasks in (("tasks", self.spec.tasks), ("finally", self.spec.finally_)):
            for index, task in enumerate(tasks):
                yield task, self.place.at(field, index)


@dataclass(frozen=True, slots=True)
class WrittenStepAction:
    """A StepAction as it is written."""

    name: str
    spec: StepActionSpec
    place: DocumentPlace


@dataclass(frozen=True, slots=True)
class Specs:
    """All that the documents hold, and by name what references can mean."""

    documents: Documents
    pipelines: tuple[WrittenPipeline, ...]
    tasks: tuple[WrittenTask, ...]
    step_actions: Mapping[str, WrittenStepAction]

    def task_of(self, task: PipelineTask) -> TaskSpec | None:
        """Return the Task that a PipelineTask runs; None if it is not among the documents."""
        return task.task_spec or self.task_named(task.task_ref)

    def task_named(self, reference: TaskRef | None) -> TaskSpec | None:
        """Return the Task that is referred to; None if it is not among the documents."""
        found = self.documents.find(Task, reference.name) if reference is not None else None
        return found[1].spec if found is not None else None

    def pipeline_of(self, task: PipelineTask) -> PipelineSpec | None:
        """Return the Pipeline that a PipelineTask stands for; None if there is none among the documents."""
        return task.pipeline_spec or self.pipeline_named(task.pipeline_ref)

    def pipeline_named(self, reference: PipelineRef | None) -> PipelineSpec | None:
        """Return the Pipeline that is referred to; None if it is not among the documents."""
        found = self.documents.find(Pipeline, reference.name) if reference is not None else None
        return found[1].spec if found is not None else None

    def texts_of(self, task: TaskSpec) -> list[str] | None:
        """Return all texts of a Task and its StepActions.

        None: there may be more, since a StepAction is not among the documents, or a Step runs what is told elsewhere.
        """
        found = texts(task)
        for step in task.steps:
            if _may_run_more(step):
                return None
            if step.ref is not None:
                action = self.step_actions.get(step.ref.name)
                if action is None:
                    return None
                found += texts(action.spec)
        return found


def _may_run_more(step: Step) -> bool:
    """Whether a Step runs what its image says, or a param, as a whole argument or a whole line of its script."""
    if not (step.script or step.command or step.ref):
        return True
    words = (*step.command, *step.args, *step.script.splitlines())
    return any(reference.path[0] == "params" for word in words if (reference := only_reference(word.strip())))


def specs_in(documents: Documents) -> Specs:
    """Return what the documents hold."""
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
    """Yield the Pipeline of a document, and those that stand within it."""
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
        yield WrittenTask(document.name, model.spec, place)
    elif isinstance(model, TaskRun) and model.spec.task_spec is not None:
        yield WrittenTask(document.name, model.spec.task_spec, place.at("taskSpec"), Embedding(model.spec.params))
