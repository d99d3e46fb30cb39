"""Messages about skipped Tasks: the expression and its value, the parents, the missing Results. Pure.

Rules: a message has a bounded length, whatever a Step has written. It quotes the expression as the author wrote it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from monopod.schemas.plan import WhenExpression

LONGEST_TEXT = 120
"""How many characters of an expression or a value are shown."""
MOST_NAMED = 8
"""How many values, Tasks or Results are listed."""


def describe_guard(written: WhenExpression, evaluated: WhenExpression) -> str:
    """Describe a when-expression that is false, with its values."""
    if written.cel:
        seen = f" ({_short(evaluated.cel)})" if evaluated.cel != written.cel else ""
        return f"when: cel: {_short(written.cel)}: it was false{seen}"
    values = ", ".join(_few([_short(value) for value in written.values]))
    words = f"when: {_short(written.input)} {written.operator} [{values}]: the value was {_quoted(evaluated.input)}"
    if evaluated.values != written.values:
        words += f", the values were [{', '.join(_few([_quoted(value) for value in evaluated.values]))}]"
    return words


def join_names(names: Iterable[str]) -> str:
    """Join names by commas; only the first few if there are many."""
    return ", ".join(_few([_short(name) for name in names]))


def _few(texts: list[str]) -> list[str]:
    return texts if len(texts) <= MOST_NAMED else [*texts[:MOST_NAMED], f"and {len(texts) - MOST_NAMED} more"]


def _quoted(text: str) -> str:
    return json.dumps(_short(text), ensure_ascii=False)


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…"
