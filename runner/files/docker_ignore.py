"""A .dockerignore file: which paths its patterns exclude.

Rules (Docker docs, "Build context"):

- A pattern is for the whole path, from the directory of the file: ``*`` and ``?`` match no ``/``, ``**`` matches any
  number of directories. A leading or trailing ``/`` means nothing.
- A pattern that matches a directory also applies to what is in it.
- The last pattern that matches decides. One with ``!`` brings back what an earlier one excludes, also below an excluded
  directory.

Pure: bytes in, decisions out.
"""

from __future__ import annotations

import posixpath
import re
from typing import NamedTuple

from monopod.system.files.tree_reading import Choice


class _Pattern(NamedTuple):
    text: str
    expression: re.Pattern[str]
    is_exception: bool


class DockerIgnore:
    """The patterns of a file."""

    def __init__(self, content: bytes) -> None:
        lines = content.decode("utf-8", "surrogateescape").removeprefix("\ufeff").splitlines()
        self._patterns = [pattern for line in lines if (pattern := _pattern(line)) is not None]

    def choice(self, path: bytes, *, is_directory: bool) -> Choice:
        """Return whether a path is wanted."""
        text = path.decode("utf-8", "surrogateescape")
        names = text.split("/")
        parents = ["/".join(names[: index + 1]) for index in range(len(names))]
        is_excluded = False
        for pattern in self._patterns:
            if pattern.is_exception == is_excluded and any(map(pattern.expression.fullmatch, parents)):
                is_excluded = not pattern.is_exception
        if not is_excluded:
            return Choice.YES
        return Choice.INSIDE if is_directory and self._has_exception_below(text) else Choice.NO

    def _has_exception_below(self, directory: str) -> bool:
        exceptions = (pattern.text for pattern in self._patterns if pattern.is_exception)
        return any(text.startswith((f"{directory}/", "*", "?", "[")) for text in exceptions)


def _pattern(line: str) -> _Pattern | None:
    """Return the pattern in a line; None for an empty line or a comment."""
    if line.startswith("#"):
        return None
    text = line.strip()
    is_exception = text.startswith("!")
    text = text.removeprefix("!").strip()
    if not text:
        return None
    text = posixpath.normpath(text).lstrip("/")
    if text in ("", "."):
        return None
    return _Pattern(text, re.compile(_expression(text), re.DOTALL), is_exception)


_TOKEN = re.compile(
    r"(?P<any>\*\*/?)|(?P<some>\*)|(?P<one>\?)|(?P<set>\[\^?\]?[^\]]*\])|\\(?P<escaped>.)|(?P<other>.)", re.DOTALL
)


def _expression(pattern: str) -> str:
    result = []
    for match in _TOKEN.finditer(pattern):
        if match["any"]:
            result.append(".*" if match.end() == len(pattern) else "(?:.*/)?")
        elif match["some"]:
            result.append("[^/]*")
        elif match["one"]:
            result.append("[^/]")
        elif match["set"]:
            result.append(_set(match["set"]))
        else:
            result.append(re.escape(match["escaped"] or match["other"]))
    return "".join(result)


def _set(text: str) -> str:
    is_negated = text.startswith("[^")
    inside = text[2:-1] if is_negated else text[1:-1]
    inside = inside.replace("[", r"\[").replace("&&", r"&\&").replace("||", r"|\|").replace("~~", r"~\~")
    try:
        re.compile(f"[{inside}]")
    except re.error:  # such as an empty set: it is not a set
        return re.escape(text)
    return f"[^/{inside}]" if is_negated else f"(?!/)[{inside}]"
