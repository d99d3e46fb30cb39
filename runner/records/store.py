"""Where the records of runs lie, which there are, and which of them go when there are too many.

Rules:

- A record is a directory below ``$XDG_STATE_HOME/monopod/runs`` (``~/.local/state`` if that is not set, as the XDG Base
  Directory Specification has it). Only its owner may enter it, since what Steps write may be secret.
- It is called after its run; a second run of the same name gets ``NAME.2``. That is the record's *identity*.
- As long as the run goes on, the process that follows it holds a lock on the record. One that is neither locked nor
  has an outcome was left behind by a process that was killed.
- The last `MOST_RUNS` records are kept, and `MOST_BYTES` of them altogether; one that is being written never goes.

What is left to others: writing a record (``recorder``), and what is in it (``recorded_run``).
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from monopod.runner.records import own_directories
from monopod.schemas.formats.plain_data import made_from
from monopod.schemas.run_events import FinalStatus

FORMAT = 1
MOST_RUNS = 100
MOST_BYTES = 1024 * 1024 * 1024

LOCK_FILE = "lock"
HEADER_FILE = "run.json"
OUTCOME_FILE = "outcome.json"
PLAN_FILE = "plan"
EVENTS_FILE = "events.jsonl"
OUTPUT_FILE = "output"

RecordStatus: TypeAlias = FinalStatus | Literal["Running", "Unknown"]
"""`Unknown`: the process that followed the run was killed before it ended."""

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")


class RecordError(Exception):
    """There is no such record, or it cannot be read. The text is for a person."""


@dataclass(frozen=True, slots=True)
class Header:
    """What is known of a run when it starts. ``started`` is in seconds since the epoch, ``files`` are as given."""

    name: str
    namespace: str
    uid: str
    kind: str
    pipeline: str
    backend: str
    files: tuple[str, ...]
    started: float
    version: str
    format: int = FORMAT


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended, and when (seconds since the epoch)."""

    status: FinalStatus | Literal["Unknown"]
    reason: str
    message: str
    at: float


@dataclass(frozen=True, slots=True)
class Record:
    """One record, as it is listed."""

    directory: Path
    header: Header
    ended: Ended | None
    is_locked: bool

    @property
    def identity(self) -> str:
        """What tells it apart from all others."""
        return self.directory.name

    @property
    def status(self) -> RecordStatus:
        """How the run stands."""
        if self.ended is not None:
            return self.ended.status
        return "Running" if self.is_locked else "Unknown"


def records_root() -> Path:
    """Return the directory of all records; it need not be there."""
    return Path(own_directories.state(), "runs")


def make_directory(root: Path, name: str) -> tuple[Path, int]:
    """Make a directory for the record of a run called `name`; return it and its locked lock. Raises OSError."""
    if not root.is_absolute():
        raise FileNotFoundError(2, "there is no home directory; set XDG_STATE_HOME, or use --no-record")
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    wanted = name if _NAME.fullmatch(name) else "run"
    number = 1
    while True:
        directory = root / (wanted if number == 1 else f"{wanted}.{number}")
        try:
            directory.mkdir(mode=0o700)
            break
        except FileExistsError:
            number += 1
    lock = os.open(directory / LOCK_FILE, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    return directory, lock


def records(root: Path) -> tuple[Record, ...]:
    """Return all records that can be read, the latest run first."""
    try:
        names = os.listdir(root)
    except FileNotFoundError:
        return ()
    found = []
    for name in names:
        with contextlib.suppress(RecordError):
            found.append(open_record(root / name))
    return tuple(sorted(found, key=lambda each: (each.header.started, each.identity), reverse=True))


def open_record(directory: Path) -> Record:
    """Return the record in `directory`. Raises RecordError."""
    is_locked = _is_locked(directory)  # first: who writes the outcome still holds the lock
    header = _read_json(directory / HEADER_FILE)
    if header is None or header.get("format") != FORMAT:
        raise RecordError(f"{directory} is not the record of a run of this version of monopod")
    ended = _read_json(directory / OUTCOME_FILE)
    try:
        return Record(
            directory,
            made_from(Header, {**header, "files": tuple(header["files"])}),
            None if ended is None else made_from(Ended, ended),
            is_locked,
        )
    except (TypeError, KeyError) as error:
        raise RecordError(f"{directory} is not the record of a run: {error}") from error


def choose(root: Path, name: str | None) -> Record:
    """Return the record of this identity, else the latest run of this name, else the latest of this Pipeline.

    None means the latest of all. Raises RecordError if there is none.
    """
    found = records(root)
    if not found:
        raise RecordError("no run is recorded yet; `monopod run` records each, unless it is given --no-record")
    if name is None:
        return found[0]
    for names in (
        [record.identity for record in found],
        [record.header.name for record in found],
        [record.header.pipeline for record in found],
    ):
        if name in names:
            return found[names.index(name)]
    from monopod.compiler.diagnostics import did_you_mean  # noqa: PLC0415  # not needed otherwise

    suggestion = did_you_mean(name, [each.identity for each in found])
    raise RecordError(f"no run '{name}' is recorded{suggestion}; `monopod runs` lists those that are")


def is_recorded(root: Path, uid: str) -> bool:
    """Return whether the run with this uid is recorded to its end, or is being recorded."""
    return any(record.header.uid == uid and (record.ended is not None or record.is_locked) for record in records(root))


def prune(root: Path, most_runs: int = MOST_RUNS, most_bytes: int = MOST_BYTES) -> None:
    """Remove the oldest records until there are no more than these; what cannot be removed stays."""
    kept_runs = kept_bytes = 0
    for record in records(root):
        size = _size(record.directory)
        kept_runs, kept_bytes = kept_runs + 1, kept_bytes + size
        if (kept_runs > most_runs or kept_bytes > most_bytes) and not record.is_locked:
            shutil.rmtree(record.directory, ignore_errors=True)
            kept_bytes -= size


def _size(directory: Path) -> int:
    size = 0
    with contextlib.suppress(OSError), os.scandir(directory) as entries:
        size = sum(entry.stat(follow_symlinks=False).st_size for entry in entries)
    return size


def _is_locked(directory: Path) -> bool:
    try:
        lock = os.open(directory / LOCK_FILE, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text("utf-8", "replace"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
