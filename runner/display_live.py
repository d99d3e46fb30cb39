"""A run on a terminal: the output scrolls by, and below it stands how each Task is doing.

Rules:

- One thread: what is to be shown is gathered, and drawn by `refresh` at most ten times a second, in one write each
  time, and only if something changed or a clock on the screen moved on.
- Lines of output are never cut nor re-wrapped: the terminal wraps them, and they can be copied from it whole.
- What stands below fits the terminal. With more Tasks than rows, those that run come first, then those that failed,
  then those that come next; the others are counted.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

from rich.color import ColorSystem
from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.live import Live
from rich.segment import Segment
from rich.style import Style
from rich.table import Table
from rich.text import Text

from monopod.runner.display_plain import step_ending
from monopod.runner.follow import FailedStep, Follower, OutputLine, Shown, TaskState, TaskStatus, label
from monopod.runner.printable import printable
from monopod.runner.summary import Row, Summary, ending_in_words
from monopod.schemas.run_events import RunWarning, StepFinished
from monopod.schemas.words import duration_in_words

REDRAW_SECONDS = 0.1
MOST_PENDING = 256 * 1024
"""Characters of output that are gathered at most before they are drawn."""
NARROW = 72
"""Columns below which the closing table has its reasons on lines of their own."""

_TASK_COLOURS = ("cyan", "magenta", "blue", "yellow", "green", "bright_cyan", "bright_magenta", "bright_blue")
_STYLES: dict[TaskStatus, str] = {
    "Waiting": "dim",
    "Running": "cyan",
    "Skipped": "dim",
    "Succeeded": "green",
    "Failed": "bold red",
    "TimedOut": "bold red",
    "Cancelled": "yellow",
}
_MARKS: dict[TaskStatus, str] = {
    "Waiting": "○",
    "Running": "●",
    "Skipped": "⊘",
    "Succeeded": "✓",
    "Failed": "✗",
    "TimedOut": "✗",
    "Cancelled": "✗",
}
_ASCII = str.maketrans("○●⊘✓✗─│…", ".*-+x-|~")


class _Block:
    """Lines that are ready for the terminal; it wraps them."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Segment("".join(line + "\n" for line in self._lines))


class LiveDisplay:
    """Draws on a console that is a terminal."""

    def __init__(self, console: Console, follower: Follower) -> None:
        self._console = console
        self._follower = follower
        self._live = Live(
            console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
        )
        self._pending: list[str] = []
        self._pending_size = 0
        self._prefixes: dict[tuple[str, str, int], str] = {}
        self._colours: dict[str, str] = {}
        self._changed = True
        self._drawn = -math.inf
        self._ascii = console.options.ascii_only
        self._live.start()

    def show(self, shown: Shown) -> None:
        """Take a line or an event; it is drawn at the next refresh."""
        self._changed = True
        if isinstance(shown, OutputLine):
            self._add(self._prefix(shown.task, shown.step) + printable(shown.text, colours=True))
        elif isinstance(shown, StepFinished) and (ending := step_ending(shown)):
            prefix = self._prefix(label(shown.task, shown.index), shown.step)
            self._add(prefix + self._styled(ending, "dim" if shown.reason == "Skipped" else "red"))
        elif isinstance(shown, RunWarning):
            self._add(self._styled(f"warning: {shown.message}", "yellow"))

    def notice(self, text: str) -> None:
        """Show something that the runner itself has to say."""
        self._add(self._styled(text, "yellow"))

    def refresh(self, now: float, /) -> float | None:
        """Draw what has changed, unless it was drawn just before; return when to come back."""
        if not self._changed and now < math.floor(self._drawn) + 1:
            return math.floor(self._drawn) + 1 - now
        too_soon = self._drawn + REDRAW_SECONDS - now
        if 0 < too_soon <= REDRAW_SECONDS and self._pending_size < MOST_PENDING:
            return too_soon
        self._draw(now)
        return math.floor(now) + 1 - now

    def close(self, summary: Summary | None) -> None:
        """Take the view away, put the cursor back, and show the summary."""
        self._live.update("")
        self._flush()
        self._live.stop()
        if summary is not None:
            self._summarize(summary)

    def _add(self, line: str) -> None:
        self._changed = True
        self._pending.append(line)
        self._pending_size += len(line)

    def _draw(self, now: float) -> None:
        self._live.update(Group(*self._view(now)))
        if self._pending:
            self._flush()
        else:
            self._live.refresh()
        self._changed = False
        self._drawn = now

    def _flush(self) -> None:
        if self._pending:
            lines, self._pending, self._pending_size = self._pending, [], 0
            self._console.print(_Block(lines), soft_wrap=True)

    def _symbols(self, text: str) -> str:
        return text.translate(_ASCII) if self._ascii else text

    def _styled(self, text: str, style: str) -> str:
        """Return a text with the sequences that give it a style."""
        plain = self._symbols(printable(text, colours=False))
        return Style.parse(style).render(plain, color_system=ColorSystem.STANDARD)

    # The prefix of each line

    def _prefix(self, task: str, step: str) -> str:
        width = self._console.width
        prefix = self._prefixes.get((task, step, width))
        if prefix is None:
            prefix = self._prefixes[task, step, width] = self._make_prefix(task, step, min(width // 3, 32))
        return prefix

    def _make_prefix(self, task: str, step: str, most: int) -> str:
        room = min(most, max(len(f"{task} {step}"), self._follower.longest_source))
        step = _shortened(step, max(room // 2, room - 1 - len(task)))
        task_text = _shortened(task, room - len(step) - 1)
        padding = " " * (room - len(task_text) - len(step) - 1)
        colour = self._colours.setdefault(task, _TASK_COLOURS[len(self._colours) % len(_TASK_COLOURS)])
        return self._styled(task_text, colour) + self._styled(f" {step}{padding} │ ", "dim")

    # The view below the output

    def _view(self, now: float) -> Iterator[Text]:
        """Yield the rows, as many as fit."""
        width, height = self._console.width - 1, self._console.height - 1
        tasks = self._follower.tasks
        yield self._headline(tasks, now, width)
        chosen, others = choose(tasks, height - 2)
        name_width = min(max((len(task.label) for task in chosen), default=0), width // 2)
        for task in chosen:
            yield self._task_row(task, now, name_width, width)
        if others and height > 2:
            counts = Counter(task.status for task in others)
            text = ", ".join(f"{count} {status.lower()}" for status, count in counts.items())
            yield self._row(f"  and {len(others)} more: {text}", "dim", width)

    def _row(self, text: str, style: str, width: int) -> Text:
        row = Text(self._symbols(text), style, no_wrap=True, overflow="crop")
        row.truncate(width)
        return row

    def _headline(self, tasks: tuple[TaskState, ...], now: float, width: int) -> Text:
        over = sum(task.is_over for task in tasks)
        failed = sum(task.status in ("Failed", "TimedOut") for task in tasks)
        parts = [self._follower.name or "starting"]
        if self._follower.started is not None:
            parts.append(_clock(now - self._follower.started))
        parts.append(f"{over} of {len(tasks)} done")
        row = self._row(f"── {'  '.join(parts)} ", "dim", width)
        if failed:
            row.append(f" {failed} failed ", "red")
        row.append(self._symbols("─") * max(width - row.cell_len, 0))
        row.truncate(width)
        return row

    def _task_row(self, task: TaskState, now: float, name_width: int, width: int) -> Text:
        style = _STYLES[task.status]
        row = self._row(f"{_MARKS[task.status]} ", style, width)
        name = self._symbols(_shortened(task.label, name_width))
        row.append(name.ljust(name_width), "" if task.status != "Waiting" else "dim")
        row.append(self._elapsed(task, now).rjust(8), "dim" if task.is_over else "")
        row.append("  " + self._symbols(self._detail(task)), style if task.status != "Running" else "")
        row.truncate(width)
        return row

    @staticmethod
    def _elapsed(task: TaskState, now: float) -> str:
        if task.started is None:
            return ""
        return _clock(now - task.started) if task.ended is None else duration_in_words(task.ended - task.started)

    def _detail(self, task: TaskState) -> str:
        match task.status:
            case "Running":
                attempt = [f"attempt {task.attempt + 1}"] if task.attempt else []
                return ", ".join([*task.steps, *attempt])
            case "Waiting":
                waits = self._follower.waits_for(task)
                return f"after {', '.join(waits)}" if waits else "finally" if task.is_final else ""
            case "Failed" if task.failed_steps:
                return f"{task.failed_steps[0].step}: {ending_in_words(task.failed_steps[0])}"
            case "Succeeded" | "Cancelled":
                return ""
        return task.message or task.reason

    # The end

    def _summarize(self, summary: Summary) -> None:
        for step in summary.failed_steps:
            self._failed_step(step)
        self._console.print()
        if self._console.width < NARROW:
            for row in summary.rows:
                self._narrow_row(row)
        else:
            self._console.print(self._table(summary.rows))
        if summary.results:
            self._console.print()
            width = max(len(name) for name, _ in summary.results)
            for name, value in summary.results:
                self._print(Text.assemble((name.ljust(width), "dim"), "  ", printable(value, colours=False)))
        style = _STYLES[summary.outcome.status]
        self._console.print()
        self._print(Text(self._symbols(f"{_MARKS[summary.outcome.status]} {summary.headline}"), f"bold {style}"))
        if summary.outcome.message:
            self._console.print(Text(printable(summary.outcome.message, colours=False), "dim"))
        if summary.logs is not None:
            self._print(Text(f"Kept in {summary.logs}", "dim"))

    def _print(self, text: Text) -> None:
        self._console.print(text, soft_wrap=True, highlight=False)

    def _failed_step(self, step: FailedStep) -> None:
        heading = f"── {step.task} : {step.step} failed: {ending_in_words(step)} "
        self._console.print()
        self._print(Text(self._symbols(heading + "─" * (self._console.width - 1 - len(heading))), "red"))
        lines = [printable(text, colours=True) for text in step.last_lines] or [
            self._styled("(it wrote nothing)", "dim")
        ]
        self._console.print(_Block(lines), soft_wrap=True)

    def _table(self, rows: tuple[Row, ...]) -> Table:
        table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
        for heading in ("", "TASK", "STATUS", "STARTED", "TOOK"):
            table.add_column(heading, no_wrap=True, justify="right" if heading in ("STARTED", "TOOK") else "left")
        table.add_column("WHY", overflow="fold")
        for row in rows:
            style = _STYLES[row.status]
            mark = Text(self._symbols(_MARKS[row.status]), style)
            why = Text(printable(row.why, colours=False), "" if row.status in ("Failed", "TimedOut") else "dim")
            table.add_row(mark, Text(row.task), Text(row.status, style), row.started, row.took, why)
        return table

    def _narrow_row(self, row: Row) -> None:
        took = "" if row.took == "-" else f" {row.took}"
        style = _STYLES[row.status]
        self._print(
            Text.assemble((f"{self._symbols(_MARKS[row.status])} ", style), row.task, (f" {row.status}", style), took)
        )
        if row.why:
            self._print(Text(f"  {printable(row.why, colours=False)}", "dim"))


def choose(tasks: tuple[TaskState, ...], rows: int) -> tuple[list[TaskState], list[TaskState]]:
    """Return the Tasks that are worth one of so many rows, in the order of the Pipeline, and all others.

    With others, one row less is used: they are counted there.
    """
    if len(tasks) <= rows + 1:  # the row that would count the others holds the last one as well
        return list(tasks[: max(rows + 1, 0)]), []
    order: dict[TaskStatus, int] = {"Running": 0, "Failed": 1, "TimedOut": 1, "Cancelled": 1, "Waiting": 2}
    ranked = sorted(range(len(tasks)), key=lambda number: order.get(tasks[number].status, 3))
    chosen = set(ranked[: max(rows, 0)])
    return (
        [task for number, task in enumerate(tasks) if number in chosen],
        [task for number, task in enumerate(tasks) if number not in chosen],
    )


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else text[: max(most - 1, 0)] + "…"


def _clock(seconds: float) -> str:
    """Return a duration that is still growing, in whole seconds so that the screen changes only once a second."""
    whole = math.floor(max(seconds, 0))
    return f"{whole}s" if whole < 60 else duration_in_words(whole)
