"""The schedule of a CronJob: whether Kubernetes accepts it.

Rules (Kubernetes docs, "CronJob", "Schedule syntax"): five fields, each a list of values, ranges and steps;
months and weekdays have names; Sunday is 0. Instead there may be one of the words that begin with ``@``. The time zone
is a field of its own.

Left to others: when it is due, which Kubernetes decides.
"""

from __future__ import annotations

import re

from monopod.schemas.formats import duration

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS: tuple[tuple[str, int, int, dict[str, int]], ...] = (
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day of the month", 1, 31, {}),
    ("month", 1, 12, {name: number for number, name in enumerate(_MONTHS, 1)}),
    ("day of the week", 0, 6, {name: number for number, name in enumerate(_WEEKDAYS)}),
)
_WORDS = frozenset({"@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"})
_PART = re.compile(r"(?:[*?]|(?P<first>\w+)(?:-(?P<last>\w+))?)(?:/(?P<step>\d+))?", re.ASCII)
_EXPECTED = "expected minute, hour, day of the month, month and day of the week, such as '30 3 * * 1-5', or @daily"


def schedule_problem(text: str) -> str | None:
    """Return what is wrong with a schedule, as a message; None if it is valid."""
    if text.startswith(("TZ=", "CRON_TZ=")):
        return "the time zone is given with --time-zone, not in the schedule"
    if text.startswith("@"):
        return _word_problem(text)
    fields = text.split()
    if len(fields) != len(_FIELDS):
        return f"'{text}' has {len(fields)} fields; {_EXPECTED}"
    problems = (
        _part_problem(part, kind) for field, kind in zip(fields, _FIELDS, strict=True) for part in field.split(",")
    )
    return next((problem for problem in problems if problem is not None), None)


def _word_problem(text: str) -> str | None:
    if text in _WORDS:
        return None
    if not text.startswith("@every "):
        return f"'{text}' is not a schedule; {_EXPECTED}"
    try:
        return None if duration.parse(text.removeprefix("@every ")) > 0 else f"'{text}': the time must be above 0"
    except ValueError as error:
        return str(error)


def _part_problem(part: str, kind: tuple[str, int, int, dict[str, int]]) -> str | None:
    name, lowest, highest, words = kind
    match = _PART.fullmatch(part)
    if match is None:
        return f"'{part}' is not a valid {name}; {_EXPECTED}"
    values = []
    for text in filter(None, (match["first"], match["last"])):
        value = int(text) if text.isdecimal() else words.get(text.lower(), -1)
        if not lowest <= value <= highest:
            hint = " (Sunday is 0)" if words and text == "7" else ""
            return f"'{text}' is not a valid {name}; use {lowest} to {highest}{hint}"
        values.append(value)
    if values != sorted(values):
        return f"'{part}': the range of the {name} ends before it starts"
    if match["step"] is not None and int(match["step"]) == 0:
        return f"'{part}': a step must be above 0"
    return None
