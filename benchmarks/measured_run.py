"""Runs the real commands and reads what they left: the journal of a run has the time of each exec and exit.

Rules: the commands are those of the installed monopod; what they write lies in a temporary folder that goes away.
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
"""Where a Pod of this machine has the files that a hand-off waits for; with --keep, they are where the rest is."""


class MeasurementError(Exception):
    """Something could not be measured, in words."""


@dataclass(frozen=True)
class StepTimes:
    """When a Step's program was started and when it had ended, seconds since the epoch."""

    container: str
    start: float
    end: float


@dataclass(frozen=True)
class Waiting:
    """What the processes of a run take in KiB, and the coordinator in descriptors, while all but one Step wait."""

    entrypoints: list[int]
    coordinator: int
    descriptors: int


def command_seconds(*arguments: str) -> float:
    """Return how long a command of monopod takes as a whole process. Raises MeasurementError if it fails."""
    began = time.monotonic()
    done = subprocess.run([MONOPOD, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    seconds = time.monotonic() - began
    if done.returncode != 0:
        raise MeasurementError(f"monopod {arguments[0]}: {done.stderr.decode(errors='replace').strip()[-400:]}")
    return seconds


def command_processor_seconds(*arguments: str) -> float:
    """Return how much processor time a command of monopod and what it starts take. Raises MeasurementError."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command_seconds(*arguments)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@contextlib.contextmanager
def written(pipeline: str) -> Iterator[str]:
    """Yield the path of a file that holds the YAML text."""
    with tempfile.TemporaryDirectory(prefix="monopod-bench-") as folder:
        file = Path(folder, "pipeline.yaml")
        file.write_text(pipeline)
        yield str(file)


def step_times(pipeline: str) -> list[StepTimes]:
    """Run a Pipeline on the host backend; return its Steps in the order in which they ran. Raises MeasurementError."""
    with written(pipeline) as file, kept_folder() as folder:
        _finish(_start(file, folder))
        return read_journal(folder)


def step_times_and_memory(pipeline: str, waiting: int) -> tuple[list[StepTimes], Waiting]:
    """Run a Pipeline whose first Task waits at a gate (see `generated.fan_out`).

    The gate is opened when `waiting` Steps wait and nothing else goes on. Raises MeasurementError.
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
    """Yield a folder for what a run with --keep leaves; it goes away."""
    with tempfile.TemporaryDirectory(prefix="monopod-bench-", ignore_cleanup_errors=True, dir=MEMORY) as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def _start(file: str, folder: Path, *options: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [MONOPOD, "run", "--backend", "host", "--keep", "-f", file, "-o", "name", *options],
        env={**os.environ, "TMPDIR": str(folder)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def _finish(run: subprocess.Popen[bytes]) -> None:
    _, errors = run.communicate(timeout=_PATIENCE)
    if run.returncode != 0:
        raise MeasurementError(f"monopod run: {errors.decode(errors='replace').strip()[-400:]}")


def read_journal(folder: Path) -> list[StepTimes]:
    """Return the Steps of the one run that was kept there, in the order in which they ran. Raises MeasurementError."""
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
            if descriptors > waiting:  # else it has only just been started
                return Waiting(sorted(entrypoints), resident, descriptors)
        time.sleep(0.2)
    raise MeasurementError(f"{waiting} waiting Steps were never seen at the same time")


def _wait_until_quiet(run: subprocess.Popen[bytes]) -> None:
    """Wait until the run takes less than a fifth of a processor: making hundreds of containers leaves things to do."""
    deadline = time.monotonic() + _PATIENCE
    before, interval = _processor_seconds(run), 0.5
    while time.monotonic() < deadline and run.poll() is None:
        time.sleep(interval)
        now = _processor_seconds(run)
        if now - before < interval / 5:
            return
        before = now
    raise MeasurementError("a run in which all Steps wait went on taking processor time")


def _processor_seconds(run: subprocess.Popen[bytes]) -> float:
    """Return what the processes of the run that are there now have taken."""
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
