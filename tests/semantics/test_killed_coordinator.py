"""A coordinator that is killed at points of its journal, in real containers: the run ends as if nothing had happened.

The normal suite tries a few points. All points at all entries on demand:

    MONOPOD_EVERY_POINT=1 pytest -n auto tests/semantics/test_killed_coordinator.py
"""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import killed_in_container
import pytest
from finished_run import FinishedRun
from host_run import pipeline
from killed_coordinator import POINTS
from killed_in_container import CONTINUE, WRITE_NO_MORE
from podman_store import BUSYBOX, PYTHON, Podman
from shared_directory import Shared

from monopod.runner.podman.pod import MOST_RESTARTS

pytestmark = pytest.mark.slow

IMAGE = "localhost/monopod-test/killed:1"
EVERY_POINT = bool(os.environ.get("MONOPOD_EVERY_POINT"))
ENTRIES = 20
"""The number of entries of a run, or one or two more, since the number of probes differs."""
SURELY = 16
"""The least number of entries. There may be one more, and after the last entry none is written."""
RUNS = ENTRIES // MOST_RESTARTS
"""Each run kills as many coordinators as can be restarted; all runs together reach each entry once."""
SHIFTS = range(len(POINTS)) if EVERY_POINT else [0]


def points(run: int, shift: int) -> list[str]:
    """Return where the coordinator of a run is killed: at distant entries, each at another point."""
    numbers = range(1 + run, 1 + ENTRIES, RUNS)
    return [f"{number}{POINTS[(place + run + shift) % len(POINTS)][0]}" for place, number in enumerate(numbers)]


@pytest.fixture(scope="module")
def image(podman: Podman) -> Iterator[str]:
    def fill(root: Any) -> None:
        killed_coordinator = Path(killed_in_container.__file__).with_name("killed_coordinator.py")
        root.copy(killed_coordinator, "/usr/local/bin/killed_coordinator.py")

        program = Path(killed_in_container.__file__).read_text()
        root.file("/usr/local/bin/python3", f"#!{os.path.realpath(sys.executable)} -S\n{program}", 0o755)

    podman.make_on(PYTHON, IMAGE, fill)
    yield IMAGE
    podman("rmi", IMAGE)


class Killer:
    """Kills a coordinator that asks for it, once per point. It may not write another entry after its last point."""

    def __init__(self, address: str) -> None:
        self.killed: list[str] = []
        self._address = killed_in_container.ADDRESS.format(address)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(self._address)
        self._socket.listen()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            with connection:
                point = connection.recv(64).decode()
                if not point:
                    return
                pid, _, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
                if point in self.killed:
                    connection.sendall(CONTINUE)
                    continue
                self.killed.append(point)
                if point.endswith("d"):
                    connection.sendall(WRITE_NO_MORE)
                else:
                    os.kill(pid, signal.SIGKILL)

    def close(self) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as last:
            last.connect(self._address)
        self._thread.join()
        self._socket.close()


def everything(shared: Shared) -> dict[str, Any]:
    """Return a Pipeline whose Steps record that they run."""

    def made(name: str, *scripts: str, spec: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
        counted = [f"echo {name}-{number} >> /shared/counted; {script}" for number, script in enumerate(scripts)]
        task = shared.task(*counted, **fields)
        task["taskSpec"] |= spec or {}
        return task

    probe = {"exec": {"command": ["test", "-e", "/tmp/ready"]}, "periodSeconds": 1}
    server = {
        "name": "server",
        "image": BUSYBOX,
        "script": "touch /tmp/ready; exec sleep 100000",
        "readinessProbe": probe,
    }
    tasks = {
        "first": made("first", "printf x > $(results.out.path)", spec={"results": [{"name": "out"}]}),
        "flaky": made("flaky", 'test "$(context.task.retry-count)" = 1', retries=1, runAfter=["first"]),
        "skipped": made(
            "skipped", "exit 0", when=[{"input": "$(tasks.first.results.out)", "operator": "in", "values": [""]}]
        ),
        "served": made(
            "served", "exit 0", "exit 3", onError="continue", runAfter=["first"], spec={"sidecars": [server]}
        ),
    }
    return pipeline(tasks, {"report": made("report", "echo $(tasks.served.status) $(tasks.status)")}, image=BUSYBOX)


COUNTED = Counter({**dict.fromkeys(("first-0", "served-0", "served-1", "report-0"), 1), "flaky-0": 2})


@pytest.fixture
def run_killed(make_backend, image, tmp_path):
    backend = make_backend("podman")
    shared = Shared(tmp_path / "shared")

    def run_killed(wanted: list[str]) -> tuple[FinishedRun, Counter[str], list[str]]:
        """Run it with kills at these points; return the outcome, the runs of each Step, and the kills."""
        (shared.path / "counted").write_text("")
        address = os.urandom(4).hex()
        document = everything(shared)
        document["kind"], document["spec"] = "PipelineRun", {"pipelineSpec": document["spec"]}
        document["metadata"]["name"] = "-".join(["killed", address, *wanted])
        file = tmp_path / "run.yaml"
        file.write_text(json.dumps(document))
        killer = Killer(address)
        try:
            ran = backend.run("-f", file, "--runtime-image", image, network="host")
        finally:
            killer.close()
        return ran, Counter((shared.path / "counted").read_text().split()), killer.killed

    yield run_killed
    shared.close()


@pytest.mark.parametrize("shift", SHIFTS)
def test_killed_at_points_of_the_journal(run_killed, shift):
    calm, counted, _ = run_killed([])
    assert calm.code == 0, "\n".join(calm.messages)
    assert counted == COUNTED
    assert calm.skipped() == {"skipped": "When Expressions evaluated to false"}
    assert calm.lines("report/s0") == ["Failed Failed"]
    for run in range(RUNS) if EVERY_POINT else (1,):
        wanted = points(run, shift)
        ran, counted, killed = run_killed(wanted)
        assert killed == wanted[: len(killed)]
        assert all(int(point[:-1]) > SURELY for point in wanted[len(killed) :])
        assert counted == COUNTED
        assert ran.code == 0, "\n".join(ran.messages)
        assert ran.comparable() == calm.comparable()
        ends = [line for line in ran.messages if line.endswith("restarting it to resume the run")]
        could_not = sum("the coordinator could not continue" in line for line in ends)
        assert len(ends) - could_not == sum(not point.endswith("d") for point in killed)
        not_to_write = [int(point[:-1]) for point in killed if point.endswith("d")]
        assert len(not_to_write) - could_not in (0, sum(number > SURELY for number in not_to_write))
