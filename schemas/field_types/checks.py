"""Checks of values in documents against the types of fields.

Rules:

- A check returns the value as the model holds it, or reports a mismatch and returns BAD. It never raises.
- Values are not converted: ``"1"`` is not a number, and True is not one either. Lists become tuples.
- A check is made from its type when a model is first used. Most commands use few of the models.

The types are: str, int, bool, Any, ``dict[str, T]``, ``tuple[T, ...]``, Literal of strings, models, any of these with
``| None``, and Annotated with a declaration of ``declarations``.
"""

from __future__ import annotations

import types
from abc import abstractmethod
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin

from monopod.schemas.field_types.declarations import Checked, Converted, NotEmpty, Range
from monopod.schemas.field_types.mismatches import BAD, Mismatches

Check: TypeAlias = Callable[[Any, "Context"], Any]


class Context(Mismatches):
    """What is collected while a document is checked. `findings` is for nested checks."""

    __slots__ = ("findings",)

    def __init__(self, findings: Any = None) -> None:
        super().__init__()
        self.findings = findings


class Nested:
    """The base of classes that check plain mappings themselves: models."""

    @classmethod
    @abstractmethod
    def check(cls, value: Any, context: Context) -> Any:
        """Check a value, as any check does."""


def check_of(kind: Any) -> Check:
    """Return the check of a type. Raises KeyError if the type is not supported."""
    if isinstance(kind, type) and issubclass(kind, Nested):
        return kind.check
    origin = get_origin(kind)
    return _SIMPLE[kind] if origin is None else _COMPOSED[origin](kind)


def _text(value: Any, context: Context) -> Any:
    return value if isinstance(value, str) else context.report("type", value, "a string")


def _integer(value: Any, context: Context) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return context.report("type", value, "a whole number")


def _boolean(value: Any, context: Context) -> Any:
    return value if isinstance(value, bool) else context.report("type", value, "true or false")


def _anything(value: Any, _context: Context) -> Any:
    return value


def _mapping(value: Any, context: Context) -> Any:
    return value if isinstance(value, dict) else context.report("type", value, "a mapping")


_SIMPLE: dict[Any, Check] = {str: _text, int: _integer, bool: _boolean, Any: _anything}


def _optional(kind: Any) -> Check:
    (held,) = [each for each in get_args(kind) if each is not type(None)]
    check = check_of(held)
    return lambda value, context: None if value is None else check(value, context)


def _choice(kind: Any) -> Check:
    choices = get_args(kind)

    def check(value: Any, context: Context) -> Any:
        if isinstance(value, str) and value in choices:
            return value
        return context.report("choice", value, choices)

    return check


def _list_of(kind: Any) -> Check:
    held = get_args(kind)[0]
    check_item = check_of(held)
    expected = "expected a list of strings" if held is str else "expected a list"

    def check(value: Any, context: Context) -> Any:
        if not isinstance(value, list | tuple):
            return context.report("invalid", value, expected)
        before = known = len(context.items)
        items = []
        for index, item in enumerate(value):
            checked = check_item(item, context)
            if checked is BAD:
                known = context.move_into(index, known)
            items.append(checked)
        return tuple(items) if known == before else BAD

    return check


def _mapping_of(kind: Any) -> Check:
    held = get_args(kind)[1]
    if held is Any:
        return _mapping
    check_value = check_of(held)

    def check(value: Any, context: Context) -> Any:
        if not isinstance(value, dict):
            return context.report("type", value, "a mapping")
        before = known = len(context.items)
        items = {}
        for key, item in value.items():
            items[key] = checked = check_value(item, context)
            if checked is BAD:
                known = context.move_into(key, known)
        return items if known == before else BAD

    return check


def _annotated(kind: Any) -> Check:
    (declaration,) = kind.__metadata__
    if isinstance(declaration, Converted):
        return _converted(declaration.read)
    return _narrowed(check_of(get_args(kind)[0]), declaration)


def _converted(read: Callable[[Any], Any]) -> Check:
    def check(value: Any, context: Context) -> Any:
        try:
            return read(value)
        except ValueError as error:
            return context.report("invalid", value, str(error))

    return check


def _narrowed(check_type: Check, declaration: Checked | Range | NotEmpty) -> Check:
    find_mismatch = declaration.mismatch

    def check(value: Any, context: Context) -> Any:
        checked = check_type(value, context)
        if checked is BAD or (mismatch := find_mismatch(checked)) is None:
            return checked
        return context.report(mismatch[0], value, mismatch[1])

    return check


_COMPOSED: dict[Any, Callable[[Any], Check]] = {
    Annotated: _annotated,
    Union: _optional,
    types.UnionType: _optional,
    Literal: _choice,
    tuple: _list_of,
    dict: _mapping_of,
}
