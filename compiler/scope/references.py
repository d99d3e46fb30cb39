"""Which ``$(...)`` references are valid at a place, what is known of their values, and whether they fit.

Rules (Tekton docs/variables.md):

- `Names` holds the names that a place may refer to, each with its `Shape`. An inner scope sees the names of the outer
  scope, and can shadow them.
- A reference inside a longer string must be a string. A whole element of a list may be an array; a whole param value
  may be an array or object.
- A reference without a known first word belongs to the shell and is not changed.
- A value that is unknown because of a reported problem (a Task that could not be fetched) is `UNRESOLVED`: it fits
  everywhere, and nothing that refers to it is reported again.

Left to others: collecting the names (``params``, ``pipelines``, ``pipeline_tasks``), and their values.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias

from monopod.compiler.diagnostics import Problem, closest, did_you_mean
from monopod.compiler.documents.places import Place
from monopod.schemas.plan import Value, ValueType
from monopod.schemas.variables import Path, Reference, only_reference, references, references_in

Use: TypeAlias = Literal["text", "element", "value"]
"""How a text is used: as a string, as an element of a list (or a list itself), or as the value of a param."""

_ARTICLE = {"string": "a string", "array": "an array", "object": "an object"}


@dataclass(frozen=True, slots=True)
class Shape:
    """What is known of a value: its type, the number of elements of an array, the keys of an object.

    `unresolved`: nothing is known, because of a problem that is reported elsewhere.
    """

    type: ValueType = "string"
    length: int | None = None
    keys: frozenset[str] | None = None
    unresolved: bool = False

    def fits(self, kind: ValueType) -> bool:
        """Return whether the value is, or may be, of this type."""
        return self.unresolved or self.type == kind


STRING = Shape()
UNRESOLVED = Shape(unresolved=True)


class Names:
    """The names that a place may refer to."""

    def __init__(
        self,
        shapes: Mapping[Path, Shape],
        outer: Names | None = None,
        *,
        open_ended: Container[Path] = (),
        unresolved: Container[Path] = (),
        refused: Callable[[Path], str | None] | None = None,
        hidden: Iterable[str] = (),
    ) -> None:
        """`open_ended`: every path that starts with one of these is a string. `refused` says why a path is wrong.

        `unresolved`: nothing is known of paths that start with one of these, because of a reported problem.
        `hidden`: first words that are not visible in the outer scope.
        """
        self._shapes = shapes
        self._hidden = frozenset(hidden)
        self._outer = outer
        self._open_ended = open_ended
        self._unresolved = unresolved
        self._refused = refused

    def shape(self, path: Path) -> Shape | None:
        """Return the shape of `path`, which may end in a key of an object; None if there is no such variable."""
        shape = self._shapes.get(path)
        if shape is None and len(path) > 2:
            holder = self._shapes.get(path[:-1])
            if holder is not None and holder.type == "object" and (holder.keys is None or path[-1] in holder.keys):
                shape = STRING
        if shape is None and self._open_ended and _starts_with(path, self._open_ended):
            shape = STRING
        if shape is None and self._unresolved and _starts_with(path, self._unresolved):
            shape = UNRESOLVED
        if shape is None and self._outer is not None and path[0] not in self._hidden:
            return self._outer.shape(path)
        return shape

    def words_after(self, start: Path) -> frozenset[str]:
        """Return the words that may follow `start`, including keys of objects; empty if no path starts with it."""
        own = self._words.get(start, frozenset())
        if self._outer is None or (start and start[0] in self._hidden):
            return own
        outer = self._outer.words_after(start)
        if not start and self._hidden:
            outer -= self._hidden
        return own | outer if own and outer else own or outer

    @cached_property
    def _words(self) -> dict[Path, frozenset[str]]:
        words: dict[Path, set[str]] = {}
        for path, shape in self._shapes.items():
            for end, word in enumerate(path):
                words.setdefault(path[:end], set()).add(word)
            if shape.keys:
                words.setdefault(path, set()).update(shape.keys)
        return {start: frozenset(after) for start, after in words.items()}

    def refusal(self, path: Path) -> str | None:
        """Return why `path` exists but may not be used here.

        A Result has no refusal if there are other Results: a similar name is the better hint.
        """
        if self._refused is not None and not (len(path) > 3 and self.words_after(path[:3])):
            reason = self._refused(path)
            if reason is not None:
                return reason
        return self._outer.refusal(path) if self._outer is not None else None


def _starts_with(path: Path, starts: Container[Path]) -> bool:
    return any(path[:end] in starts for end in range(1, len(path) + 1))


def check(text: str, use: Use, names: Names, place: Place) -> Iterator[Problem]:
    """Yield what is wrong with the references in `text`."""
    if "$(" not in text:
        return
    is_whole = only_reference(text) is not None
    for reference in references(text):
        shape = names.shape(reference.path)
        if shape is None:
            yield _unknown(reference, names, place)
        elif not shape.unresolved and (message := _misfit(reference, shape, use if is_whole else "text")):
            yield place.problem("reference-type", message)


def check_value(value: Value, names: Names, place: Place) -> Iterator[Problem]:
    """Yield what is wrong with the references in a param's value."""
    if isinstance(value, str):
        yield from check(value, "value", names, place)
    elif isinstance(value, tuple):
        for index, element in enumerate(value):
            yield from check(element, "element", names, place.at(index))
    else:
        for key, text in value.items():
            yield from check(text, "text", names, place.at(key))


def shape_of(value: Value, names: Names) -> Shape:
    """Return what is known of a param's value, from its references; an unknown reference is already reported."""
    if isinstance(value, dict):
        return Shape("object", keys=frozenset(value))
    if isinstance(value, tuple):
        return Shape("array", _length(value, names))
    reference = only_reference(value) if value.startswith("$(") else None
    if reference is None:
        return STRING
    shape = names.shape(reference.path) or UNRESOLVED
    return STRING if isinstance(reference.index, int) and not shape.unresolved else shape


def is_unresolved(value: Value, names: Names) -> bool:
    """Return whether a param's value refers to a value that is unknown because of a reported problem."""
    shapes = (names.shape(reference.path) for reference in references_in(value))
    return any(shape is None or shape.unresolved for shape in shapes)


def _length(elements: tuple[str, ...], names: Names) -> int | None:
    total = 0
    for element in elements:
        shape = shape_of(element, names) if "$(" in element else STRING
        length = shape.length if shape.type == "array" else 1
        if length is None or shape.unresolved:
            return None
        total += length
    return total


_CONTEXTS = frozenset({"pipelineRun", "pipeline", "pipelineTask", "taskRun", "task"})
_OF_WORKSPACES = frozenset({("path",), ("claim",), ("volume",)})


def _stays_as_text(path: Path, names: Names) -> bool:
    """Return whether an unknown path stays in the text, as in Tekton.

    A Workspace with a name similar to a declared one is a slip, except in ``bound``: text is not ``true`` either.
    """
    if path[0] == "workspaces":
        variable = path[2:]
        is_slip = closest(path[1], names.words_after(("workspaces",))) is not None
        return variable == ("bound",) or (variable in _OF_WORKSPACES and not is_slip)
    return path[0] == "context" and path[1] not in _CONTEXTS


def _misfit(reference: Reference, shape: Shape, use: Use) -> str | None:
    """Return why a value of this shape does not fit where it is used; None if it does."""
    text = reference.text
    if isinstance(reference.index, int):
        return _wrong_index(text, reference.index, shape)
    if shape.type == "string":
        return f"{text}: [*] is for arrays and objects, but this is a string" if reference.whole else None
    if use == "value" or (use == "element" and shape.type == "array"):
        return None
    if shape.type == "object":
        return f"{text} is an object and cannot be part of a string; use one of its keys"
    element = f"{text[:-1].removesuffix('[*]')}[0])"
    whole = "make it an element of a list by itself, or " if use == "text" else ""
    return f"{text} is an array and cannot be part of a string; {whole}use one element, as in {element}"


def _wrong_index(text: str, index: int, shape: Shape) -> str | None:
    if shape.type != "array":
        return f"{text}: an index needs an array, but this is {_ARTICLE[shape.type]}"
    if shape.length is not None and index >= shape.length:
        return f"{text}: the array has only {shape.length} element{'' if shape.length == 1 else 's'}"
    return None


_WHAT: dict[Path, str] = {
    ("params",): "there is no param '{}'",
    ("tasks",): "there is no Task '{}'",
    ("finally",): "there is no finally Task '{}'",
    ("workspaces",): "there is no Workspace '{}'",
    ("results",): "the Task declares no Result '{}'",
    ("steps",): "there is no earlier Step '{}'",
    ("step", "results"): "the Step declares no Result '{}'",
}


def _unknown(reference: Reference, names: Names, place: Place) -> Problem:
    """Return the problem with a reference that is unknown here."""
    path = reference.path
    if refusal := names.refusal(path):
        return place.problem("unknown-reference", f"{reference.text}: {refusal}")
    depth = max(end for end in range(len(path)) if end < 2 or names.shape(path[:end]) or names.words_after(path[:end]))
    message = _what_is_missing(path[:depth], path[depth]) or f"there is no variable '{'.'.join(path)}' here"
    message = f"{reference.text}: {message}{did_you_mean(path[depth], names.words_after(path[:depth]))}"
    if _stays_as_text(path, names):
        return place.problem("unknown-reference", f"{message}; it stays as text, as in Tekton", "warning")
    return place.problem("unknown-reference", message)


def _what_is_missing(prefix: Path, word: str) -> str | None:
    if prefix in _WHAT:
        return _WHAT[prefix].format(word)
    if prefix[2:] == ("results",):
        what = "Step" if prefix[0] == "steps" else "Task"
        return f"the {what} '{prefix[1]}' has no Result '{word}'"
    if prefix[0] == "params" or prefix[2:3] == ("results",):
        return f"the object '{'.'.join(prefix)}' has no key '{word}'"
    return None
