"""The documents of remote references: each is fetched once, checked as any other document, and recorded.

Rules:

- The params of a resolver may contain references that are known at compile time (Tekton docs/variables.md,
  ``taskRef.params``).
- A remote document is read like a file and must have the requested kind. As in Tekton, the first document counts.

Left to others: fetching (``resolution``), using the documents (``monopod.compiler.documents.catalog``).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from monopod.compiler.diagnostics import Problem, Problems, Report
from monopod.compiler.documents.documents import Document, Documents, read
from monopod.compiler.documents.places import Place
from monopod.compiler.remote.local.sources import LocalSources
from monopod.compiler.scope.params import OuterScope
from monopod.compiler.scope.references import is_unresolved
from monopod.compiler.scope.variables import Variables, without_value
from monopod.schemas.kubernetes.objects import Secret
from monopod.schemas.tekton.pipelines import Pipeline
from monopod.schemas.tekton.tasks import Reference, StepAction, Task

if TYPE_CHECKING:
    from monopod.compiler.remote.reference import Kind, RemoteReference, Resolved

ANNOTATION = "monopod.dev/resolved"

M = TypeVar("M", Pipeline, Task, StepAction)


@dataclass(frozen=True, slots=True)
class _Fetched:
    """The outcome of a reference: documents, or what is wrong, with the wrong `param` if there is one."""

    documents: tuple[Document, ...] = ()
    problems: tuple[Problem, ...] = ()
    message: str = ""
    param: str | None = None
    warnings: tuple[str, ...] = ()
    resolved: Resolved | None = None


class RemoteDocuments:
    """The documents of the remote references of one compilation."""

    def __init__(self, documents: Documents, context: str | None, sources: LocalSources) -> None:
        """`documents` may contain Secrets for the resolvers; `context` is a kubectl context.

        `sources` are where references are read from on this machine.
        """
        self._local = sources
        self._documents = documents
        self._context = context
        self._fetched: dict[RemoteReference, _Fetched] = {}
        self._recorded: list[dict[str, object]] = []
        self.sources: dict[str, dict[str, object]] = {}
        """The source of each document as Tekton's RefSource, by its `Document.file`."""

    def find(
        self, model: type[M], reference: Reference, place: Place, outer: OuterScope, report: Report
    ) -> tuple[Document, M] | None:
        """Return the document that a reference means, with its model; report why there is none."""
        kind: Kind = model.__name__  # type: ignore[assignment]  # the three have the names of their kinds
        wanted = _settled(kind, reference, place, outer, report)
        if wanted is None:
            return None
        if wanted not in self._fetched:
            self._fetched[wanted] = self._fetch(wanted)
        fetched = self._fetched[wanted]
        if fetched.message:
            report.add(_param_place(reference, fetched.param, place).problem("remote", fetched.message))
        return self._document(model, fetched, place.at("resolver"), report)

    def find_named(
        self, model: type[M], name: str, version: str, place: Place, report: Report
    ) -> tuple[Document, M] | None:
        """Return the document of a name that the files do not have, from the directory that a rule names for it.

        Returns None if no rule applies. Raises LookupError after reporting that the directory does not have it.
        """
        from monopod.compiler.remote.reference import Address, RemoteReference  # noqa: PLC0415  # most need none

        kind: Kind = model.__name__  # type: ignore[assignment]  # as in `find`
        address = Address("name", (name,), "named", "name", kind=kind.lower(), name=name, version=version)
        if not self._local.applies(address):
            return None
        wanted = RemoteReference(kind, "name", (("name", name), ("version", version)))
        if wanted not in self._fetched:
            self._fetched[wanted] = self._read(wanted, lambda: self._local.read(address))
        fetched = self._fetched[wanted]
        if fetched.message:
            report.add(place.at("name").problem("unknown-reference", fetched.message))
        document = self._document(model, fetched, place.at("name"), report)
        if document is None:
            raise LookupError(name)
        return document

    def _document(self, model: type[M], fetched: _Fetched, place: Place, report: Report) -> tuple[Document, M] | None:
        """Return the document that was fetched, with its model; report what is wrong with it."""
        report.extend(fetched.problems)
        report.extend(place.problem("remote", text, "warning") for text in fetched.warnings)
        if not fetched.documents:
            return None
        first = fetched.documents[0]
        if isinstance(first.model, model):
            return first, first.model
        message = f"expected a {model.__name__}, but {first.file} is a {first.kind}"
        report.add(place.problem("remote", message))
        return None

    def resolved(self) -> tuple[tuple[RemoteReference, Resolved, Document], ...]:
        """Return the references that were resolved, each with its document."""
        return tuple(
            (reference, fetched.resolved, fetched.documents[0])
            for reference, fetched in self._fetched.items()
            if fetched.resolved is not None and reference.resolver != "name"
        )

    def annotations(self) -> dict[str, str]:
        """Return the annotation that records the documents and their sources; empty if there are none."""
        if not self._recorded:
            return {}
        return {ANNOTATION: json.dumps(self._recorded, separators=(",", ":"), ensure_ascii=False)}

    def _fetch(self, wanted: RemoteReference) -> _Fetched:
        from monopod.compiler.remote.cache import Cache  # noqa: PLC0415  # most compilations fetch nothing
        from monopod.compiler.remote.reference import ResolverOptions  # noqa: PLC0415
        from monopod.compiler.remote.resolution import resolve  # noqa: PLC0415

        environment = dict(os.environ)
        secrets = {document.name: model for document, model in self._documents.of(Secret)}
        options = ResolverOptions(Cache.of_user(environment), environment, self._context, secrets)
        return self._read(wanted, lambda: resolve(wanted, options, self._local))

    def _read(self, wanted: RemoteReference, resolve: Callable[[], Resolved]) -> _Fetched:
        from monopod.compiler.remote.reference import RemoteError  # noqa: PLC0415  # most compilations need none

        try:
            resolved = resolve()
        except RemoteError as error:
            return _Fetched(message=str(error), param=error.param)
        try:
            documents = tuple(read(resolved.content, resolved.origin))
        except Problems as problems:
            return _Fetched(problems=problems.problems, warnings=resolved.warnings)
        if resolved.name:
            named = (wanted.kind, resolved.name)
            documents = tuple(sorted(documents, key=lambda each: (each.kind, each.name) != named)[:1])
        self._record(documents[0], resolved)
        warnings = resolved.warnings
        if len(documents) > 1:
            warnings += (
                f"of the {len(documents)} documents of {resolved.origin} only the first is used, as in Tekton",
            )
        return _Fetched(documents, documents[0].warnings, warnings=warnings, resolved=resolved)

    def _record(self, document: Document, resolved: Resolved) -> None:
        self.sources[document.file] = dict(resolved.source.to_json())
        entry = {"kind": document.kind, "name": document.name, **resolved.source.to_json()}
        if entry not in self._recorded:
            self._recorded.append(entry)


def _settled(
    kind: Kind, reference: Reference, place: Place, outer: OuterScope, report: Report
) -> RemoteReference | None:
    """Return a reference whose params have values instead of references; None after reporting a problem."""
    from monopod.compiler.remote.reference import RemoteReference  # noqa: PLC0415  # most compilations need none

    own = Report()
    variables = Variables(outer.names, outer.values, own)
    if reference.name:
        message = f"monopod's resolvers take params, not a name; put '{reference.name}' into a param"
        own.add(place.at("name").problem("remote", message))
    resolver = _text(reference.resolver, place.at("resolver"), variables)
    params = []
    for index, param in enumerate(reference.params):
        where = place.at("params", index, "value")
        if isinstance(param.value, str):
            params.append((param.name, _text(param.value, where, variables)))
        else:
            own.add(where.problem("param-type", f"the param '{param.name}' of a resolver must be a string"))
    report.extend(own.problems)
    if own.has_errors:
        return None
    unknown = next(
        (text for text in (resolver, *(value for _, value in params)) if is_unresolved(text, outer.names)), ""
    )
    if unknown:
        report.extend(without_value(unknown, place.at("resolver"), report))
        return None
    return RemoteReference(kind, resolver, tuple(params))


def _text(text: str, place: Place, variables: Variables) -> str:
    variables.check(text, place)
    return variables.resolve(text, place)


def _param_place(reference: Reference, name: str | None, place: Place) -> Place:
    for index, param in enumerate(reference.params):
        if param.name == name:
            return place.at("params", index, "value")
    return place.at("resolver")
