"""The caches of a Pipeline: each of its Tasks without caches of its own gets them.

Rules:

- They may be in the Steps' HOME only, which every Task has for itself. In a shared Workspace they would be restored
  before a checkout, and again over the files of other Tasks.
- Their texts are in the Pipeline's terms: its params, whose values must be known when compiling, and its Workspaces. A
  Task that does not have a Workspace which a cache needs does not get this cache.
- An annotation of a PipelineRun takes precedence over the Pipeline's.

Left to others: the Steps (``cache_steps``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from monopod.compiler.caches.annotation import CacheSpec
from monopod.compiler.diagnostics import Report, did_you_mean
from monopod.compiler.documents.text_in_document import TextPlace
from monopod.compiler.scope.variables import Variables
from monopod.compiler.tasks.workspaces import Bindings, TaskWorkspace
from monopod.schemas.variables import Path, Scope, references, substitute


def in_terms_of_tasks(
    caches: Iterable[tuple[CacheSpec, TextPlace]], variables: Variables, workspaces: Bindings
) -> list[tuple[CacheSpec, TextPlace]]:
    """Return the caches of a Pipeline with the values of its params, and report what is wrong with them."""
    result = []
    for spec, place in caches:
        report = Report()
        of_cache = replace(variables, report=report)
        for index, path in enumerate(spec.paths):
            if path != "~" and not path.startswith("~/"):
                message = f"'{path}': a Pipeline caches paths in ~ only; write the cache of a Workspace to its Task"
                report.add(place.at("paths", index).problem("invalid-value", message))
        resolved = _mapped(spec, place, partial(_resolved, variables=of_cache, workspaces=workspaces))
        variables.report.extend(report.problems)
        if not report.has_errors:
            result.append((resolved, place))
    return result


def caches_for_task(
    caches: Iterable[tuple[CacheSpec, TextPlace]], workspaces: Sequence[TaskWorkspace], outer: Bindings
) -> Iterator[tuple[CacheSpec, TextPlace]]:
    """Yield the caches of a Pipeline that a Task with these Workspaces gets; `outer` are the Pipeline's Workspaces."""
    paths = {
        name: workspace.path
        for name, volume in outer.items()
        for workspace in workspaces
        if volume is not None and workspace.volume == volume
    }
    values: dict[Path, str] = {("workspaces", name, "path"): path for name, path in paths.items()}
    is_only = len([workspace for workspace in workspaces if workspace.volume is not None]) == 1
    for spec, place in caches:
        texts = (spec.key, *spec.restore_keys, *spec.paths)
        needed = {reference.path for text in texts for reference in references(text)}
        if needed <= values.keys() and (is_only or not _has_relative_pattern(texts)):
            yield _mapped(spec, place, lambda text, _: substitute(text, Scope(values))), place


def _has_relative_pattern(texts: Iterable[str]) -> bool:
    return any("hashFiles(" in text and "$(workspaces" not in text for text in texts)


def _resolved(text: str, place: TextPlace, variables: Variables, workspaces: Bindings) -> str:
    """Return a text with the Pipeline's values; references to the paths of Workspaces stay."""
    kept: dict[Path, str] = {}
    for reference in references(text):
        if reference.path[0] != "workspaces":
            continue
        name = reference.path[1]
        if name not in workspaces:
            message = f"{reference.text}: the Pipeline has no Workspace '{name}'{did_you_mean(name, workspaces)}"
            variables.report.add(place.problem("unknown-workspace", message))
        kept[reference.path] = reference.text
    rest = substitute(text, Scope(dict.fromkeys(kept, "")))
    variables.check(rest, place)
    variables.resolve(rest, place)
    return substitute(text, Scope(kept, variables.values))


def _mapped(spec: CacheSpec, place: TextPlace, change: Callable[[str, TextPlace], str]) -> CacheSpec:
    """Return a cache with changed texts."""
    return spec.model_copy(
        update={
            "key": change(spec.key, place.at("key")),
            "restore_keys": tuple(
                change(text, place.at("restoreKeys", index)) for index, text in enumerate(spec.restore_keys)
            ),
            "paths": tuple(change(text, place.at("paths", index)) for index, text in enumerate(spec.paths)),
        }
    )
