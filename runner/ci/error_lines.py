"""Places in files that the output of a Step names, as compilers and test runners do: ``path:line:column: message``.

Pure: lines in, places out. The caller decides which files exist.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from monopod.runner.display.printable import printable

_PLACE = re.compile(
    r"\s*(?:E\s+)?(?P<path>[^\s:()'\"<>|]+):(?P<line>\d{1,7})(?::(?P<column>\d{1,5}))?:?\s+(?P<text>\S.*)"
)
_HARMLESS = re.compile(r"(?:warning|note|info|hint)\b", re.IGNORECASE)
_WORKSPACE = re.compile(r"/workspace/[^/]+/")
"""Where Workspaces are in a Step, unless the Task says otherwise."""


class ErrorLine(NamedTuple):
    """A place in a file and what is wrong there. ``column`` is 0 if only the line is named."""

    file: str
    line: int
    column: int
    text: str


def error_lines(lines: Iterable[str], find: Callable[[str], str | None]) -> Iterator[ErrorLine]:
    """Yield the places that lines name. `find` returns the path of a file in the repository; None if it has none."""
    for line in lines:
        match = _PLACE.match(printable(line, colours=False))
        if match is None or _HARMLESS.match(match["text"]):
            continue
        file = find(_WORKSPACE.sub("", match["path"], count=1))
        if file is not None:
            yield ErrorLine(file, int(match["line"]), int(match["column"] or 0), match["text"])
