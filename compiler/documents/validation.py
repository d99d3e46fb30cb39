"""Plain data to models, with validation messages that a Tekton user understands.

Left to others: the rules (``monopod.schemas``), positions (``monopod.compiler.documents.documents``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from monopod.compiler.diagnostics import closest, did_you_mean
from monopod.compiler.documents.removed_fields import replacement
from monopod.compiler.rules import Rule
from monopod.schemas.model import Finding, Findings, Model, Path

M = TypeVar("M", bound=Model)


@dataclass(frozen=True, slots=True)
class Complaint:
    """A problem with plain data. `at_key`: the key at the end of the path is wrong, not its value.

    `value` has another type than expected; `missing` is the required field that a mapping lacks.
    """

    path: Path
    message: str
    rule: Rule
    at_key: bool = False
    value: Any = None
    missing: str | None = None


def validate(model: type[M], data: dict[str, Any]) -> tuple[M | None, list[Complaint]]:
    """Return the model of the data, and all complaints; None instead of the model if there are any."""
    findings = Findings()
    complaints: list[Complaint] = []
    result = None
    try:
        result = model.model_validate(data, context=findings)
    except ValidationError as error:
        complaints += [_from_pydantic(details) for details in error.errors(include_url=False)]
    paths = dict(_paths(data)) if findings.items else {}
    meant = _meant(findings.items, paths, complaints)
    complaints = [
        complaint
        for complaint in complaints
        if complaint.missing is None or complaint.missing not in _at(complaint.path, meant)
    ]
    complaints += _from_findings(findings.items, paths, meant, model.__name__)
    return (None if complaints else result), complaints


def _meant(findings: list[Finding], paths: dict[int, Path], complaints: list[Complaint]) -> dict[Path, str]:
    """Return the field that each unknown field probably means, by its path; a missing required field is preferred."""
    meant = {}
    for finding in findings:
        if finding.unknown is not None:
            parent = paths[id(finding.mapping)]
            name = str(finding.path[-1])
            lacks = [
                complaint.missing
                for complaint in complaints
                if complaint.missing is not None and complaint.path == parent
            ]
            field = closest(name, lacks) or closest(name, finding.unknown)
            if field is not None:
                meant[(*parent, *finding.path)] = field
    return meant


def _at(path: Path, meant: dict[Path, str]) -> frozenset[str]:
    """Return the fields that the unknown fields of the mapping at a path probably mean."""
    return frozenset(field for unknown, field in meant.items() if unknown[:-1] == path)


def _from_findings(
    findings: list[Finding], paths: dict[int, Path], meant: dict[Path, str], kind: str
) -> Iterator[Complaint]:
    for finding in findings:
        parent = paths[id(finding.mapping)]
        path = (*parent, *finding.path)
        if finding.unknown is not None:
            way_out = replacement(path, kind)
            guess = f" (did you mean '{meant[path]}'?)" if path in meant else ""
            message = f"{finding.message}{guess if way_out is None else f'; {way_out}'}"
            yield Complaint(path, message, "unknown-field", at_key=True)
        elif not _is_there_misspelt(finding.message, _at(parent, meant) | _at(path, meant)):
            yield Complaint(path, finding.message, "invalid")


_NEEDED = re.compile(r"\b(?:needs?|is required)\b")


def _is_there_misspelt(message: str, names: frozenset[str]) -> bool:
    """Return whether a message only reports a missing field that is there, misspelt as one of these unknown names."""
    return bool(_NEEDED.search(message)) and any(re.search(rf"\b{name}\b", message) for name in names)


def _paths(data: Any) -> Iterator[tuple[int, Path]]:
    """Yield the identity of each mapping with its path; a mapping that occurs several times has its first path."""
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
        field = str(path[-1])
        return Complaint(path[:-1], f"the field '{field}' is required", "missing-field", missing=field)
    words = _WORDS.get(kind)
    message = words(details) if words is not None else details["msg"]
    is_type = kind in _EXPECTED or kind == "value_error"
    return Complaint(path, message, "wrong-type" if is_type else "invalid-value", value=details["input"])


_PLAIN = re.compile(r"[A-Za-z0-9][\w.-]*")
"""What needs no quotes inside [ ] and { }."""

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
    elif details["type"] == "model_type" and isinstance(value, str) and str(details["loc"][-1]).lower().endswith("ref"):
        message += f"; write {{name: {value}}}" if _PLAIN.fullmatch(value) else ""
    elif details["type"] == "string_type" and value is None:
        message += '; write "" for an empty string'
    return message


def _own_message(details: ErrorDetails) -> str:
    message, value = str(details["ctx"]["error"]), details["input"]
    if not message.startswith("expected a list"):
        return message
    way_out = ""
    if isinstance(value, dict):
        way_out = "; begin each item with -"
    elif isinstance(value, str) and "strings" in message:
        way_out = f"; write [{value}]" if _PLAIN.fullmatch(value) else "; write a list, one item for each word"
    return f"{message}, got {describe(value)}{way_out}"


def _wrong_choice(details: ErrorDetails) -> str:
    choices = [choice.strip("'") for choice in details["ctx"]["expected"].replace(" or ", ", ").split(", ")]
    value = details["input"]
    hint = did_you_mean(value, choices) if isinstance(value, str) else ""
    named = [choice for choice in choices if choice]
    expected = named[0] if len(named) == 1 else f"{', '.join(named[:-1])} or {named[-1]}"
    return f"expected {expected}, got {describe(value)}{hint}"


_WORDS: dict[str, Callable[[ErrorDetails], str]] = {
    **dict.fromkeys(_EXPECTED, _wrong_type),
    "value_error": _own_message,
    "literal_error": _wrong_choice,
    "string_too_short": lambda _: "must not be empty",
    "greater_than_equal": lambda details: f"must be at least {details['ctx']['ge']}, got {details['input']}",
    "less_than_equal": lambda details: f"must be at most {details['ctx']['le']}, got {details['input']}",
}


def describe(value: Any) -> str:
    """Describe a plain value for a message: ``a number (5)``, ``a list``."""
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
