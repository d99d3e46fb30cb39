"""Suppression: warnings and notes that the author ignores, with a comment or an annotation.

Rules:

- The comment ``# monopod: ignore=RULE[,RULE]``, alone or in a longer comment, applies to its own line and the next. On
  the first line of a text block, or above it, it applies to the whole block. It also works within a block, where it is
  a comment to a shell.
- The annotation ``monopod.dev/ignore: RULE,RULE`` applies to its object, or to its taskSpec.
- Errors cannot be ignored. An unknown rule is reported.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from monopod.compiler.advice.source_lines import headers_of_blocks
from monopod.compiler.advice.specs import Specs
from monopod.compiler.diagnostics import Position, Problem, did_you_mean
from monopod.compiler.documents import yaml_tree
from monopod.compiler.documents.documents import Document, Documents
from monopod.compiler.documents.own_annotations import IGNORE
from monopod.compiler.documents.places import DocumentPlace
from monopod.compiler.rules import SUMMARIES
from monopod.schemas.tekton.pipelines import EmbeddedTask

_COMMENT = re.compile(r"(?:^|(?<=\s))#")
_IGNORE = re.compile(r"(?<=[\s#])monopod:\s*ignore\b(?:\s*=\s*([\w-]+(?:\s*,\s*[\w-]+)*))?")


@dataclass(frozen=True, slots=True)
class _Region:
    """Lines of a file, from 1, in which rules are ignored. `last` is None if the region ends with the file."""

    file: str
    first: int
    last: int | None
    rules: frozenset[str]


class _Regions:
    """An index of regions: the first and last lines to ignore, by file and rule."""

    def __init__(self, regions: Iterable[_Region]) -> None:
        self._ranges: dict[tuple[str, str], list[tuple[int, float]]] = {}
        for region in sorted(regions, key=lambda region: region.first):
            last = math.inf if region.last is None else region.last
            for rule in region.rules:
                ranges = self._ranges.setdefault((region.file, rule), [])
                if ranges and ranges[-1][1] >= last:
                    continue  # an earlier region contains it
                ranges.append((region.first, last))

    def hold(self, at: Position, rule: str) -> bool:
        """Whether a region for this rule contains this line."""
        ranges = self._ranges.get((at.file, rule), ())
        before = bisect_right(ranges, (at.line, math.inf))
        return before > 0 and ranges[before - 1][1] >= at.line


class Suppressions:
    """What the files and objects ignore. `problems` are mistakes in that."""

    def __init__(self, specs: Specs) -> None:
        self.problems: list[Problem] = []
        self._comments: dict[tuple[str, int], frozenset[str]] = {}
        self._headers: dict[str, list[int | None]] = {}
        """The header of the text block that contains each line, by file."""
        for file, lines in specs.documents.lines.items():
            self._read_comments(file, lines)
        for file in {file for file, _ in self._comments}:
            self._headers[file] = headers_of_blocks(specs.documents.lines[file])
        self._regions = _Regions([*self._of_objects(specs.documents), *self._of_tasks(specs)])

    def cover(self, problem: Problem) -> bool:
        """Whether a problem is ignored."""
        at = problem.position
        if problem.severity == "error" or at is None:
            return False
        if self._regions.hold(at, problem.rule):
            return True
        headers = self._headers.get(at.file, [])
        header = headers[at.line - 1] if at.line <= len(headers) else None
        places = [at.line] if header is None else [at.line, header]
        return any(
            problem.rule in self._comments.get((at.file, line), ()) for place in places for line in (place, place - 1)
        )

    def _read_comments(self, file: str, lines: Sequence[str]) -> None:
        for number, line in enumerate(lines, 1):
            comment = _COMMENT.search(line) if "monopod:" in line else None
            match = comment and _IGNORE.search(line, comment.start())
            if comment is None or match is None:
                continue
            position = Position(file, number, comment.start() + 1)
            if match[1] is None:
                message = "name the rules to ignore: # monopod: ignore=RULE,RULE"
                self.problems.append(Problem(position, message, "unknown-ignore", "warning"))
                continue
            rules = frozenset(re.split(r"\s*,\s*", match[1]))
            self._comments[file, number] = rules
            for message in _unknown(rules):
                self.problems.append(Problem(position, message, "unknown-ignore", "warning"))

    def _of_objects(self, documents: Documents) -> Iterator[_Region]:
        starts: dict[str, list[int]] = {}
        for document in documents:
            starts.setdefault(document.file, []).append(document.position().line)
        for lines in starts.values():
            lines.sort()
        for document in documents:
            metadata = document.data.get("metadata")
            annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
            if isinstance(annotations, dict) and IGNORE in annotations:
                first = document.position().line
                last = _last_before_next(first, starts[document.file])
                place = DocumentPlace(document, ("metadata", "annotations", IGNORE))
                yield _Region(document.file, first, last, self._rules(annotations[IGNORE], place))

    def _of_tasks(self, specs: Specs) -> Iterator[_Region]:
        lines: dict[Document, list[int]] = {}
        for task in specs.tasks:
            annotations = task.spec.metadata.annotations if isinstance(task.spec, EmbeddedTask) else {}
            document = task.place.document
            if IGNORE in annotations and isinstance(document, Document):
                if document not in lines:
                    lines[document] = sorted(set(_all_lines(document.marks)))
                first = document.position(task.place.path, key=True).line
                last = _last_before_next(max(_all_lines(_marks_of(document, task.place))), lines[document])
                place = task.place.at("metadata", "annotations", IGNORE)
                yield _Region(document.file, first, last, self._rules(annotations[IGNORE], place))

    def _rules(self, text: object, place: DocumentPlace) -> frozenset[str]:
        rules = frozenset(name.strip() for name in str(text).split(","))
        self.problems.extend(place.problem("unknown-ignore", message, "warning") for message in _unknown(rules))
        return rules


def _unknown(rules: Iterable[str]) -> Iterator[str]:
    for rule in sorted(set(rules) - set(SUMMARIES)):
        yield f"there is no rule '{rule}' to ignore{did_you_mean(rule, SUMMARIES)}"


def _last_before_next(line: int, starts: Sequence[int]) -> int | None:
    """Return the line before the first of `starts` (sorted) that follows a line; None if there is none."""
    following = bisect_right(starts, line)
    return starts[following] - 1 if following < len(starts) else None


def _marks_of(document: Document, place: DocumentPlace) -> yaml_tree.Place | yaml_tree.Marks:
    """Return the positions of the values in a part of a document."""
    marks = document.marks
    for part in place.path:
        parts = marks.parts if isinstance(marks, yaml_tree.Marks) else None
        if isinstance(parts, dict) and isinstance(part, str):
            marks = parts.get(part, marks)
        elif isinstance(parts, list) and isinstance(part, int):
            marks = parts[part]
    return marks


def _all_lines(marks: yaml_tree.Place | yaml_tree.Marks) -> Iterator[int]:
    """Yield the lines (from 1) on which the keys and elements of a value begin."""
    rest = [marks]
    while rest:
        node = rest.pop()
        if isinstance(node, yaml_tree.Marks):
            yield node.place[0] + 1
            yield from (line + 1 for line, _ in node.keys.values())
            rest += node.parts.values() if isinstance(node.parts, dict) else node.parts
        else:
            yield node[0] + 1
