"""Measures the time from the start of the coordinator, without a Pod, to its first request."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import yaml
from measured_run import MEMORY, MONOPOD, MeasurementError, resident_kib, written

_PACKAGE = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Start:
    """Seconds from the start of the coordinator's process to its first request, and its resident set then in KiB."""

    seconds: float
    resident: int


def start_coordinator(pipeline: str, *, carried: bool) -> Start:
    """Compile a Pipeline, create the Pod's directories, start the coordinator and wait for its first `run.1`.

    `carried`: the Pod's own command unpacks the runtime; otherwise the modules are compiled, as in the prebuilt image.
    The first container counts as started: its `alive` is locked here. Raises MeasurementError.
    """
    with written(pipeline) as file:
        compiled = subprocess.run([MONOPOD, "compile", "-f", file], stdout=subprocess.PIPE, check=True).stdout
    pod = next(document for document in yaml.safe_load_all(compiled) if document["kind"] == "Pod")
    coordinator = pod["spec"]["initContainers"][0]
    with tempfile.TemporaryDirectory(prefix="monopod-bench-", dir=MEMORY) as name:
        root = Path(name)
        for mount in coordinator["volumeMounts"]:
            root.joinpath(Path(mount["mountPath"]).relative_to("/monopod")).mkdir(parents=True, exist_ok=True)
        first = root / "steps" / pod["spec"]["containers"][0]["name"]
        alive = os.open(first / "alive", os.O_CREAT | os.O_RDWR)
        fcntl.flock(alive, fcntl.LOCK_EX)
        packages = root / "packages"
        packages.mkdir()
        packages.joinpath("monopod").symlink_to(_PACKAGE)
        try:
            prebuilt = [sys.executable, "-P", "-S", "-m", "monopod.coordinator", "--root", str(root)]
            command = _carried(root, coordinator["command"]) if carried else prebuilt
            return _start(root, first / "run.1", [*command, *coordinator["args"]])
        finally:
            os.close(alive)


def _carried(root: Path, command: list[str]) -> list[str]:
    """Return the command of a Pod for another directory than /monopod."""
    words = [word.replace('main("/monopod"', f"main({str(root)!r}") for word in command[1:]]
    return [sys.executable, *words, "--root", str(root)]


def _start(root: Path, request: Path, command: list[str]) -> Start:
    environment = {**os.environ, "PYTHONPATH": str(root / "packages")}
    began = time.monotonic()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    try:
        while not request.exists():
            if process.poll() is not None or time.monotonic() > began + 30:
                raise MeasurementError("the coordinator did not run a Step")
            time.sleep(0.0005)
        seconds = time.monotonic() - began
        return Start(seconds, resident_kib(process.pid))
    finally:
        process.kill()
        process.wait()
