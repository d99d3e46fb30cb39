"""The annotation ``monopod.dev/cache`` of a Task: a cache, or a list of caches, as YAML.

Rules:

- ``hashFiles`` is written ``$(hashFiles('PATTERN', ...))``, as Tekton writes references, or as on GitHub
  ``${{ hashFiles('PATTERN', ...) }}``. Other expressions of GitHub's are errors.
- Paths and patterns may be relative: to the Task's Workspace, if it has only one. ``~/`` is the Steps' HOME.

Left to others: the references in its texts (``cache_steps``), its meaning (``system.caches``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from monopod.compiler.diagnostics import Problem, Report
from monopod.compiler.documents.annotations import Annotations
from monopod.compiler.documents.catalog import Catalog
from monopod.compiler.documents.own_annotations import CACHE
from monopod.compiler.documents.text_in_document import TextPlace, parse_text
from monopod.compiler.documents.validation import Complaint, describe, validate
from monopod.schemas.model import ListOf, Model, Path
from monopod.system.caches.keys import LONGEST_KEY


class CacheSpec(Model):
    """One cache, as its author writes it."""

    key: str
    restore_keys: ListOf[str] = ()
    paths: ListOf[str]
    policy: Literal["pull", "push", "both"] = "both"
    when: Literal["success", "always"] = "success"

    def problems(self) -> Iterator[tuple[Path, str]]:
        """Yield the problems of the cache."""
        if not self.key.strip():
            yield ("key",), "the key must not be empty"
        if "$(" not in self.key and "${{" not in self.key and len(self.key) > LONGEST_KEY:
            yield ("key",), f"the key is longer than {LONGEST_KEY} characters"
        if not self.paths:
            yield ("paths",), "at least one path is required"
        for index, path in enumerate(self.paths):
            if not path.strip():
                yield ("paths", index), "the path must not be empty"
            elif any(sign in path.replace("[*]", "") for sign in "*?") or path.startswith("!"):
                yield ("paths", index), "a path cannot be a pattern; name the directory or file"
        for index, prefix in enumerate(self.restore_keys):
            if not prefix:
                yield ("restoreKeys", index), "an empty prefix matches every entry; leave it out, or write a prefix"


@dataclass(frozen=True, slots=True)
class PatternsPart:
    """The patterns of one ``hashFiles``."""

    patterns: tuple[str, ...]


KeyPart: TypeAlias = str | PatternsPart

_ARGUMENT = r"(?:'[^']*'|\"[^\"]*\")"
_CALL = rf"hashFiles\(\s*(?:{_ARGUMENT}(?:\s*,\s*{_ARGUMENT})*)?\s*\)"
_HASH = re.compile(rf"\$\(\s*({_CALL})\s*\)|\$\{{\{{\s*({_CALL})\s*\}}\}}")
_ARGUMENTS = re.compile(_ARGUMENT)
_EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")


def key_parts(text: str, place: TextPlace, report: Report) -> tuple[KeyPart, ...]:
    """Return the parts of a key, and report what is wrong with its calls of ``hashFiles``."""
    parts: list[KeyPart] = []
    end = 0
    for match in _HASH.finditer(text):
        parts += [text[end : match.start()], PatternsPart(_patterns(match[1] or match[2]))]
        end = match.end()
        if not _ARGUMENTS.search(match[0]):
            report.add(place.problem("invalid-value", "hashFiles needs a pattern, such as $(hashFiles('**/go.sum'))"))
    parts.append(text[end:])
    for part in parts:
        if isinstance(part, str) and (message := _wrong_expression(part)) is not None:
            report.add(place.problem("invalid-value", message))
    return tuple(part for part in parts if part)


def _patterns(call: str) -> tuple[str, ...]:
    return tuple(argument[1:-1] for argument in _ARGUMENTS.findall(call))


def _wrong_expression(text: str) -> str | None:
    if re.search("hashfiles", text, re.IGNORECASE):
        return "expected $(hashFiles('PATTERN', ...)), with the patterns in quotes"
    if (match := _EXPRESSION.search(text)) is not None:
        return f"{match[0]} is an expression of GitHub Actions; use a param, such as $(params.version)"
    if "${{" in text:
        return "${{ is not closed"
    return None


def caches_of(annotations: Annotations, catalog: Catalog, report: Report) -> list[tuple[CacheSpec, TextPlace]]:
    """Return the caches in the annotation of a Task, each with its place, and report what is wrong with them."""
    if CACHE not in annotations.values:
        return []
    data, place, problems = parse_text(annotations.values[CACHE], annotations.place(CACHE), catalog.file_text)
    report.extend(problems)
    return [] if problems else _read_caches(data, place, report)


def _read_caches(data: Any, place: TextPlace, report: Report) -> list[tuple[CacheSpec, TextPlace]]:
    if isinstance(data, list) and data:
        items = [(item, place.at(index)) for index, item in enumerate(data)]
    else:
        items = [(data, place)]
    caches = []
    for item, where in items:
        if not isinstance(item, dict):
            message = f"expected a cache (key, paths ...) or a list of caches, got {describe(item)}"
            report.add(where.problem("wrong-type", message))
            continue
        model, complaints = validate(CacheSpec, item)
        report.extend(_problem(complaint, where) for complaint in complaints)
        if model is not None:
            caches.append((model, where))
    return caches


def _problem(complaint: Complaint, place: TextPlace) -> Problem:
    where = place.at(*complaint.path)
    if complaint.at_key:
        return where.problem_with_key(complaint.rule, complaint.message)
    return where.problem(complaint.rule, complaint.message)
