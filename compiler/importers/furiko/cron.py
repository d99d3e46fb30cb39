"""Furiko's cron expressions as schedules of a CronJob.

Rules (furiko-io/cronexpr, with the options of Furiko's default configuration):

- Five to seven fields: an optional second before and an optional year after the usual five; or a word such as @daily.
- ``H``, ``H/5``, ``H(0-7)`` and ``H(0-59)/15`` are numbers from the XXH64 of the JobConfig's key and the field's name.
  The key is ``namespace/name``.
- A CronJob has minutes, and no years. A schedule with others, or with L, W or #, has no meaning in Kubernetes. Only a
  hashed second is left out: it spreads the load within a minute.
- Days of the month and of the week are alternatives if both are restricted, in both systems. Kubernetes takes ``*/2``
  for unrestricted there, so steps are written as lists.

Left to others: whether Kubernetes accepts the result (``pod.cron_schedule``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from monopod.compiler.importers.furiko.xxhash import xxh64

_WORDS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_WEEKDAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")


@dataclass(frozen=True, slots=True)
class _Field:
    """A field of an expression. `highest_hash` is the highest number that ``H`` means."""

    name: str
    lowest: int
    highest: int
    highest_hash: int
    words: Mapping[str, int] = field(default_factory=dict)


def _named(names: Sequence[str], first: int) -> dict[str, int]:
    return {text: number for number, name in enumerate(names, first) for text in (name, name[:3])}


_SECOND = _Field("second", 0, 59, 59)
_DAY_OF_WEEK = _Field("day-of-week", 0, 6, 6, {**_named(_WEEKDAYS, 0), "7": 0, "07": 0})
_YEAR = _Field("year", 1970, 2099, 2099)
_STANDARD = (
    _Field("minute", 0, 59, 59),
    _Field("hour", 0, 23, 23),
    _Field("day-of-month", 1, 31, 28),
    _Field("month", 1, 12, 12, _named(_MONTHS, 1)),
    _DAY_OF_WEEK,
)
_DAYS = frozenset({"day-of-month", "day-of-week"})
_WILDCARDS = frozenset({"*", "**", "?", "??"})
_HASHED_SECOND = re.compile(r"h(?:\([\w-]+\))?", re.IGNORECASE)
_PART = re.compile(
    r"""(?P<all>\*{1,2}|\?{1,2}|)
        (?P<hash>h(?:\((?P<low>\w+)-(?P<high>\w+)\))?)?
        (?P<first>\w+?)??(?:-(?P<last>\w+))?
        (?:/(?P<step>\d+))?""",
    re.VERBOSE | re.ASCII,
)


class NotOfKubernetesError(ValueError):
    """A valid expression that no schedule of Kubernetes can express."""


def to_kubernetes(expression: str, key: str) -> str:
    """Return the schedule of a CronJob for an expression of the JobConfig with a key.

    Raises NotOfKubernetesError, and ValueError if Furiko would refuse the expression too.
    """
    return _joined(_fields(expression, key))


def has_hashed_second(expression: str) -> bool:
    """Return whether an expression has a second that a CronJob leaves out."""
    texts = expression.split()
    return len(texts) == 7 and _HASHED_SECOND.fullmatch(texts[0]) is not None


def union(expressions: Iterable[str], key: str) -> str:
    """Return the schedule for several expressions, at a time of any of them. Raises as `to_kubernetes` does.

    They are one schedule if they differ in one field only.
    """
    first, *others = (_fields(expression, key) for expression in expressions)
    for other in others:
        different = [name for name in first if first[name] != other[name]]
        if len(different) > 1 or not all(first[name] and other[name] for name in different):
            raise NotOfKubernetesError("a CronJob has one schedule")
        for name in different:
            first[name] = sorted({*first[name], *other[name]})
    return _joined(first)


def _fields(expression: str, key: str) -> dict[str, list[int]]:
    """Return the values of the five fields; none for unrestricted days. Raises as `to_kubernetes` does."""
    texts = _WORDS.get(expression.strip(), expression).split()
    if not 5 <= len(texts) <= 7:
        raise ValueError(
            f"'{expression}' has {len(texts)} fields; Furiko expects five to seven, or a word such as @daily"
        )
    seconds = texts.pop(0) if len(texts) == 7 else "0"
    years = texts.pop() if len(texts) == 6 else "*"
    if _values(years, _YEAR, key) != _all_of(_YEAR):
        raise NotOfKubernetesError(f"'{expression}': a CronJob has no years")
    if _values(seconds, _SECOND, key) != [0] and not _HASHED_SECOND.fullmatch(seconds):
        raise NotOfKubernetesError(f"'{expression}': a CronJob has no seconds; begin with 0")
    return {kind.name: _values(text, kind, key) for text, kind in zip(texts, _STANDARD, strict=True)}


def _values(text: str, kind: _Field, key: str) -> list[int]:
    found: set[int] = set()
    for part in filter(None, text.lower().split(",")):
        found |= _of_part(part, kind, key)
    if not found:
        raise ValueError(f"'{text}' is not a valid {kind.name}")
    is_free = kind.name in _DAYS and not _WILDCARDS.isdisjoint(text.split(","))
    return [] if is_free else sorted(found)


def _all_of(kind: _Field) -> list[int]:
    return list(range(kind.lowest, kind.highest + 1))


def _of_part(part: str, kind: _Field, key: str) -> set[int]:
    """Return the values of one element of a field's list."""
    match = _PART.fullmatch(part)
    if match is None or not _is_well_formed(match):
        raise _refusal(part, kind)
    step = _step(match, kind)
    if match["hash"]:
        return _hashed(match, step, kind, key)
    if match["first"] is None:
        return set(_all_of(kind)[:: step or 1])
    first = _number(match["first"], kind, part)
    if match["last"] is not None:
        last = _number(match["last"], kind, part)
        if kind is _DAY_OF_WEEK and last == 0:
            last = kind.highest  # a range that ends with Sunday
    else:
        last = kind.highest if step else first
    if last < first:
        raise ValueError(f"'{part}': the range of the {kind.name} ends before it starts")
    return set(range(first, last + 1, step or 1))


def _is_well_formed(match: re.Match[str]) -> bool:
    """Return whether exactly one of ``*``, ``H`` and a value is there; ``/5`` means ``*/5``."""
    kinds = [bool(match["all"]), bool(match["hash"]), match["first"] is not None]
    if match["last"] is not None and match["first"] is None:
        return False
    return kinds.count(True) == 1 or (not any(kinds) and match["step"] is not None)


def _refusal(part: str, kind: _Field) -> ValueError:
    """Return the error for an element that has no known form."""
    if kind.name == "day-of-month" and re.fullmatch(r"l|lw|\d+w", part):
        return NotOfKubernetesError(f"'{part}': a CronJob supports neither the last day nor working days of a month")
    if kind.name == "day-of-week" and re.fullmatch(r"\w+#[1-5]|\w+l", part):
        return NotOfKubernetesError(f"'{part}': a CronJob cannot count weekdays in a month")
    return ValueError(f"'{part}' is not a valid {kind.name}")


def _step(match: re.Match[str], kind: _Field) -> int | None:
    if match["step"] is None:
        return None
    step = int(match["step"])
    if not 1 <= step <= kind.highest:
        raise ValueError(f"'{match[0]}': a step of the {kind.name} is from 1 to {kind.highest}")
    return step


def _hashed(match: re.Match[str], step: int | None, kind: _Field, key: str) -> set[int]:
    """Return what ``H`` means (cronexpr's genericFieldParse)."""
    if match["low"] is None:
        low, high, offset = kind.lowest, kind.highest, 0
    else:
        low, high = (_number(match[name], kind, match[0]) for name in ("low", "high"))
        offset = low
        if high < low:
            raise ValueError(f"'{match[0]}': the range of the {kind.name} ends before it starts")
    if step is None:
        return {_hash(key, kind, low, kind.highest_hash if match["low"] is None else high)}
    first = offset + _hash(key, kind, 0, step - 1)
    values = {value for value in range(first, high + 1, step) if value >= kind.lowest}
    if not values:
        raise ValueError(f"'{match[0]}' leaves no {kind.name} for '{key}'; use a smaller step")
    return values


def _hash(key: str, kind: _Field, low: int, high: int) -> int:
    total = xxh64(f"{key}:{kind.name}".encode())
    signed = total - 2**64 if total >= 2**63 else total  # Go's int of an uint64
    return low + signed % (high - low + 1)


def _number(text: str, kind: _Field, part: str) -> int:
    if text in kind.words:
        return kind.words[text]
    if not text.isdecimal() or not kind.lowest <= int(text) <= kind.highest:
        raise _refusal(part, kind)
    return int(text)


# Writing


def _joined(fields: Mapping[str, list[int]]) -> str:
    return " ".join(_written(fields[kind.name], kind) for kind in _STANDARD)


def _written(values: list[int], kind: _Field) -> str:
    if not values or (values == _all_of(kind) and kind.name not in _DAYS):
        return "*"
    if len(values) > 2 and kind.name not in _DAYS:
        step = values[1] - values[0]
        if values == list(range(values[0], kind.highest + 1, step)) and step > 1:
            return f"{'*' if values[0] == kind.lowest else values[0]}/{step}"
    return ",".join(_ranges(values))


def _ranges(values: list[int]) -> Iterable[str]:
    """Yield values, and ranges of three or more that follow each other."""
    start = 0
    for end in range(1, len(values) + 1):
        if end < len(values) and values[end] == values[end - 1] + 1:
            continue
        run = values[start:end]
        yield from map(str, run) if len(run) < 3 else (f"{run[0]}-{run[-1]}",)
        start = end
