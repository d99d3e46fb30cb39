"""References such as ``$(params.version)``: finding them in a text, and substituting values.

Rules (Tekton docs/variables.md):

- A reference starts with one of the words in `ROOTS`. Any other ``$(...)`` belongs to the shell and is not changed.
- A name follows a dot, or is in ``['...']`` or ``["..."]`` if it contains dots.
- ``[*]`` means a whole array or object, ``[3]`` the element with that index. As in Tekton, a text that is only a
  reference may omit ``[*]``.
- Substitution is not recursive: values are never scanned for references.
- A `Budget` limits the total length of the substituted text in a scope: forty params that each contain the previous one
  twice would exceed any memory.

Standard library only, since the coordinator imports it. Left to others: which names exist where
(``monopod.compiler``), and the sources of the values.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Literal, NamedTuple, TypeAlias

from monopod.schemas.plan import Value

ROOTS = (
    "params",
    "tasks",
    "finally",
    "context",
    "workspaces",
    "results",
    "steps",
    "step",
    "artifacts",
    "credentials",
    "inputs",
)

Path: TypeAlias = tuple[str, ...]

_PLACE = 8
"""The cost of an element besides its text, in characters: an array of empty texts also needs memory."""

_SEGMENT = r"""\.[A-Za-z0-9_-]+|\['[^']+'\]|\["[^"]+"\]"""
_REFERENCE = re.compile(rf"\$\(({'|'.join(ROOTS)})((?:{_SEGMENT})+)(\[(?:\*|\d+)\])?((?:{_SEGMENT})*)\)")
_SEGMENTS = re.compile(_SEGMENT)


class EvaluationError(ValueError):
    """A reference cannot be substituted."""


class MisfitError(EvaluationError):
    """A reference has a value of the wrong type for its place."""


class TooLargeError(EvaluationError):
    """The substituted text would exceed the budget."""


class Budget:
    """The remaining length of substituted text. ``characters`` is the initial length."""

    def __init__(self, characters: int) -> None:
        self._characters = characters
        self._left = characters

    def spend(self, characters: int) -> None:
        """Spend some of it. Raises TooLargeError if not enough is left."""
        if characters > self._left:
            raise TooLargeError(f"the values of references make it longer than {self._characters >> 20} Mi characters")
        self._left -= characters


class Reference(NamedTuple):
    """One reference in a text: ``$(tasks.a.results.b[0])`` is path ``("tasks", "a", "results", "b")`` with index 0."""

    text: str
    path: Path
    index: int | Literal["*"] | None = None  # type: ignore[assignment]  # not tuple's method

    @property
    def whole(self) -> bool:
        """Whether it refers to a whole array or object."""
        return self.index == "*"


def references(text: str) -> Iterator[Reference]:
    """Yield the references in `text`, in order."""
    return map(_reference, _REFERENCE.finditer(text))


def as_letters(text: str) -> str:
    """Return `text` with each reference replaced by letters of the same number."""
    return _REFERENCE.sub(lambda match: "x" * len(match[0]), text)


def references_in(value: Value) -> Iterator[Reference]:
    """Yield the references in all strings of a param's value."""
    for text in [value] if isinstance(value, str) else value.values() if isinstance(value, dict) else value:
        yield from references(text)


def only_reference(text: str) -> Reference | None:
    """Return the reference if `text` is only a reference, otherwise None."""
    match = _REFERENCE.fullmatch(text)
    return _reference(match) if match else None


def parse_path(name: str) -> Path:
    """Return the path of a reference's name: ``workspaces['a.b'].path`` gives ``("workspaces", "a.b", "path")``."""
    reference = only_reference(f"$({name})")
    if reference is None:
        raise ValueError(f"{name!r} is not the name of a variable")
    return reference.path


def _reference(match: re.Match[str]) -> Reference:
    return _parsed(match.group(), *match.groups())


@lru_cache(4096)  # a Pipeline repeats few references often
def _parsed(text: str, root: str, segments: str, index: str | None, further: str) -> Reference:
    path = (root, *map(_segment_name, _SEGMENTS.findall(segments + further)))
    if path[0] == "inputs" and len(path) > 2 and path[1] == "params":
        path = path[1:]  # an old spelling of params that Tekton still accepts
    return Reference(text, path, _index(index))


def _segment_name(segment: str) -> str:
    return segment[1:] if segment.startswith(".") else segment[2:-2]


def _index(text: str | None) -> int | Literal["*"] | None:
    if text is None:
        return None
    return "*" if text == "[*]" else int(text[1:-1])


class Scope:
    """Values by path, with an outer scope for the paths that are missing here.

    ``budget`` defaults to the outer scope's; without one there is no limit.
    """

    def __init__(
        self, values: Mapping[Path, Value], outer: Scope | None = None, *, budget: Budget | None = None
    ) -> None:
        self._values = values
        self._outer = outer
        self.budget: Budget | None = budget if budget is not None or outer is None else outer.budget

    def get(self, path: Path) -> Value | None:
        """Return the value at `path`, which may end in a key of an object; None if there is none."""
        value = self._values.get(path)
        if value is None and len(path) > 2:
            holder = self._values.get(path[:-1])
            value = holder.get(path[-1]) if isinstance(holder, dict) else None
        if value is None and self._outer is not None:
            return self._outer.get(path)
        return value

    def resolve(self, reference: Reference) -> Value | None:
        """Return the value of `reference`, with its index applied; None if it has no value here.

        Raises MisfitError for an index into something that is not an array, or beyond its end.
        """
        value = self.get(reference.path)
        if value is None or not isinstance(reference.index, int):
            return value
        if not isinstance(value, tuple):
            raise MisfitError(f"{reference.text}: there is no array to take an element of")
        if reference.index >= len(value):
            raise MisfitError(f"{reference.text}: the array has only {len(value)} elements")
        return value[reference.index]


def substitute(text: str, scope: Scope, quote: Callable[[str], str] = str) -> str:
    """Return `text` with each reference replaced by its value; references without a value are left as written.

    `quote` is applied to each value. Raises MisfitError for an array or object, which cannot be part of a text, and
    TooLargeError.
    """

    def replacement(match: re.Match[str]) -> str:
        reference = _reference(match)
        value = scope.resolve(reference)
        if value is None:
            return reference.text
        if not isinstance(value, str):
            kind = "an object" if isinstance(value, dict) else "an array"
            raise MisfitError(f"{reference.text} is {kind} where a string is needed")
        if scope.budget is not None:
            scope.budget.spend(len(value))
        return quote(value)

    return _REFERENCE.sub(replacement, text) if "$(" in text else text


def substitute_all(texts: Iterable[str], scope: Scope, quote: Callable[[str], str] = str) -> tuple[str, ...]:
    """Return `texts` with references replaced; a reference to a whole array is expanded to its elements."""
    result: list[str] = []
    for text in texts:
        reference = only_reference(text)
        value = scope.resolve(reference) if reference else None
        if isinstance(value, tuple):
            if scope.budget is not None:
                scope.budget.spend(sum(map(len, value)) + _PLACE * len(value))
            result.extend(map(quote, value))
        else:
            result.append(substitute(text, scope, quote))
    return tuple(result)


def evaluate(template: Value, scope: Scope) -> Value:
    """Return the value of a param's template; a template that is only a reference may be an array or object."""
    if isinstance(template, dict):
        return {key: substitute(text, scope) for key, text in template.items()}
    if isinstance(template, tuple):
        return substitute_all(template, scope)
    reference = only_reference(template)
    value = scope.resolve(reference) if reference else None
    return substitute(template, scope) if value is None else value
