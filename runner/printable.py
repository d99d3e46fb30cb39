"""What of a Step's output may go to a terminal or a log.

A Step writes whatever it likes, and what it writes must not be able to move the cursor, retitle the window or clear
the screen of whoever follows the run. Colours (SGR sequences) are harmless and kept where they are wanted; every other
control sequence and control character is left out, tabs excepted.
"""

from __future__ import annotations

import re

_COLOUR = r"\x1b\[[0-9;:]*m"
_STRING = r"(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f]).*?(?:\x07|\x1b\\|\x9c|$)"  # OSC, DCS, SOS, PM, APC
_SEQUENCE = r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI
_ESCAPE = r"\x1b[ -/]*[0-~]?"
_CONTROL = r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]"
_CONTROLS = re.compile("|".join((f"({_COLOUR})", _STRING, _SEQUENCE, _ESCAPE, _CONTROL)), re.DOTALL)
_ANY_CONTROL = re.compile(_CONTROL)
RESET = "\x1b[0m"


def printable(text: str, *, colours: bool) -> str:
    """Return one line of output without controls; with `colours`, its colours stay and end with the line."""
    if not _ANY_CONTROL.search(text):
        return text
    kept = _CONTROLS.sub(lambda match: (match[1] or "") if colours else "", text)
    return kept + RESET if "\x1b" in kept and not kept.endswith((RESET, "\x1b[m")) else kept
