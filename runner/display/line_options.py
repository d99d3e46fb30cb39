"""Which lines of a run are shown, and whether with timestamps and with the Steps' colours."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass

from monopod.runner.display.selection import Selection
from monopod.schemas.formats.timestamps import to_rfc3339_milliseconds


@dataclass(frozen=True, slots=True)
class LineOptions:
    """``timestamps``: each line begins with the time it was read. ``clock`` returns seconds since the epoch."""

    selection: Selection = dataclasses.field(default_factory=Selection)
    timestamps: bool = False
    colours: bool = True
    clock: Callable[[], float] = time.time

    def stamp(self) -> str:
        """Return the prefix of a line written now: a timestamp, or nothing."""
        return to_rfc3339_milliseconds(self.clock()) + " " if self.timestamps else ""
