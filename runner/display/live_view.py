"""The live view below the output: a headline with a progress bar, the Tasks, and the last lines of Steps.

Rules:

- The log has most of the screen: the headline and the Tasks (``task_lines``) use at most two fifths of it.
- Below them are the last lines of Steps whose output is not scrolling by at the moment (``grouped_output``). They use
  at most a quarter of the screen.

Pure: rows for a terminal of any size, made from the state of a `Follower` and a `LoadMeter`. ``screen_region`` draws
them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from rich.cells import cell_len, set_cell_size

from monopod.runner.display.status_styles import MARKS, STYLES
from monopod.runner.display.task_lines import TaskLine, arrange, held_steps
from monopod.runner.follow.follower import Follower
from monopod.runner.follow.usage import Load, LoadMeter, format_memory
from monopod.runner.reports.failures import describe_failed_step
from monopod.schemas.formats.words import format_duration
from monopod.schemas.plan import LEFT_OUT, REUSED
from monopod.schemas.run_progress import TaskState, TaskStatus

Row: TypeAlias = list[tuple[str, str]]
"""Pieces of text with their styles."""

Source: TypeAlias = tuple[str, str]
"""A Task's label and a Step's name."""

MOST_TAIL_LINES = 5
"""The maximum number of last lines of each Step."""
_COLUMNS_PER_LEVEL = 12
"""Trees are at most one level deep per this many columns of the terminal."""
_FEWEST_ROWS = 3
"""Rows that the headline and the Tasks may use on a low terminal."""
_SHORTEST_BAR, _LONGEST_BAR = 8, 30
_HELD = "bold yellow"
_STATUS_WORDS = {"TimedOut": "timed out"}


@dataclass(frozen=True, slots=True)
class View:
    """The content of the live view. ``tails`` has the rendered last lines of each Step."""

    follower: Follower
    meter: LoadMeter
    tails: Mapping[Source, Sequence[Row]]

    def rows(self, now: float, width: int, height: int) -> list[Row]:
        """Return at most `height` rows of at most `width` cells."""
        tasks = self.follower.tasks
        arranged = arrange(tasks, min(max((height + 1) * 2 // 5, _FEWEST_ROWS), height) - 1)
        rows = [self._headline(tasks, now, width)]
        if arranged.folded:
            rows.append(_folded_row(arranged.folded))
        rows += self._task_rows(arranged.lines, now, width)
        if arranged.others:
            rows.append([(f"  and {len(arranged.others)} more: {_counts(arranged.others)}", "dim")])
        rows += self._tails(min((height + 1) // 4, height - len(rows)))
        return [cropped(row, width) for row in rows][: max(height, 0)]

    # The headline

    def _headline(self, tasks: Sequence[TaskState], now: float, width: int) -> Row:
        """Return the headline, without the least important parts if there is no room for them."""
        over = sum(task.is_over for task in tasks)
        failed = sum(task.status in ("Failed", "TimedOut") for task in tasks)
        running = sum(task.status == "Running" for task in tasks)
        clock = "" if self.follower.started is None else format_clock(now - self.follower.started)
        counts: Row = [(f" {over} of {len(tasks)} done", "")]
        if failed:
            counts.append((f"  {failed} failed", "bold red"))
        ending: Row = [(f"  {clock}", "")] if clock else []
        ending += [(f"  {running} running", "cyan")] if running else []
        ending += self._total_load(tasks)
        room = width // 3 if self.follower.name else width * 2 // 3
        name = shortened(self.follower.name or self.follower.activity or "starting", max(room, 12))
        start: Row = [("── ", "dim"), (f"{name} ", "bold")]
        room = width - _width([*start, *counts])
        while ending and _width(ending) > room - _SHORTEST_BAR:
            ending.pop()
        bar = min(room - _width(ending), _LONGEST_BAR)
        return [*start, *(_bar(over, failed, len(tasks), bar) if bar >= _SHORTEST_BAR else []), *counts, *ending]

    def _total_load(self, tasks: Sequence[TaskState]) -> Row:
        containers = [name for task in tasks for name in self.follower.running_containers(task)]
        load = self.meter.load(containers)
        if load is None:
            return []
        cpu = "" if load.cpu is None else f"  {_cpu(load)} cpu"
        return [(f"{cpu}  {format_memory(load.memory)}", "dim")]

    # The Tasks

    def _task_rows(self, lines: Sequence[TaskLine], now: float, width: int) -> Iterator[Row]:
        most = max(width // _COLUMNS_PER_LEVEL, 1)
        names = [f"{_guides(line.guides, most)}{_name(line)}" for line in lines]
        room = min(max(map(cell_len, names), default=0), max(width * 2 // 5, 8))
        loads = [self.meter.load(self.follower.running_containers(line.task)) for line in lines]
        has_load = self.meter.is_measuring and width >= 60
        for line, name, load in zip(lines, names, loads, strict=True):
            yield self._task_row(line.task, set_cell_size(shortened(name, room), room), load, now, has_load=has_load)

    def _task_row(self, task: TaskState, name: str, load: Load | None, now: float, *, has_load: bool) -> Row:
        style = _HELD if held_steps(task) else STYLES[task.status]
        label_start = len(name) - len(name.lstrip("─│├└ "))
        row: Row = [
            (f"{MARKS[task.status]} ", style),
            (name[:label_start], "dim"),
            (name[label_start:], "dim" if task.status in ("Waiting", "Skipped") else ""),
            (_elapsed(task, now).rjust(8), "dim" if task.is_over else ""),
        ]
        if has_load:
            usage = "" if load is None else f"{_cpu(load):>6} {format_memory(load.memory):>6}"
            row.append((usage.rjust(13), "dim"))
        detail = self._detail(task, now)
        if detail:
            row.append((f"  {detail}", "" if style == STYLES["Running"] else style))
        return row

    def _detail(self, task: TaskState, now: float) -> str:
        match task.status:
            case "Running" if task.retry_at is not None:
                return f"{task.why}; attempt {task.attempt + 2} in {format_clock(task.retry_at - now)}"
            case "Running":
                attempt = [f"attempt {task.attempt + 1}"] if task.attempt else []
                return ", ".join([*(step.activity for step in task.running_steps), *attempt])
            case "Waiting":
                waits = self.follower.progress.waits_for(task)
                turn = "" if self.follower.progress.max_parallel is None else "waits for its turn"
                return f"after {', '.join(waits)}" if waits else "finally" if task.is_final else turn
            case "Failed" if task.failed_steps:
                return f"{task.failed_steps[0].name}: {describe_failed_step(task.failed_steps[0])}"
            case "Succeeded" | "Cancelled":
                return ""
        return task.why

    # The last lines

    def _tails(self, most: int) -> list[Row]:
        """Return the last lines of each Step, the same number for each, as many as there is room for."""
        tails = [lines for lines in self.tails.values() if lines]
        if not tails or most <= 0:
            return []
        for count in range(MOST_TAIL_LINES, 0, -1):
            rows = [row for lines in tails for row in lines[-count:]]
            if len(rows) <= most:
                return rows
        return rows[-most:]


def cropped(row: Row, width: int) -> Row:
    """Return a row cut to `width` cells."""
    result: Row = []
    room = width
    for text, style in row:
        result.append((shortened(text, room), style))
        room -= cell_len(text)
        if room < 0:
            break
    return result


def shortened(text: str, most: int) -> str:
    """Return a text of at most `most` cells, with an ellipsis if it was longer."""
    if cell_len(text) <= most:
        return text
    return set_cell_size(text, most - 1).rstrip() + "…" if most > 0 else ""


def format_clock(seconds: float) -> str:
    """Return a growing duration in whole seconds, so that the screen changes only once a second."""
    whole = math.floor(max(seconds, 0))
    return f"{whole}s" if whole < 60 else format_duration(whole)


def _elapsed(task: TaskState, now: float) -> str:
    if task.started is None:
        return ""
    return format_clock(now - task.started) if task.ended is None else format_duration(task.ended - task.started)


def _name(line: TaskLine) -> str:
    """Return the label of a Task, or the name of a matrix with the number of its combinations on this line."""
    count = len(line.tasks)
    return line.task.label if count == 1 else f"{line.task.path} ({count} combinations)"


def _folded_row(tasks: Sequence[TaskState]) -> Row:
    """Return the line of the Tasks that succeeded or were skipped: their count, and their names, latest first."""
    status: TaskStatus = "Succeeded" if any(task.status == "Succeeded" for task in tasks) else "Skipped"
    names = [task.label for task in sorted(tasks, key=lambda task: task.ended or 0.0, reverse=True)]
    return [(f"{MARKS[status]} ", STYLES[status]), (_counts(tasks), ""), (f": {', '.join(names)}", "dim")]


def _counts(tasks: Iterable[TaskState]) -> str:
    """Return how many Tasks have each status, such as ``3 running, 12 waiting``."""
    words = Counter(
        {REUSED: "reused", LEFT_OUT: "left out"}.get(task.reason, "skipped")
        if task.status == "Skipped"
        else _STATUS_WORDS.get(task.status, task.status.lower())
        for task in tasks
    )
    return ", ".join(f"{count} {word}" for word, count in words.items())


def _guides(guides: Sequence[bool], most: int) -> str:
    """Return the lines of a tree before a name, limited to the innermost `most` levels."""
    if not guides:
        return ""
    guides = guides[-most:]
    return "".join("│  " if continues else "   " for continues in guides[:-1]) + ("├─ " if guides[-1] else "└─ ")


def _bar(over: int, failed: int, total: int, cells: int) -> Row:
    """Return a progress bar of `cells` cells: ended Tasks green, failed ones red, and the rest dim."""
    full = cells * over // total if total else 0
    red = min(max(math.ceil(cells * failed / total), 1), full) if failed and full else 0
    parts = (("━" * (full - red), "green"), ("━" * red, "red"), ("─" * (cells - full), "dim"))
    return [part for part in parts if part[0]]


def _cpu(load: Load) -> str:
    return "" if load.cpu is None else f"{load.cpu * 100:.0f}%"


def _width(row: Row) -> int:
    return sum(cell_len(text) for text, _ in row)
