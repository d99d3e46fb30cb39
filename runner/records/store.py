"""The directory of all records: creating, listing, choosing and pruning them.

Rules:

- A record is a directory in ``$XDG_STATE_HOME/monopod/runs`` (``~/.local/state`` by default, as in the XDG Base
  Directory Specification). Only its owner can access it, because the output of Steps may contain secrets.
- It is named after its run; a second run with the same name is ``NAME.2``. That name is the record's *identity*.
- While a run is active, the process that follows it locks the record. A record that is not locked and has no outcome
  belongs to a process that was killed, or to a run that was started with ``--detach``. `monopod attach` replaces the
  record of a detached run by a complete one.
- The last `MOST_RUNS` records are kept, up to `MOST_BYTES` in total. A record that is being written is never removed.

``recorder`` writes records, and ``recorded_run`` reads their content.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from monopod.runner.records import own_directories
from monopod.runner.records.projects import project_of
from monopod.schemas.formats.plain_data import made_from
from monopod.schemas.run_events import FinalStatus
from monopod.system.locks import is_locked

FORMAT = 1
MOST_RUNS = 100
MOST_BYTES = 1024 * 1024 * 1024

LOCK_FILE = "lock"
HEADER_FILE = "run.json"
OUTCOME_FILE = "outcome.json"
PLAN_FILE = "plan"
EVENTS_FILE = "events.jsonl"
OUTPUT_FILE = "output"

RecordStatus: TypeAlias = FinalStatus | Literal["Running", "Detached", "Unknown"]
"""`Detached`: nothing followed the run. `Unknown`: the process that followed it was killed before the run ended."""

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")


class RecordError(Exception):
    """A record does not exist or cannot be read. The message is shown to the user."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a run was started and where it can be reached; empty where that does not apply.

    ``project`` is the root of its project, ``context`` the kubectl context of its cluster, ``state_directory`` the
    state directory of its Pod on this machine.
    """

    project: str = ""
    context: str = ""
    state_directory: str = ""


@dataclass(frozen=True, slots=True)
class Header:
    """A run as known at its start. ``started`` is in seconds since the epoch, ``files`` as on the command line.

    ``project``, ``context`` and ``state_directory`` are those of its `Origin`. ``is_detached``: nothing follows it.
    """

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
    project: str = ""
    context: str = ""
    state_directory: str = ""
    is_detached: bool = False


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended, and when (seconds since the epoch). ``problem`` is the error that stopped recording before.

    ``ran`` is a digest of the names of the Tasks that ran; empty in records of earlier versions.
    """

    status: FinalStatus | Literal["Unknown"]
    reason: str
    message: str
    at: float
    problem: str = ""
    ran: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """A record, as listed."""

    directory: Path
    header: Header
    ended: Ended | None
    is_locked: bool

    @property
    def identity(self) -> str:
        """Its unique name."""
        return self.directory.name

    @property
    def names(self) -> tuple[str, str, str]:
        """What it can be called: its identity, the name of its run, and the name of its Pipeline."""
        return self.identity, self.header.name, self.header.pipeline

    @property
    def is_whole(self) -> bool:
        """Whether it has all of the run, up to its end or, while the run is recorded, up to now."""
        return self.is_locked if self.ended is None else not self.ended.problem

    @property
    def status(self) -> RecordStatus:
        """The status of the run."""
        if self.ended is not None:
            return self.ended.status
        if self.is_locked:
            return "Running"
        return "Detached" if self.header.is_detached else "Unknown"


def records_root() -> Path:
    """Return the directory of all records, which may not exist."""
    return Path(own_directories.state(), "runs")


def make_directory(root: Path, name: str) -> tuple[Path, int]:
    """Create a directory for the record of the run `name`. Returns it and its lock, which is held. Raises OSError."""
    if not root.is_absolute():
        raise FileNotFoundError(2, "no home directory; set XDG_STATE_HOME, or use --no-record")
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    base = name if _NAME.fullmatch(name) else "run"
    number = 1
    while True:
        directory = root / (base if number == 1 else f"{base}.{number}")
        try:
            directory.mkdir(mode=0o700)
            break
        except FileExistsError:
            number += 1
    lock = os.open(directory / LOCK_FILE, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    return directory, lock


def records(root: Path) -> tuple[Record, ...]:
    """Return all readable records, latest run first."""
    try:
        names = os.listdir(root)
    except FileNotFoundError:
        return ()
    readable = []
    for name in names:
        with contextlib.suppress(RecordError):
            readable.append(open_record(root / name))
    return tuple(sorted(readable, key=lambda record: (record.header.started, record.identity), reverse=True))


def open_record(directory: Path) -> Record:
    """Return the record in `directory`. Raises RecordError."""
    is_locked = _is_locked(directory)  # checked first: the outcome is written under the lock
    header = _read_json(directory / HEADER_FILE)
    if header is None or header.get("format") != FORMAT:
        raise RecordError(f"{directory} was not recorded by this version of monopod")
    ended = _read_json(directory / OUTCOME_FILE)
    try:
        return Record(
            directory,
            made_from(Header, {**header, "files": tuple(header["files"])}),
            None if ended is None else made_from(Ended, ended),
            is_locked,
        )
    except (TypeError, KeyError) as error:
        raise RecordError(f"{directory} is not a record of a run: {error}") from error


def choose(root: Path, name: str | None, project: str) -> Record:
    """Return the record that `name` means: by its identity, by the name of its run, or as the latest of a Pipeline.

    Runs of this project come first. Without a name it is the latest run of this project. Raises RecordError.
    """
    available = records(root)
    if not available:
        raise RecordError("no recorded runs; `monopod run` records each run, except with --no-record")
    own = [record for record in available if record.header.project == project]
    if name is None:
        if not own:
            raise RecordError(f"no recorded run of {project}; `monopod runs --all` lists the runs of all projects")
        return own[0]
    matching = named(name, own) or named(name, available)
    if matching:
        return matching[0]
    from monopod.compiler.diagnostics import did_you_mean  # noqa: PLC0415  # not needed otherwise

    suggestion = did_you_mean(name, [text for record in own or available for text in record.names])
    raise RecordError(f"no recorded run '{name}'{suggestion}; `monopod runs --all` lists all recorded runs")


def named(name: str, available: Sequence[Record]) -> list[Record]:
    """Return the records that `name` means: the one with this identity, else those of this run, else of this Pipeline.

    They stay in their order.
    """
    matching = [[record for record in available if record.names[kind] == name] for kind in range(3)]
    return next(filter(None, matching), [])


def own_project() -> str:
    """Return the project of the current directory."""
    return str(project_of(Path.cwd()))


def is_recorded(root: Path, uid: str) -> bool:
    """Return whether the run with this uid has a complete record, or is being recorded."""
    return any(record.header.uid == uid and record.is_whole for record in records(root))


def detached_record(root: Path, uid: str) -> Record | None:
    """Return the record that was written when the run with this uid was detached; None without one."""
    return next((each for each in records(root) if each.header.uid == uid and each.status == "Detached"), None)


def replace(earlier: Record, directory: Path) -> None:
    """Put a complete record in the place of an earlier one of the same run. Raises OSError."""
    shutil.rmtree(earlier.directory)
    directory.rename(earlier.directory)


def prune(root: Path, most_runs: int = MOST_RUNS, most_bytes: int = MOST_BYTES) -> None:
    """Remove the oldest records until the limits are met. Records that cannot be removed are kept."""
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
        return is_locked(lock)
    finally:
        os.close(lock)


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_text("utf-8", "replace"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None
