"""How what happens looks on a terminal: the mark and the style of each status, and what stands in for it in ASCII."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

from rich.color import ColorSystem
from rich.style import Style

from monopod.runner.follow.follower import TaskStatus

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
    """Return what stands in for our own signs where the terminal knows ASCII alone."""
    return text.translate(_ASCII)


def styled(text: str, style: str) -> str:
    """Return a text with the sequences that give it a style, in the sixteen colours that every terminal has."""
    return _style(style).render(text, color_system=ColorSystem.STANDARD) if style and text else text


@lru_cache
def _style(style: str) -> Style:
    return Style.parse(style)
