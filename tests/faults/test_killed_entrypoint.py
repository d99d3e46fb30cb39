"""An entrypoint is killed at every one of its system calls: a container for each system call.

Where its container is restarted, as kubelet does by its rules, the Task is retried in it.
"""

import shutil
import signal
import subprocess
import threading
from collections import Counter
from pathlib import Path

import pytest
from processes import Pod, of, task

from monopod.entrypoint import binary
from monopod.schemas.plan import Task
from monopod.schemas.run_events import StepFinished, StepStarted, TaskFinished, TaskStarted

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace, which kills at a system call, is not installed"),
]

KILLED = (-signal.SIGKILL, 128 + signal.SIGKILL)
CALLS = 120
"""More than an entrypoint makes from its start to its end, if its Step takes no time."""
NAMES = ["t", *(f"t-{call}" for call in range(1, CALLS + 1))]


class KilledPod(Pod):
    """A Pod in which the entrypoint of the Task ``t-N`` is killed at its system call N."""

    options_of_entrypoint: tuple[str, ...] = ()

    def start_entrypoints(self) -> None:
        for name in self.containers:
            _, _, call = name.partition("-")
            prefix = ["strace", "-qq", "-o", "/dev/null", "-e", f"inject=all:signal=KILL:when={call}"] if call else []
            options = [*self.options_of_entrypoint, "--orphan-seconds", str(self.orphan_seconds)]
            command = [*prefix, binary.path(), *options, self.control(name)]
            self.entrypoints[name] = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


@pytest.fixture
def pod(tmp_path):
    root = tmp_path / "pod"
    tasks = (task(root, name, f"echo ran >> {tmp_path}/{name}") for name in NAMES)
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
    killed = {name for name, code in codes.items() if code in KILLED}
    begun = {event.task for event in of(events, StepStarted)}
    failed = {name for name, end in ends.items() if end.status == "Failed"}
    assert failed <= killed
    assert failed & begun, "some while their Step ran"
    assert failed - begun, "some before"
    assert killed - failed, "some after their end was reported"


class RestartedPod(KilledPod):
    """The same, in which killed entrypoints are started again."""

    options_of_entrypoint = ("--restarts",)

    def start_entrypoints(self) -> None:
        super().start_entrypoints()
        for name, process in self.entrypoints.items():
            threading.Thread(target=self.restart, args=(name, process), daemon=True).start()

    def restart(self, name: str, process: subprocess.Popen[bytes]) -> None:
        """Do as kubelet does: start the program of a container again that was killed."""
        if process.wait() in KILLED:
            command = [binary.path(), *self.options_of_entrypoint, self.control(name)]
            self.entrypoints[name] = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def retried(task: Task) -> Task:
    return task._replace(retries=1, slots=tuple(slot._replace(restarts=True) for slot in task.slots))


@pytest.fixture
def restarting_pod(tmp_path):
    root = tmp_path / "pod"
    script = "echo $(context.task.retry-count) >> {folder}/{name}"
    tasks = (retried(task(root, name, script.format(folder=tmp_path, name=name))) for name in NAMES)
    pod = RestartedPod(root, *tasks, container_start_timeout=60.0)
    yield pod
    pod.kill()


def test_an_entrypoint_that_is_killed_at_any_point_and_restarted(restarting_pod, tmp_path):
    """Every Task succeeds, in its first or second attempt; no attempt runs its Step twice."""
    restarting_pod.start()
    events = list(restarting_pod.events())
    assert events[-1].status == "Succeeded"
    attempts = Counter(event.task for event in of(events, TaskStarted))
    for name in NAMES:
        ran = (tmp_path / name).read_text().splitlines()
        assert len(ran) == len(set(ran)), f"{name}: an attempt has run its Step twice"
        assert ran[-1] == str(attempts[name] - 1), name
    assert 1 < attempts.total() - CALLS < CALLS, "some while their Step ran, and others before or after"
    restarting_pod.end()
