"""The documents of a run: read and checked one by one, with the position of each of their parts.

Rules:

- Files hold YAML or JSON, any number of documents. ``-`` is standard input. A directory means its .yaml, .yml and
  .json files in alphabetical order, without subdirectories, as with kubectl.
- Tekton's kinds, and ConfigMap, Secret, PersistentVolumeClaim and LimitRange, become models; v1beta1 is rewritten as
  v1 first. A ``List`` is replaced by its items, a TriggerTemplate by the objects that it makes, and a document of
  another system (Argo …) by the Tekton documents that it means. Other documents need an apiVersion and a kind and are
  kept unchanged.
- All problems of all files are reported at once.

Left to others: parsing YAML (``yaml_tree``), reading files (``yaml_files``), the rules for each kind
(``monopod.schemas``), what documents of other systems mean (``importers``), references between documents.
"""

from __future__ import annotations

import difflib
import os
import sys
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar, cast

from monopod.compiler.diagnostics import Position, Problem, Problems, Severity, closest, did_you_mean
from monopod.compiler.documents import yaml_files, yaml_tree
from monopod.compiler.documents.foreign_files import of_another_system, url_in_place_of_file
from monopod.compiler.documents.own_annotations import useless_annotations
from monopod.compiler.documents.validation import Complaint, describe, validate
from monopod.compiler.importers.imported import Surroundings
from monopod.compiler.importers.registry import import_document, is_imported, refers_to_others, wrong_type
from monopod.compiler.rules import Rule
from monopod.schemas.kubernetes.claims import PersistentVolumeClaim
from monopod.schemas.kubernetes.objects import ConfigMap, LimitRange, Secret
from monopod.schemas.model import Model, Path, format_path
from monopod.schemas.tekton import v1beta1 as tekton_v1beta1
from monopod.schemas.tekton.params import to_value
from monopod.schemas.tekton.pipelines import Pipeline
from monopod.schemas.tekton.runs import PipelineRun, TaskRun
from monopod.schemas.tekton.tasks import StepAction, Task
from monopod.schemas.tekton.v1beta1 import origin

if TYPE_CHECKING:
    from monopod.compiler.importers.pipelines_as_code import Named, Variables

STANDARD_INPUT = "-"
_STANDARD_INPUT_NAME = "<stdin>"
_TRIGGERS = "triggers.tekton.dev/"

_STEP_ACTION = {"StepAction": StepAction}
_MODELS: dict[str, dict[str, type[Model]]] = {
    "tekton.dev/v1": {
        "Pipeline": Pipeline,
        "PipelineRun": PipelineRun,
        "Task": Task,
        "TaskRun": TaskRun,
        **_STEP_ACTION,
    },
    "tekton.dev/v1beta1": {**_STEP_ACTION},
    "tekton.dev/v1alpha1": {**_STEP_ACTION},
    "v1": {
        "ConfigMap": ConfigMap,
        "LimitRange": LimitRange,
        "PersistentVolumeClaim": PersistentVolumeClaim,
        "Secret": Secret,
    },
}
_TEKTON_VERSIONS = {
    "tekton.dev/v1": frozenset(_MODELS["tekton.dev/v1"]),
    "tekton.dev/v1beta1": tekton_v1beta1.KINDS | {"StepAction"},
    "tekton.dev/v1alpha1": frozenset({"StepAction"}),
}
_TEKTON_KINDS = _TEKTON_VERSIONS["tekton.dev/v1"]
_OTHER_TEKTON_KINDS = frozenset({"CustomRun", "VerificationPolicy"})
"""Tekton's kinds that are passed through: they do not apply to a run."""
_GONE_KINDS = {
    "Condition": "use `when` of the Task that it guards",
    "PipelineResource": "use params, Workspaces and Results",
    "Run": "it is now CustomRun",
}
"""Kinds that Tekton has removed, each with what to use instead."""

_CORE_KINDS = frozenset(
    {
        *("Binding", "ComponentStatus", "ConfigMap", "Endpoints", "Event", "LimitRange", "List", "Namespace", "Node"),
        *("PersistentVolume", "PersistentVolumeClaim", "Pod", "PodTemplate", "ReplicationController", "ResourceQuota"),
        *("Secret", "Service", "ServiceAccount"),
    }
)
"""The kinds of Kubernetes' API v1."""

_DIRECTORY_SUFFIXES = (".json", ".yaml", ".yml")

M = TypeVar("M", bound=Model)


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """One Kubernetes object.

    `data` is the object as plain data and must not be changed. `model` is set for the kinds that monopod knows.
    `name` is ``metadata.name``, or empty. `origins` maps the paths of moved fields in `data` to their paths in the file
    (``v1beta1``). `is_imported`: the file holds a document of another system instead, of `written_kind`.
    `filled_params` are the params of the TriggerTemplate that made it, or the variables of Pipelines-as-Code in it, or
    the options of its JobConfig. `is_template`: the file only describes runs, and this is one of them.
    `is_cluster_task`: it is a ClusterTask, read as a Task. `warnings` report what reading it changed.
    """

    file: str
    api_version: str
    kind: str
    name: str
    data: dict[str, Any]
    model: Model | None
    marks: yaml_tree.Place | yaml_tree.Marks = field(repr=False)
    origins: Mapping[Path, Path] = field(default_factory=dict, repr=False)
    is_imported: bool = False
    written_kind: str = ""
    filled_params: frozenset[str] = frozenset()
    is_template: bool = False
    is_cluster_task: bool = False
    warnings: tuple[Problem, ...] = ()

    def position(self, path: Path = (), *, key: bool = False) -> Position:
        """Return the position of `path`, such as ``("spec", "tasks", 3, "runAfter", 0)``, or of its last existing part.

        With `key`, return the position of the key at the end of the path, not of its value. A value from an alias or a
        merge key is where it was written.
        """
        line, column = yaml_tree.find(self.marks, origin(path, self.origins), key=key)
        return Position(self.file, line + 1, column + 1)

    def problem(
        self, path: Path, message: str, rule: Rule, *, key: bool = False, severity: Severity = "error"
    ) -> Problem:
        """Return a problem at `path`, its message beginning with the path in the file."""
        written = self._written(path)
        text = f"{format_path(written)}: {message}" if written else message
        return Problem(self.position(path, key=key), text, rule, severity)

    def _written(self, path: Path) -> Path:
        """Return the path in the file of a path in `data`; of an imported document, its last part that is there."""
        before = origin(path, self.origins)
        return yaml_tree.existing(self.marks, before) if self.is_imported else before


@dataclass(frozen=True, slots=True)
class AnnotatedReference:
    """A Task or Pipeline elsewhere that an annotation of a document names."""

    named: Named
    document: Document


@dataclass(frozen=True)
class Documents:
    """All documents in order, and the texts of their files by name.

    ``missing_values`` are errors for a run: variables of Pipelines-as-Code without a value, which are left as text.
    ``annotated`` are what annotations of Pipelines-as-Code name elsewhere.
    """

    items: tuple[Document, ...]
    texts: Mapping[str, str] = field(default_factory=dict, repr=False)
    missing_values: tuple[Problem, ...] = ()
    annotated: tuple[AnnotatedReference, ...] = ()

    def __iter__(self) -> Iterator[Document]:
        return iter(self.items)

    def of(self, model: type[M]) -> tuple[tuple[Document, M], ...]:
        """Return the documents of one kind, each with its model."""
        return cast("tuple[tuple[Document, M], ...]", self._by_model.get(model, ()))

    def named(self, model: type[M]) -> Mapping[str, tuple[Document, M]]:
        """Return the documents of one kind by name; if several namespaces have the name, the last document.

        A Task takes precedence over a ClusterTask of the same name.
        """
        return cast("Mapping[str, tuple[Document, M]]", self._by_name.get(model, {}))

    def find(self, model: type[M], name: str) -> tuple[Document, M] | None:
        """Return the document of that kind with that name."""
        return self.named(model).get(name)

    @cached_property
    def _by_model(self) -> Mapping[type[Model], Sequence[tuple[Document, Model]]]:
        by_model: dict[type[Model], list[tuple[Document, Model]]] = {}
        for document in self.items:
            if document.model is not None:
                by_model.setdefault(type(document.model), []).append((document, document.model))
        return {model: tuple(documents) for model, documents in by_model.items()}

    @cached_property
    def _by_name(self) -> Mapping[type[Model], Mapping[str, tuple[Document, Model]]]:
        return {
            model: {item[0].name: item for item in sorted(documents, key=lambda item: not item[0].is_cluster_task)}
            for model, documents in self._by_model.items()
        }

    @cached_property
    def cluster_tasks(self) -> Mapping[str, tuple[Document, Task]]:
        """The ClusterTasks by name."""
        return {item[0].name: item for item in self.of(Task) if item[0].is_cluster_task}

    @cached_property
    def filled_params(self) -> frozenset[str]:
        """The params of all TriggerTemplates, and the variables of Pipelines-as-Code."""
        return frozenset().union(*(document.filled_params for document in self.items))

    @cached_property
    def warnings(self) -> tuple[Problem, ...]:
        """The warnings of all documents."""
        return tuple(warning for document in self.items for warning in document.warnings)

    @cached_property
    def lines(self) -> Mapping[str, Sequence[str]]:
        """The lines of the files, by name."""
        return {file: text.splitlines() for file, text in self.texts.items()}

    def others(self) -> tuple[Document, ...]:
        """Return the documents of kinds that monopod does not know."""
        return tuple(document for document in self.items if document.model is None)


def load(
    paths: Sequence[str],
    standard_input: BinaryIO | None = None,
    params: Iterable[tuple[str, str]] = (),
    recorded: Mapping[str, str] = types.MappingProxyType({}),
    split: str = "",
) -> Documents:
    """Return the documents in these files. Raises Problems with the problems of all files.

    ``-`` reads `standard_input`; by default, the process's own. `params` are values for TriggerTemplates and
    for Pipelines-as-Code. `recorded` are the contents of files of an earlier run, by name: of standard input, and of
    files that are not there any more. `split` is the param whose values are divided among the indexes of a Job.
    """
    loader = _Loader(standard_input, params, recorded, split)
    for path in paths:
        loader.read(path)
    loader.import_deferred()
    loader.check_names()
    if loader.problems:
        raise Problems(loader.problems)
    return Documents(tuple(loader.documents), loader.texts, tuple(loader.missing_values), tuple(loader.annotated))


def read(content: bytes, file: str) -> Documents:
    """Return the documents in `content`, `file` being its name in messages. Raises Problems, as `load` does."""
    loader = _Loader(None)
    loader.read_bytes(file, content)
    loader.import_deferred()
    if loader.problems:
        raise Problems(loader.problems)
    return Documents(tuple(loader.documents), loader.texts)


@dataclass(frozen=True, slots=True)
class _Deferred:
    """A document that is imported once all are read; `index` is where its documents are inserted."""

    document: Document
    index: int
    respelled: Mapping[yaml_tree.Place, str]


class _Loader:
    """Collects documents and problems."""

    def __init__(
        self,
        standard_input: BinaryIO | None,
        params: Iterable[tuple[str, str]] = (),
        recorded: Mapping[str, str] = types.MappingProxyType({}),
        split: str = "",
    ) -> None:
        self._params = dict(params)
        self._split = split
        self._recorded = recorded
        self.documents: list[Document] = []
        self.problems: list[Problem] = []
        self.missing_values: list[Problem] = []
        self.texts: dict[str, str] = {}
        self._files: set[str] = set()
        self._named: set[str] = set()
        self._respelled: dict[str, Mapping[yaml_tree.Place, str]] = {}
        self._deferred: list[_Deferred] = []
        self.annotated: list[AnnotatedReference] = []
        self._standard_input = standard_input

    def read(self, path: str) -> None:
        """Read a file, a directory or standard input."""
        if self._recorded and self._read_recorded(path):
            return
        if path == STANDARD_INPUT:
            stream = self._standard_input if self._standard_input is not None else sys.stdin.buffer
            self.read_bytes(_STANDARD_INPUT_NAME, stream.read(yaml_files.MAX_BYTES + 1))
            return
        if (answer := url_in_place_of_file(path)) is not None and not os.path.exists(path):
            self._report_file(path, answer, "unreadable-file")
            return
        try:
            files = self._files_of(path) if os.path.isdir(path) else [path]
        except OSError as error:
            self.problems.append(yaml_files.unreadable(path, error))
            return
        for file in files:
            if os.path.realpath(file) not in self._named:
                self._read_file(file)

    def _read_recorded(self, path: str) -> bool:
        """Read what an earlier run has read of standard input, or of a file or directory that is gone."""
        if path != STANDARD_INPUT and os.path.exists(path):
            return False
        name = _STANDARD_INPUT_NAME if path == STANDARD_INPUT else path
        files = [file for file in self._recorded if file == name or os.path.dirname(file) == path.rstrip("/")]
        for file in files:
            self.read_bytes(file, self._recorded[file].encode())
        return bool(files)

    def _files_of(self, directory: str) -> list[str]:
        names = sorted(name for name in os.listdir(directory) if name.endswith(_DIRECTORY_SUFFIXES))
        files = [file for file in (os.path.join(directory, name) for name in names) if not os.path.isdir(file)]
        if not files:
            message = "the directory has no .yaml, .yml or .json file"
            self._report_file(directory, message, "empty-directory")
        return files

    def _read_file(self, path: str) -> None:
        self._files.add(os.path.realpath(path))
        trees, problems = yaml_files.read_file(path)
        self._take_trees(path, trees, problems)

    def read_bytes(self, file: str, content: bytes) -> None:
        """Read the content of a file."""
        trees, problems = yaml_files.read_bytes(content, file)
        self._take_trees(file, trees, problems)

    def _take_trees(self, file: str, trees: Sequence[yaml_tree.Tree], problems: Iterable[Problem]) -> None:
        self.problems += problems
        variables = self._variables_of(file, trees)
        for tree in trees:
            self.texts[file] = tree.text
            self._respelled[file] = tree.respelled
            if variables is None:
                self._take(file, tree.data, tree.marks)
            else:
                self._take_with_variables(file, tree, variables)

    def _variables_of(self, file: str, trees: Sequence[yaml_tree.Tree]) -> Variables | None:
        """Return the variables of a file of Pipelines-as-Code; None for another file."""
        if not any("pipelinesascode" in tree.text or "{{" in tree.text for tree in trees[:1]):
            return None
        from monopod.compiler.importers.git_checkout import GitCheckout  # noqa: PLC0415  # most files have none
        from monopod.compiler.importers.pipelines_as_code import (  # noqa: PLC0415
            Variables,
            is_of_pipelines_as_code,
        )

        if not is_of_pipelines_as_code(os.path.abspath(file), [tree.data for tree in trees]):
            return None
        return Variables(self._params, GitCheckout(os.path.dirname(os.path.abspath(file))).value)

    def _take_with_variables(self, file: str, tree: yaml_tree.Tree, variables: Variables) -> None:
        """Take a value of a file of Pipelines-as-Code, and the files with Tasks that its annotations name."""
        from monopod.compiler.importers.pipelines_as_code import named_in, root_of  # noqa: PLC0415

        variables.complaints.clear()
        data = variables.fill(tree.data)
        document = Document(file, "", "", "", {}, None, tree.marks)
        self.missing_values += [document.problem(each.path, each.message, each.rule) for each in variables.complaints]
        self._take(file, data, tree.marks, frozenset(variables.used))
        for named in named_in(data):
            if not named.is_file:
                self.annotated.append(AnnotatedReference(named, document))
                continue
            of_task = os.path.join(root_of(os.path.abspath(file)), named.text)
            if not os.path.isfile(of_task):
                message = f"there is no file '{named.text}'"
                self.problems.append(document.problem(named.path, message, "unreadable-file"))
            elif (real := os.path.realpath(of_task)) not in self._files:
                self._named.add(real)
                self._read_file(os.path.relpath(of_task))

    def _report_file(self, file: str, message: str, rule: Rule) -> None:
        self.problems.append(Problem(Position(file), message, rule))

    def _take(
        self,
        file: str,
        data: Any,
        marks: yaml_tree.Place | yaml_tree.Marks,
        filled_params: frozenset[str] = frozenset(),
    ) -> None:
        """Take one value of a file: an object, or a List of objects."""
        is_object = isinstance(data, dict) and data.get("apiVersion") and data.get("kind")
        if not is_object and (answer := of_another_system(data)) is not None:
            self._report_file(file, answer, "foreign-file")
            return
        if not isinstance(data, dict):
            message = f"expected a Kubernetes object, a mapping with apiVersion and kind; got {describe(data)}"
            self.problems.append(Document(file, "", "", "", {}, None, marks).problem((), message, "not-an-object"))
            return
        api_version, kind = data.get("apiVersion"), data.get("kind")
        name = _name(data)
        document = Document(file, str(api_version), str(kind), name, data, None, marks, filled_params=filled_params)
        if wrong := list(_type_problems(document, api_version, kind)):
            self.problems += wrong
        elif document.api_version == "v1" and kind == "List":
            self._take_items(document)
        elif is_imported(document.api_version, document.kind) and refers_to_others(document.api_version):
            self._deferred.append(_Deferred(document, len(self.documents), self._respelled[file]))
        elif is_imported(document.api_version, document.kind):
            self._import(document, ())
        elif document.api_version.startswith(_TRIGGERS) and document.kind == "TriggerTemplate":
            self._take_trigger_template(document)
        else:
            self._take_object(document)

    def _take_items(self, document: Document) -> None:
        items = document.data.get("items")
        if not isinstance(items, list):
            self.problems.append(document.problem(("items",), "a List needs items, a list", "missing-field"))
            return
        for index, item in enumerate(items):
            self._take(document.file, item, yaml_tree.marks_at(document.marks, ("items", index)))

    def _take_object(self, document: Document) -> None:
        if document.api_version == "tekton.dev/v1beta1" and document.kind in tekton_v1beta1.KINDS:
            document = self._rewritten(document)
        known = _MODELS.get(document.api_version, {}).get(document.kind)
        if known is None:
            self.documents.append(document)
            return
        model, complaints = validate(known, document.data)
        self._report_complaints(document, complaints)
        warnings = [
            *document.warnings,
            *(
                document.problem(path, message, rule, key=True, severity="warning")
                for path, message, rule in useless_annotations(document.data, document.kind)
            ),
        ]
        if self._respelled[document.file]:
            warnings += self._respelled_params(document)
        if len(warnings) > len(document.warnings):
            document = replace(document, warnings=tuple(warnings))
        metadata = getattr(model, "metadata", None)  # a model knows its fields in any upper and lower case
        name = document.name if metadata is None else metadata.name or ""
        self.documents.append(replace(document, model=model, name=name))

    def _take_trigger_template(self, document: Document) -> None:
        """Take the objects that a TriggerTemplate makes."""
        from monopod.compiler.importers.trigger_template import fill_in  # noqa: PLC0415  # most files have none

        filled = fill_in(document.data, self._params)
        self._report_complaints(document, filled.complaints)
        for index, made in enumerate(() if filled.complaints else filled.objects):
            marks = yaml_tree.marks_at(document.marks, ("spec", "resourcetemplates", index))
            self._take(document.file, made, marks, filled.params)

    def import_deferred(self) -> None:
        """Take what the documents mean that refer to each other, each where it was read."""
        others = [each.document.data for each in self._deferred]
        before, end = self.documents, 0
        self.documents = []
        for each in self._deferred:
            self.documents += before[end : each.index]
            end = each.index
            self._respelled[each.document.file] = each.respelled
            self._import(each.document, others)
        self.documents += before[end:]

    def _import(self, document: Document, others: Sequence[dict[str, Any]]) -> None:
        """Take the Tekton documents that a document of another system means."""
        imported = import_document(document.data, Surroundings(self._params, others, self._split))
        warnings = [
            document.problem(each.path, each.message, each.rule, key=each.at_key, severity="warning")
            for each in imported.warnings
        ]
        self._report_complaints(document, imported.complaints)
        for index, each in enumerate(() if imported.complaints else imported.documents):
            self._take_object(
                replace(
                    document,
                    api_version=each.data["apiVersion"],
                    kind=each.data["kind"],
                    name=_name(each.data),
                    data=each.data,
                    origins=each.origins,
                    is_imported=True,
                    written_kind=document.kind,
                    is_template=each.is_template,
                    filled_params=document.filled_params | imported.params,
                    warnings=() if index else tuple(warnings),
                )
            )

    def _report_complaints(self, document: Document, complaints: Iterable[Complaint]) -> None:
        for complaint in complaints:
            message = self._as_written(document, complaint)
            self.problems.append(document.problem(complaint.path, message, complaint.rule, key=complaint.at_key))

    def _as_written(self, document: Document, complaint: Complaint) -> str:
        """Return the message of a complaint, with the spelling of a number or boolean that YAML reads differently."""
        written = self._respelled_at(document, complaint.path, complaint.value)
        if written is None:
            return complaint.message
        read = describe(complaint.value)
        return complaint.message.replace(read, f"{written}, which YAML reads as {read}", 1)

    def _respelled_at(self, document: Document, path: Path, value: Any) -> str | None:
        """Return the spelling of the number or boolean at `path`, if JSON would write it differently."""
        if not isinstance(value, bool | int | float):
            return None
        at = document.position(path)
        return self._respelled[document.file].get((at.line - 1, at.column - 1))

    def _respelled_params(self, document: Document) -> Iterator[Problem]:
        """Yield a warning for each param value that becomes another text because YAML reads it as a number."""
        for path, value in _param_values(document.data, ()):
            written = self._respelled_at(document, path, value)
            if written is not None and (text := to_value(value)) != written:
                message = f"{written} becomes '{text}', since YAML reads it as {_TYPES[type(value)]}; write '{written}'"
                yield document.problem(path, message, "yaml-scalar", severity="warning")

    def _rewritten(self, document: Document) -> Document:
        rewritten = tekton_v1beta1.to_v1(document.data)
        self.problems += [document.problem(path, message, "gone-from-v1") for path, message in rewritten.problems]
        is_cluster_task = document.kind == tekton_v1beta1.CLUSTER_TASK
        warnings = [
            document.problem(path, message, "gone-from-v1", severity="warning") for path, message in rewritten.warnings
        ]
        if is_cluster_task:
            message = f"the ClusterTask '{document.name}' is read as the Task of that name"
            warnings.append(document.problem(("kind",), message, "cluster-task", severity="note"))
        return replace(
            document,
            api_version="tekton.dev/v1",
            kind="Task" if is_cluster_task else document.kind,
            data=rewritten.data,
            origins=rewritten.origins,
            is_cluster_task=is_cluster_task,
            warnings=tuple(warnings),
        )

    def check_names(self) -> None:
        """Report objects with the same name."""
        seen: dict[tuple[str, str, str, str, bool], Document] = {}
        for document in self.documents:
            metadata = document.data.get("metadata")
            namespace = metadata.get("namespace") if isinstance(metadata, dict) else None
            group = document.api_version.rpartition("/")[0]
            identity = (group, document.kind, str(namespace or ""), document.name, document.is_cluster_task)
            first = seen.setdefault(identity, document)
            if document.name and first is not document:
                message = f"there is already a {document.kind} '{document.name}' at {first.position()}"
                self.problems.append(document.problem(("metadata", "name"), message, "duplicate-object"))


_TYPES = {bool: "a boolean", int: "a number", float: "a number"}


def _param_values(data: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    """Yield the values and defaults of all params, at any depth, with their paths."""
    if isinstance(data, list):
        for index, item in enumerate(data):
            yield from _param_values(item, (*path, index))
    elif isinstance(data, dict):
        for key, value in data.items():
            if key == "params" and isinstance(value, list):
                for index, param in enumerate(value):
                    fields = param if isinstance(param, dict) else {}
                    yield from (((*path, key, index, field), fields[field]) for field in _OF_PARAM & fields.keys())
            else:
                yield from _param_values(value, (*path, key))


_OF_PARAM = frozenset({"value", "default"})


def _name(data: dict[str, Any]) -> str:
    metadata = data.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return name if isinstance(name, str) else ""


_OF_OBJECTS = frozenset({"apiVersion", "kind", "metadata", "spec", "data"})


def _type_problems(document: Document, api_version: Any, kind: Any) -> Iterator[Problem]:
    """Yield what is wrong with the apiVersion and the kind of an object."""
    missing = False
    for name, value in (("apiVersion", api_version), ("kind", kind)):
        if value is None or value == "":
            missing = True
            meant = closest(name, (key for key in document.data if isinstance(key, str) and key not in _OF_OBJECTS))
            if meant is None:
                yield document.problem((), f"the field '{name}' is required", "missing-field")
            else:
                message = f"unknown field (did you mean '{name}'?)"
                yield document.problem((meant,), message, "unknown-field", key=True)
        elif not isinstance(value, str):
            missing = True
            yield document.problem((name,), f"expected a string, got {describe(value)}", "wrong-type")
    if missing:
        return
    if api_version.startswith("tekton.dev/"):
        yield from _tekton_type_problems(document, api_version, kind)
        return
    if (wrong := wrong_type(api_version, kind)) is not None:
        field, message = wrong
        yield document.problem((field,), message, "unknown-api-version" if field == "apiVersion" else "unknown-kind")
    group, _, version = api_version.rpartition("/")
    if (not group and kind in _TEKTON_KINDS) or (group and _is_misspelt_tekton(group, kind)):
        message = f"expected tekton.dev/v1 for the kind {kind}, got '{api_version}'"
        hint = did_you_mean(api_version, _TEKTON_VERSIONS) if group else ""
        yield document.problem(("apiVersion",), f"{message}{hint}", "unknown-api-version")
    elif not group and version == "v1" and kind not in _CORE_KINDS and (hint := did_you_mean(kind, _CORE_KINDS)):
        yield document.problem(("kind",), f"Kubernetes has no kind '{kind}' in v1{hint}", "unknown-kind")


def _is_misspelt_tekton(group: str, kind: str) -> bool:
    """Return whether tekton.dev is probably meant: one of Tekton's kinds in a group with a similar name."""
    if closest(kind, _TEKTON_KINDS) is None or group.endswith(".tekton.dev"):
        return False
    return group.startswith("tekton.") or bool(difflib.get_close_matches(group, ["tekton.dev"], cutoff=0.8))


def _tekton_type_problems(document: Document, api_version: str, kind: str) -> Iterator[Problem]:
    supported = [version for version, kinds in _TEKTON_VERSIONS.items() if kind in kinds]
    if kind in _OTHER_TEKTON_KINDS or api_version in supported:
        return
    if supported:
        hint = did_you_mean(api_version, supported)
        message = f"'{api_version}' is not supported for the kind {kind}; supported: {_listed(supported)}{hint}"
        yield document.problem(("apiVersion",), message, "unknown-api-version")
        return
    if kind in _GONE_KINDS:
        message = f"Tekton has no {kind} any more; {_GONE_KINDS[kind]}"
        yield document.problem(("kind",), message, "unknown-kind")
        return
    hint = did_you_mean(kind, _TEKTON_KINDS) or f"; Tekton has {_listed(sorted(_TEKTON_KINDS))}"
    yield document.problem(("kind",), f"unknown kind '{kind}'{hint}", "unknown-kind")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
