"""Makes the output of Steps safe for a terminal or a log.

The output of a Step must not move the cursor, retitle the window, clear the screen or reorder text on the user's
terminal. Colours (SGR sequences) are harmless, and kept if the caller wants them. Every other control sequence is
removed. Other control characters and direction marks are shown as escapes (``visible_text``).

Commands of CI systems are handled by ``ci_log``.
"""

from __future__ import annotations

import re

from monopod.schemas.formats.visible_text import HIDDEN, HIDDEN_EXCEPT_NEWLINES, escape

_COLOUR = r"\x1b\[[0-9;:]*m"
_STRING = r"(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f]).*?(?:\x07|\x1b\\|\x9c|$)"  # OSC, DCS, SOS, PM, APC
_SEQUENCE = r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI
_ESCAPE = r"\x1b[ -/]*[0-~]?"
_CONTROLS = re.compile(f"(?P<colour>{_COLOUR})|{_STRING}|{_SEQUENCE}|{_ESCAPE}|(?P<hidden>{HIDDEN})", re.DOTALL)
_ANY_CONTROL = re.compile(HIDDEN)
_ANY_CONTROL_IN_LINES = re.compile(HIDDEN_EXCEPT_NEWLINES)
_ASCII_CONTROLS = "".join(filter(_ANY_CONTROL_IN_LINES.match, map(chr, range(0x80)))).encode()
RESET = "\x1b[0m"


def printable(text: str, *, colours: bool) -> str:
    """Make one line of output safe to print. `colours` keeps its colours, and resets them at the end of the line."""
    if not _ANY_CONTROL.search(text):
        return text
    kept = _CONTROLS.sub(_with_colours if colours else _without_colours, text)
    return kept + RESET if "\x1b" in kept and not kept.endswith((RESET, "\x1b[m")) else kept


def printable_lines(text: str, *, colours: bool) -> str:
    """Do the same for each line of a text."""
    if _has_controls(text):
        return "\n".join(printable(line, colours=colours) for line in text.split("\n"))
    return text


def _has_controls(text: str) -> bool:
    """Return whether there are characters that `printable` changes, other than newlines. Fast for ASCII."""
    if not text.isascii():
        return _ANY_CONTROL_IN_LINES.search(text) is not None
    return len(text.encode().translate(None, _ASCII_CONTROLS)) < len(text)


def _with_colours(match: re.Match[str]) -> str:
    return match["colour"] or _without_colours(match)


def _without_colours(match: re.Match[str]) -> str:
    return escape(match["hidden"]) if match["hidden"] else ""
