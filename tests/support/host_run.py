"""`monopod run` on this machine, followed to its end, which must leave nothing behind."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PATIENCE = 300  # seconds after which a run counts as hanging
PROGRAM = "import sys; from monopod.runner.program import main; sys.exit(main())"


@dataclass
class Ended:
    """The end of a run: the exit code, the finished PipelineRun (if it printed one), and all that it showed."""

    code: int
    document: dict[str, Any]
    shown: str

    @property
    def status(self) -> dict[str, Any]:
        return self.document["status"]

    def task(self, name: str) -> tuple[str, str]:
        """Return the reason and the message of a Task."""
        (run,) = [each for each in self.status["taskRuns"].values() if each["pipelineTaskName"] == name]
        condition = run["status"]["conditions"][0]
        return condition["reason"], condition["message"]

    def lines(self, task: str) -> list[str]:
        """Return the output of the first Step of a Task."""
        start = f"[{task} : s0] "
        return [line.removeprefix(start) for line in self.shown.splitlines() if line.startswith(start)]


@dataclass
class HostRun:
    """A `monopod run` with its own state directory, which also identifies its processes."""

    directory: Path
    process: subprocess.Popen[str] | None = None
    options: dict[str, Any] = field(default_factory=dict)
    patience: float = PATIENCE
    before: str = ""
    """What Python is to do before it runs monopod."""
    python: tuple[str, ...] = (sys.executable,)
    """Python, with which monopod is run, and perhaps a program that executes it."""
    name: str = field(default_factory=lambda: f"run-{os.urandom(4).hex()}")
    """The name of its Pipeline and of its Pod, which is in the environment of all containers."""

    def start(self, pipeline: dict[str, Any], *arguments: str) -> subprocess.Popen[str]:
        file = self.directory.with_suffix(".yaml")
        pipeline["metadata"]["name"] = self.name
        file.write_text(json.dumps(pipeline))  # which is YAML too
        self.directory.mkdir(exist_ok=True)
        self.process = subprocess.Popen(
            [*self.python, "-c", f"{self.before}\n{PROGRAM}", "run", "-f", str(file), "-o", "json", *arguments],
            env={**os.environ, "TMPDIR": str(self.directory), "NO_COLOR": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            **self.options,
        )
        return self.process

    def end(self) -> Ended:
        """Wait for the end; fail if it does not come."""
        assert self.process is not None
        output, shown = self.process.communicate(timeout=self.patience)
        assert "Traceback" not in shown, shown
        return Ended(self.process.returncode, json.loads(output) if output else {}, shown)

    def run(self, pipeline: dict[str, Any], *arguments: str) -> Ended:
        self.start(pipeline, *arguments)
        return self.end()

    def processes(self, program: str = "") -> list[int]:
        """Return the processes of the run whose command line contains `program`."""
        names = (str(self.directory).encode(), f"HOSTNAME={self.name}".encode())
        found = []
        for entry in Path("/proc").iterdir():
            try:
                environment = (entry / "environ").read_bytes() if entry.name.isdecimal() else b""
                named = any(name in environment for name in names)
                if named and program.encode() in (entry / "cmdline").read_bytes().replace(b"\0", b" "):
                    found.append(int(entry.name))
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
        return found

    def remains(self) -> list[str]:
        """Return the leftovers of the run: files, mounts and processes."""
        left = [str(path) for path in self.directory.iterdir()]
        mounts = Path("/proc/self/mountinfo").read_text()
        left += [line for line in mounts.splitlines() if f"{self.directory}/" in line]
        return left + [f"process {pid}" for pid in self.processes()]

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.communicate()
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)


def pipeline(tasks: dict[str, Any], final: dict[str, str] | None = None, *, image: str = "busybox") -> dict[str, Any]:
    """Return a Pipeline of Tasks: each a script (or a script per Step), or a PipelineTask with ``scripts``."""
    return {
        "apiVersion": "tekton.dev/v1",
        "kind": "Pipeline",
        "metadata": {"name": "test"},
        "spec": {
            "tasks": [_task(name, each, image) for name, each in tasks.items()],
            "finally": [_task(name, each, image) for name, each in (final or {}).items()],
        },
    }


def _task(name: str, given: Any, image: str) -> dict[str, Any]:
    fields = dict(given) if isinstance(given, dict) else {"scripts": given}
    scripts = fields.pop("scripts")
    spec = dict(fields.pop("taskSpec", {}))
    spec["steps"] = [
        {"name": f"s{number}", "image": image, "script": f"#!/bin/sh\n{script}"}
        for number, script in enumerate([scripts] if isinstance(scripts, str) else scripts)
    ]
    return {"name": name, "taskSpec": spec, **fields}
