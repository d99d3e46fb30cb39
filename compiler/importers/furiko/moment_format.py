"""Times in a format of Moment.js, as Furiko writes the value of a Date option.

Rules (nleeper/goment, the library that Furiko uses, in its locale ``en``):

- Tokens are replaced by parts of the time, in the time's own zone. Text in ``[ ]`` stays, without the brackets.
- ``LT``, ``L``, ``LL`` … stand for longer formats. What is not a token stays as it is; so do ``Hmm`` and ``zzzz``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

DEFAULT = "YYYY-MM-DDTHH:mm:ssZ"
"""The format of a Date option without one: RFC 3339."""

_LONG_FORMATS = {
    "LTS": "h:mm:ss A",
    "LT": "h:mm A",
    "L": "MM/DD/YYYY",
    "LL": "MMMM D, YYYY",
    "LLL": "MMMM D, YYYY h:mm A",
    "LLLL": "dddd, MMMM D, YYYY h:mm A",
    "l": "M/D/YYYY",
    "ll": "MMM D, YYYY",
    "lll": "MMM D, YYYY h:mm A",
    "llll": "ddd, MMM D, YYYY h:mm A",
}
_LONG = re.compile(r"\[[^\[]*\]|LTS?|L{1,4}|l{1,4}")
_TOKEN = re.compile(
    r"\[(?P<text>[^\[\]]*)\]|(?P<other>[Hh]mm(?:ss)?|zzzz)|(?P<token>Mo|M{1,4}|Do|DDDo|D{1,4}|d{2,4}|do?|wo|ww?|Wo|WW?|Qo?|Y{4,6}|YY?"
    r"|gg(?:ggg?)?|GG(?:GGG?)?|e|E|a|A|hh?|HH?|kk?|mm?|ss?|X|x|ZZ?|zz?)"
)
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_WEEKDAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")


def format_time(time: datetime, layout: str) -> str:
    """Return a time, with its zone, in a format; without one, in RFC 3339."""
    expanded = _LONG.sub(lambda match: _LONG_FORMATS.get(match[0], match[0]), layout or DEFAULT)
    return _TOKEN.sub(lambda match: _replaced(match, time), expanded)


def _replaced(match: re.Match[str], time: datetime) -> str:
    if match["text"] is not None:
        return match["text"]
    if match["other"] is not None:
        return match["other"]
    token = match["token"]
    if token in _TEXTS:
        return _TEXTS[token](time)
    name, suffix = (token[:-1], "o") if token.endswith("o") else (token, "")
    letter = name[:3] if name.startswith("DDD") else name[0]
    number = _NUMBERS[letter](time)
    if suffix:
        return _ordinal(number)
    width = _WIDTHS.get(name, 1)
    return f"{number % 100 if name in ('YY', 'gg', 'GG') else number:0{width}d}"


_WIDTHS: Mapping[str, int] = {
    **{letter * 2: 2 for letter in "MDwWHhkmsYgG"},
    **{letter * count: count for letter in "YgG" for count in (4, 5)},
    "DDDD": 3,
    "Y": 4,
}
"""The digits that a number has at least."""


def _ordinal(number: int) -> str:
    suffix = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{suffix}"


def _week(time: datetime) -> tuple[int, int]:
    """Return the year and the week: weeks begin on Sunday, and the first has January 1st."""
    saturday = time.date() + timedelta(days=6 - _weekday(time))
    return saturday.year, (saturday.timetuple().tm_yday + 6) // 7


def _weekday(time: datetime) -> int:
    return time.isoweekday() % 7


def _offset(time: datetime, colon: str) -> str:
    minutes = round((time.utcoffset() or timedelta()).total_seconds() / 60)
    hours, rest = divmod(abs(minutes), 60)
    return f"{'-' if minutes < 0 else '+'}{hours:02}{colon}{rest:02}"


_NUMBERS: Mapping[str, Callable[[datetime], int]] = {
    "M": lambda time: time.month,
    "D": lambda time: time.day,
    "DDD": lambda time: time.timetuple().tm_yday,
    "Y": lambda time: time.year,
    "d": _weekday,
    "e": _weekday,
    "E": lambda time: time.isoweekday(),
    "w": lambda time: _week(time)[1],
    "W": lambda time: time.isocalendar().week,
    "g": lambda time: _week(time)[0],
    "G": lambda time: time.isocalendar().year,
    "Q": lambda time: (time.month + 2) // 3,
    "H": lambda time: time.hour,
    "h": lambda time: time.hour % 12 or 12,
    "k": lambda time: time.hour + 1,
    "m": lambda time: time.minute,
    "s": lambda time: time.second,
}
_TEXTS: Mapping[str, Callable[[datetime], str]] = {
    "MMM": lambda time: _MONTHS[time.month - 1][:3],
    "MMMM": lambda time: _MONTHS[time.month - 1],
    "dd": lambda time: _WEEKDAYS[_weekday(time)][:2],
    "ddd": lambda time: _WEEKDAYS[_weekday(time)][:3],
    "dddd": lambda time: _WEEKDAYS[_weekday(time)],
    "YYYYYY": lambda time: f"+{time.year:06}",
    "a": lambda time: "am" if time.hour < 12 else "pm",
    "A": lambda time: "AM" if time.hour < 12 else "PM",
    "X": lambda time: str(math.floor(time.timestamp())),
    "x": lambda time: str(math.floor(time.timestamp() * 1000)),
    "Z": lambda time: _offset(time, ":"),
    "ZZ": lambda time: _offset(time, ""),
    "z": lambda time: "" if time.utcoffset() else "UTC",
    "zz": lambda time: "" if time.utcoffset() else "UTC",
}
