"""Names for the combinations of a matrix, by their values: ``go=1.22`` in ``test[go=1.22]``.

Rules:

- The names within a matrix are unique. Names of equal combinations, and shortened names, start with the index:
  ``0:go=1.22``.
- A name is one line of at most `LONGEST_NAME` characters, without hidden characters. A value with a blank, comma,
  bracket, equals sign or quote is quoted.

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
"""The most characters between the brackets."""
_SHORTEST_VALUE = 8
_PLAIN = re.compile(r"[^\s,=\"'\[\]\\]+")


def combination_names(combinations: Sequence[Mapping[str, str]]) -> list[str]:
    """Return the name of each combination of a matrix, in order."""
    names = [",".join(f"{name}={_value(value)}" for name, value in combination.items()) for combination in combinations]
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
    """Return a name that starts with the index, which makes it unique even if values are left out."""
    if not combination:
        return str(index)
    room = LONGEST_NAME - len(f"{index}:")
    if len(name) > room:
        most = max((room - sum(len(name) + 2 for name in combination)) // len(combination), _SHORTEST_VALUE)
        name = ",".join(f"{name}={_shortened(_value(value), most)}" for name, value in combination.items())
        name = _shortened(name, room)
    return f"{index}:{name}"


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def label(path: str, name: str | int | None) -> str:
    """Return the name of a Task instance: ``build``, or ``build[go=1.22]`` for a combination of a matrix."""
    return path if name is None else f"{path}[{name}]"


class InstanceNames:
    """The names of the combinations of a run, collected from its events."""

    def __init__(self) -> None:
        self._names: dict[str, list[str]] = {}

    def note(self, event: RunEvent) -> None:
        """Process an event."""
        if isinstance(event, MatrixExpanded):
            self._names[event.task] = event.names

    def of(self, path: str, index: int | None) -> str | None:
        """Return the name of a combination; None if it is unknown or the Task has no matrix."""
        names = self._names.get(path, [])
        return names[index] if index is not None and 0 <= index < len(names) else None

    def label(self, path: str, index: int | None) -> str:
        """Return the name of a Task instance, with its index if the name of the combination is unknown."""
        name = self.of(path, index)
        return label(path, index if name is None else name)
