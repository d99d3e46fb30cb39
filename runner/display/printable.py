"""Makes the output of Steps safe for a terminal or a log.

The output of a Step must not move the cursor, retitle the window, clear the screen or reorder text on the user's
terminal. Colours (SGR sequences) are harmless, and kept if the caller wants them. Every other control sequence is
removed. Other control characters and direction marks are shown as escapes (``visible_text``).

Commands of CI systems are handled by ``ci_log``.
"""

from __future__ import annotations

import re

from monopod.schemas.formats.visible_text import HIDDEN, HIDDEN_EXCEPT_NEWLINES, visible_beside_esc

_STRING_END = r"[^\n]*?(?:\x07|\x1b\\|\x9c|$)"
_CSI_REST = r"[0-?]*[ -/]*[@-~]"
_COLOUR_REST = r"\[[0-9;:]*m"
_AFTER_ESC = rf"(?:[\]PX^_]{_STRING_END}|\[{_CSI_REST}|[ -/]*[0-~]?)"
_AFTER_C1 = rf"(?<=[\x90\x98\x9d-\x9f]){_STRING_END}|(?<=\x9b){_CSI_REST}"
"""OSC, DCS, SOS, PM and APC are strings; CSI begins other sequences."""
_BEGINNING = r"[\x1b\x90\x98\x9b\x9d-\x9f]"  # a set, because the search for it is fast
_SEQUENCES = re.compile(rf"{_BEGINNING}(?:(?<=\x1b){_AFTER_ESC}|{_AFTER_C1})", re.MULTILINE)
_EXCEPT_COLOURS = re.compile(rf"{_BEGINNING}(?:(?<=\x1b)(?!{_COLOUR_REST}){_AFTER_ESC}|{_AFTER_C1})", re.MULTILINE)
_ANY_CONTROL = re.compile(HIDDEN)
_ANY_CONTROL_IN_LINES = re.compile(HIDDEN_EXCEPT_NEWLINES)
_ASCII_CONTROLS = "".join(filter(_ANY_CONTROL_IN_LINES.match, map(chr, range(0x80)))).encode()
RESET = "\x1b[0m"


def printable(text: str, *, colours: bool) -> str:
    """Make one line of output safe to print. `colours` keeps its colours, and resets them at the end of the line."""
    if not _ANY_CONTROL.search(text):
        return text
    return _with_reset(_without_sequences(text, colours=colours, keeps_newlines=False))


def printable_lines(text: str, *, colours: bool) -> str:
    """Do the same for each line of a text."""
    if not _has_controls(text):
        return text
    kept = _without_sequences(text, colours=colours, keeps_newlines=True)
    return "\n".join(map(_with_reset, kept.split("\n"))) if "\x1b" in kept else kept


def without_sequences(text: str) -> str:
    """Return lines without colours and all other control sequences: the text that a person reads."""
    if "\x1b" not in text and text.isascii():
        return text  # fast: sequences begin with ESC, or with a character beyond ASCII
    return _SEQUENCES.sub("", text)


def _without_sequences(text: str, *, colours: bool, keeps_newlines: bool) -> str:
    kept = (_EXCEPT_COLOURS if colours else _SEQUENCES).sub("", text)
    return visible_beside_esc(kept, keeps_newlines=keeps_newlines)  # what has ESC now is a colour


def _with_reset(line: str) -> str:
    return line + RESET if "\x1b" in line and not line.endswith((RESET, "\x1b[m")) else line


def _has_controls(text: str) -> bool:
    """Return whether there are characters that `printable` changes, other than newlines. Fast for ASCII."""
    if not text.isascii():
        return _ANY_CONTROL_IN_LINES.search(text) is not None
    return len(text.encode().translate(None, _ASCII_CONTROLS)) < len(text)
