"""A run on a terminal: output scrolls by above a live view of the Tasks.

Rules:

- One thread. `refresh` draws what was collected, at most ten times a second and in one write, and only if something
  changed or a clock on the screen advanced. While the terminal is behind (Ctrl-S, a slow line), only output is written.
- Output lines are never cut or wrapped: the terminal wraps them, so they can be copied whole. Lines of parallel
  Tasks are not interleaved (``grouped_output``): one Task's output scrolls by. The last lines of every other Task
  appear below the tree, and the whole output follows as one group when that Task ends.
- The live view fits the terminal at any size.
"""

from __future__ import annotations

import math
import textwrap
from collections import deque

from rich.console import Console

from monopod.runner.display.background_output import drain, is_behind
from monopod.runner.display.grouped_output import GroupedOutput
from monopod.runner.display.line_options import LineOptions
from monopod.runner.display.live_view import MOST_TAIL_LINES, Row, Source, View, shortened
from monopod.runner.display.plain import step_ending
from monopod.runner.display.printable import printable, printable_lines
from monopod.runner.display.screen_region import ScreenRegion
from monopod.runner.display.status_styles import TASK_COLOURS, in_ascii, styled
from monopod.runner.display.summary import Summary
from monopod.runner.display.summary_view import print_summary
from monopod.runner.follow.follower import Follower, OutputLines, Shown
from monopod.runner.follow.lines import prefixed_bytes
from monopod.runner.follow.usage import LoadMeter
from monopod.schemas.run_events import RunWarning, SidecarFinished, StepFinished, TaskFinished, describe_sidecar_end

REDRAW_SECONDS = 0.1
MOST_PENDING = 256 * 1024
"""Bytes of output that are collected at most before they are drawn."""
_NARROWEST = 20
"""Columns to which warnings are wrapped at least."""
LONGEST_TAIL_LINE = 500
"""Characters of a line that are considered for display below the tree."""


class LiveDisplay:
    """Draws on a terminal. With ``--quiet``, there is no live view, only the selected lines."""

    def __init__(
        self,
        console: Console,
        follower: Follower,
        options: LineOptions,
        meter: LoadMeter,
        *,
        reflows: bool = False,
    ) -> None:
        self._console = console
        self._follower = follower
        self._options = options
        self._meter = meter
        self._region = ScreenRegion(console.file, reflows=reflows)
        self._groups = GroupedOutput(self)
        self._tails: dict[Source, deque[str]] = {}
        self._pending: list[bytes] = []
        self._pending_size = 0
        self._prefixes: dict[Source, str] = {}
        self._colours: dict[str, str] = {}
        self._changed = True
        self._drawn = -math.inf
        self._size = console.size
        self._ascii = console.options.ascii_only

    def show(self, shown: Shown) -> None:
        """Collect lines or an event for the next refresh."""
        self._changed = True
        selected = self._options.selection.shows(shown)
        match shown:
            case OutputLines(task, step) if selected:
                self._take_lines(task, step, printable_lines(shown.text, colours=self._options.colours))
            case StepFinished():
                self._end_step(shown, selected=selected)
            case SidecarFinished() if selected:
                task = self._follower.label(shown.task, shown.index)
                self._add_ending(task, shown.sidecar, describe_sidecar_end(shown), "red")
            case TaskFinished() if not shown.will_retry:
                self._groups.end(self._follower.label(shown.task, shown.index))
            case RunWarning() if selected:
                self._warn(f"warning: {shown.message}")
            case _:
                pass  # visible in the live view

    def notice(self, text: str) -> None:
        """Show a message from the runner itself."""
        self._write_between(self._options.stamp() + self._styled(text, "yellow"))

    def _warn(self, text: str) -> None:
        """Show a warning, wrapped between words: a cluster's reasons are long."""
        stamp = self._options.stamp()
        width = max(self._size.width - len(stamp), _NARROWEST)
        for line in textwrap.wrap(text, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False):
            self._write_between(stamp + self._styled(line, "yellow"))

    def _write_between(self, line: str) -> None:
        self._groups.write_between(line.encode(errors="replace"))

    def refresh(self, now: float, /) -> float | None:
        """Draw changes, but not too often. Returns in how many seconds to call it again."""
        if self._console.size != self._size:
            self._size = self._console.size
            self._prefixes.clear()
            self._changed = True
        if not self._changed and now < math.floor(self._drawn) + 1:
            return math.floor(self._drawn) + 1 - now
        if is_behind(self._console.file) and self._pending_size < MOST_PENDING:
            return REDRAW_SECONDS
        too_soon = self._drawn + REDRAW_SECONDS - now
        if 0 < too_soon <= REDRAW_SECONDS and self._pending_size < MOST_PENDING:
            return too_soon
        self._draw(now)
        return math.floor(now) + 1 - now

    def pause(self) -> None:
        """Remove the live view and show the cursor."""
        self._clear()
        drain(self._console.file)

    def resume(self) -> None:
        """Draw the live view again at the current cursor position."""
        self._region.forget()
        self._changed = True

    def close(self, summary: Summary | None) -> None:
        """Remove the live view, show the cursor, and print the summary."""
        self._groups.close()
        self._clear()
        if summary is not None:
            print_summary(self._console, summary)

    def _clear(self) -> None:
        self._region.clear(self._pending)
        self._pending, self._pending_size = [], 0

    # Lines of output

    def begin_group(self, task: str, *, is_continued: bool) -> None:  # noqa: ARG002
        """Stop showing the last lines of this Task below the tree: its output now scrolls by."""
        self._tails = {source: tail for source, tail in self._tails.items() if source[0] != task}

    def write_lines(self, lines: bytes) -> None:
        """Collect lines, joined by newlines, that scroll by."""
        self._changed = True
        self._pending.append(lines)
        self._pending_size += len(lines)
        if self._pending_size > 2 * MOST_PENDING:  # a large buffer of one Task
            self._draw(max(self._drawn, 0.0))

    def end_group(self) -> None:
        """Groups have no visible end: each line has a prefix."""

    def _take_lines(self, task: str, step: str, text: str) -> None:
        lines = prefixed_bytes(text, self._options.stamp() + self._prefix(task, step))
        if not step:
            self._groups.write_between(lines)
            return
        self._groups.add(task, lines)
        if self._groups.current != task:
            last = text.rsplit("\n", MOST_TAIL_LINES)[-MOST_TAIL_LINES:]
            self._tails.setdefault((task, step), deque(maxlen=MOST_TAIL_LINES)).extend(last)

    def _end_step(self, event: StepFinished, *, selected: bool) -> None:
        task = self._follower.label(event.task, event.index)
        ending = step_ending(event)
        if ending and selected:
            self._add_ending(task, event.step, ending, "dim" if event.reason == "Skipped" else "red")
        self._tails.pop((task, event.step), None)

    def _add_ending(self, task: str, step: str, ending: str, style: str) -> None:
        line = self._options.stamp() + self._prefix(task, step) + self._styled(ending, style)
        self._groups.add(task, line.encode(errors="replace"))

    def _draw(self, now: float) -> None:
        width, height = self._size
        rows: list[str] = []
        if not self._options.selection.quiet:
            running = [name for task in self._follower.tasks for name in self._follower.running_containers(task)]
            self._meter.look(running, now)
            tails = {source: [self._tail_row(source, text) for text in tail] for source, tail in self._tails.items()}
            view = View(self._follower, self._meter, tails)
            rows = [self._rendered(row) for row in view.rows(now, width - 1, height - 1)]
        pending, self._pending, self._pending_size = self._pending, [], 0
        self._region.draw(pending, rows, (width, height))
        self._changed = False
        self._drawn = now

    def _tail_row(self, source: Source, text: str) -> Row:
        short = printable(text[:LONGEST_TAIL_LINE], colours=False).replace("\t", " ")
        return [(" ".join(self._parts(*source)), self._colour(source[0])), (" │ ", "dim"), (short, "")]

    def _rendered(self, row: Row) -> str:
        return "".join(self._styled(text, style) for text, style in row)

    def _styled(self, text: str, style: str) -> str:
        plain = printable(text, colours=False)
        return styled(in_ascii(plain) if self._ascii else plain, style, colours=self._options.colours)

    # Prefixes of lines

    def _prefix(self, task: str, step: str) -> str:
        prefix = self._prefixes.get((task, step))
        if prefix is None:
            task_text, step_text = self._parts(task, step)
            prefix = self._styled(task_text, self._colour(task)) + self._styled(f" {step_text} │ ", "dim")
            self._prefixes[task, step] = prefix
        return prefix

    def _parts(self, task: str, step: str) -> tuple[str, str]:
        """Return the Task and the Step of a prefix, padded so that all prefixes have the same width."""
        room = min(self._size[0] // 3, 32, max(len(f"{task} {step}"), self._follower.longest_source))
        step = shortened(step, max(room // 2, room - 1 - len(task)))
        task = shortened(task, room - len(step) - 1)
        return task, step.ljust(room - len(task) - 1)

    def _colour(self, task: str) -> str:
        return self._colours.setdefault(task, TASK_COLOURS[len(self._colours) % len(TASK_COLOURS)])
