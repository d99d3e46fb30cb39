"""Pipelines, Tasks and StepActions that nothing in the files refers to, often because a name is misspelt.

Rules:

- If the files contain a run, a Pipeline or Task that no run reaches is unused. If they contain only Pipelines, a Task
  that none refers to is unused. If they contain only Tasks, others may use them.
- A reference counts anywhere, also in a Trigger or in a document that is unused itself. One with a variable may
  be to any document of its kind.

Left to others: problems within the documents.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from monopod.compiler.advice.specs import Specs
from monopod.compiler.diagnostics import Problem
from monopod.compiler.documents.documents import Document
from monopod.compiler.documents.places import DocumentPlace
from monopod.schemas.tekton.pipelines import Pipeline
from monopod.schemas.tekton.runs import PipelineRun, TaskRun
from monopod.schemas.tekton.tasks import StepAction, Task

_REFERENCES = {"pipelineRef": "Pipeline", "taskRef": "Task", "ref": "StepAction"}


def unused_documents(specs: Specs) -> Iterator[Problem]:
    """Yield a note for each Pipeline, Task and StepAction that nothing refers to, if something could."""
    documents = specs.documents
    has_run = bool(documents.of(PipelineRun) or documents.of(TaskRun))
    has_pipeline = bool(documents.of(Pipeline))
    used = {reference for document in documents for reference in _references(document.data)}
    open_kinds = {kind for kind, name in used if "$(" in name}
    candidates: list[tuple[Document, str]] = []
    if has_run:
        candidates += [(document, "any run") for document, _ in documents.of(Pipeline)]
    if has_run or has_pipeline:
        candidates += [(document, "any Pipeline or run") for document, _ in documents.of(Task)]
    if has_run or has_pipeline or documents.of(Task):
        candidates += [(document, "any Step") for document, _ in documents.of(StepAction)]
    for document, users in candidates:
        if (document.kind, document.name) not in used and document.kind not in open_kinds:
            message = f"unused document: {document.kind} '{document.name}' is not referenced by {users}"
            place = DocumentPlace(document, ("metadata", "name"))
            yield place.problem("unused-document", message, "note")


def _references(data: Any) -> Iterator[tuple[str, str]]:
    """Yield the kinds and names that a document refers to at any depth."""
    rest = [data]
    while rest:
        value = rest.pop()
        if isinstance(value, list):
            rest += value
        elif isinstance(value, dict):
            for key, kind in _REFERENCES.items():
                reference = value.get(key)
                if isinstance(reference, dict) and isinstance(reference.get("name"), str):
                    yield kind, reference["name"]
            rest += value.values()
