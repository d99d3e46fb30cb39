"""A caller that blocks and ignores every signal: the processes of a run have the signals that they have otherwise.

Signals that ask a program to end stay ignored in the command itself, as ``nohup`` requires, and in its programs.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import deaf
import pytest
from host_run import PATIENCE, HostRun, pipeline
from shared_directory import WAIT, Shared

pytestmark = pytest.mark.slow

MONOPOD = Path(sys.executable).with_name("monopod")
DEAF = (sys.executable, deaf.__file__)
STATUS = "grep -E '^Sig(Blk|Ign)' /proc/self/status; "
PROCESSES = {
    "run -f": deaf.OF_PYTHON | deaf.ASKED_FOR,
    "runner/host/launcher.py": deaf.OF_PYTHON,
    "-m monopod.coordinator": deaf.OF_PYTHON,
}
"""What the Python processes of a run ignore; none of them blocks anything."""
GIT = """\
apiVersion: tekton.dev/v1
kind: TaskRun
metadata: {name: remote}
spec:
  taskRef:
    resolver: git
    params: [{name: url, value: "https://example.invalid/a.git"}, {name: pathInRepo, value: task.yaml}]
"""


@pytest.fixture
def shared(tmp_path):
    shared = Shared(tmp_path / "shared")
    yield shared
    shared.close()


@pytest.fixture
def deaf_run(run):
    run.python = (*DEAF, sys.executable)
    return run


def test_steps_have_default_signals_and_their_ends_are_noticed(deaf_run):
    tasks = {"one": STATUS + "sleep 0 & wait", "two": {"scripts": "exit 1", "retries": 1}}
    ended = deaf_run.run(pipeline(tasks, {"last": STATUS}))
    assert ended.code == 1
    for task in ("one", "last"):
        assert deaf.signals_of("\n".join(ended.lines(task))) == (set(), set())


def test_processes_of_the_run_have_default_signals(deaf_run: HostRun, shared):
    deaf_run.start(pipeline({"one": shared.task(WAIT)}))
    shared.hear()
    found = {name: [deaf.signals_of_process(pid) for pid in deaf_run.processes(name)] for name in PROCESSES}
    shared.go()
    assert deaf_run.end().code == 0
    for name, ignored in PROCESSES.items():
        assert found[name]
        assert all(each == (set(), ignored) for each in found[name]), (name, found[name])


def test_step_receives_sigterm(deaf_run, shared):
    """It is stopped by SIGTERM, long before SIGKILL is due."""
    script = "trap 'echo heard; exit 3' TERM; printf x > /shared/there; while :; do sleep 0.05; done"
    deaf_run.start(pipeline({"one": shared.task(script)}))
    shared.hear()
    environment = {**os.environ, "TMPDIR": str(deaf_run.directory)}
    subprocess.run([MONOPOD, "cancel"], env=environment, timeout=PATIENCE, check=True)
    ended = deaf_run.end()
    assert ended.code == 130
    assert "heard" in ended.lines("one")


@pytest.mark.parametrize(
    ("program", "arguments"),
    [
        ("git", ("check", "-f", "remote.yaml")),
        ("podman", ("run", "-f", "local.yaml", "--backend", "podman")),
    ],
)
def test_programs_ignore_only_inherited_termination_signals(program, arguments, tmp_path):
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / program).write_text("#!/bin/sh\ncat /proc/self/status > status.new\nmv status.new STATUS\nexit 1\n"
                                    .replace("STATUS", str(tmp_path / "status")))  # fmt: skip
    (programs / program).chmod(0o755)
    (tmp_path / "remote.yaml").write_text(GIT)
    local = pipeline({"one": "exit 0"})
    (tmp_path / "local.yaml").write_text(json.dumps(local))
    environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}
    command = [*DEAF, MONOPOD, *arguments]
    subprocess.run(command, cwd=tmp_path, env=environment, timeout=PATIENCE, capture_output=True, check=False)
    blocked, ignored = deaf.signals_of((tmp_path / "status").read_text())
    assert (blocked, ignored - deaf.ASKED_FOR) == (set(), set())


def test_nohup_works(run, shared):
    """A SIGHUP that the caller ignores does not end the run."""
    run.before = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)"
    process = run.start(pipeline({"one": shared.task(WAIT)}))
    shared.hear()
    process.send_signal(signal.SIGHUP)
    shared.go()
    assert run.end().code == 0
