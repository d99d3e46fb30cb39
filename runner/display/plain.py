"""A run as plain lines of text, for pipes, files and the logs of CI systems.

Each line of output is prefixed with its Task and Step (``[build : compile] ...``). Each change of a Task is a line of
its own (``[build] Succeeded in 3.1s``). Lines are never changed after they are written.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import TextIO

from monopod.runner.commands.options.cluster import program_name
from monopod.runner.display.line_options import LineOptions
from monopod.runner.display.printable import printable, printable_lines
from monopod.runner.display.summary import Summary
from monopod.runner.follow.follower import Follower, OutputLines, Shown
from monopod.runner.follow.lines import prefixed
from monopod.runner.reports.failures import Failure, describe_failed_step
from monopod.schemas.formats.words import describe_exit_code, format_duration, table_lines
from monopod.schemas.run_events import (
    RunEvent,
    RunStarted,
    RunWarning,
    SidecarFinished,
    StepFinished,
    StepHeld,
    StepReleased,
    TaskFinished,
    TaskSkipped,
    TaskStarted,
    describe_hold,
    describe_release,
    describe_retry,
    describe_sidecar_end,
)
from monopod.schemas.run_log import TABLE_HEAD, describe_start
from monopod.schemas.run_progress import NOT_FAILURES

MOST_PENDING = 256 * 1024
"""Characters that are collected at most before they are written."""


class PlainDisplay:
    """Writes to a stream. It adds no colours, and keeps the Steps' own if the options allow them."""

    def __init__(self, stream: TextIO, follower: Follower, options: LineOptions) -> None:
        self._stream = stream
        self._follower = follower
        self._options = options
        self._pending: list[str] = []
        self._pending_size = 0

    def show(self, shown: Shown) -> None:
        """Write a line, or a description of an event that users care about."""
        text = self.text(shown)
        if text is not None:
            self.write_line(text)

    def notice(self, text: str) -> None:
        """Write a message from the runner itself."""
        self.write_line(self.stamped(text))

    def refresh(self, _now: float, /) -> None:
        """Flush the collected lines in one write."""
        if self._pending:
            self._stream.write("".join(self._pending))
            self._pending.clear()
            self._pending_size = 0
        self._stream.flush()

    def pause(self) -> None:
        """Flush the collected lines."""
        self.refresh(0)

    def resume(self) -> None:
        """Do nothing: there is nothing to redraw."""

    def close(self, summary: Summary | None) -> None:
        """Write the summary."""
        for line in summary_lines(summary) if summary is not None else ():
            self.write_line(self._printable(line))
        self.refresh(0)

    def text(self, shown: Shown) -> str | None:
        """Return the line or lines to write, without the last newline; None if nothing is shown."""
        if not self._options.selection.shows(shown):
            return None
        if isinstance(shown, OutputLines):
            source = f"{shown.task} : {shown.step}" if shown.step else shown.task
            text = printable_lines(shown.text, colours=self._options.colours)
            return _without_blanks(prefixed(text, self.stamped(f"[{source}]") + " "))
        text = self._event(shown)
        return self.stamped(text) if text else None

    def stamped(self, text: str) -> str:
        """Return a line with its timestamp and without harmful control sequences."""
        return self._options.stamp() + self._printable(text)

    def write_line(self, line: str) -> None:
        """Write a line, or lines joined by newlines, as it is."""
        self._pending.append(line + "\n")
        self._pending_size += len(line)
        if self._pending_size >= MOST_PENDING:
            self.refresh(0)

    def _printable(self, text: str) -> str:
        return printable(text, colours=self._options.colours).rstrip(" ")

    def _event(self, event: RunEvent) -> str:
        text = ""
        match event:
            case RunStarted():
                text = f"Run {event.name} started in namespace {event.namespace}"
            case RunWarning():
                text = f"warning: {event.message}"
            case TaskSkipped():
                text = f"[{event.task}] Skipped: {event.why}"
            case TaskStarted():
                name = self._follower.label(event.task, event.index)
                text = f"[{name}] {describe_start(name, event.attempt, event.params)}"
            case TaskFinished():
                text = self._task_finished(event)
            case StepFinished() if ending := step_ending(event):
                text = f"[{self._follower.label(event.task, event.index)} : {event.step}] {ending}"
            case StepHeld() | StepReleased():
                text = self._hold(event)
            case SidecarFinished():
                name = self._follower.label(event.task, event.index)
                text = f"[{name} : {event.sidecar}] {describe_sidecar_end(event)}"
            case _:
                pass  # the output of a successful Step is enough
        return text

    def _hold(self, event: StepHeld | StepReleased) -> str:
        """Describe a hold, and what to do about it."""
        name = self._follower.label(event.task, event.index)
        if isinstance(event, StepReleased):
            return f"[{name} : {event.step}] {describe_release(event)}"
        return f"[{name} : {event.step}] {describe_hold(event)}; {hold_commands(self._follower.name, name, event.step)}"

    def _task_finished(self, event: TaskFinished) -> str:
        name = self._follower.label(event.task, event.index)
        if event.will_retry:
            return f"[{name}] attempt {event.attempt + 1}: {event.status}; {describe_retry(event)}"
        task = self._follower.progress.task(event.task, event.index)
        took = f" in {format_duration(event.at - task.started)}" if task is not None and task.started else ""
        why = f": {event.message}" if event.message and event.status != "Succeeded" else ""
        return f"[{name}] {event.status}{took}{why}"


def hold_commands(run: str, task: str, step: str) -> str:
    """Return what a person can do with a Step that is held."""
    where = shlex.join([run, f"{task}/{step}"])
    program = " ".join(program_name())
    release = f"{program} continue {where}, or {program} fail {where}"
    return f"timeouts are paused; look inside: {program} shell {where}; release it: {release}"


def _without_blanks(text: str) -> str:
    """Return lines without blanks at their ends."""
    if " \n" in text or text.endswith(" "):
        return "\n".join(line.rstrip(" ") for line in text.split("\n"))
    return text


def step_ending(event: StepFinished) -> str:
    """Describe the end of a Step. Empty if it succeeded."""
    if event.reason == "Skipped" and event.exit_code == 0:
        return f"skipped: {event.message or 'its when-expressions are false'}"
    if event.reason in ("Completed", "Skipped"):
        return ""  # a Step skipped because an earlier one failed, which was already reported
    ending = event.message or describe_exit_code(event.exit_code)
    if event.reason not in NOT_FAILURES:
        return describe_failed_step(event)
    if event.reason == "Continued":
        return f"{ending}; the Task continues (onError: continue)"
    return f"{event.reason}: {ending}"


def summary_lines(summary: Summary) -> list[str]:
    """Return the summary as lines of text: failures (the cause first), the table, the Results, and the outcome."""
    lines: list[str] = []
    for failure in (*summary.failures, *summary.sidecars):
        lines += ["", *_failure_lines(failure)]
    lines += ["", *table_lines([TABLE_HEAD, *_rows(summary)])]
    lines += result_lines(summary)
    message = f": {summary.outcome.message}" if summary.outcome.message else ""
    lines += ["", summary.headline + message]
    if summary.given_back:
        lines += [summary.given_back]
    if summary.logs is not None:
        lines += [f"Kept in {summary.logs}"]
    return lines


def result_lines(summary: Summary) -> list[str]:
    """Return a table of the Results; nothing if there are none."""
    return ["", *table_lines([("RESULT", "VALUE"), *summary.results])] if summary.results else []


def _failure_lines(failure: Failure) -> Iterator[str]:
    yield f"=== {failure.heading}"
    if failure.command and not failure.is_brief:
        yield f"  command: {failure.command}"
    if failure.step and not failure.is_brief:
        yield "  last lines:"
        yield from (f"    {text}" for text in failure.last_lines or ("(no output)",))
    yield from (f"  {name}: {text}" for name, text in failure.consequences)


def _rows(summary: Summary) -> list[tuple[str, ...]]:
    return [(row.task, row.status, row.started, row.took, row.why) for row in summary.rows]
