"""The bars of the timeline: when each Task and Step waited and ran, in per cent of the width."""

from __future__ import annotations

from collections.abc import Iterator

from monopod.runner.records.recorded_run import TaskRun
from monopod.runner.reports.descriptions import describe_step_end, step_status
from monopod.runner.reports.html import Html, tag
from monopod.runner.reports.time_spent import Span
from monopod.schemas.formats.words import format_duration
from monopod.schemas.run_progress import StepRun

_MOST_TICKS = 6
_LATE = 0.85
_NICE = (1.0, 2.0, 5.0)
_NICE_SECONDS = (*(step * 10.0**power for power in (-3, -2, -1, 0) for step in _NICE), 15.0, 30.0)
_NICE_MINUTES = tuple(60.0 * minutes for minutes in (1, 2, 5, 10, 15, 30, 60, 120, 360, 720, 1440, 2880, 7200))


class Bars:
    """Draws bars on a time axis of `total` seconds."""

    def __init__(self, total: float) -> None:
        self._total = total or 1.0
        candidates = (*_NICE_SECONDS, *_NICE_MINUTES)
        self._tick = next((tick for tick in candidates if self._total / tick <= _MOST_TICKS), self._total)

    def share(self, seconds: float) -> str:
        """Return a duration as a percentage of the whole."""
        return f"{seconds / self._total:.0%}"

    def axis(self) -> Html:
        """Return the ticks of the axis. Near the end, the label is left of its tick, so that it does not overflow."""
        moments = (number * self._tick for number in range(int(self._total / self._tick) + 1))
        ticks = (
            tag(
                "span",
                _tick_label(moment),
                class_="late" if moment > _LATE * self._total else None,
                style=f"left:{self._percent(moment)}",
            )
            for moment in moments
        )
        return tag("span", ticks, class_="ticks")

    def grid_style(self) -> str:
        """Return the distance between ticks, for the style sheet."""
        return f"--tick:{self._percent(self._tick)}"

    def of_task(self, task: TaskRun, span: Span, started: float) -> Html:
        """Return the bar of a Task, with its wait and its Steps. `started` is the start of the run."""
        return tag("span", self._pieces(task, span, started), class_="track", aria_hidden="true")

    def _pieces(self, task: TaskRun, span: Span, started: float) -> Iterator[Html]:
        if not task.attempts:
            yield tag("i", class_=f"never {task.state.status}", style=f"left:{self._percent(span.ready)}")
            return
        if span.waited > 0:
            title = f"waited {format_duration(span.waited)}"
            yield self._bar("wait", span.ready, span.ready + span.waited, title)
        for attempt in task.attempts:
            begin = attempt.started - started
            end = span.ended if attempt.ended is None else attempt.ended - started
            yield self._bar(f"run {attempt.status}", begin, end, f"{attempt.status} in {format_duration(end - begin)}")
            yield from (self._step(step, started) for step in attempt.steps if step.seconds is not None)

    def _step(self, step: StepRun, started: float) -> Html:
        assert step.start is not None
        assert step.end is not None
        title = f"{step.name}: {describe_step_end(step)}, {format_duration(step.end - step.start)}"
        return self._bar(f"step {step_status(step)}", step.start - started, step.end - started, title)

    def _bar(self, kind: str, begin: float, end: float, title: str) -> Html:
        width = self._percent(max(end - begin, 0.0))
        return tag("i", class_=kind, style=f"left:{self._percent(begin)};width:{width}", title=title)

    def _percent(self, seconds: float) -> str:
        return f"{min(max(seconds / self._total, 0.0), 1.0) * 100:.3f}%"


def _tick_label(seconds: float) -> str:
    if seconds == 0:
        return "0"
    if seconds < 60:
        return f"{seconds:g}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}m" + (f"{rest:02d}s" if rest else "")
    return f"{minutes // 60}h" + (f"{minutes % 60:02d}m" if minutes % 60 else "")
