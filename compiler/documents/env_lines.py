"""Files of lines ``KEY=VALUE``, such as ``.env`` and ``.secrets``. ``SECRET/KEY=VALUE`` in ``.secrets`` names a Secret.

Rules:

- Blank lines and lines that begin with ``#`` are ignored, and so is ``export`` before a key.
- ``'…'`` is taken as it is; in ``"…"``, a backslash escapes ``n``, ``"``, ``$`` and itself. Both may span lines. A
  value without quotes ends before `` #``, without blanks around it. Variables are not expanded.
- Messages never repeat what is in the file, which may be secret.

Pure. Left to others: what the values are for (``param_files``, ``monopod.runner.secrets``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_KEY = re.compile(r"[ \t]*(?:export[ \t]+)?(?:([a-z0-9][a-z0-9.-]*)/)?([A-Za-z0-9._-]+)[ \t]*=[ \t]*")
_QUOTED = {"'": re.compile(r"'([^']*)'"), '"': re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)}
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}
_REST = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\r?\n|$)")
_COMMENT = re.compile(r"(?:^|\s)#.*")


@dataclass(frozen=True, slots=True)
class EnvLine:
    """A value of a file. ``secret`` is empty if the line does not name a Secret; ``line`` counts from 1."""

    secret: str
    key: str
    value: str
    line: int = field(default=0, compare=False)


class EnvLinesError(ValueError):
    """A line cannot be read. ``line`` and ``column`` count from 1; the text does not repeat them."""

    def __init__(self, message: str, text: str, position: int) -> None:
        super().__init__(message)
        self.line = _number(text, position)
        self.column = position - text.rfind("\n", 0, position)


def parse_env_lines(text: str) -> list[EnvLine]:
    """Return the values in a file. Raises EnvLinesError."""
    return list(_lines(text.removeprefix("\ufeff")))


def _lines(text: str) -> Iterator[EnvLine]:
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
            raise EnvLinesError("expected KEY=VALUE", text, text.index(line, position))
        number = _number(text, position)
        quote = text[key.end() : key.end() + 1]
        if quote in _QUOTED:
            value, position = _quoted(text, key.end(), quote)
        else:
            value, position = _COMMENT.sub("", text[key.end() : end]).strip(), end + 1
        yield EnvLine(key[1] or "", key[2], value, number)


def _quoted(text: str, start: int, quote: str) -> tuple[str, int]:
    """Return a value in quotes, and where the next line begins."""
    match = _QUOTED[quote].match(text, start)
    if match is None:
        raise EnvLinesError(f"the quote {quote} is not closed", text, start)
    rest = _REST.match(text, match.end())
    if rest is None:
        raise EnvLinesError(f"there is text after the closing {quote}", text, match.end())
    value = match[1]
    if quote == '"':
        value = _ESCAPE.sub(lambda found: _ESCAPES.get(found[1], found[1]), value)
    return value, max(rest.end(), match.end() + 1)


def _number(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1
