"""How fields of models are declared, beyond Python's own type hints.

``retries: Annotated[int, Range(0)] = 0`` and ``host_ip: str | None = field(default=None, key="hostIP")``.

Left to others: checking values (``checks``), models (``model``), the JSON Schema (``json_schema``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar

from monopod.schemas.field_types.mismatches import Kind

T = TypeVar("T")

ListOf: TypeAlias = tuple[T, ...]
"""A list in YAML, a tuple here."""

Anything: TypeAlias = dict[str, Any]
"""A mapping that is passed on unchanged."""


class Converted:
    """Annotates a type that `read` makes of the value in the document, or raises ValueError.

    `write` is the inverse; None: the value is plain. `schema` is its JSON Schema.
    """

    def __init__(
        self, read: Callable[[Any], Any], schema: dict[str, Any], write: Callable[[Any], Any] | None = None
    ) -> None:
        self.read = read
        self.schema = schema
        self.write = write


class Checked:
    """Annotates a type with a check, which returns what is wrong with a value, or None. `schema` is its JSON Schema."""

    def __init__(self, problem: Callable[[Any], str | None], schema: dict[str, Any]) -> None:
        self.problem = problem
        self.schema = schema

    def mismatch(self, value: Any) -> tuple[Kind, Any] | None:
        """Return how a value does not fit, and what is expected."""
        problem = self.problem(value)
        return None if problem is None else ("invalid", problem)


class Range(NamedTuple):
    """Annotates a number with its limits."""

    least: int
    most: int | None = None

    def mismatch(self, value: int) -> tuple[Kind, Any] | None:
        """Return how a value does not fit, and what is expected."""
        if value < self.least:
            return "too small", self.least
        return None if self.most is None or value <= self.most else ("too large", self.most)


class NotEmpty(NamedTuple):
    """Annotates a string that has at least one character."""

    def mismatch(self, value: str) -> tuple[Kind, Any] | None:
        """Return how a value does not fit, and what is expected."""
        return None if value else ("empty", None)


class Declaration(NamedTuple):
    """What `field` declares. `make_default` is None if the field is required; `key` is its name in the YAML."""

    make_default: Callable[[], Any] | None
    key: str | None


_REQUIRED: Final = object()


def field(*, default: Any = _REQUIRED, default_factory: Callable[[], Any] | None = None, key: str | None = None) -> Any:
    """Declare a field with another name in the YAML than the usual one, or with a default that needs to be made.

    The default is made once: models are immutable, with everything in them.
    """
    if default_factory is None and default is not _REQUIRED:
        return Declaration(lambda: default, key)
    return Declaration(default_factory, key)
