"""How a person calls the combinations of a matrix: by their values, ``go=1.22`` in ``test[go=1.22]``.

Rules:

- The names of one matrix differ. Equal combinations, and names that had to be shortened, begin with the index:
  ``0:go=1.22``.
- A name is at most `LONGEST_NAME` characters of one line. Nothing in it is hidden. A value with a character that has a
  meaning here (a blank, comma, bracket, equals sign, quote) is written in quotes.

Pure; standard library only, since the coordinator imports it.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence

from monopod.schemas.formats.visible_text import visible
from monopod.schemas.run_events import MatrixExpanded, RunEvent

LONGEST_NAME = 60
"""Characters between the brackets."""
_SHORTEST_VALUE = 8
_PLAIN = re.compile(r"[^\s,=\"'\[\]\\]+")


def combination_names(combinations: Sequence[Mapping[str, str]]) -> list[str]:
    """Return the name of each combination of a matrix, given as its params, in their order."""
    names = [",".join(f"{name}={_value(value)}" for name, value in each.items()) for each in combinations]
    count = Counter(names)
    return [
        name if count[name] == 1 and 0 < len(name) <= LONGEST_NAME else _with_index(index, name, combinations[index])
        for index, name in enumerate(names)
    ]


def _value(text: str) -> str:
    if _PLAIN.fullmatch(text):
        return visible(text)
    return visible(json.dumps(text, ensure_ascii=False))


def _with_index(index: int, name: str, combination: Mapping[str, str]) -> str:
    """Return a name that begins with the index: no other of the matrix has it, whatever is left out of it."""
    if not combination:
        return str(index)
    room = LONGEST_NAME - len(f"{index}:")
    if len(name) > room:
        most = max((room - sum(len(each) + 2 for each in combination)) // len(combination), _SHORTEST_VALUE)
        name = ",".join(f"{each}={_shortened(_value(value), most)}" for each, value in combination.items())
        name = _shortened(name, room)
    return f"{index}:{name}"


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def label(path: str, name: str | int | None) -> str:
    """Return what a person calls a Task instance: ``build``, or ``build[go=1.22]`` for a combination of a matrix."""
    return path if name is None else f"{path}[{name}]"


class InstanceNames:
    """The names of the combinations of a run, learnt from its events."""

    def __init__(self) -> None:
        self._names: dict[str, list[str]] = {}

    def note(self, event: RunEvent) -> None:
        """Take note of an event."""
        if isinstance(event, MatrixExpanded):
            self._names[event.task] = event.names

    def of(self, path: str, index: int | None) -> str | None:
        """Return the name of a combination; None if it is not known, or if the Task has no matrix."""
        names = self._names.get(path, [])
        return names[index] if index is not None and 0 <= index < len(names) else None

    def label(self, path: str, index: int | None) -> str:
        """Return what a person calls a Task instance; a combination whose name is not known has its number."""
        name = self.of(path, index)
        return label(path, index if name is None else name)
