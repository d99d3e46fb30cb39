"""How a run is shown to a person: what the displays have in common, and which of them it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TextIO

from monopod.runner.follow import Follower, Shown
from monopod.runner.summary import Summary


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

    def close(self, summary: Summary | None) -> None:
        """Leave the terminal as it was found, and show the summary, if there is one."""


def make_display(stream: TextIO, follower: Follower, environment: Mapping[str, str]) -> Display:
    """Return the live display for a terminal, the plain one for everything else.

    Plain too are a terminal that can do nothing (``TERM=dumb``), one on which no colours are wanted (``NO_COLOR``,
    https://no-color.org), and the log of a CI system (``CI``) that passes itself off as a terminal.
    """
    # rich is imported only where it is used
    if is_live(stream, environment):
        from rich.console import Console  # noqa: PLC0415

        from monopod.runner.display_live import LiveDisplay  # noqa: PLC0415

        return LiveDisplay(Console(file=stream, highlight=False, markup=False, emoji=False), follower)
    from monopod.runner.display_plain import PlainDisplay  # noqa: PLC0415

    return PlainDisplay(stream, follower, colours=not environment.get("NO_COLOR"))


def is_live(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Return whether `stream` is a terminal on which a live view is welcome."""
    if not stream.isatty() or environment.get("TERM", "dumb") in ("", "dumb", "unknown"):
        return False
    return not environment.get("NO_COLOR") and environment.get("CI", "") in ("", "0", "false")
