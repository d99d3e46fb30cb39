"""An entrypoint is killed at every one of its system calls: a container for each system call."""

import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from processes import Pod, of, task

from monopod.entrypoint import binary
from monopod.schemas.run_events import StepFinished, StepStarted, TaskFinished

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace, which kills at a system call, is not installed"),
]

CALLS = 120
"""More than an entrypoint makes from its start to its end, if its Step takes no time."""


class KilledPod(Pod):
    """A Pod in which the entrypoint of the Task ``t-N`` is killed at its system call N."""

    def start_entrypoints(self) -> None:
        for name in self.containers:
            _, _, call = name.partition("-")
            prefix = ["strace", "-qq", "-o", "/dev/null", "-e", f"inject=all:signal=KILL:when={call}"] if call else []
            command = [*prefix, binary.path(), "--orphan-seconds", str(self.orphan_seconds), self.control(name)]
            self.entrypoints[name] = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


@pytest.fixture
def pod(tmp_path):
    root = tmp_path / "pod"
    names = ["t", *(f"t-{call}" for call in range(1, CALLS + 1))]
    tasks = (task(root, name, f"echo ran >> {tmp_path}/{name}") for name in names)
    final = (task(root, "report", f"echo ran >> {tmp_path}/report"),)
    pod = KilledPod(root, *tasks, final=final, container_start_timeout=30.0)
    yield pod
    pod.kill()


def times_run(folder: Path, name: str) -> int:
    file = folder / name
    return len(file.read_text().splitlines()) if file.exists() else 0


def test_entrypoint_killed_at_any_system_call(pod, tmp_path):
    """Each Task ends with the right outcome, no Step runs twice, and other Tasks and `finally` are not affected."""
    pod.start()
    events = list(pod.events())
    ends = {event.task: event for event in of(events, TaskFinished)}
    steps = dict.fromkeys(ends, "") | {event.task: event.message for event in of(events, StepFinished)}
    assert len(of(events, TaskFinished)) == len(ends) == CALLS + 2
    for name, end in ends.items():
        assert times_run(tmp_path, name) in ((1,) if end.status == "Succeeded" else (0, 1)), name
        why = f"{end.message} {steps[name]}"
        assert end.status == "Succeeded" or "killed" in why or "did not start" in why, why
    assert ends["t"].status == ends["report"].status == "Succeeded"
    assert events[-1].status == "Failed"
    pod.end()
    codes = pod.exit_codes()
    killed = {name for name, code in codes.items() if code in (-signal.SIGKILL, 128 + signal.SIGKILL)}
    begun = {event.task for event in of(events, StepStarted)}
    failed = {name for name, end in ends.items() if end.status == "Failed"}
    assert failed <= killed
    assert failed & begun, "some while their Step ran"
    assert failed - begun, "some before"
    assert killed - failed, "some after their end was reported"
