"""Follows a recorded run to its end, from its beginning, with the display of `monopod run`.

Rules:

- The process that runs it is not disturbed: only its record is read, which may still be growing.
- Ctrl-C, or the exit of the program that reads the output, detaches. Ctrl-Z suspends this process only.
- If the process that recorded the run was killed, how the run ended is unknown.

``records.growing_record`` reads the record.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import selectors
import shlex
import signal
import sys
import time
from collections.abc import Iterator
from typing import Any

from monopod.runner.commands.options.cluster import program_name
from monopod.runner.display.background_output import background_output
from monopod.runner.display.display import Display, make_display
from monopod.runner.display.summary import Outcome, summarize
from monopod.runner.exit_codes import CANCELLED
from monopod.runner.follow.follower import ReplayingFollower
from monopod.runner.records.growing_record import GrowingRecord
from monopod.runner.records.recorded_run import outcome_of, read_plan, read_run
from monopod.runner.records.replay import Replayed
from monopod.runner.records.store import Record, RecordError, open_record
from monopod.runner.reports.failures import failure_context
from monopod.runner.run_options import Options
from monopod.runner.run_pods import write_documents
from monopod.runner.signals import interrupt, received, signal_pipe, suspend


def attach_to_record(record: Record, options: Options) -> int:
    """Show a recorded run from its beginning to its end; return the same exit code as `monopod run`.

    Raises RecordError.
    """
    plan = read_plan(record)
    following = _Following(record, ReplayingFollower(plan), options)
    with background_output() as output:
        try:
            with (
                signal_pipe(signal.SIGWINCH, signal.SIGTSTP, signal.SIGCONT) as signals,
                output.on_loss(interrupt),
                GrowingRecord(record) as growing,
            ):
                outcome = following.follow(growing, signals.reader)
        except KeyboardInterrupt:
            output.hurry()
            if record.is_locked:
                cancel = shlex.join([*program_name(), "cancel", record.header.name])
                print(f"Detached; the run continues. To cancel it: {cancel}", file=sys.stderr)
            return CANCELLED
        write_documents(_documents(record), 1, options.output)
    return outcome.exit_code


def _documents(record: Record) -> list[dict[str, Any]]:
    with contextlib.suppress(RecordError):
        document = read_run(open_record(record.directory)).document
        return [] if document is None else [document]
    return []


class _Following:
    """Shows one recorded run."""

    def __init__(self, record: Record, follower: ReplayingFollower, options: Options) -> None:
        self._record = record
        self._follower = follower
        self._output = options.output
        self._now = time.time()  # when what is shown next was read
        self._lines = dataclasses.replace(options.lines, clock=lambda: self._now)
        self._named = False

    def follow(self, growing: GrowingRecord, signals: int) -> Outcome:
        """Follow the run and return how it ended."""
        stream = sys.stdout if self._output == "human" else sys.stderr
        display = make_display(stream, self._follower, os.environ, self._lines)
        summary = None
        try:
            for replayed in _until_over(growing, signals, display):
                self._show(replayed, display)
            record = _reopened(self._record)
            outcome = outcome_of(record)
            ended = self._now if record.ended is None else record.ended.at
            context = failure_context(self._follower.plan, self._logs_command)
            is_end_known = record.ended is not None
            summary = summarize(self._follower, outcome, ended, None, context, is_end_known=is_end_known)
        finally:
            display.close(summary)
        return outcome

    def _show(self, replayed: Replayed, display: Display) -> None:
        self._now = replayed.at
        self._follower.take_shown(replayed.shown)
        display.show(replayed.shown)
        if self._output == "name" and self._follower.name and not self._named:
            self._named = True
            print(f"{self._record.header.kind.lower()}.tekton.dev/{self._follower.name}", flush=True)

    def _logs_command(self, task: str, step: str, _container: str) -> str:
        return shlex.join([*program_name(), "logs", self._record.identity, f"{task}/{step}"])


def _until_over(growing: GrowingRecord, signals: int, display: Display) -> Iterator[Replayed]:
    """Yield what was recorded up to the end of the record, and keep the display up to date meanwhile."""
    with selectors.DefaultSelector() as selector:
        selector.register(growing, selectors.EVENT_READ)
        selector.register(signals, selectors.EVENT_READ)
        while True:
            yield from growing.read()
            seconds = display.refresh(time.time())
            if growing.is_over:
                return
            selector.select(seconds)
            for number in received(signals):
                if number == signal.SIGTSTP:
                    display.pause()
                    suspend()
                    display.resume()


def _reopened(record: Record) -> Record:
    """Return a record as it is now, or as it was if it was removed meanwhile."""
    try:
        return open_record(record.directory)
    except RecordError:
        return dataclasses.replace(record, is_locked=False)
