"""What all displays have in common, and the choice of a display for a stream."""

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
from monopod.runner.follow.usage import LoadMeter, Measure


class Display(Protocol):
    """Shows a run while it is active and after it has ended. Not thread-safe."""

    def show(self, shown: Shown) -> None:
        """Show a line or an event that the Follower returned."""

    def notice(self, text: str) -> None:
        """Show a message from the runner itself."""

    def refresh(self, now: float, /) -> float | None:
        """Update the screen. Call it after each round with the time in seconds since the epoch.

        Returns in how many seconds to call it again even if nothing happens; None if that is not needed.
        """

    def pause(self) -> None:
        """Restore the terminal until `resume` is called."""

    def resume(self) -> None:
        """Continue at the current cursor position."""

    def close(self, summary: Summary | None) -> None:
        """Restore the terminal and show the summary, if there is one."""


def make_display(
    stream: TextIO,
    follower: Follower,
    environment: Mapping[str, str],
    options: LineOptions | None = None,
    measure: Measure = lambda _: None,
) -> Display:
    """Return a live display for a terminal, a folding one for the log of a CI system, and a plain one otherwise.

    The display is also plain on a terminal without capabilities (``TERM=dumb``), and in CI (``CI``) even if the log
    looks like a terminal. ``NO_COLOR`` (https://no-color.org) removes colours from each of them. `measure` returns the
    CPU and memory that containers use.
    """
    colours = not environment.get("NO_COLOR")
    options = dataclasses.replace(options or LineOptions(), colours=colours)
    stream = guarded(stream, environment)
    # rich is imported only where it is used
    if is_live(stream, environment):
        from rich.console import Console  # noqa: PLC0415

        from monopod.runner.display.live import LiveDisplay  # noqa: PLC0415
        from monopod.runner.display.screen_region import reflows  # noqa: PLC0415

        console = Console(file=stream, highlight=False, markup=False, emoji=False, no_color=not colours)
        return LiveDisplay(console, follower, options, LoadMeter(measure), reflows=reflows(environment))
    folding = folding_of(environment)
    if folding is not None and not options.selection.quiet and not _is_file(stream):
        from monopod.runner.display.folded import FoldedDisplay  # noqa: PLC0415

        return FoldedDisplay(stream, follower, options, folding)
    from monopod.runner.display.plain import PlainDisplay  # noqa: PLC0415

    return PlainDisplay(stream, follower, options)


def _is_file(stream: TextIO) -> bool:
    """Return whether the stream is a file, and not the log of a CI system."""
    try:
        return stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    except OSError:  # the stream has no descriptor
        return False


def is_live(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Return whether `stream` is a terminal that can show a live view."""
    if not stream.isatty() or environment.get("TERM", "dumb") in ("", "dumb", "unknown"):
        return False
    return environment.get("CI", "") in ("", "0", "false")
