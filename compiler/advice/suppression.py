"""Warnings and notes that an author does not want to hear again, and says so in the file.

Rules:

- The comment ``# monopod: ignore=RULE[,RULE]``, alone or in a longer one, is for its own line and the one below. On
  the first line of a text block, or above it, it is for the whole block; within a block it works too, since to a shell
  it is a comment.
- The annotation ``monopod.dev/ignore: RULE,RULE`` is for its object, or for the taskSpec that has it.
- Errors cannot be ignored. The name of a rule that there is none of is told.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from monopod.compiler import yaml_tree
from monopod.compiler.advice.source_lines import header_of_block
from monopod.compiler.advice.specs import Specs
from monopod.compiler.diagnostics import Position, Problem, did_you_mean
from monopod.compiler.documents import Document, Documents
from monopod.compiler.places import DocumentPlace
from monopod.compiler.rules import SUMMARIES
from monopod.schemas.tekton import EmbeddedTask

ANNOTATION = "monopod.dev/ignore"
_COMMENT = re.compile(r"(?:^|\s)#(?:.*\s)?\s*monopod:\s*ignore\b(?:\s*=\s*([\w-]+(?:\s*,\s*[\w-]+)*))?")


@dataclass(frozen=True, slots=True)
class _Region:
    """Lines of a file, from 1, in which rules are ignored. `last` is None at the end of the file."""

    file: str
    first: int
    last: int | None
    rules: frozenset[str]

    def holds(self, problem: Problem) -> bool:
        at = problem.position
        return (
            at is not None
            and problem.rule in self.rules
            and at.file == self.file
            and at.line >= self.first
            and (self.last is None or at.line <= self.last)
        )


class Suppressions:
    """What the files and objects say is to be ignored. `problems` is what is wrong with that."""

    def __init__(self, specs: Specs) -> None:
        self.problems: list[Problem] = []
        self._lines = {file: text.splitlines() for file, text in specs.documents.texts.items()}
        self._comments: dict[tuple[str, int], frozenset[str]] = {}
        for file, lines in self._lines.items():
            self._read_comments(file, lines)
        self._regions = [*self._of_objects(specs.documents), *self._of_tasks(specs)]

    def cover(self, problem: Problem) -> bool:
        """Whether a problem is to be ignored."""
        at = problem.position
        if problem.severity == "error" or at is None:
            return False
        if any(region.holds(problem) for region in self._regions):
            return True
        lines = self._lines.get(at.file, [])
        places = [at.line]
        if self._comments and at.line <= len(lines) and (header := header_of_block(lines, at.line)) is not None:
            places.append(header)
        return any(
            problem.rule in self._comments.get((at.file, line), ()) for place in places for line in (place, place - 1)
        )

    def _read_comments(self, file: str, lines: list[str]) -> None:
        for number, line in enumerate(lines, 1):
            match = _COMMENT.search(line) if "monopod:" in line else None
            if match is None:
                continue
            position = Position(file, number, match.start() + 1 + (match[0][0] != "#"))
            if match[1] is None:
                message = "say what is to be ignored, by its rule: # monopod: ignore=RULE,RULE"
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
        for document in documents:
            metadata = document.data.get("metadata")
            annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
            if isinstance(annotations, dict) and ANNOTATION in annotations:
                first = document.position().line
                following = [line for line in starts[document.file] if line > first]
                last = min(following) - 1 if following else None
                place = DocumentPlace(document, ("metadata", "annotations", ANNOTATION))
                yield _Region(document.file, first, last, self._rules(annotations[ANNOTATION], place))

    def _of_tasks(self, specs: Specs) -> Iterator[_Region]:
        for task in specs.tasks:
            annotations = task.spec.metadata.annotations if isinstance(task.spec, EmbeddedTask) else {}
            document = task.place.document
            if ANNOTATION in annotations and isinstance(document, Document):
                first, last = _lines_of(document, task.place)
                place = task.place.at("metadata", "annotations", ANNOTATION)
                yield _Region(document.file, first, last, self._rules(annotations[ANNOTATION], place))

    def _rules(self, text: object, place: DocumentPlace) -> frozenset[str]:
        rules = frozenset(each.strip() for each in str(text).split(","))
        self.problems.extend(place.problem("unknown-ignore", message, "warning") for message in _unknown(rules))
        return rules


def _unknown(rules: Iterable[str]) -> Iterator[str]:
    for rule in sorted(set(rules) - set(SUMMARIES)):
        yield f"there is no rule '{rule}' to ignore{did_you_mean(rule, SUMMARIES)}"


def _lines_of(document: Document, place: DocumentPlace) -> tuple[int, int | None]:
    """Return the first and the last line (None: that of the file) of a part of a document."""
    first = document.position(place.path, key=True).line
    marks = document.marks
    for part in place.path:
        parts = marks.parts if isinstance(marks, yaml_tree.Marks) else None
        if isinstance(parts, dict) and isinstance(part, str):
            marks = parts.get(part, marks)
        elif isinstance(parts, list) and isinstance(part, int):
            marks = parts[part]
    last = max(_all_lines(marks))
    following = [line for line in _all_lines(document.marks) if line > last]
    return first, (min(following) - 1 if following else None)


def _all_lines(marks: yaml_tree.Place | yaml_tree.Marks) -> Iterator[int]:
    """Yield the lines (from 1) on which the parts and keys of a value begin."""
    rest = [marks]
    while rest:
        each = rest.pop()
        if isinstance(each, yaml_tree.Marks):
            yield each.place[0] + 1
            yield from (line + 1 for line, _ in each.keys.values())
            rest += each.parts.values() if isinstance(each.parts, dict) else each.parts
        else:
            yield each[0] + 1
