"""The coordinator's program and the real entrypoint, a process for each container, without containers.

Steps use paths in the temporary directory instead of `/tekton` and `/monopod/step`. In scripts, `{root}` is
the temporary directory.
"""

import os
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from monopod.entrypoint import binary
from monopod.schemas.plan import Pipeline, Plan, Slot, Step, Task, encode
from monopod.schemas.run_events import RunFinished, from_line

PATIENCE = 300  # seconds after which a test has failed


class Pod:
    """The directories of a Pod, its coordinator and its entrypoints.

    ``fields`` are the Plan's. `orphan_seconds` is how long an entrypoint runs without a coordinator.
    """

    orphan_seconds = 300

    def __init__(self, root: Path, *tasks: Task, final: tuple[Task, ...] = (), form: str = "json", **fields: Any):
        self.root = root
        slots = [slot for task in (*tasks, *final) for slot in task.slots]
        self.containers = [name for slot in slots for name in (*slot.containers, *slot.sidecars)]
        for name in self.containers:
            (root / "steps" / name).mkdir(parents=True)
        for slot in slots:
            (root / "slots" / slot.name / "tekton").mkdir(parents=True)
            (root / "slots" / slot.name / "scripts").mkdir()
        document = {"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "metadata": {"name": "x"}, "spec": {}}
        plan = Plan(Pipeline("p", tasks=tasks, final_tasks=final), document, **{"stop_grace": 1.0, **fields})
        self.options = ["--format", form, "--root", str(root), *encode(plan)]
        self.program = ["-m", "monopod.coordinator"]
        self.coordinator: subprocess.Popen[bytes] | None = None
        self.entrypoints: dict[str, subprocess.Popen[bytes]] = {}
        self._rest = b""

    @property
    def command(self) -> list[str]:
        return [sys.executable, *self.program, *self.options]

    def control(self, container: str) -> Path:
        return self.root / "steps" / container

    def start_coordinator(self) -> None:
        environment = {**os.environ, "MONOPOD_RUN_NAME": "ci-1", "MONOPOD_NAMESPACE": "team", "MONOPOD_RUN_UID": "u"}
        self._rest = b""
        if self.coordinator is not None:
            self.coordinator.stdout.close()
        self.coordinator = subprocess.Popen(self.command, env=environment, stdout=subprocess.PIPE)

    def start_entrypoints(self) -> None:
        for name in self.containers:
            command = [binary.path(), "--orphan-seconds", str(self.orphan_seconds), self.control(name)]
            self.entrypoints[name] = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def start(self) -> None:
        self.start_coordinator()
        self.start_entrypoints()

    def lines(self):
        """Yield the coordinator's output until it has ended."""
        output = self.coordinator.stdout.fileno()
        deadline = time.monotonic() + PATIENCE
        while True:
            *lines, self._rest = self._rest.split(b"\n")
            yield from (line.decode() for line in lines)
            ready, _, _ = select.select([output], [], [], max(0, deadline - time.monotonic()))
            assert ready, "the coordinator prints nothing any more"
            part = os.read(output, 1 << 16)
            if not part:
                return
            self._rest += part

    def events(self):
        """Yield the events up to the end of the run."""
        for line in self.lines():
            event = from_line(line)
            yield event
            if isinstance(event, RunFinished):
                return

    def end(self) -> int:
        """Terminate the coordinator as kubelet does at the end, and return its exit code."""
        self.coordinator.terminate()
        return self.coordinator.wait(PATIENCE)

    def exit_codes(self) -> dict[str, int]:
        return {name: process.wait(PATIENCE) for name, process in self.entrypoints.items()}

    def kill(self) -> None:
        for process in (self.coordinator, *self.entrypoints.values()):
            if process is not None:
                process.kill()
                process.wait()
                if process.stdout is not None:
                    process.stdout.close()


def task(root, name, script, *, after=(), steps=None, **fields):
    """Return a Task of one Step (or several scripts), whose containers are named after it."""
    scripts = [script] if isinstance(script, str) else script
    plans = tuple(
        Step(f"s{index}", command=("/bin/sh", "-c", text.replace("{root}", str(root))))
        for index, text in enumerate(scripts)
    )
    containers = tuple(name if not index else f"{name}-{index}" for index in range(len(plans)))
    return Task(name, after=tuple(after), steps=plans, slots=(Slot(name, containers),), **fields)


def of(events, kind):
    return [event for event in events if isinstance(event, kind)]
