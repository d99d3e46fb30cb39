"""The Tasks, Pipelines and StepActions that references can name.

Rules:

- A name refers to the document of that kind and name in the files, even if a fetched document has the reference. If
  there is none, it refers to a document that an annotation of Pipelines-as-Code names.

Left to others: fetching (``remote``), compiling a definition (``tasks``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from monopod.compiler.diagnostics import Problem, Report, did_you_mean
from monopod.compiler.documents.annotated_references import AnnotatedReferences
from monopod.compiler.documents.documents import Document, Documents
from monopod.compiler.documents.places import DocumentPlace, Place
from monopod.compiler.remote.local.sources import LocalSources
from monopod.compiler.remote.remote_documents import RemoteDocuments
from monopod.compiler.scope.params import OuterScope
from monopod.compiler.scope.texts import paths_in
from monopod.schemas.kubernetes.metadata import ObjectMeta
from monopod.schemas.model import Model
from monopod.schemas.tekton.pipelines import Pipeline, PipelineSpec
from monopod.schemas.tekton.tasks import Reference, StepAction, StepActionSpec, Task, TaskRef, TaskSpec
from monopod.schemas.variables import Path

Spec = TypeVar("Spec", bound=Model)
D = TypeVar("D", Pipeline, Task, StepAction)


@dataclass(frozen=True, slots=True)
class Definition(Generic[Spec]):
    """The spec of a Pipeline, Task or StepAction, its name, and where it is written.

    `embedded`: it is written where it is used. A Pipeline or Task that is a document has ``metadata``, and an
    ``origin`` if it was fetched.
    """

    name: str
    spec: Spec
    place: Place
    embedded: bool = False
    metadata: ObjectMeta | None = None
    origin: str = ""

    @property
    def identity(self) -> str:
        """A key that is unique among the definitions of its kind."""
        return f"{self.name} ({self.origin})" if self.origin else self.name

    @property
    def metadata_place(self) -> Place:
        """Where the metadata is written: beside the spec of a document, or inside an embedded spec."""
        if self.embedded or not isinstance(self.place, DocumentPlace):
            return self.place.at("metadata")
        return DocumentPlace(self.place.document, ("metadata",))


class Catalog:
    """The documents by kind and name, and the documents that resolvers fetch.

    Each lookup reports a reference that it cannot resolve and returns None. The params of a resolver may refer to
    `outer`.
    """

    def __init__(self, documents: Documents, context: str | None, sources: LocalSources, report: Report) -> None:
        """`context` is the kubectl context for fetching from a cluster, `sources` are on this machine."""
        self._report = report
        self.remote = RemoteDocuments(documents, context, sources)
        self._documents = documents
        self._annotated = AnnotatedReferences(documents.annotated, self.remote, report)
        self._paths_in_specs: dict[int, frozenset[Path]] = {}
        self._params_used: dict[int, frozenset[str]] = {}

    @property
    def filled_params(self) -> frozenset[str]:
        """The params of the TriggerTemplates in the files."""
        return self._documents.filled_params

    def file_text(self, file: str) -> str | None:
        """Return the content of a file of the input."""
        return self._documents.texts.get(file)

    def pipeline(self, reference: Reference, place: Place, outer: OuterScope) -> Definition[PipelineSpec] | None:
        """Return the Pipeline that a reference names."""
        if reference.resolver:
            fetched = self.remote.find(Pipeline, reference, place, outer, self._report)
            return None if fetched is None else _of_document(fetched[0], fetched[1].spec, fetched[1].metadata)
        pipelines = self._documents.named(Pipeline)
        try:
            fetched = None if reference.name in pipelines else self._annotated.find(Pipeline, reference.name)
        except LookupError:
            return None
        if fetched is not None:
            return _of_document(fetched[0], fetched[1].spec, fetched[1].metadata)
        named = self._find(Pipeline, "Pipeline", reference, place)
        return None if named is None else self._defined(named[0], named[1].spec, named[1].metadata)

    def task(self, reference: TaskRef, place: Place, outer: OuterScope) -> Definition[TaskSpec] | None:
        """Return the Task that a reference names; a custom task is reported too."""
        foreign = bool(reference.api_version) and not reference.api_version.startswith("tekton.dev/")
        if foreign or reference.kind.lower() not in _KINDS_OF_TASKS:
            self._report.add(place.problem("custom-task", _CUSTOM_TASK))
            return None
        if reference.resolver:
            fetched = self.remote.find(Task, reference, place, outer, self._report)
            return None if fetched is None else _of_document(fetched[0], fetched[1].spec, fetched[1].metadata)
        try:
            in_files = reference.name in self._documents.named(Task)
            fetched = None if in_files else self._annotated.find(Task, reference.name)
        except LookupError:
            return None
        if fetched is not None:
            return _of_document(fetched[0], fetched[1].spec, fetched[1].metadata)
        named = self._named_task(reference, place)
        return None if named is None else self._defined(named[0], named[1].spec, named[1].metadata)

    def _named_task(self, reference: TaskRef, place: Place) -> tuple[Document, Task] | None:
        if reference.kind.lower() != "clustertask":
            return self._find(Task, "Task", reference, place, reference.version)
        named = self._documents.cluster_tasks.get(reference.name)
        if named is None:
            named = self._find(Task, "ClusterTask or Task", reference, place, reference.version)
            if named is not None:
                message = f"Tekton has no ClusterTasks any more; the Task '{reference.name}' is used"
                self._report.add(place.at("kind").problem("cluster-task", message, "note"))
        return named

    def step_action(self, reference: Reference, place: Place, outer: OuterScope) -> Definition[StepActionSpec] | None:
        """Return the StepAction that a reference names."""
        if reference.resolver:
            fetched = self.remote.find(StepAction, reference, place, outer, self._report)
            return None if fetched is None else _of_document(fetched[0], fetched[1].spec)
        named = self._find(StepAction, "StepAction", reference, place)
        return None if named is None else self._defined(named[0], named[1].spec)

    def _defined(self, document: Document, spec: Spec, metadata: ObjectMeta | None = None) -> Definition[Spec]:
        """Return the definition in a document of the files, or in one of a directory that a rule names."""
        define = _of_document if document.file in self.remote.sources else _in_files
        return define(document, spec, metadata)

    def paths_in_spec(self, spec: TaskSpec | StepActionSpec) -> frozenset[Path]:
        """Return the paths that the spec of a document refers to. A Task that is used often is searched once."""
        paths = self._paths_in_specs.get(id(spec))
        if paths is None:
            paths = self._paths_in_specs[id(spec)] = paths_in(spec)
        return paths

    def paths_in_actions(self, spec: TaskSpec, place: Place, outer: OuterScope) -> frozenset[Path]:
        """Return the paths that the StepActions of a Task refer to."""
        references = [step.ref for step in spec.steps if step.ref is not None]
        actions = (self._step_action_named(each.name, place) for each in references if not each.resolver)
        named = (self.paths_in_spec(action.spec) for action in actions if action is not None)
        remote = (each for each in references if each.resolver)
        fetched = (self.remote.find(StepAction, each, place, outer, Report()) for each in remote)
        of_fetched = (paths_in(document[1].spec) for document in fetched if document is not None)
        return frozenset().union(*named, *of_fetched)

    def _step_action_named(self, name: str, place: Place) -> StepAction | None:
        """Return the StepAction of a name; None if there is none, which is reported elsewhere."""
        named = self._documents.find(StepAction, name)
        try:
            named = named or self.remote.find_named(StepAction, name, "", place, Report())
        except LookupError:
            return None
        return None if named is None else named[1]

    def params_used(self, spec: TaskSpec) -> frozenset[str]:
        """Return the params that a Task refers to outside the defaults of params."""
        names = self._params_used.get(id(spec))
        if names is None:
            paths = paths_in([value for name, value in spec.__dict__.items() if name != "params"])
            names = self._params_used[id(spec)] = frozenset(path[1] for path in paths if path[0] == "params")
        return names

    def _find(
        self, model: type[D], kind: str, reference: Reference, place: Place, version: str = ""
    ) -> tuple[Document, D] | None:
        known = self._documents.named(model)
        named = known.get(reference.name)
        if named is not None:
            if version:
                self._check_version(named[0], version, place.at("version"))
            return named
        try:
            found = self.remote.find_named(model, reference.name, version, place, self._report)
        except LookupError:
            return None
        if found is None and version:
            self._report.add(place.at("version").problem("unknown-field", _NO_VERSION))
        elif found is None:
            hint = did_you_mean(reference.name, known) or "; add its file with -f"
            message = f"there is no {kind} named '{reference.name}' in the files{hint}"
            self._report.add(place.at("name").problem("unknown-reference", message))
        return found

    def _check_version(self, document: Document, version: str, place: Place) -> None:
        from monopod.compiler.remote.local.named_documents import (  # noqa: PLC0415  # few references have a version
            VERSION_LABEL,
            has_version,
        )

        if not has_version(document.data, version):
            message = f"the Task '{document.name}' in the files does not have the version '{version}' as its label"
            self._report.add(place.problem("unknown-reference", f"{message} {VERSION_LABEL}"))


_NO_VERSION = (
    "unknown field; Tasks have no versions in Tekton; use resolver: bundles, or resolver: hub with the param version, "
    "or read this version from a directory with --resolve 'name:*=DIR'"
)
_KINDS_OF_TASKS = frozenset({"", "task", "clustertask"})
_CUSTOM_TASK = (
    "a custom task needs a controller of its own in a cluster, which one Pod does not have; "
    "use a Task that does the same"
)


def custom_task_problem(place: Place) -> Problem:
    """Return the problem with an embedded custom task."""
    return place.problem("custom-task", _CUSTOM_TASK)


def _in_files(document: Document, spec: Spec, metadata: ObjectMeta | None = None) -> Definition[Spec]:
    return Definition(document.name, spec, DocumentPlace(document, ("spec",)), metadata=metadata)


def _of_document(document: Document, spec: Spec, metadata: ObjectMeta | None = None) -> Definition[Spec]:
    place = DocumentPlace(document, ("spec",))
    return Definition(document.name, spec, place, metadata=metadata, origin=document.file)
