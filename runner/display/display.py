"""How a run is shown to a person: what the displays have in common, and which of them it is."""

from __future__ import annotations

import dataclasses
import os
import stat
from collections.abc import Mapping
from typing import Protocol, TextIO

from monopod.runner.display.ci_log import guarded
from monopod.runner.display.folding import folding_of
from monopod.runner.display.line_options import LineOptions
from monopod.runner.display.summary import Summary
from monopod.runner.follow.follower import Follower, Shown
from monopod.runner.follow.usage import LoadMeter


class Display(Protocol):
    """Shows a run while it goes on and when it is over. Used from one thread only."""

    def show(self, shown: Shown) -> None:
        """Show a line or an event that the Follower gave back."""

    def notice(self, text: str) -> None:
        """Show something that the runner itself has to say."""

    def refresh(self, now: float, /) -> float | None:
        """Bring what is seen up to date; to be called after each round with the time, in seconds since the epoch.

        Returns in how many seconds it has to be called again even if nothing happens; None: it need not be.
        """

    def pause(self) -> None:
        """Leave the terminal as it was found until `resume`."""

    def resume(self) -> None:
        """Go on, wherever the cursor is now."""

    def close(self, summary: Summary | None) -> None:
        """Leave the terminal as it was found, and show the summary, if there is one."""


def make_display(
    stream: TextIO,
    follower: Follower,
    environment: Mapping[str, str],
    options: LineOptions | None = None,
    pod: object = None,
) -> Display:
    """Return the live display for a terminal, one that folds for the log of a CI system, the plain one for all else.

    Plain too are a terminal that can do nothing (``TERM=dumb``), one on which no colours are wanted (``NO_COLOR``,
    https://no-color.org), and the log of a CI system (``CI``) that passes itself off as a terminal.
    `pod` is asked what its containers use, if it can tell.
    """
    options = options or LineOptions()
    stream = guarded(stream, environment)
    # rich is imported only where it is used
    if is_live(stream, environment):
        from rich.console import Console  # noqa: PLC0415

        from monopod.runner.display.live import LiveDisplay  # noqa: PLC0415
        from monopod.runner.display.screen_region import wraps_anew  # noqa: PLC0415

        console = Console(file=stream, highlight=False, markup=False, emoji=False)
        return LiveDisplay(console, follower, options, LoadMeter(pod), wraps_anew=wraps_anew(environment))
    options = dataclasses.replace(options, colours=not environment.get("NO_COLOR"))
    folding = folding_of(environment)
    if folding is not None and not options.selection.quiet and not _is_file(stream):
        from monopod.runner.display.folded import FoldedDisplay  # noqa: PLC0415

        return FoldedDisplay(stream, follower, options, folding)
    from monopod.runner.display.plain import PlainDisplay  # noqa: PLC0415

    return PlainDisplay(stream, follower, options)


def _is_file(stream: TextIO) -> bool:
    """Return whether what is written goes to a file, and not to the log that a CI system makes of the stream."""
    try:
        return stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    except OSError:  # it has no descriptor
        return False


def is_live(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Return whether `stream` is a terminal on which a live view is welcome."""
    if not stream.isatty() or environment.get("TERM", "dumb") in ("", "dumb", "unknown"):
        return False
    return not environment.get("NO_COLOR") and environment.get("CI", "") in ("", "0", "false")
