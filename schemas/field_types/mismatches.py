"""Values that do not fit the types of their fields.

Left to others: messages for people (``compiler.documents.validation``).
"""

from __future__ import annotations

from typing import Any, Final, Literal, NamedTuple, TypeAlias

from monopod.schemas.formats.paths import Path, format_path

Kind: TypeAlias = Literal["missing", "unknown", "type", "choice", "invalid", "empty", "too small", "too large"]
"""What is wrong: a missing or unknown field, another type, not one of the choices, refused by a check, out of range."""


class Mismatch(NamedTuple):
    """A value that does not fit.

    `expected` is, by kind, a phrase for the type, the choices, the message of the check, or the limit.
    """

    path: Path
    kind: Kind
    value: Any = None
    expected: Any = None


class ValidationError(ValueError):
    """A document does not fit its model."""

    def __init__(self, mismatches: list[Mismatch]) -> None:
        texts = (f"{format_path(each.path)}: {each.expected or each.kind}" for each in mismatches)
        super().__init__("; ".join(texts))
        self.mismatches = mismatches


class Bad:
    """The result of a check that has reported a mismatch."""


BAD: Final = Bad()


class Mismatches:
    """Collects the mismatches of a document from the inside out: a container adds its part of the path."""

    __slots__ = ("items",)

    def __init__(self) -> None:
        self.items: list[Mismatch] = []

    def report(self, kind: Kind, value: Any, expected: Any = None, path: Path = ()) -> Bad:
        """Add a mismatch of the value that is being checked, or of its part at `path`."""
        self.items.append(Mismatch(path, kind, value, expected))
        return BAD

    def move_into(self, part: str | int, first: int) -> int:
        """Put `part` before the paths of the mismatches from number `first` on. Return how many there are."""
        self.items[first:] = [each._replace(path=(part, *each.path)) for each in self.items[first:]]
        return len(self.items)
