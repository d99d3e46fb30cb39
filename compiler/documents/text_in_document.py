"""YAML that is the text of a value in a document, such as an annotation: its data, and the place of each part of it.

Rules:

- A problem is reported at its own line and column if the text is a literal block (``|``) or on one line; else where
  the text begins.

Left to others: what the data means.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from monopod.compiler.diagnostics import Position, Problem, Severity
from monopod.compiler.documents import yaml_tree
from monopod.compiler.documents.places import Place
from monopod.compiler.rules import Rule
from monopod.schemas.model import Path, format_path

_BLOCK = re.compile(r"(?:[&!]\S*\s+)*\|[-+0-9]*\s*(?:#.*)?")


@dataclass(frozen=True, slots=True)
class TextPlace:
    """A place in the text: `path` leads to it, `outer` is where the text is. It is a `Place`."""

    outer: Place
    marks: yaml_tree.Place | yaml_tree.Marks
    origin: Callable[[yaml_tree.Place], Position | None]
    path: Path = ()

    def at(self, *parts: str | int) -> TextPlace:
        """Return the place at a path inside this one."""
        return replace(self, path=self.path + parts)

    def problem(self, rule: Rule, message: str, severity: Severity = "error") -> Problem:
        """Return a problem at this place."""
        return self._problem(rule, message, severity, key=False)

    def problem_with_key(self, rule: Rule, message: str) -> Problem:
        """Return a problem with the key at the end of the path."""
        return self._problem(rule, message, "error", key=True)

    def _problem(self, rule: Rule, message: str, severity: Severity, *, key: bool) -> Problem:
        text = f"{format_path(self.path)}: {message}" if self.path else message
        problem = self.outer.problem(rule, text, severity)
        position = self.origin(yaml_tree.find(self.marks, self.path, key=key))
        return problem if position is None else replace(problem, position=position)


def parse_text(text: str, outer: Place, file_text: Callable[[str], str | None]) -> tuple[Any, TextPlace, list[Problem]]:
    """Return the data of a text, its place, and the problems of its YAML; `outer` is where the text is written.

    `file_text` returns the content of a file of the input, by its name.
    """
    start = outer.problem("invalid", "").position
    lines = [] if start is None else (file_text(start.file) or "").splitlines()

    def origin(place: yaml_tree.Place) -> Position | None:
        return None if start is None else _position(start, lines, text, place)

    trees, found = yaml_tree.parse(text, "")
    problems = []
    for problem in found:
        moved = outer.problem(problem.rule, problem.message)
        where = None if problem.position is None else origin((problem.position.line - 1, problem.position.column - 1))
        problems.append(moved if where is None else replace(moved, position=where))
    tree = trees[0] if trees else yaml_tree.Tree(None, (0, 0))
    return tree.data, TextPlace(outer, tree.marks, origin), problems


def _position(start: Position, lines: list[str], text: str, place: yaml_tree.Place) -> Position | None:
    """Return the position in the file of a place in a text that begins at a position."""
    if not 0 < start.line <= len(lines):
        return None
    line, column = place
    first = lines[start.line - 1][start.column - 1 :]
    if _BLOCK.fullmatch(first.rstrip()):
        content = next((each for each in lines[start.line :] if each.strip()), "")
        indentation = len(content) - len(content.lstrip(" "))
        return Position(start.file, start.line + 1 + line, indentation + column + 1)
    quotes = first[:1] in {"'", '"'}
    if "\n" not in text.rstrip("\n") and first[quotes:].startswith(text.rstrip("\n")):
        return Position(start.file, start.line, start.column + quotes + column)
    return None
