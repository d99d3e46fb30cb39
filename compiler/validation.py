"""Plain data to models, and what is wrong with it in words that a Tekton user understands.

Left to others: the rules themselves (``monopod.schemas``), the positions (``monopod.compiler.documents``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from monopod.compiler.diagnostics import did_you_mean
from monopod.compiler.rules import Rule
from monopod.schemas.model import Finding, Findings, Model, Path

M = TypeVar("M", bound=Model)


@dataclass(frozen=True, slots=True)
class Complaint:
    """One thing wrong with plain data. `at_key`: it is the key at the end of the path that is wrong, not its value."""

    path: Path
    message: str
    rule: Rule
    at_key: bool = False


def validate(model: type[M], data: dict[str, Any]) -> tuple[M | None, list[Complaint]]:
    """Return the model made from the data, and everything that is wrong; no model if anything is."""
    findings = Findings()
    complaints: list[Complaint] = []
    result = None
    try:
        result = model.model_validate(data, context=findings)
    except ValidationError as error:
        complaints += [_from_pydantic(details) for details in error.errors(include_url=False)]
    complaints += _from_findings(findings.items, data)
    return (None if complaints else result), complaints


def _from_findings(findings: list[Finding], data: dict[str, Any]) -> Iterator[Complaint]:
    if not findings:
        return
    paths = dict(_paths(data))
    for finding in findings:
        path = (*paths[id(finding.mapping)], *finding.path)
        if finding.unknown is None:
            yield Complaint(path, finding.message, "invalid")
        else:
            hint = did_you_mean(str(finding.path[-1]), finding.unknown)
            yield Complaint(path, f"{finding.message}{hint}", "unknown-field", at_key=True)


def _paths(data: Any) -> Iterator[tuple[int, Path]]:
    """Yield the identity of each mapping with its path; of a mapping that is there several times, the first path."""
    seen: set[int] = set()
    rest: list[tuple[Any, Path]] = [(data, ())]
    while rest:
        value, path = rest.pop()
        if not isinstance(value, dict | list) or id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, dict):
            yield id(value), path
            rest += [(item, (*path, key)) for key, item in reversed(value.items())]
        else:
            rest += [(item, (*path, index)) for index, item in reversed(list(enumerate(value)))]


# Pydantic's messages


def _from_pydantic(details: ErrorDetails) -> Complaint:
    path, kind = details["loc"], details["type"]
    if kind == "missing":
        return Complaint(path[:-1], f"the field '{path[-1]}' is required", "missing-field")
    words = _WORDS.get(kind)
    message = words(details) if words is not None else details["msg"]
    return Complaint(path, message, "wrong-type" if kind in _EXPECTED or kind == "value_error" else "invalid-value")


_EXPECTED = {
    "string_type": "a string",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "model_type": "a mapping",
}


def _wrong_type(details: ErrorDetails) -> str:
    value = details["input"]
    message = f"expected {_EXPECTED[details['type']]}, got {describe(value)}"
    if details["type"] == "string_type" and isinstance(value, bool | int | float):
        message += "; write it in quotes"
    elif details["type"] == "int_type" and isinstance(value, str) and value.isdecimal():
        message += "; write it without quotes"
    return message


def _own_message(details: ErrorDetails) -> str:
    message = str(details["ctx"]["error"])
    return f"{message}, got {describe(details['input'])}" if message.startswith("expected a list") else message


def _wrong_choice(details: ErrorDetails) -> str:
    choices = [choice.strip("'") for choice in details["ctx"]["expected"].replace(" or ", ", ").split(", ")]
    given = details["input"]
    hint = did_you_mean(given, choices) if isinstance(given, str) else ""
    named = [choice for choice in choices if choice]
    expected = named[0] if len(named) == 1 else f"{', '.join(named[:-1])} or {named[-1]}"
    return f"expected {expected}, got {describe(given)}{hint}"


_WORDS: dict[str, Callable[[ErrorDetails], str]] = {
    **dict.fromkeys(_EXPECTED, _wrong_type),
    "value_error": _own_message,
    "literal_error": _wrong_choice,
    "string_too_short": lambda _: "must not be empty",
    "greater_than_equal": lambda details: f"must be at least {details['ctx']['ge']}, got {details['input']}",
    "less_than_equal": lambda details: f"must be at most {details['ctx']['le']}, got {details['input']}",
}


def describe(value: Any) -> str:
    """Return what a plain value is, for a message: ``a number (5)``, ``a list``."""
    match value:
        case None:
            return "nothing"
        case bool():
            return f"a boolean ({'true' if value else 'false'})"
        case int() | float():
            return f"a number ({value})"
        case str():
            return f"'{value}'" if len(value) <= 40 and "\n" not in value else f"'{value[:30].splitlines()[0]}…'"
        case list() | tuple():
            return "a list"
    return "a mapping"
