"""What a field of another system's document means here, said in the type of the field.

- A plain field is translated.
- `Refused` is an error when the field is set; it says what to do instead.
- `NoEffect` is a warning when the field is set: it is about a controller that monopod does not have.

Left to others: reporting them (``compiler.importers.support``), translating the other fields (``compiler.importers``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias

from pydantic import PlainSerializer, PlainValidator

from monopod.schemas.model import Model, Path


@dataclass(frozen=True, slots=True)
class Refused:
    """The field cannot work in one Pod, or is not supported. `way_out` says what to write instead."""

    way_out: str


@dataclass(frozen=True, slots=True)
class NoEffect:
    """The field changes nothing about the run. `reason` says why."""

    reason: str


def set_fields(model: Model, path: Path, without: frozenset[str]) -> Iterator[tuple[Path, Refused | NoEffect]]:
    """Yield the fields inside `model`, at `path`, that are refused or have no effect.

    The fields in `without` are not searched. A field with an empty value is not set, as in Go.
    """
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        written = field.alias or name
        if written in without or not value:
            continue
        support = next((each for each in field.metadata if isinstance(each, Refused | NoEffect)), None)
        if support is not None:
            yield (*path, written), support
        elif isinstance(value, Model):
            yield from set_fields(value, (*path, written), frozenset())
        elif isinstance(value, tuple):
            for index, item in enumerate(value):
                if isinstance(item, Model):
                    yield from set_fields(item, (*path, written, index), frozenset())


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise ValueError("expected a string")


AnyText: TypeAlias = Annotated[str, PlainValidator(_text), PlainSerializer(str)]
"""A string; a number or a boolean becomes one."""


def _whole_number(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if isinstance(value, str) and value.isascii() and value.isdecimal():
        return int(value)
    raise ValueError("expected a whole number that is not negative")


WholeNumber: TypeAlias = Annotated[int, PlainValidator(_whole_number), PlainSerializer(int)]
"""A whole number, also in quotes."""
