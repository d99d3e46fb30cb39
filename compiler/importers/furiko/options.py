"""The options of a JobConfig: the text that a value of each type becomes.

Rules (Furiko's pkg/core/options):

- A value is of the JSON type that its option expects. Without one, the option has its default.
- A required option is not empty.
- Values of Select and Multi are among the declared ones unless others are allowed.

Left to others: whether an option is declared well (``schemas.foreign.furiko``).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from monopod.compiler.diagnostics import did_you_mean
from monopod.compiler.documents.option_values import parse_param
from monopod.compiler.importers.furiko.moment_format import format_time
from monopod.schemas.foreign.furiko import FurikoBool, FurikoDate, FurikoMulti, FurikoOption, FurikoString

_BOOLEANS = {"": ("true", "false"), "TrueFalse": ("true", "false"), "OneZero": ("1", "0"), "YesNo": ("yes", "no")}
_TYPES = {bool: "a boolean", int: "a number", float: "a number", list: "a list", dict: "a mapping"}


class MissingValueError(ValueError):
    """A required option has no value."""


def text_of(option: FurikoOption, value: Any) -> str:
    """Return the text that a value of ``optionValues`` becomes; None means no value.

    Raises MissingValueError, and ValueError if the value does not fit the option.
    """
    if option.type == "Bool":
        return _of_bool(option.bool_ or FurikoBool(), value)
    if option.type == "Multi":
        text = _of_multi(option, value)
    elif option.type == "Date":
        text = _of_date(option, value)
    else:
        text = _of_text(option, value)
    if not text and option.required:
        raise MissingValueError(f"the option '{option.name}' is required, and has no value")
    return text


def value_in(option: FurikoOption, text: str) -> Any:
    """Return the value that ``-p NAME=TEXT`` means. Raises ValueError."""
    if option.type == "Multi":
        return list(parse_param(text, "array"))
    if option.type != "Bool":
        return text
    if text not in ("true", "false"):
        raise ValueError(f"expected true or false, got '{text}'")
    return text == "true"


def choices(option: FurikoOption) -> list[str]:
    """Return the texts that an option can become, if it has a choice of them."""
    if option.type == "Select" and option.select is not None and not option.select.allow_custom:
        return [*([] if option.required else [""]), *option.select.values]
    return []


def _of_bool(settings: FurikoBool, value: Any) -> str:
    value = settings.default if value is None else value
    if not isinstance(value, bool):
        raise ValueError(f"expected a boolean, got {_described(value)}")
    yes, no = _BOOLEANS.get(settings.format, (settings.true_val, settings.false_val))
    return yes if value else no


def _of_text(option: FurikoOption, value: Any) -> str:
    settings = option.select or option.string or FurikoString()
    value = settings.default if value is None else value
    if not isinstance(value, str):
        raise ValueError(f"expected a string, got {_described(value)}; write it in quotes")
    if option.select is not None:
        if value and not option.select.allow_custom:
            _check(value, option.select.values)
        return value
    return value.strip() if option.string is not None and option.string.trim_spaces else value


def _of_multi(option: FurikoOption, value: Any) -> str:
    settings = option.multi
    assert isinstance(settings, FurikoMulti)
    values = [] if value is None else value
    if not isinstance(values, list):
        raise ValueError(f"expected a list of strings, got {_described(value)}")
    for each in values:
        if not isinstance(each, str) or not each:
            raise ValueError("expected a list of strings that are not empty")
        if not settings.allow_custom:
            _check(each, settings.values)
    return settings.delimiter.join(values or settings.default)


def _of_date(option: FurikoOption, value: Any) -> str:
    if value is None or value == "":
        return ""
    if not isinstance(value, str):
        raise ValueError(f"expected a time in quotes, such as '2024-05-01T08:30:00Z', got {_described(value)}")
    try:
        time = datetime.fromisoformat(value)
    except ValueError:
        time = datetime.min  # it has no zone, and is refused
    if time.tzinfo is None or "T" not in value:
        raise ValueError(f"'{value}' is not a time of RFC 3339 with its zone, such as 2024-05-01T08:30:00Z")
    return format_time(time, (option.date or FurikoDate()).format)


def _check(value: str, values: Sequence[str]) -> None:
    if value not in values:
        raise ValueError(f"'{value}' is not among the values{did_you_mean(value, values)}; use {', '.join(values)}")


def _described(value: Any) -> str:
    return f"'{value}'" if isinstance(value, str) else f"{_TYPES.get(type(value), 'something else')}: {value}"
