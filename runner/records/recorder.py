"""Writing the record of a run while it goes on.

Rules:

- It never fails a run: what cannot be written is told once, and nothing more is recorded.
- Events and lines are gathered and written at most twice a second, so a line costs about a microsecond, and a process
  that is killed loses half a second. A record is whole at any moment but for its last line.
- Output is written in segments of `SEGMENT_BYTES`. Of a run that writes more than `MOST_SEGMENTS` of them, the first
  one and the last ones are kept.
- What is recorded is what was shown, so it is the same for all backends: this is a `Display` around another.

A line of output is ``TIME<tab>TASK<tab>STEP<tab>ATTEMPT<tab>TEXT``; an event is as the coordinator tells it.

What is left to others: where records lie and which are kept (``store``), reading them (``recorded_run``).
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import monopod
from monopod.compiler.pod.assembly import plan_arguments
from monopod.runner.display.display import Display
from monopod.runner.display.summary import Outcome, Summary
from monopod.runner.follow.follower import OutputLine, Shown
from monopod.runner.records import store
from monopod.runner.records.store import Ended, Header
from monopod.schemas.matrix_names import InstanceNames
from monopod.schemas.plan import Plan
from monopod.schemas.run_events import RunEvent, RunStarted, RunWarning, TaskStarted, to_line
from monopod.system.write_all import write_all

FLUSH_SECONDS = 0.5
MOST_PENDING = 256 * 1024
"""Characters that are gathered at most before they are written."""
SEGMENT_BYTES = 8 * 1024 * 1024
MOST_SEGMENTS = 8


class Recorder:
    """Writes the record of one run of a Plan, which is in its Pod; the directory is made when the run has a name.

    ``problem`` says in words why nothing more is recorded; empty as long as all is well.
    """

    def __init__(self, root: Path, plan: Plan, pod: Mapping[str, Any], *, backend: str, files: Sequence[str]) -> None:
        self.directory: Path | None = None
        self.problem = ""
        self._root = root
        self._plan = plan
        self._pod = pod
        self._backend = backend
        self._files = tuple(files)
        self._lock = self._events = self._output = -1
        self._segment = self._segment_bytes = 0
        self._pending_events: list[str] = []
        self._pending_lines: list[str] = []
        self._pending_size = 0
        self._attempts: dict[str, int] = {}
        self._names = InstanceNames()
        self._flushed = 0.0

    def take(self, shown: Shown) -> None:
        """Take a line or an event."""
        if self.problem:
            return
        if not isinstance(shown, OutputLine):
            self._take_event(shown)
            return
        line = f"{time.time():.3f}\t{shown.task}\t{shown.step}\t{self._attempts.get(shown.task, 0)}\t{shown.text}\n"
        self._pending_lines.append(line)
        self._pending_size += len(line)
        if self._pending_size > MOST_PENDING:
            self._flush()

    def refresh(self, now: float) -> float | None:
        """Write what was gathered if it is time to; return in how many seconds it will be, None if there is nothing."""
        if not (self._pending_events or self._pending_lines) or self.directory is None or self.problem:
            return None
        due = self._flushed + FLUSH_SECONDS - now
        if 0 < due <= FLUSH_SECONDS:
            return due
        self._flushed = now
        self._flush()
        return None

    def end(self, outcome: Outcome, at: float) -> None:
        """Write how the run ended; a run that never had a name gets that of its Pod."""
        metadata = self._pod["metadata"]
        name = metadata.get("name") or metadata.get("generateName", "").rstrip("-")
        if self.problem:
            return
        with self._guarded():
            if self.directory is None:
                self._begin(RunStarted(at, name, metadata.get("namespace") or "default", ""))
            self._write_pending()
            self._write_json(store.OUTCOME_FILE, dataclasses.asdict(Ended(**dataclasses.asdict(outcome), at=at)))

    def close(self) -> None:
        """Write what is left, close the files and unlock the record, and remove the oldest ones."""
        self._flush()
        self._close_files()
        with self._guarded():
            store.prune(self._root)

    def discard(self) -> None:
        """Remove the record: it would be one of a part of the run. To be called after `close`."""
        if self.directory is not None:
            shutil.rmtree(self.directory, ignore_errors=True)
            self.directory = None

    def _take_event(self, event: RunEvent) -> None:
        self._names.note(event)
        if isinstance(event, RunStarted) and self.directory is None:
            with self._guarded():
                self._begin(event)
        elif isinstance(event, TaskStarted):
            self._attempts[self._names.label(event.task, event.index)] = event.attempt
        self._pending_events.append(to_line(event) + "\n")

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        """Note that something cannot be written, and record no more."""
        try:
            yield
        except OSError as error:
            what = f"{error.filename}: " if error.filename else ""
            self.problem = f"{what}{error.strerror or error}"
            self._close_files()

    def _close_files(self) -> None:
        for descriptor in (self._events, self._output, self._lock):
            if descriptor >= 0:
                os.close(descriptor)
        self._lock = self._events = self._output = -1

    def _flush(self) -> None:
        with self._guarded():
            self._write_pending()

    def _write_pending(self) -> None:
        if self.directory is None or self.problem:
            return
        lines, self._pending_lines, self._pending_size = self._pending_lines, [], 0
        events, self._pending_events = self._pending_events, []
        if lines:
            self._write_output("".join(lines).encode(errors="replace"))
        if events:
            write_all(self._events, "".join(events).encode(errors="replace"))

    def _begin(self, event: RunStarted) -> None:
        self.directory, self._lock = store.make_directory(self._root, event.name)
        self._events = self._open(store.EVENTS_FILE)
        self._output = self._open(f"{store.OUTPUT_FILE}.0")
        self._write_file(store.PLAN_FILE, "\n".join(plan_arguments(self._pod)))
        plan = self._plan
        header = Header(
            name=event.name,
            namespace=event.namespace,
            uid=event.uid,
            kind=str(plan.document.get("kind", "")),
            pipeline=plan.pipeline.name,
            backend=self._backend,
            files=self._files,
            started=event.at,
            version=monopod.__version__,
        )
        self._write_json(store.HEADER_FILE, dataclasses.asdict(header))  # last: without it, it is no record

    def _open(self, name: str) -> int:
        assert self.directory is not None
        return os.open(self.directory / name, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def _write_json(self, name: str, content: object) -> None:
        self._write_file(name, json.dumps(content, ensure_ascii=False))

    def _write_file(self, name: str, text: str) -> None:
        """Write a file that is there whole or not at all."""
        assert self.directory is not None
        descriptor = self._open(f".{name}")
        try:
            write_all(descriptor, text.encode(errors="replace"))
        finally:
            os.close(descriptor)
        os.rename(self.directory / f".{name}", self.directory / name)

    def _write_output(self, data: bytes) -> None:
        if self._segment_bytes and self._segment_bytes + len(data) > SEGMENT_BYTES:
            self._next_segment()
        write_all(self._output, data)
        self._segment_bytes += len(data)

    def _next_segment(self) -> None:
        assert self.directory is not None
        self._segment, self._segment_bytes = self._segment + 1, 0
        following = self._open(f"{store.OUTPUT_FILE}.{self._segment}")
        os.close(self._output)
        self._output = following
        forgotten = self._segment - MOST_SEGMENTS + 1
        if forgotten > 0:  # the first one stays
            os.unlink(self.directory / f"{store.OUTPUT_FILE}.{forgotten}")


def recording(display: Display, recorder: Recorder | None) -> Display:
    """Return a display that also has recorded what it shows; just `display` without a recorder."""
    return display if recorder is None else _RecordingDisplay(display, recorder)


class _RecordingDisplay:
    def __init__(self, display: Display, recorder: Recorder) -> None:
        self._display = display
        self._recorder = recorder
        self._told = False

    def show(self, shown: Shown) -> None:
        self._display.show(shown)
        self._recorder.take(shown)

    def notice(self, text: str) -> None:
        self._display.notice(text)

    def refresh(self, now: float, /) -> float | None:
        seconds, due = self._display.refresh(now), self._recorder.refresh(now)
        self._tell_problem()
        return min((each for each in (seconds, due) if each is not None), default=None)

    def pause(self) -> None:
        self._display.pause()

    def resume(self) -> None:
        self._display.resume()

    def close(self, summary: Summary | None) -> None:
        self._recorder.close()
        self._tell_problem()
        self._display.close(summary)

    def _tell_problem(self) -> None:
        if self._recorder.problem and not self._told:
            self._told = True
            self._display.show(RunWarning(time.time(), f"this run is not recorded: {self._recorder.problem}"))
