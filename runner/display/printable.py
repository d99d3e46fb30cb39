"""What of a Step's output may go to a terminal or a log.

A Step writes whatever it likes, and what it writes must not be able to move the cursor, retitle the window, clear the
screen or reorder the text of the person who follows the run. Colours (SGR sequences) are harmless and kept where they
are wanted. Every other control sequence is left out. A control character and a direction mark are shown as an escape
(``visible_text``).

What a CI system would take for a command of its own is left to ``ci_log``.
"""

from __future__ import annotations

import re

from monopod.schemas.formats.visible_text import HIDDEN, escape

_COLOUR = r"\x1b\[[0-9;:]*m"
_STRING = r"(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f]).*?(?:\x07|\x1b\\|\x9c|$)"  # OSC, DCS, SOS, PM, APC
_SEQUENCE = r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI
_ESCAPE = r"\x1b[ -/]*[0-~]?"
_CONTROLS = re.compile(f"(?P<colour>{_COLOUR})|{_STRING}|{_SEQUENCE}|{_ESCAPE}|(?P<hidden>{HIDDEN})", re.DOTALL)
_ANY_CONTROL = re.compile(HIDDEN)
RESET = "\x1b[0m"


def printable(text: str, *, colours: bool) -> str:
    """Return one line of output in which nothing is hidden; with `colours`, its colours stay and end with the line."""
    if not _ANY_CONTROL.search(text):
        return text
    kept = _CONTROLS.sub(_with_colours if colours else _without_colours, text)
    return kept + RESET if "\x1b" in kept and not kept.endswith((RESET, "\x1b[m")) else kept


def _with_colours(match: re.Match[str]) -> str:
    return match["colour"] or _without_colours(match)


def _without_colours(match: re.Match[str]) -> str:
    return escape(match["hidden"]) if match["hidden"] else ""
