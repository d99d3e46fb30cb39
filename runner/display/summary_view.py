"""The summary of a run on a terminal, in colour.

Text from Steps and authors is made safe (``printable``). Only the table is wrapped here; the terminal wraps everything
else, so that it can be copied whole.
"""

from __future__ import annotations

from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from monopod.runner.display.printable import printable
from monopod.runner.display.status_styles import MARKS, STYLES, in_ascii
from monopod.runner.display.summary import Row, Summary
from monopod.runner.reports.failures import Failure

NARROW = 72
"""Terminals with fewer columns show each reason on a line of its own."""


class _Block:
    """Rendered lines, which the terminal wraps."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Segment("".join(line + "\n" for line in self._lines))


def print_summary(console: Console, summary: Summary) -> None:
    """Print failures (the cause first), the table, the Results and the outcome."""
    for failure in (*summary.failures, *summary.sidecars):
        _print_failure(console, failure)
    console.print()
    if console.width < NARROW:
        for row in summary.rows:
            _print_narrow_row(console, row)
    else:
        console.print(_table(console, summary.rows))
    if summary.results:
        console.print()
        width = max(len(name) for name, _ in summary.results)
        for name, value in summary.results:
            _print(console, (name.ljust(width), "dim"), ("  ", ""), (value, ""))
    status = summary.outcome.status
    console.print()
    _print(console, (f"{MARKS[status]} {summary.headline}", f"bold {STYLES[status]}"))
    if summary.outcome.message:
        console.print(_text(console, (summary.outcome.message, "dim")))
    if summary.given_back:
        _print(console, (summary.given_back, "dim"))
    if summary.logs is not None:
        _print(console, (f"Kept in {summary.logs}", "dim"))


def _text(console: Console, *parts: tuple[str, str]) -> Text:
    ascii_only = console.options.ascii_only
    shown = [(printable(text, colours=False), style) for text, style in parts]
    return Text.assemble(*((in_ascii(text) if ascii_only else text, style) for text, style in shown))


def _print(console: Console, *parts: tuple[str, str]) -> None:
    console.print(_text(console, *parts), soft_wrap=True, highlight=False)


def _print_failure(console: Console, failure: Failure) -> None:
    heading = f"── {failure.heading} "
    console.print()
    _print(console, (heading + "─" * (console.width - 1 - len(heading)), "red"))
    if failure.command and not failure.is_brief:
        _print(console, ("$ ", "dim"), (failure.command, "bold"))
    if failure.last_lines and not failure.is_brief:
        console.print(
            _Block([printable(text, colours=not console.no_color) for text in failure.last_lines]), soft_wrap=True
        )
    elif failure.step and not failure.is_brief:
        _print(console, ("(no output)", "dim"))
    for name, text in failure.consequences:
        _print(console, (f"{name}: ", "dim"), (text, ""))


def _table(console: Console, rows: tuple[Row, ...]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for heading in ("", "TASK", "STATUS", "STARTED", "TOOK"):
        table.add_column(heading, no_wrap=True, justify="right" if heading in ("STARTED", "TOOK") else "left")
    table.add_column("WHY", overflow="fold")
    for row in rows:
        style = STYLES[row.status]
        mark = _text(console, (MARKS[row.status], style))
        why = _text(console, (row.why, "" if row.status in ("Failed", "TimedOut") else "dim"))
        table.add_row(mark, _text(console, (row.task, "")), Text(row.status, style), row.started, row.took, why)
    return table


def _print_narrow_row(console: Console, row: Row) -> None:
    style = STYLES[row.status]
    took = "" if row.took == "-" else f" {row.took}"
    _print(console, (f"{MARKS[row.status]} ", style), (row.task, ""), (f" {row.status}", style), (took, ""))
    if row.why:
        _print(console, (f"  {row.why}", "dim"))
