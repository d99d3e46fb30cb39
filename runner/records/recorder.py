"""Writes the record of a run while the run is active.

Rules:

- Recording never fails a run. A write error is reported once, and recording stops. The outcome is recorded all the
  same: it has reserved room on the disk.
- Events and lines are collected and written at most twice a second, so that a line costs about a microsecond and a
  killed process loses half a second. A record is complete at any moment, except for its last line.
- Output is written in segments of `SEGMENT_BYTES`. If there are more than `MOST_SEGMENTS`, the first one and the last
  ones are kept.
- The record contains what the display receives, so it is the same for all backends: the recorder is a `Display` that
  wraps another.

``output_lines`` has the format of the output; an event has the format of the coordinator. ``store`` decides where
records are and which ones are kept; ``recorded_run`` and ``growing_record`` read them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
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
from monopod.runner.follow.follower import OutputLines, Shown
from monopod.runner.follow.lines import prefixed_bytes
from monopod.runner.records import repetition, store
from monopod.runner.records.output_lines import EventPlace, Source, prefix_of_lines, text_of_place
from monopod.runner.records.repetition import Repetition
from monopod.runner.records.store import Ended, Header, Origin
from monopod.schemas.matrix_names import InstanceNames
from monopod.schemas.plan import Plan
from monopod.schemas.run_events import RunEvent, RunStarted, RunWarning, TaskStarted, to_line
from monopod.system.write_all import write_all

FLUSH_SECONDS = 0.5
MOST_PENDING = 256 * 1024
"""Bytes that are collected at most before they are written."""
SEGMENT_BYTES = 8 * 1024 * 1024
_NOWHERE = Origin()
MOST_SEGMENTS = 8
_OUTCOME_BYTES = 4096
"""What is reserved for the outcome."""


class Recorder:
    """Writes the record of one run of a Plan. The directory is created when the run has a name (`begin`).

    ``problem`` is the error that stopped recording; empty if there is none.
    """

    def __init__(
        self,
        root: Path,
        plan: Plan,
        pod: Mapping[str, Any],
        *,
        backend: str,
        files: Sequence[str],
        origin: Origin = _NOWHERE,
        repeated_by: Repetition | None = None,
        is_detached: bool = False,
    ) -> None:
        self.directory: Path | None = None
        self.problem = ""
        self._root = root
        self._plan = plan
        self._pod = pod
        self._backend = backend
        self._files = tuple(files)
        self._origin = origin
        self._repetition = repeated_by
        self._is_detached = is_detached
        self._waiting: RunStarted | None = None  # until the coordinator reports when the run started
        self._lock = self._events = self._output = self._outcome = -1
        self._segment = self._segment_bytes = 0
        self._event_count = 0
        self._pending_events: list[str] = []
        self._pending_lines: list[bytes] = []
        self._pending_size = 0
        self._attempts: dict[str, int] = {}
        self._ran: set[str] = set()
        self._names = InstanceNames()
        self._flushed = 0.0

    @property
    def repeats_failed(self) -> bool:
        """Whether the Tasks that failed can be run again: no Workspace is lost with the Pod."""
        spec = self._pod["spec"]
        of_pod = {each["name"] for each in spec.get("volumes") or () if "emptyDir" in each or "ephemeral" in each}
        mounts = [mount for container in spec["containers"] for mount in container.get("volumeMounts") or ()]
        is_lost = any(mount["name"] in of_pod and mount["mountPath"].startswith("/workspace/") for mount in mounts)
        return self._repetition is not None and not self.problem and not is_lost

    def begin(self, name: str, namespace: str, uid: str) -> None:
        """Create the record before the coordinator reports the start of the run, since its Pod may wait for long.

        The run counts as started now until the coordinator reports when it did.
        """
        self._waiting = RunStarted(time.time(), name, namespace, uid)
        with self._guarded():
            self._begin(self._waiting)

    def take(self, shown: Shown) -> None:
        """Record lines or an event."""
        if self.problem:
            return
        if not isinstance(shown, OutputLines):
            self._take_event(shown)
            return
        source = Source(shown.task, shown.step, self._attempts.get(shown.task, 0))
        self._take_output(prefixed_bytes(shown.text, prefix_of_lines(time.time(), source)) + b"\n")

    def _take_output(self, lines: bytes) -> None:
        self._pending_lines.append(lines)
        self._pending_size += len(lines)
        if self._pending_size > MOST_PENDING:
            self._flush()

    def refresh(self, now: float) -> float | None:
        """Write collected data if it is due. Returns the seconds until it is due; None if there is no data."""
        if not (self._pending_events or self._pending_lines) or self.directory is None or self.problem:
            return None
        due = self._flushed + FLUSH_SECONDS - now
        if 0 < due <= FLUSH_SECONDS:
            return due
        self._flushed = now
        self._flush()
        return None

    def end(self, outcome: Outcome, at: float) -> None:
        """Write the outcome of the run. A run that never had a name gets the name of its Pod."""
        metadata = self._pod["metadata"]
        name = metadata.get("name") or metadata.get("generateName", "").rstrip("-")
        if self.directory is None and not self.problem:
            with self._guarded():
                self._begin(RunStarted(at, name, metadata.get("namespace") or "default", ""))
        self._flush()
        if self.directory is not None:
            with self._guarded():
                ran = hashlib.sha256("\n".join(sorted(self._ran)).encode(errors="replace")).hexdigest()
                self._write_outcome(Ended(outcome.status, outcome.reason, outcome.message, at, self.problem, ran))

    def keep(self, volumes: Mapping[str, str]) -> None:
        """Record where the volumes of the Pod are kept (`Repetition.kept`). `begin` need not have been called."""
        if self._repetition is None or self.problem or self._repetition.kept == dict(volumes):
            return
        self._repetition = dataclasses.replace(self._repetition, kept=dict(volumes))
        if self.directory is not None:
            with self._guarded():
                self._write_file(repetition.FILE, repetition.text_of(self._repetition))

    def close(self) -> None:
        """Write remaining data, close and unlock the record, and prune old records."""
        self._flush()
        self._close_files()
        with self._guarded():
            store.prune(self._root)

    def discard(self) -> None:
        """Remove the record, which would be incomplete. Call it after `close`."""
        if self.directory is not None:
            shutil.rmtree(self.directory, ignore_errors=True)
            self.directory = None

    def _take_event(self, event: RunEvent) -> None:
        self._names.note(event)
        if isinstance(event, RunStarted) and self.directory is None:
            with self._guarded():
                self._begin(event)
        elif isinstance(event, RunStarted) and self._waiting is not None:
            started, self._waiting = self._waiting._replace(at=event.at), None
            with self._guarded():
                self._write_header(started)
        elif isinstance(event, TaskStarted):
            self._attempts[self._names.label(event.task, event.index)] = event.attempt
            self._ran.add(event.task)
        self._pending_events.append(to_line(event) + "\n")
        self._event_count += 1
        self._take_output(text_of_place(time.time(), EventPlace(self._event_count)).encode())

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        """Stop recording if something cannot be written."""
        try:
            yield
        except OSError as error:
            what = f"{error.filename}: " if error.filename else ""
            self.problem = f"{what}{error.strerror or error}"
            self._close_output()

    def _close_files(self) -> None:
        self._close_output()
        for descriptor in (self._outcome, self._lock):
            if descriptor >= 0:
                os.close(descriptor)
        self._outcome = self._lock = -1

    def _close_output(self) -> None:
        for descriptor in (self._events, self._output):
            if descriptor >= 0:
                os.close(descriptor)
        self._events = self._output = -1

    def _flush(self) -> None:
        with self._guarded():
            self._write_pending()

    def _write_pending(self) -> None:
        if self.directory is None or self.problem:
            return
        lines, self._pending_lines, self._pending_size = self._pending_lines, [], 0
        events, self._pending_events = self._pending_events, []
        if lines:
            self._write_output(b"".join(lines))
        if events:
            write_all(self._events, "".join(events).encode(errors="replace"))

    def _begin(self, event: RunStarted) -> None:
        """Create the record; nothing stays of it if that fails. Raises OSError."""
        self.directory, self._lock = store.make_directory(self._root, event.name)
        try:
            self._write_beginning(event)
        except OSError:
            self._close_files()
            self.discard()
            raise

    def _write_beginning(self, event: RunStarted) -> None:
        self._events = self._open(store.EVENTS_FILE)
        self._output = self._open(f"{store.OUTPUT_FILE}.0")
        self._reserve_outcome()
        self._write_file(store.PLAN_FILE, "\n".join(plan_arguments(self._pod)))
        if self._repetition is not None:
            self._write_file(repetition.FILE, repetition.text_of(self._repetition))
        self._write_header(event)  # last, because it makes the directory a record

    def _write_header(self, event: RunStarted) -> None:
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
            project=self._origin.project,
            context=self._origin.context,
            state_directory=self._origin.state_directory,
            is_detached=self._is_detached,
        )
        self._write_json(store.HEADER_FILE, dataclasses.asdict(header))

    def _open(self, name: str) -> int:
        assert self.directory is not None
        return os.open(self.directory / name, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def _reserve_outcome(self) -> None:
        """Reserve the room that `_write_outcome` needs, since the disk may be full by then."""
        assert self.directory is not None
        path = self.directory / f".{store.OUTCOME_FILE}"
        self._outcome = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        with contextlib.suppress(OSError):  # some file systems cannot
            os.posix_fallocate(self._outcome, 0, _OUTCOME_BYTES)

    def _write_outcome(self, ended: Ended) -> None:
        assert self.directory is not None
        content = json.dumps(dataclasses.asdict(ended), ensure_ascii=False).encode(errors="replace")
        write_all(self._outcome, content)
        os.ftruncate(self._outcome, len(content))
        os.rename(self.directory / f".{store.OUTCOME_FILE}", self.directory / store.OUTCOME_FILE)

    def _write_json(self, name: str, content: object) -> None:
        self._write_file(name, json.dumps(content, ensure_ascii=False))

    def _write_file(self, name: str, text: str) -> None:
        """Write a file atomically."""
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
        dropped = self._segment - MOST_SEGMENTS + 1
        if dropped > 0:  # the first segment is kept
            os.unlink(self.directory / f"{store.OUTPUT_FILE}.{dropped}")


def recording(display: Display, recorder: Recorder | None) -> Display:
    """Return a display that also records everything it shows; `display` itself without a recorder."""
    return display if recorder is None else _RecordingDisplay(display, recorder)


class _RecordingDisplay:
    def __init__(self, display: Display, recorder: Recorder) -> None:
        self._display = display
        self._recorder = recorder
        self._is_reported = False

    def show(self, shown: Shown) -> None:
        self._display.show(shown)
        self._recorder.take(shown)

    def notice(self, text: str) -> None:
        self._display.notice(text)

    def refresh(self, now: float, /) -> float | None:
        seconds, due = self._display.refresh(now), self._recorder.refresh(now)
        self._report_problem()
        return min((delay for delay in (seconds, due) if delay is not None), default=None)

    def pause(self) -> None:
        self._display.pause()

    def resume(self) -> None:
        self._display.resume()

    def close(self, summary: Summary | None) -> None:
        self._recorder.close()
        self._report_problem()
        self._display.close(summary)

    def _report_problem(self) -> None:
        if self._recorder.problem and not self._is_reported:
            self._is_reported = True
            self._display.show(RunWarning(time.time(), f"cannot record this run: {self._recorder.problem}"))
