"""`monopod shell`, `continue` and `fail` in a cluster."""

import os
import subprocess
import sys

import pytest
from terminal import Terminal

pytestmark = pytest.mark.slow

SCRIPT = "echo working; exit 3"
PROGRAM = "import sys; from monopod.runner.program import main; sys.exit(main())"


@pytest.fixture
def held(kubelet, start_monopod, make, write):
    """A run in the cluster whose Step has failed and is held."""
    run = start_monopod(
        "run", "-f", write(make.run(make.task("build", SCRIPT))), "--context", "test", "--pause-on-failure"
    )
    for line in run.stdout:
        if "held after it failed (exit code 3)" in line:
            return run
    raise AssertionError(run.stderr.read())


def ended(process):
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err


def test_command_beside_a_held_step_and_its_release(held, start_monopod, monopod):
    words = ("build", "build/act", "--context", "test")
    assert ended(start_monopod("shell", *words, "--", "sh", "-c", "echo here; echo there >&2; exit 7")) == (
        *(7, "here\n"),
        "there\n",
    )
    wrong = monopod("shell", "build", "biuld", "--context", "test")
    assert (wrong.code, wrong.err) == (2, "monopod shell: there is no Task 'biuld' (did you mean 'build'?)\n")
    released = monopod("continue", "build", "--context", "test")
    assert (released.code, released.out) == (0, "Continuing build/act of run 'build'\n"), released.err
    assert held.wait(300) == 0
    assert monopod("continue", "build", "--context", "test").code == 2


def test_shell_ends_with_its_standard_input(held, kubeconfig, monopod):
    command = [sys.executable, "-c", PROGRAM, "shell", "build", "build/act", "--context", "test"]
    environment = {**os.environ, "KUBECONFIG": str(kubeconfig)}
    done = subprocess.run(
        command, input="echo here", env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert (done.returncode, done.stdout) == (0, "here\n"), done.stderr
    assert monopod("fail", "build", "build/act", "--context", "test").code == 0
    assert held.wait(300) == 1


def test_terminal_and_its_size(held, api, kubeconfig, monopod):
    environment = {**os.environ, "KUBECONFIG": str(kubeconfig)}
    command = [sys.executable, "-c", PROGRAM, "shell", "build", "build", "--context", "test"]
    command += ["--", "sh", "-c", "echo ready; cat"]
    with Terminal(command, environment, 100, 30) as terminal:
        terminal.wait_for("ready")  # from now on the terminal echoes nothing: what is seen comes from the container
        terminal.type("hello\r")
        terminal.wait_for("hello")
        terminal.resize(90, 20)
        terminal.type("again\r")
        terminal.wait_for("again")
        assert api.exec_sizes[0] == {"Width": 100, "Height": 30}
        api.wait_for(lambda: api.exec_sizes[-1] == {"Width": 90, "Height": 20})
    assert monopod("fail", "build", "build/act", "--context", "test").code == 0
    assert held.wait(300) == 1
