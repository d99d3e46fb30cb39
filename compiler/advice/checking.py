"""Checking: everything that is wrong or risky in the documents, whether or not a run uses it.

Rules:

- All runs are compiled, and each Pipeline and Task that nothing refers to, with placeholders for missing params. A
  param without a default is not a problem.
- Advice covers the documents in the files, not fetched documents.

Left to others: the rules (the other modules of ``advice``), printing the problems (the command line).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from monopod.compiler.advice.declared_results import unused_results, unwritten_results
from monopod.compiler.advice.guards import never_true
from monopod.compiler.advice.images import unpinned_images
from monopod.compiler.advice.injection import script_injection
from monopod.compiler.advice.left_as_text import LeftAsText, left_as_text
from monopod.compiler.advice.packing import suggest_packing
from monopod.compiler.advice.parallel_writers import parallel_writers
from monopod.compiler.advice.resources import missing_requests, requests_over_limits
from monopod.compiler.advice.specs import specs_in
from monopod.compiler.advice.suppression import Suppressions
from monopod.compiler.advice.timeouts import missing_timeouts
from monopod.compiler.advice.unused_documents import unused_documents
from monopod.compiler.advice.unused_params import unused_params
from monopod.compiler.advice.unused_workspaces import unused_workspaces
from monopod.compiler.compilation import compile_document
from monopod.compiler.diagnostics import Problem
from monopod.compiler.documents.documents import Document, Documents
from monopod.compiler.documents.run_selection import choose
from monopod.compiler.images.image_programs import MakeLookup, lookup_for
from monopod.compiler.options import Options
from monopod.compiler.rules import Rule
from monopod.schemas.tekton.params import ParamSpec
from monopod.schemas.tekton.pipelines import Pipeline, PipelineSpec
from monopod.schemas.tekton.runs import PipelineRun, TaskRun
from monopod.schemas.tekton.tasks import StepAction, Task

_ADVICE = (
    never_true,
    unpinned_images,
    script_injection,
    parallel_writers,
    missing_requests,
    requests_over_limits,
    missing_timeouts,
    unused_params,
    unused_workspaces,
    unused_results,
    unwritten_results,
    unused_documents,
)
_PLACEHOLDER = "monopod-value-of-"
"""The prefix of placeholders for missing params. Problems with placeholders are dropped."""


@dataclass(frozen=True, slots=True)
class Checked:
    """The problems, sorted, without duplicates; the author ignores the `suppressed` problems."""

    problems: tuple[Problem, ...]
    suppressed: tuple[Problem, ...] = ()


def check(documents: Documents, options: Options) -> Checked:
    """Return everything that is wrong or risky. Raises Problems if the options do not choose one run."""
    lookup = lookup_for(documents, options.image_configs)
    problems: set[Problem] = {*documents.warnings, *(lookup().problems if options.image_configs else ())}
    for document, is_asked_for in targets(documents, options):
        problems |= _problems_of(
            document, documents, _options_for(document, options, is_asked_for=is_asked_for), lookup
        )
    specs = specs_in(documents)
    for advice in _ADVICE:
        problems.update(advice(specs))
    texts = tuple(left_as_text(specs))
    problems = {problem for problem in problems if not _follows(problem, texts)} | {text.problem for text in texts}
    refused = {problem.position for problem in problems if problem.severity == "error"}
    problems = {problem for problem in problems if problem.rule not in _OF_A_VALUE or problem.position not in refused}
    suppressions = Suppressions(specs)
    problems.update(suppressions.problems)
    suppressed = {problem for problem in problems if suppressions.cover(problem)}
    return Checked(tuple(sorted(problems - suppressed)), tuple(sorted(suppressed)))


_OF_A_VALUE: frozenset[Rule] = frozenset({"left-as-text", "unpinned-image"})
"""Advice that adds nothing where the value is an error."""

_OF_UNUSED: dict[Rule, str] = {
    "unused-param": "params",
    "unused-workspace": "workspaces",
    "unused-result": "results",
    "unwritten-result": "results",
}


def _follows(problem: Problem, texts: Iterable[LeftAsText]) -> bool:
    """Return whether something is unused only because the reference to it is misspelt, which is reported by itself."""
    kind = _OF_UNUSED.get(problem.rule)
    if kind is None or problem.position is None:
        return False
    file = problem.position.file
    names = {text.meant[1] for text in texts if text.meant[:1] == (kind,) and _file_of(text.problem) == file}
    return any(f"'{name}'" in problem.message for name in names)


def _file_of(problem: Problem) -> str | None:
    return problem.position.file if problem.position is not None else None


# What to compile


def targets(documents: Documents, options: Options) -> Iterator[tuple[Document, bool]]:
    """Yield each document to compile, and whether the user chose it; otherwise it is checked by itself."""
    if options.name is not None or options.params or options.workspaces:
        chosen = choose(documents, options.name)
        yield from ((document, True) for document in chosen)
        if options.name is not None:
            return
    else:
        chosen = tuple(document for document in documents if isinstance(document.model, PipelineRun | TaskRun))
        yield from ((document, True) for document in chosen)
    by_name = {
        (document.kind, document.name): document
        for document in documents
        if isinstance(document.model, Pipeline | Task)
    }
    covered = set(chosen)
    for document in chosen:
        covered |= _reached(document, by_name)
    named = {name for document in documents for name in _names(document)}
    candidates = [document for kind in (Pipeline, Task) for document, _ in documents.of(kind)]
    if not candidates and not chosen and not documents.of(StepAction):
        choose(documents, None)  # raises: there is nothing to run
    candidates.sort(key=lambda document: (document.kind, document.name) in named)  # unreferenced ones first
    for document in candidates:
        if document not in covered:
            yield document, False
            covered |= {document} | _reached(document, by_name)


def _reached(document: Document, by_name: Mapping[tuple[str, str], Document]) -> set[Document]:
    """Return the Pipelines and Tasks that a document refers to, directly or indirectly."""
    reached: set[Document] = set()
    rest = [document]
    while rest:
        for name in _names(rest.pop()):
            other = by_name.get(name)
            if other is not None and other not in reached:
                reached.add(other)
                rest.append(other)
    return reached


def _names(document: Document) -> Iterator[tuple[str, str]]:
    """Yield the kinds and names of the Pipelines and Tasks that a document refers to."""
    model = document.model
    if isinstance(model, Pipeline):
        yield from _names_in(model.spec)
    elif isinstance(model, PipelineRun):
        if model.spec.pipeline_spec is not None:
            yield from _names_in(model.spec.pipeline_spec)
        elif model.spec.pipeline_ref is not None:
            yield "Pipeline", model.spec.pipeline_ref.name
    elif isinstance(model, TaskRun) and model.spec.task_ref is not None:
        yield "Task", model.spec.task_ref.name


def _names_in(spec: PipelineSpec) -> Iterator[tuple[str, str]]:
    for task in (*spec.tasks, *spec.finally_):
        if task.task_ref is not None:
            yield "Task", task.task_ref.name
        elif task.pipeline_ref is not None:
            yield "Pipeline", task.pipeline_ref.name
        elif task.pipeline_spec is not None:
            yield from _names_in(task.pipeline_spec)


def _problems_of(document: Document, documents: Documents, options: Options, lookup: MakeLookup) -> set[Problem]:
    outcome = compile_document(document, documents, options, lookup)
    problems = [_as_advice(each) for each in outcome.problems]
    problems += filter(None, [suggest_packing(document, outcome)])
    if isinstance(document.model, PipelineRun | TaskRun):
        return set(problems)
    has_placeholders = any(text.startswith((_PLACEHOLDER, f'["{_PLACEHOLDER}', '{"')) for _, text in options.params)
    return {problem for problem in problems if not _is_of_no_run(problem, has_placeholders)}


def _as_advice(problem: Problem) -> Problem:
    """Return a problem that only some backends have, which is not known when checking, as a warning."""
    return replace(problem, severity="warning") if problem.rule == "no-cel" else problem


def _is_of_no_run(problem: Problem, has_placeholders: bool) -> bool:
    """Whether a problem with a definition only exists because no run gives it what it needs."""
    if problem.rule == "unbound-workspace" or _PLACEHOLDER in problem.message:
        return True
    return problem.rule in ("remote", "idle-include") and has_placeholders


def _options_for(document: Document, options: Options, *, is_asked_for: bool) -> Options:
    """Return options that also give a Pipeline or Task the params it requires and the command line omits.

    The command line's params and Workspaces apply only to the documents that the user chose.
    """
    model = document.model
    if not isinstance(model, Pipeline | Task):
        return options
    if not is_asked_for:
        options = replace(options, params=(), workspaces=())
    set_by_user = {name for name, _ in options.params}
    missing = [spec for spec in model.spec.params if spec.default is None and spec.name not in set_by_user]
    return replace(options, params=(*options.params, *((spec.name, _placeholder(spec)) for spec in missing)))


def _placeholder(spec: ParamSpec) -> str:
    """Return a value for a param, as one would write it on the command line."""
    text = spec.enum[0] if spec.enum else f"{_PLACEHOLDER}{spec.name}"
    if spec.value_type == "array":
        return json.dumps([text])
    if spec.value_type == "object":
        return json.dumps(dict.fromkeys(spec.properties or (), text))
    return text
