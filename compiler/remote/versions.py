"""Versions and constraints such as ``>= 0.5.0, < 0.7``, by the rules of hashicorp/go-version, which Tekton's docs name.

Rules: a version has any number of numbers, and missing ones are 0. A pre-release sorts before its release, and only a
constraint with a pre-release of the same numbers allows it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import total_ordering

_VERSION = re.compile(r"v?(\d+(?:\.\d+)*)(?:-([0-9A-Za-z.~-]+))?(?:\+[0-9A-Za-z.~-]+)?")
_CONSTRAINT = re.compile(r"\s*(!=|>=|<=|~>|=|>|<|)\s*(\S+)\s*")


@total_ordering
@dataclass(frozen=True, slots=True)
class Version:
    """A version. Equal versions may be written differently."""

    numbers: tuple[int, ...]
    pre_release: str = ""

    @classmethod
    def parse(cls, text: str) -> Version | None:
        """Return the version in a text, or None if it is not a version."""
        match = _VERSION.fullmatch(text.strip())
        return cls(tuple(map(int, match[1].split("."))), match[2] or "") if match else None

    def padded(self, length: int = 3) -> tuple[int, ...]:
        """Return the numbers, with zeros for missing ones."""
        return self.numbers + (0,) * (length - len(self.numbers))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Version) and self._key(other) == other._key(self)  # its own class

    def __lt__(self, other: Version) -> bool:
        return self._key(other) < other._key(self)  # its own class

    def __hash__(self) -> int:
        numbers = list(self.numbers)
        while numbers and not numbers[-1]:
            numbers.pop()
        return hash((tuple(numbers), self.pre_release))

    def _key(self, other: Version) -> tuple[tuple[int, ...], bool, list[tuple[bool, int, str]]]:
        numbers = self.padded(max(3, len(self.numbers), len(other.numbers)))
        parts = self.pre_release.split(".") if self.pre_release else []
        return (
            numbers,
            not parts,
            [(not part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts],
        )


@dataclass(frozen=True, slots=True)
class Constraint:
    """One comparison with a version."""

    operator: str
    version: Version

    def allows(self, version: Version) -> bool:
        """Return whether `version` satisfies the constraint."""
        bound = self.version
        if self.operator in {"", "="}:
            return version == bound
        if self.operator == "!=":
            return version != bound
        if version.pre_release and not (bound.pre_release and version.padded() == bound.padded()):
            return False
        if self.operator == "~>":
            fixed = len(bound.numbers) - 1
            return version >= bound and version.padded(fixed)[:fixed] == bound.numbers[:fixed]
        comparisons = {">": version > bound, ">=": version >= bound, "<": version < bound, "<=": version <= bound}
        return comparisons[self.operator]


def parse_constraints(text: str) -> tuple[Constraint, ...] | None:
    """Return the constraints in a text, which must all hold, or None if it is invalid."""
    constraints = []
    for part in text.split(","):
        match = _CONSTRAINT.fullmatch(part)
        version = Version.parse(match[2]) if match else None
        if match is None or version is None:
            return None
        constraints.append(Constraint(match[1], version))
    return tuple(constraints)
