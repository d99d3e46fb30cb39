"""Which lines `monopod logs` prints, and how they read: the same for a record and for a cluster.

Rules:

- Without a Task, the log is what `monopod run` prints in a pipe: the output of all Steps and the events of their Tasks.
  With a Task or a Step, it is only their output, and lines have a prefix unless all come from one Step.
- An attempt is counted from 1, as people do. What does not belong to an attempt is then left out.

Pure: what was replayed in, text out.
"""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from monopod.runner.display.line_options import LineOptions
from monopod.runner.display.plain import PlainDisplay
from monopod.runner.display.printable import printable, printable_lines
from monopod.runner.follow.follower import OutputLines, ReplayingFollower
from monopod.runner.follow.lines import prefixed
from monopod.runner.known_runs.task_selection import Selection
from monopod.runner.records.replay import Replayed
from monopod.schemas.matrix_names import label
from monopod.schemas.plan import Plan
from monopod.schemas.run_progress import TaskState


@dataclass(frozen=True, slots=True)
class LogOptions:
    """What is printed. ``since`` is in seconds since the epoch, ``attempt`` counts from 1."""

    selection: Selection | None = None
    attempt: int | None = None
    since: float | None = None
    timestamps: bool = False
    colours: bool = False


class LogLines:
    """Turns what is replayed of one run into text."""

    def __init__(self, plan: Plan, options: LogOptions) -> None:
        self._options = options
        self._follower = ReplayingFollower(plan)
        self._now = 0.0
        lines = LineOptions(timestamps=options.timestamps, colours=options.colours, clock=lambda: self._now)
        self._lines = lines
        self._display = PlainDisplay(io.StringIO(), self._follower, lines)
        self._is_empty = True

    def text(self, replayed: Replayed) -> str | None:
        """Take what comes next; return the line or lines to print, without the last newline; None if nothing is."""
        self._follower.take_shown(replayed.shown)
        if not self._includes(replayed):
            return None
        self._now = replayed.at
        selection = self._options.selection
        if selection is None:
            text = self._display.text(replayed.shown)
        else:
            assert isinstance(replayed.shown, OutputLines)
            source = "" if selection.is_single else f"[{replayed.shown.task} : {replayed.shown.step}] "
            prefix = self._lines.stamp() + printable(source, colours=False)
            text = prefixed(printable_lines(replayed.shown.text, colours=self._options.colours), prefix)
        self._is_empty = self._is_empty and text is None
        return text

    def _includes(self, replayed: Replayed) -> bool:
        options = self._options
        if options.since is not None and replayed.at < options.since:
            return False
        if options.attempt is not None and replayed.attempt != options.attempt - 1:
            return False
        if options.selection is None:
            return True
        shown = replayed.shown
        return isinstance(shown, OutputLines) and options.selection.wants(shown, self._follower.names)

    def missing(self) -> str | None:
        """Return a message if the selected combination or attempt has not started; None otherwise."""
        selection, attempt = self._options.selection, self._options.attempt
        if selection is not None and selection.source.combination is not None:
            source = selection.source
            started = [task.label for task in self._tasks(source.path) if task.started is not None]
            if not any(source.covers(name, None, self._follower.names) for name in started):
                known = f"; those that have: {', '.join(started)}" if started else ""
                return f"no combination '{label(source.path, source.combination)}' has started{known}"
        if attempt is None:
            return None
        most = max((len(task.attempts) for task in self._selected()), default=0)
        if attempt <= most:
            return None
        have = "no attempt has started" if not most else f"the latest attempt is {most}"
        return f"there is no attempt {attempt}: {have}"

    def remark(self) -> str | None:
        """Return why nothing was printed of the selected Task; None if something was, or no Task was selected."""
        selection = self._options.selection
        if selection is None or not self._is_empty or self._options.since is not None:
            return None
        whys = [f"{task.label}: {task.status}{f': {task.why}' if task.why else ''}" for task in self._selected()]
        return f"no output ({'; '.join(whys)})"

    def _tasks(self, path: str) -> list[TaskState]:
        return [task for task in self._follower.tasks if task.path == path]

    def _selected(self) -> list[TaskState]:
        selection = self._options.selection
        if selection is None:
            return list(self._follower.tasks)
        names = self._follower.names
        return [task for task in self._follower.tasks if selection.source.covers(task.label, None, names)]


def last_lines(texts: Iterable[str | None], count: int) -> list[str]:
    """Return the last lines of texts."""
    kept: deque[str] = deque(maxlen=count)
    for text in texts:
        if text is not None:
            kept.extend(text.rsplit("\n", count)[-count:] if count else ())
    return list(kept)
