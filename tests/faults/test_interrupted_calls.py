"""Constant signals to the coordinator and the entrypoints do not change the outcome.

SIGSTOP and SIGCONT interrupt blocking system calls (EINTR) even in processes that handle no signals.
"""

from __future__ import annotations

import signal
import threading

import pytest
from processes import Pod, task

from monopod.schemas.plan import ResultDeclaration
from monopod.schemas.run_events import StepFinished

pytestmark = pytest.mark.slow

ROUNDS = 200
SIGNALS = (signal.SIGSTOP, signal.SIGCHLD, signal.SIGCONT, signal.SIGWINCH, signal.SIGCONT)


def test_constant_signals_change_nothing(tmp_path):
    """The first Task waits until each process has received hundreds of signals; they continue while the others run."""
    root = tmp_path / "pod"
    results = (ResultDeclaration("out"),)
    write = "printf '$(params.text)' > {root}/slots/NAME/tekton/results/out; yes | head -c 300000 > /dev/null"
    wait = "until [ -e {root}/go ]; do sleep 0.05; done"
    names = [f"t{number}" for number in range(8)]
    tasks = [task(root, "first", [wait, "exit 0"])]
    tasks += [
        task(root, name, ["exit 0", write.replace("NAME", name).replace("$(params.text)", name)], results=results,
             after=("first",), retries=1)
        for name in names
    ]  # fmt: skip
    pod = Pod(root, *tasks)
    ended = threading.Event()

    def shower() -> None:
        rounds = 0
        while not ended.is_set():
            for process in (pod.coordinator, *pod.entrypoints.values()):
                for number in SIGNALS:
                    process.send_signal(number)
            rounds += 1
            if rounds == ROUNDS:
                (root / "go").touch()

    thread = threading.Thread(target=shower)
    try:
        pod.start()
        thread.start()
        events = list(pod.events())
    finally:
        ended.set()
        thread.join()
        for process in (pod.coordinator, *pod.entrypoints.values()):
            process.send_signal(signal.SIGCONT)
    try:
        assert events[-1].status == "Succeeded"
        assert len([event for event in events if isinstance(event, StepFinished)]) == 2 * (1 + len(names))
        runs = events[-1].document["status"]["taskRuns"].values()
        found = {run["pipelineTaskName"]: run["status"].get("results") for run in runs}
        assert {name: found[name][0]["value"] for name in names} == {name: name for name in names}
        assert set(pod.exit_codes().values()) == {0}
        assert pod.end() == 0
    finally:
        pod.kill()
