"""How the lines of a run are wanted: which of them, with the time or without, with the Steps' colours or without."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass

from monopod.runner.display.selection import Selection
from monopod.runner.display.timestamps import rfc3339


@dataclass(frozen=True, slots=True)
class LineOptions:
    """``timestamps``: lines begin with the time at which they were read. ``clock`` gives seconds since the epoch."""

    selection: Selection = dataclasses.field(default_factory=Selection)
    timestamps: bool = False
    colours: bool = True
    clock: Callable[[], float] = time.time

    def stamp(self) -> str:
        """Return what a line of now begins with; nothing without timestamps."""
        return rfc3339(self.clock()) + " " if self.timestamps else ""
