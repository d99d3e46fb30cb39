"""YAML text to plain data, with the place of every key and value.

Rules:

- Plain data has the types of JSON: dict (string keys), list, str, int, float, bool, None.
- Scalars are read as by kubectl (sigs.k8s.io/yaml, which is go-yaml v2, roughly YAML 1.1): ``yes``, ``on`` and
  ``y`` are true, ``0644`` is octal, ``1_000`` is a number, ``12:30`` and dates are strings. A key is always a string.
- Anchors, aliases and merge keys work. The value of an alias is shared, not copied, but counts in full. A text that
  expands to more than `MAX_NODES` values, or nests deeper than `MAX_DEPTH`, is refused before it costs anything.
- Nothing recurses and nothing is raised: errors in a text are returned as problems with positions.

Left to others: reading files, and the meaning of the data (``monopod.compiler.documents.documents``).
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NoReturn, TypeAlias

import yaml

from monopod.compiler.diagnostics import Position, Problem
from monopod.compiler.documents.unquoted_placeholders import HiddenPlaceholders
from monopod.compiler.rules import Rule
from monopod.schemas.model import Path

MAX_NODES = 1_000_000
MAX_DEPTH = 100


Place: TypeAlias = tuple[int, int]
"""A line and a column, both from 0."""


class Marks:
    """The places of a list or mapping, of its parts, and (if it is a mapping) of their keys."""

    __slots__ = ("keys", "parts", "place")

    def __init__(self, place: Place, parts: dict[str, Place | Marks] | list[Place | Marks]) -> None:
        self.place = place
        self.parts = parts
        self.keys: dict[str, Place] = {}


def find(marks: Place | Marks, path: Path, *, key: bool = False) -> Place:
    """Return the place of `path`, or of the last part of it that exists; with `key`, the place of that part's key."""
    *outer, last = _along(marks, path)
    if key and outer and isinstance(holder := outer[-1], Marks) and isinstance(name := path[len(outer) - 1], str):
        return holder.keys[spelling(holder, name) or name]
    return last.place if isinstance(last, Marks) else last


def existing(marks: Place | Marks, path: Path) -> Path:
    """Return the longest beginning of `path` that exists."""
    return path[: len(_along(marks, path)) - 1]


def marks_at(marks: Place | Marks, path: Path) -> Place | Marks:
    """Return the marks of `path`, or of the last part of it that exists."""
    return _along(marks, path)[-1]


def _along(marks: Place | Marks, path: Path) -> list[Place | Marks]:
    """Return `marks`, and the marks of each part of `path` that exists."""
    result = [marks]
    for part in path:
        inner = _part(result[-1], part)
        if inner is None:
            break
        result.append(inner)
    return result


def _part(marks: Place | Marks, part: str | int) -> Place | Marks | None:
    if not isinstance(marks, Marks):
        return None
    if isinstance(marks.parts, list):
        return marks.parts[part] if isinstance(part, int) and 0 <= part < len(marks.parts) else None
    name = spelling(marks, part) if isinstance(part, str) else None
    return None if name is None else marks.parts[name]


def spelling(marks: Marks, name: str) -> str | None:
    """Return how a mapping spells the key `name`, which may differ in upper and lower case; None: not at all."""
    if name in marks.keys:
        return name
    return next((key for key in marks.keys if key.lower() == name.lower()), None)


@dataclass(frozen=True, slots=True)
class Tree:
    """One document of a YAML stream; `text` is the whole stream.

    `respelled` has the numbers and booleans of the stream that JSON writes differently, such as ``1.20`` and ``yes``.
    """

    data: Any
    marks: Place | Marks
    text: str = ""
    respelled: Mapping[Place, str] = field(default_factory=dict)


def parse(text: str, file: str, placeholders: HiddenPlaceholders | None = None) -> tuple[list[Tree], list[Problem]]:
    """Return the documents of a YAML (or JSON) text, except empty documents, and its problems.

    The text after the first syntax error is not read. `placeholders` are those of the text that are no YAML.
    """
    builder = _Builder(text, file)
    parser = yaml.CSafeLoader(_without_surrogate_escapes(text if placeholders is None else placeholders.text))
    try:
        while (event := parser.get_event()) is not None:
            if placeholders is not None and isinstance(event, yaml.ScalarEvent):
                event.value = placeholders.shown(event.value)
            if (take := builder.take.get(type(event))) is not None:
                take(event)
    except yaml.MarkedYAMLError as error:
        builder.problems.append(_syntax_problem(error, text, file))
    except _Refused:
        pass
    finally:
        parser.dispose()
    return builder.trees, builder.problems


_SURROGATES = re.compile(r"(?<!\\)((?:\\\\)*)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")


def _without_surrogate_escapes(text: str) -> str:
    """Replace the pairs of escapes that JSON allows, but not YAML, for characters such as emoji."""
    if not text.lstrip().startswith(("{", "[")):
        return text
    return _SURROGATES.sub(
        lambda match: match[1] + chr(0x10000 + ((int(match[2], 16) - 0xD800) << 10) + int(match[3], 16) - 0xDC00), text
    )


# What is wrong with the syntax


_DESCRIPTIONS = {
    "flow sequence": "list in [ ]",
    "flow mapping": "mapping in { }",
    "flow node": "value in [ ] or { }",
    "block sequence": "list",
    "block collection": "list",
    "block mapping": "mapping",
    "quoted scalar": "text in quotes",
    "plain scalar": "text without quotes",
    "block scalar": "text after | or >",
    "simple key": "key",
}


def _syntax_problem(error: yaml.MarkedYAMLError, text: str, file: str) -> Problem:
    mark = error.problem_mark or error.context_mark
    lines = text.splitlines() or [""]
    line, column = (mark.line, mark.column) if mark is not None else (0, 0)
    if line >= len(lines):  # libyaml puts the end of the text on a line of its own
        line, column = len(lines) - 1, len(lines[-1])
    character = lines[line][column : column + 1]
    message = _syntax_message(error, character, line)
    rule: Rule = "yaml-syntax"
    if character == "\t":
        message, rule = "a tab is used for indentation; YAML takes spaces only", "yaml-tab"
    return Problem(Position(file, line + 1, column + 1), message, rule)


def _syntax_message(error: yaml.MarkedYAMLError, character: str, line: int) -> str:
    problem = error.problem or "it cannot be read"
    if problem == "found character that cannot start any token":
        return f"this is not valid YAML: a value cannot start with '{character}'; write it in quotes"
    if problem == "mapping values are not allowed in this context":
        return (
            "this is not valid YAML: a ':' is not expected here; "
            "is the indentation wrong, or is a text with ': ' not in quotes?"
        )
    context = f" {error.context}" if error.context else ""
    if context and error.context_mark is not None and error.context_mark.line < line:
        context += f" that begins on line {error.context_mark.line + 1}"
    for theirs, ours in _DESCRIPTIONS.items():
        context = context.replace(theirs, ours)
    return f"this is not valid YAML: {problem}{context}"


# Scalars


_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
}
_NOT_JSON = frozenset(sign + word for sign in ("", "+", "-") for word in (".inf", ".Inf", ".INF")) | {
    ".nan",
    ".NaN",
    ".NAN",
}
_FIRST = frozenset("+-.0123456789yYnNtTfFoO~") | {""}
"""How a scalar begins that may be a number or a word; an empty one is null."""
_INTEGER = re.compile(r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|([1-9][0-9]*|0))", re.ASCII)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_MERGE = "<<"
_TAG = "tag:yaml.org,2002:"
_TAGGED_TYPES: dict[str, tuple[type, ...]] = {
    "!!int": (int,),
    "!!float": (int, float),
    "!!bool": (bool,),
    "!!null": (type(None),),
}


def plain_scalar(text: str) -> str | int | float | bool | None:
    """Return the value of a scalar without quotes. Raises ValueError for a number that JSON cannot hold."""
    return _number_or_word(text) if text[:1] in _FIRST else text


@lru_cache(4096)
def _number_or_word(text: str) -> str | int | float | bool | None:
    if text in _WORDS:
        return _WORDS[text]
    if text in _NOT_JSON:
        raise ValueError(f"{text} is not a number that JSON can hold; write it in quotes if a string is meant")
    if text[0] in "+-.0123456789":
        number = _number(text.replace("_", "") if text[0] != "." else text)
        return text if number is None else number
    return text


def _number(text: str) -> int | float | None:
    if match := _INTEGER.fullmatch(text):
        digits, base = next((match[group], base) for group, base in ((2, 16), (3, 2), (4, 8), (5, 10)) if match[group])
        digits = digits.lstrip("0") or "0"
        value = int(digits, base) * (-1 if match[1] == "-" else 1) if len(digits) <= 64 else 2**64
        if -(2**63) <= value < 2**64:
            return value
    if _FLOAT.fullmatch(text) is None:
        return None
    number = float(text)
    if number in (float("inf"), float("-inf")):
        return None
    return int(number) if number.is_integer() and abs(number) < 1e21 else number


def _scalar(event: Any) -> Any:
    """Return the value of a scalar. Raises ValueError if its tag is unknown or does not fit the text."""
    tag = event.tag
    if tag is None:
        return event.value if event.style else plain_scalar(event.value)
    short = _short(tag)
    if short in {"!", "!!str", "!!timestamp"}:
        return event.value
    if short == "!!binary":
        return base64.b64decode(event.value).decode()
    if short not in _TAGGED_TYPES:
        raise ValueError(f"unsupported tag {short}")
    value = plain_scalar(event.value)
    if type(value) not in _TAGGED_TYPES[short]:
        raise ValueError(f"'{event.value}' does not fit its tag {short}")
    return value


def _short(tag: str) -> str:
    return tag.replace(_TAG, "!!")


def _key_text(value: Any) -> str:
    """Return a scalar key as a string, as kubectl does."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


# Building


class _Refused(Exception):  # noqa: N818  # never leaves this module
    """The text exceeds a limit; the problem is reported already."""


class _OpenList:
    """A list that is still open."""

    merging = False
    __slots__ = ("anchor", "data", "height", "key", "marks", "nodes_before", "parts")

    def __init__(self, place: Place, anchor: str | None, nodes_before: int) -> None:
        self.data: list[Any] = []
        self.parts: list[Place | Marks] = []
        self.marks = Marks(place, self.parts)
        self.anchor = anchor
        self.nodes_before = nodes_before
        self.height = 1
        self.key = ""
        """Never None: a list does not wait for a key."""

    def add(self, data: Any, marks: Place | Marks) -> None:
        self.data.append(data)
        self.parts.append(marks)


class _OpenMapping:
    """A mapping that is still open. If `key` is None, the next value is a key, else it is the value of `key`.

    `merging`: the key is a merge key, ``<<``.
    """

    __slots__ = (
        *("anchor", "data", "height", "key", "key_place"),
        *("marks", "merged", "merging", "nodes_before", "parts"),
    )

    def __init__(self, place: Place, anchor: str | None, nodes_before: int) -> None:
        self.data: dict[str, Any] = {}
        self.parts: dict[str, Place | Marks] = {}
        self.marks = Marks(place, self.parts)
        self.anchor = anchor
        self.nodes_before = nodes_before
        self.height = 1
        self.key: str | None = None
        self.key_place = place
        self.merging = False
        self.merged: list[tuple[dict[str, Any], Marks]] = []

    def add(self, data: Any, marks: Place | Marks) -> None:
        assert self.key is not None
        self.data[self.key] = data
        self.parts[self.key] = marks
        self.marks.keys[self.key] = self.key_place
        self.key = None

    def merge(self) -> None:
        """Add the merged keys: a mapping's own keys win, then the keys of the merged mappings in order."""
        for data, marks in self.merged:
            assert isinstance(marks.parts, dict)
            for key, value in data.items():
                if key not in self.data:
                    self.data[key] = value
                    self.parts[key] = marks.parts[key]
                    self.marks.keys[key] = marks.keys[key]


@dataclass(frozen=True, slots=True)
class _Anchored:
    """The value of an alias; `nodes` and `height` are counted with its own aliases expanded."""

    data: Any
    marks: Place | Marks
    nodes: int
    height: int


class _Builder:
    """Builds trees from the events of libyaml, one after the other. `take` has a method for each event that matters."""

    def __init__(self, text: str, file: str) -> None:
        self._text = text
        self.trees: list[Tree] = []
        self.problems: list[Problem] = []
        self._respelled: dict[Place, str] = {}
        self._file = file
        self._documents = _OpenList((0, 0), None, 0)
        self._open: list[_OpenList | _OpenMapping] = [self._documents]
        self._anchors: dict[str, _Anchored] = {}
        self._nodes = 0
        self.take: dict[type, Callable[[Any], None]] = {
            yaml.ScalarEvent: self._take_scalar,
            yaml.MappingStartEvent: self._take_start,
            yaml.SequenceStartEvent: self._take_start,
            yaml.MappingEndEvent: self._take_end,
            yaml.SequenceEndEvent: self._take_end,
            yaml.AliasEvent: self._take_alias,
            yaml.DocumentStartEvent: self._take_document,
        }

    def _take_document(self, _event: Any) -> None:
        self._anchors = {}

    def _take_scalar(self, event: Any) -> None:
        place = _place(event)
        self._nodes += 1
        if self._nodes > MAX_NODES:
            self._refuse_size(place)
        value = event.value
        if event.tag is not None or (not event.style and value[:1] in _FIRST):
            value = self._special_value(event, place)
        if event.anchor is not None:
            self._anchors[event.anchor] = _Anchored(value, place, 1, 0)
        top = self._open[-1]
        if top.key is None:
            is_plain = not event.style and event.tag is None
            self._take_key(top, value, place, may_merge=is_plain)
        elif top.merging or top is self._documents:
            self._add(value, place, place)
        else:
            top.add(value, place)

    def _special_value(self, event: Any, place: Place) -> Any:
        """Return the value of a scalar that may be more than the text that it is."""
        try:
            value = _scalar(event)
        except ValueError as error:
            self._report(place, str(error), "yaml-scalar")
            value = event.value
        if type(value) is not str and value is not None and json.dumps(value) != event.value:
            self._respelled[place] = event.value
        return value

    def _take_key(self, top: _OpenMapping | _OpenList, value: Any, place: Place, *, may_merge: bool) -> None:
        assert isinstance(top, _OpenMapping)
        top.key = key = value if type(value) is str else _key_text(value)
        top.key_place = place
        top.merging = may_merge and key == _MERGE
        if value is None:
            self._report(place, "a key must not be empty or null", "yaml-key")
        elif not top.merging and (before := top.marks.keys.get(key)) is not None:
            self._report(place, f"the key '{key}' is already there on line {before[0] + 1}", "yaml-duplicate-key")

    def _take_start(self, event: Any) -> None:
        place = _place(event)
        self._count(1, place)
        self._check_depth(len(self._open), place)
        if self._open[-1].key is None:
            message = "a key must be a text, not a list or mapping; if this is a template with {{ }}, render it first"
            self._refuse(place, message, "yaml-key")
        is_mapping = type(event) is yaml.MappingStartEvent
        if event.tag not in {None, "!", _TAG + ("map" if is_mapping else "seq")}:
            self._report(place, f"unsupported tag {_short(event.tag)}", "yaml-scalar")
        if event.anchor is not None:
            self._anchors.pop(event.anchor, None)
        kind = _OpenMapping if is_mapping else _OpenList
        self._open.append(kind(place, event.anchor, self._nodes - 1))

    def _take_end(self, _event: Any) -> None:
        done = self._open.pop()
        if isinstance(done, _OpenMapping) and done.merged:
            done.merge()
        if done.anchor is not None:
            nodes = self._nodes - done.nodes_before
            self._anchors[done.anchor] = _Anchored(done.data, done.marks, nodes, done.height)
        top = self._open[-1]
        top.height = max(top.height, done.height + 1)
        self._add(done.data, done.marks, done.marks.place)

    def _take_alias(self, event: Any) -> None:
        place = _place(event)
        anchored = self._anchors.get(event.anchor)
        if anchored is None:
            within = any(frame.anchor == event.anchor for frame in self._open)
            reason = "refers to a value that contains it" if within else "has no anchor before it"
            self._refuse(place, f"the alias *{event.anchor} {reason}", "yaml-alias")
        self._count(anchored.nodes, place)
        self._check_depth(len(self._open) - 1 + anchored.height, place)
        top = self._open[-1]
        if top.key is None:
            if anchored.height:
                self._refuse(place, "a key must be a text, not a list or mapping", "yaml-key")
            self._take_key(top, anchored.data, place, may_merge=False)
            return
        top.height = max(top.height, anchored.height + 1)
        self._add(anchored.data, anchored.marks, place)

    def _add(self, data: Any, marks: Place | Marks, place: Place) -> None:
        """Add a value to the open list or mapping, or to the documents if none is open."""
        top = self._open[-1]
        if top.merging:
            self._remember_merge(top, data, marks, place)
        elif top is self._documents:
            if data is not None:
                self.trees.append(Tree(data, marks, self._text, self._respelled))
        else:
            top.add(data, marks)

    def _remember_merge(self, top: _OpenMapping | _OpenList, data: Any, marks: Place | Marks, place: Place) -> None:
        assert isinstance(top, _OpenMapping)
        top.key, top.merging = None, False
        sources = [(data, marks)]
        if isinstance(data, list) and isinstance(marks, Marks) and isinstance(marks.parts, list):
            sources = list(zip(data, marks.parts, strict=True))
        for source, source_marks in sources:
            if isinstance(source, dict) and isinstance(source_marks, Marks):
                top.merged.append((source, source_marks))
            else:
                self._report(place, "a merge key << takes a mapping or a list of mappings", "yaml-merge")

    def _count(self, nodes: int, place: Place) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            self._refuse_size(place)

    def _refuse_size(self, place: Place) -> NoReturn:
        self._refuse(place, f"the file unfolds to more than {MAX_NODES:,} values", "yaml-too-large")

    def _check_depth(self, depth: int, place: Place) -> None:
        if depth > MAX_DEPTH:
            self._refuse(place, f"this is nested deeper than {MAX_DEPTH} levels", "yaml-too-deep")

    def _report(self, place: Place, message: str, rule: Rule) -> None:
        self.problems.append(Problem(Position(self._file, place[0] + 1, place[1] + 1), message, rule))

    def _refuse(self, place: Place, message: str, rule: Rule) -> NoReturn:
        self._report(place, message, rule)
        raise _Refused


def _place(event: Any) -> Place:
    mark = event.start_mark
    return mark.line, mark.column
