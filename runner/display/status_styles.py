"""The mark and the style of each status on a terminal, and ASCII replacements for terminals without Unicode."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

from rich.color import ColorSystem
from rich.style import Style

from monopod.schemas.run_progress import TaskStatus

STYLES: dict[TaskStatus | Literal["Unknown"], str] = {
    "Waiting": "dim",
    "Running": "cyan",
    "Skipped": "dim",
    "Succeeded": "green",
    "Failed": "bold red",
    "TimedOut": "bold red",
    "Cancelled": "yellow",
    "Unknown": "yellow",
}
MARKS: dict[TaskStatus | Literal["Unknown"], str] = {
    "Waiting": "○",
    "Running": "●",
    "Skipped": "⊘",
    "Succeeded": "✓",
    "Failed": "✗",
    "TimedOut": "✗",
    "Cancelled": "✗",
    "Unknown": "?",
}
TASK_COLOURS = ("cyan", "magenta", "blue", "yellow", "green", "bright_cyan", "bright_magenta", "bright_blue")
_ASCII = str.maketrans("○●⊘✓✗─━│├└…", ".*-+x-=||`~")


def in_ascii(text: str) -> str:
    """Replace monopod's own symbols, for a terminal that supports only ASCII."""
    return text.translate(_ASCII)


def styled(text: str, style: str, *, colours: bool = True) -> str:
    """Return a text with escape sequences for a style, limited to the sixteen standard colours.

    Without `colours`, bold and dim text remains.
    """
    return _style(style, colours).render(text, color_system=ColorSystem.STANDARD) if style and text else text


@lru_cache
def _style(style: str, colours: bool) -> Style:
    return Style.parse(style) if colours else Style.parse(style).without_color
