"""Files of lines ``KEY=VALUE`` or ``SECRET/KEY=VALUE``, such as ``.secrets`` and ``.env``.

Rules:

- Blank lines and lines that begin with ``#`` are ignored, and so is ``export`` before a key.
- ``'…'`` is taken as it is; in ``"…"``, a backslash escapes ``n``, ``"``, ``$`` and itself. Both may span lines. A
  value without quotes ends before `` #``, without blanks around it.
- Messages never repeat what is in the file.

Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_KEY = re.compile(r"[ \t]*(?:export[ \t]+)?(?:([a-z0-9][a-z0-9.-]*)/)?([A-Za-z0-9._-]+)[ \t]*=[ \t]*")
_QUOTED = {"'": re.compile(r"'([^']*)'"), '"': re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)}
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}
_REST = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\r?\n|$)")
_COMMENT = re.compile(r"(?:^|\s)#.*")


@dataclass(frozen=True, slots=True)
class SecretLine:
    """A value of a file. ``secret`` is empty if the line does not name the Secret."""

    secret: str
    key: str
    value: str


class SecretLinesError(ValueError):
    """A line cannot be read. The text begins with its number."""


def parse_lines(text: str) -> list[SecretLine]:
    """Return the values in a file. Raises SecretLinesError."""
    return list(_lines(text.removeprefix("\ufeff")))


def _lines(text: str) -> Iterator[SecretLine]:
    position = 0
    while position < len(text):
        end = text.find("\n", position)
        end = len(text) if end < 0 else end
        line = text[position:end].strip()
        if not line or line.startswith("#"):
            position = end + 1
            continue
        key = _KEY.match(text, position)
        if key is None or key.end() > end:
            raise SecretLinesError(f"{_number(text, position)}: expected KEY=VALUE or SECRET/KEY=VALUE")
        quote = text[key.end() : key.end() + 1]
        if quote in _QUOTED:
            value, position = _quoted(text, key.end(), quote)
        else:
            value, position = _COMMENT.sub("", text[key.end() : end]).strip(), end + 1
        yield SecretLine(key[1] or "", key[2], value)


def _quoted(text: str, start: int, quote: str) -> tuple[str, int]:
    """Return a value in quotes, and where the next line begins."""
    match = _QUOTED[quote].match(text, start)
    if match is None:
        raise SecretLinesError(f"{_number(text, start)}: the quote {quote} is not closed")
    rest = _REST.match(text, match.end())
    if rest is None:
        raise SecretLinesError(f"{_number(text, match.end())}: there is text after the closing {quote}")
    value = match[1]
    if quote == '"':
        value = _ESCAPE.sub(lambda found: _ESCAPES.get(found[1], found[1]), value)
    return value, max(rest.end(), match.end() + 1)


def _number(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1
