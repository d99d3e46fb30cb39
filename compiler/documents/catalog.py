"""The Tasks, Pipelines and StepActions that references can mean.

Rules:

- A name means the document of that kind and name that was given, also where a fetched document holds the name.

Left to others: what a resolver finds (``remote``), what is found stands for in the Plan (``tasks``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from monopod.compiler.diagnostics import Problem, did_you_mean
from monopod.compiler.documents.documents import Document, Documents
from monopod.compiler.documents.places import DocumentPlace, Place
from monopod.compiler.remote.remote_documents import RemoteDocuments
from monopod.compiler.scope.params import Around
from monopod.compiler.scope.texts import paths_in
from monopod.schemas.kubernetes.metadata import ObjectMeta
from monopod.schemas.model import Model
from monopod.schemas.tekton.pipelines import Pipeline, PipelineSpec
from monopod.schemas.tekton.tasks import Reference, StepAction, StepActionSpec, Task, TaskRef, TaskSpec
from monopod.schemas.variables import Path

Spec = TypeVar("Spec", bound=Model)
M = TypeVar("M", bound=Model)


@dataclass(frozen=True, slots=True)
class Found(Generic[Spec]):
    """A spec, the name it goes by, and where it is written. `embedded`: it stands where it is used.

    ``metadata`` is that of a Pipeline or Task that is a document of its own, ``origin`` where that was fetched from.
    """

    name: str
    spec: Spec
    place: Place
    embedded: bool = False
    metadata: ObjectMeta | None = None
    origin: str = ""

    @property
    def identity(self) -> str:
        """What no other document of its kind has."""
        return f"{self.name} ({self.origin})" if self.origin else self.name

    @property
    def metadata_place(self) -> Place:
        """Where the metadata is written: beside the spec in a document of its own, inside of an embedded spec."""
        if self.embedded or not isinstance(self.place, DocumentPlace):
            return self.place.at("metadata")
        return DocumentPlace(self.place.document, ("metadata",))


class Catalog:
    """What documents were given, by kind and name, and those that are fetched.

    `around` is what the params of a resolver may refer to.
    """

    def __init__(self, documents: Documents, context: str | None = None) -> None:
        """`context` is one of kubectl's, for what is fetched from a cluster."""
        self.remote = RemoteDocuments(documents, context)
        self._documents = documents
        self._paths_in_tasks: dict[int, frozenset[Path]] = {}
        self._params_used: dict[int, frozenset[str]] = {}

    def pipeline(
        self, reference: Reference, place: Place, around: Around, problems: list[Problem]
    ) -> Found[PipelineSpec] | None:
        """Return the Pipeline that is referred to; if there is none, that is a problem."""
        if reference.resolver:
            fetched = self.remote.find(Pipeline, reference, place, around, problems)
            return None if fetched is None else _of_document(fetched[0], fetched[1].spec, fetched[1].metadata)
        found = _find(self._documents.named(Pipeline), "Pipeline", reference, place, problems)
        return None if found is None else _given(found[0], found[1].spec, found[1].metadata)

    def task(self, reference: TaskRef, place: Place, around: Around, problems: list[Problem]) -> Found[TaskSpec] | None:
        """Return the Task that is referred to; if there is none, or it is no Task, that is a problem."""
        foreign = bool(reference.api_version) and not reference.api_version.startswith("tekton.dev/")
        if foreign or reference.kind.lower() not in _KINDS_OF_TASKS:
            problems.append(place.problem("custom-task", _CUSTOM_TASK))
            return None
        if reference.resolver:
            fetched = self.remote.find(Task, reference, place, around, problems)
            return None if fetched is None else _of_document(fetched[0], fetched[1].spec, fetched[1].metadata)
        found = self._given_task(reference, place, problems)
        return None if found is None else _given(found[0], found[1].spec, found[1].metadata)

    def _given_task(self, reference: TaskRef, place: Place, problems: list[Problem]) -> tuple[Document, Task] | None:
        tasks = self._documents.named(Task)
        if reference.kind.lower() != "clustertask":
            return _find(tasks, "Task", reference, place, problems)
        found = self._documents.cluster_tasks.get(reference.name)
        if found is None:
            found = _find(tasks, "ClusterTask or Task", reference, place, problems)
            if found is not None:
                message = f"Tekton has no ClusterTasks any more; the Task '{reference.name}' is used"
                problems.append(place.at("kind").problem("cluster-task", message, "note"))
        return found

    def step_action(
        self, reference: Reference, place: Place, around: Around, problems: list[Problem]
    ) -> Found[StepActionSpec] | None:
        """Return the StepAction that is referred to; if there is none, that is a problem."""
        if reference.resolver:
            fetched = self.remote.find(StepAction, reference, place, around, problems)
            return None if fetched is None else _of_document(fetched[0], fetched[1].spec)
        found = _find(self._documents.named(StepAction), "StepAction", reference, place, problems)
        return None if found is None else _given(found[0], found[1].spec)

    def paths_in_task(self, spec: TaskSpec, place: Place, around: Around) -> frozenset[Path]:
        """Return all that a Task and its StepActions refer to. A Task that is used often is looked through once."""
        paths = self._paths_in_tasks.get(id(spec))
        if paths is None:
            names = [step.ref.name for step in spec.steps if step.ref is not None]
            known = self._documents.named(StepAction)
            actions = [known[name][1].spec for name in names if name in known]
            paths = self._paths_in_tasks[id(spec)] = paths_in((spec, actions))
        remote = [step.ref for step in spec.steps if step.ref is not None and step.ref.resolver]
        fetched = (self.remote.find(StepAction, reference, place, around, []) for reference in remote)
        return paths.union(*(paths_in(each[1].spec) for each in fetched if each is not None))

    def params_used(self, spec: TaskSpec) -> frozenset[str]:
        """Return the params that a Task refers to elsewhere than in the defaults of params."""
        names = self._params_used.get(id(spec))
        if names is None:
            paths = paths_in([value for name, value in spec.__dict__.items() if name != "params"])
            names = self._params_used[id(spec)] = frozenset(path[1] for path in paths if path[0] == "params")
        return names


_KINDS_OF_TASKS = frozenset({"", "task", "clustertask"})
_CUSTOM_TASK = (
    "a custom task needs a controller of its own in a cluster, which one Pod does not have; "
    "use a Task that does the same"
)


def custom_task_problem(place: Place) -> Problem:
    """Return the problem with a custom task that is embedded."""
    return place.problem("custom-task", _CUSTOM_TASK)


def _given(document: Document, spec: Spec, metadata: ObjectMeta | None = None) -> Found[Spec]:
    return Found(document.name, spec, DocumentPlace(document, ("spec",)), metadata=metadata)


def _of_document(document: Document, spec: Spec, metadata: ObjectMeta | None = None) -> Found[Spec]:
    place = DocumentPlace(document, ("spec",))
    return Found(document.name, spec, place, metadata=metadata, origin=document.file)


def _find(
    known: Mapping[str, tuple[Document, M]], kind: str, reference: Reference, place: Place, problems: list[Problem]
) -> tuple[Document, M] | None:
    found = known.get(reference.name)
    if found is None:
        hint = did_you_mean(reference.name, known) or "; give it as a document, with -f"
        message = f"there is no {kind} '{reference.name}' among the documents{hint}"
        problems.append(place.at("name").problem("unknown-reference", message))
    return found
