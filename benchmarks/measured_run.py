"""Runs the installed commands and reads their journals, which have the time of each exec and exit.

Rules: what the commands write is in a temporary directory, which is removed.
"""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from monopod.coordinator.engine.events import Event, Exit, StepExited, event_from_line

MONOPOD = str(Path(sys.executable).with_name("monopod"))
_PATIENCE = 300.0
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
"""Where the host backend puts control files; with --keep, they are in the kept directory instead."""


class MeasurementError(Exception):
    """Something could not be measured."""


@dataclass(frozen=True)
class StepTimes:
    """When a Step's program started and ended, in seconds since the epoch."""

    container: str
    start: float
    end: float


@dataclass(frozen=True)
class Waiting:
    """The memory of a run's processes in KiB, and the coordinator's descriptors, while all Steps but one wait."""

    entrypoints: list[int]
    coordinator: int
    descriptors: int


def command_seconds(*arguments: str) -> float:
    """Return how long a monopod command takes, whole process. Raises MeasurementError if it fails."""
    began = time.monotonic()
    done = subprocess.run([MONOPOD, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    seconds = time.monotonic() - began
    if done.returncode != 0:
        raise MeasurementError(f"monopod {arguments[0]}: {done.stderr.decode(errors='replace').strip()[-400:]}")
    return seconds


def command_processor_seconds(*arguments: str) -> float:
    """Return the processor time of a monopod command and its children. Raises MeasurementError."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command_seconds(*arguments)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@contextlib.contextmanager
def written(pipeline: str) -> Iterator[str]:
    """Yield the path of a file with the YAML text."""
    with tempfile.TemporaryDirectory(prefix="monopod-bench-") as folder:
        file = Path(folder, "pipeline.yaml")
        file.write_text(pipeline)
        yield str(file)


def step_times(pipeline: str) -> list[StepTimes]:
    """Run a Pipeline on the host backend; return its Steps in the order of their starts. Raises MeasurementError."""
    with written(pipeline) as file, kept_folder() as folder:
        _finish(_start(file, folder))
        return read_journal(folder)


def step_times_and_memory(pipeline: str, waiting: int) -> tuple[list[StepTimes], Waiting]:
    """Run a Pipeline whose first Task waits at a gate (see `generated.fan_out`).

    The gate opens once `waiting` Steps wait and the run is idle. Raises MeasurementError.
    """
    with written(pipeline) as file, kept_folder() as folder, tempfile.TemporaryDirectory() as gate:
        Path(gate).chmod(0o777)
        run = _start(file, folder, "-w", f"gate=hostPath:{gate}")
        try:
            memory = _memory_of(run, waiting)
            _wait_until_quiet(run)
        finally:
            Path(gate, "open").touch()
            _finish(run)
        return read_journal(folder), memory


@contextlib.contextmanager
def kept_folder() -> Iterator[Path]:
    """Yield a temporary directory for what a run with --keep leaves."""
    with tempfile.TemporaryDirectory(prefix="monopod-bench-", ignore_cleanup_errors=True, dir=MEMORY) as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def _start(file: str, folder: Path, *options: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [MONOPOD, "run", "--backend", "host", "--keep", "always", "-f", file, "-o", "name", *options],
        env={**os.environ, "TMPDIR": str(folder)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def _finish(run: subprocess.Popen[bytes]) -> None:
    _, errors = run.communicate(timeout=_PATIENCE)
    if run.returncode != 0:
        raise MeasurementError(f"monopod run: {errors.decode(errors='replace').strip()[-400:]}")


def read_journal(folder: Path) -> list[StepTimes]:
    """Return the Steps of the only run kept there, in the order of their starts. Raises MeasurementError."""
    journals = [path for path in folder.rglob("journal") if path.is_file()]
    if len(journals) != 1:
        raise MeasurementError(f"expected one journal of the run, found {len(journals)}")
    events = [event_from_line(line) for line in journals[0].read_text().splitlines()]
    return sorted(_exits(events), key=lambda step: step.start)


def _exits(events: list[Event]) -> Iterator[StepTimes]:
    for event in events:
        match event:
            case StepExited(container=container, exit=Exit(start=start, end=end)):
                yield StepTimes(container, start, end)


def _memory_of(run: subprocess.Popen[bytes], waiting: int) -> Waiting:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and run.poll() is None:
        entrypoints, coordinators = [], []
        for process in psutil.Process(run.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess, OSError):
                if Path(f"/proc/{process.pid}/exe").readlink().name.startswith("entrypoint"):
                    entrypoints.append(resident_kib(process.pid))
                elif "monopod.coordinator" in process.cmdline():
                    coordinators.append((resident_kib(process.pid), process.num_fds()))
        if len(entrypoints) > waiting and coordinators:
            resident, descriptors = max(coordinators)
            if descriptors > waiting:  # otherwise it has only just started
                return Waiting(sorted(entrypoints), resident, descriptors)
        time.sleep(0.2)
    raise MeasurementError(f"{waiting} waiting Steps were never seen at the same time")


def _wait_until_quiet(run: subprocess.Popen[bytes]) -> None:
    """Wait until the run uses less than a fifth of a processor: creating hundreds of containers leaves work to do."""
    deadline = time.monotonic() + _PATIENCE
    before, interval = _processor_seconds(run), 0.5
    while time.monotonic() < deadline and run.poll() is None:
        time.sleep(interval)
        now = _processor_seconds(run)
        if now - before < interval / 5:
            return
        before = now
    raise MeasurementError("the run never became idle, although all Steps wait")


def _processor_seconds(run: subprocess.Popen[bytes]) -> float:
    """Return the processor time of the current processes of the run."""
    seconds = 0.0
    for process in (psutil.Process(run.pid), *psutil.Process(run.pid).children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            seconds += times.user + times.system
    return seconds


def resident_kib(pid: int) -> int:
    """Return the resident set of a process. (The kernel's other counters are off by some dozens of pages.)"""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Rss:"):
            return int(line.split()[1])
    raise ProcessLookupError(pid)
