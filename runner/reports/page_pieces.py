"""Building blocks of the page of a run: sections, tables, status marks, values."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence

from monopod.runner.display.printable import printable
from monopod.runner.reports.html import Child, Html, tag
from monopod.schemas.formats.timestamps import to_rfc3339
from monopod.schemas.formats.words import format_duration
from monopod.schemas.plan import Value

SYMBOLS = {
    "Succeeded": "✓",
    "Failed": "✗",
    "TimedOut": "✗",
    "Cancelled": "✗",
    "Skipped": "⊘",
    "Running": "●",
    "Waiting": "○",
    "Unknown": "?",
}
LONGEST_VALUE = 20_000
"""The maximum number of characters of a param or Result."""

_STATUS_WORDS = {"TimedOut": "Timed out"}


def section(identity: str, heading: str, content: Child) -> Html:
    """Return a section of the page, labelled by its heading."""
    head = tag("h2", heading, id=f"{identity}-heading")
    return tag("section", head, content, id=identity, aria_labelledby=f"{identity}-heading")


def scrolled(label: str, content: Child) -> Html:
    """Wrap content that may be wider than the page, so that it scrolls by itself, also with the keyboard."""
    return tag("div", content, class_="scrolled", tabindex="0", role="group", aria_label=label)


def table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[Child]]) -> Html:
    """Return a table whose first column has the row headings."""
    return scrolled(
        caption,
        tag(
            "table",
            tag("caption", caption, class_="hidden"),
            tag("thead", tag("tr", (tag("th", head, scope="col") for head in heads))),
            tag("tbody", (tag("tr", tag("th", row[0], scope="row"), map(_cell, row[1:])) for row in rows)),
        ),
    )


def _cell(content: Child) -> Html:
    return tag("td", content)


def values_table(kind: str, whose: str, values: Iterable[tuple[str, Value]]) -> Html:
    """Return the table of params or Results (`kind`) of a Task or the run."""
    return table(
        f"{kind} of {whose}", (kind, "Value"), ((name, tag("code", format_value(value))) for name, value in values)
    )


def format_value(value: Value) -> str:
    """Format a value: a string as it is, other values as JSON."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    shown = "\n".join(printable(line, colours=False) for line in text[:LONGEST_VALUE].split("\n"))
    return shown if len(text) <= LONGEST_VALUE else f"{shown}… ({len(text):,} characters)"


def item_list(items: Iterable[Child]) -> Html:
    """Return a bulleted list."""
    return tag("ul", (tag("li", item) for item in items))


def listed(items: Iterable[Html]) -> Html:
    """Return items on one line, separated by commas."""
    return Html(", ".join(items))


def status_words(status: str) -> str:
    """Return the display name of a status."""
    return _STATUS_WORDS.get(status, status)


def symbol(status: str) -> Html:
    """Return the symbol of a status, hidden from screen readers; the word is always next to it."""
    return tag("span", SYMBOLS[status], class_=f"symbol {status}", aria_hidden="true")


def status_mark(status: str) -> Html:
    """Return the symbol and the word of a status."""
    return tag("span", symbol(status), f" {status_words(status)}", class_=f"status {status}")


def moment(seconds: float) -> Html:
    """Return a time element for seconds since the epoch."""
    shown = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))
    return tag("time", shown, datetime=to_rfc3339(seconds))


def fine_duration(seconds: float) -> str:
    """Format a duration, in milliseconds if it is under a second."""
    return f"{max(seconds, 0) * 1000:.0f}ms" if seconds < 1 else format_duration(seconds)


def kibibytes(amount: int) -> str:
    """Format an amount of memory in KiB with a suitable unit."""
    size, unit = float(amount), "KiB"
    for larger in ("MiB", "GiB", "TiB"):
        if size >= 1024:
            size, unit = size / 1024, larger
    return f"{size:.3g} {unit}" if size < 100 else f"{size:.0f} {unit}"


def checkbox(identity: str, text: str, *, checked: bool = False) -> Html:
    """Return a checkbox that the style sheet reacts to."""
    box = tag("input", type="checkbox", id=f"switch-{identity}", checked=checked)
    return tag("label", box, f" {text}", class_="switch")


def search_form() -> Html:
    """Return the search form and the filter. They stay hidden unless the script, which they need, shows them."""
    return tag(
        "div",
        tag(
            "label",
            "Search the output ",
            tag("input", type="search", id="query", autocomplete="off", spellcheck="false"),
        ),
        tag("button", "Previous", type="button", id="previous"),
        tag("button", "Next", type="button", id="next"),
        checkbox("only", "only lines found"),
        tag("span", id="found", role="status"),
        tag(
            "label",
            "Tasks and Steps ",
            tag("input", type="search", id="filter", autocomplete="off", spellcheck="false", placeholder="all"),
        ),
        class_="search",
        id="search",
        role="search",
        hidden=True,
    )


def zoom_tools() -> Html:
    """Return the buttons that zoom the picture of the DAG. They stay hidden unless the script shows them."""
    buttons = (("out", "-", "Zoom out"), ("in", "+", "Zoom in"), ("fit", "Fit", "Fit the window"))
    return tag(
        "p",
        (tag("button", text, type="button", data_zoom=action, aria_label=label) for action, text, label in buttons),
        tag("span", "100 %", id="percent", class_="muted", role="status"),
        tag("span", "Drag to move; Ctrl and the wheel, or the keys + and - to zoom; 0 fits.", class_="muted small"),
        class_="tools",
        id="zoom",
        hidden=True,
    )
