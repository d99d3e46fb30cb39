"""The Tasks and Pipelines elsewhere that annotations of Pipelines-as-Code name: fetched when a name needs one.

Rules:

- A name that no document in the files has may be that of a document that an annotation names. The same name in a hub
  is tried first, then the others in order.
- A fetched Pipeline has annotations too; its paths are relative to its URL.

Left to others: what an annotation names (``importers.pipelines_as_code``), fetching (``remote``).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar
from urllib.parse import urljoin

from monopod.compiler.diagnostics import Report
from monopod.compiler.documents.documents import AnnotatedReference, Document
from monopod.compiler.documents.places import DocumentPlace
from monopod.compiler.remote.remote_documents import RemoteDocuments
from monopod.compiler.scope.params import OuterScope
from monopod.schemas.tekton.pipelines import Pipeline
from monopod.schemas.tekton.tasks import Reference, Task

M = TypeVar("M", Pipeline, Task)


class _AnnotationPlace(DocumentPlace):
    """An annotation: what is in it has no place of its own."""

    __slots__ = ()

    def at(self, *parts: str | int) -> _AnnotationPlace:  # noqa: ARG002  # as OptionPlace
        return self


class AnnotatedReferences:
    """What annotations name elsewhere."""

    def __init__(self, written: Iterable[AnnotatedReference], remote: RemoteDocuments, report: Report) -> None:
        self._known = [(each, "") for each in written]
        self._remote = remote
        self._report = report

    def find(self, model: type[M], name: str) -> tuple[Document, M] | None:
        """Return the document with a name that an annotation names; report what cannot be fetched.

        Raises LookupError if there is none, and that was reported.
        """
        before = len(self._report.problems)
        tried = [each for each in self._known if each[0].named.kind == model.__name__]
        for annotated, base in sorted(tried, key=lambda each: each[0].named.text.partition(":")[0] != name):
            fetched = self._fetch(model, annotated, base)
            if fetched is not None and fetched[0].name == name:
                return fetched
        if len(self._report.problems) > before:
            raise LookupError(name)
        return None

    def _fetch(self, model: type[M], annotated: AnnotatedReference, base: str) -> tuple[Document, M] | None:
        from monopod.compiler.importers.pipelines_as_code import named_in  # noqa: PLC0415  # most files have none

        place = _AnnotationPlace(annotated.document, annotated.named.path)
        try:
            reference = Reference.model_validate(annotated.named.reference(base))
        except ValueError as error:
            self._report.add(place.problem("remote", str(error)))
            return None
        fetched = self._remote.find(model, reference, place, OuterScope(), self._report)
        if fetched is not None and model is Pipeline:
            document, url = fetched[0], urljoin(base, annotated.named.text)
            of_pipeline = [(AnnotatedReference(named, document), url) for named in named_in(document.data)]
            self._known += [each for each in of_pipeline if each not in self._known]
        return fetched
