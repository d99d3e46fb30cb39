"""`--debug`, `--pause-on-failure`, and `monopod shell`, `continue` and `fail` on this machine, as a user types them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest
from terminal import Terminal

from monopod.runner.visiting.places import Activity, NoSuchPlaceError, Place, find_place
from monopod.schemas.plan import Pipeline, Plan, Slot, Step, Task

PATIENCE = 300
PROGRAM = [sys.executable, "-c", "import sys; from monopod.runner.program import main; sys.exit(main())"]
SCRIPT = """\
apiVersion: tekton.dev/v1
kind: Pipeline
metadata: {name: inside}
spec:
  tasks:
  - name: build
    timeout: 2h
    taskSpec:
      params: [{name: colour, default: blue}]
      steps:
      - name: make
        image: i
        env: [{name: COLOUR, value: $(params.colour)}]
        workingDir: /workspace
        script: |
          echo making
          exit 3
      - {name: after, image: i, script: echo after}
"""


class Held:
    """A run in the background, and commands about it."""

    def __init__(self, directory, *options):
        self.environment = {
            **os.environ,
            "TMPDIR": str(directory),
            "XDG_STATE_HOME": str(directory),
        }
        (directory / "p.yaml").write_text(SCRIPT)
        self.shown = []
        self.run = subprocess.Popen(
            [*PROGRAM, "run", "-f", str(directory / "p.yaml"), "--backend", "host", *options],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def until(self, text):
        """Read what the run shows until a line has this text, and return the line."""
        for line in self.run.stdout:
            self.shown.append(line)
            if text in line:
                return line
        raise AssertionError("".join(self.shown))

    def monopod(self, *words, stdin=None):
        """Return the exit code and the output of another command."""
        done = subprocess.run(
            [*PROGRAM, *words],
            check=False,
            env=self.environment,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        return done.returncode, done.stdout + done.stderr

    def end(self):
        """Read to the end of the run and return its exit code."""
        self.shown += self.run.stdout.readlines()
        return self.run.wait(PATIENCE)


@pytest.fixture
def held(tmp_path):
    runs = []

    def start(*options):
        runs.append(Held(tmp_path, *options))
        return runs[-1]

    yield start
    for each in runs:
        each.run.kill()
        each.run.communicate()


@pytest.mark.slow
def test_step_that_fails_is_held_looked_into_and_continued(held):
    run = held("--pause-on-failure")
    line = run.until("held after it failed (exit code 3)")
    assert "[build : make] making\n" in run.shown
    held_at = r"(inside-\S+ build/make)"
    release = r"release it: monopod continue \1, or monopod fail \1"
    assert re.search(rf"; timeouts are paused; look inside: monopod shell {held_at}; {release}$", line, re.MULTILINE)
    assert run.monopod("shell", "--", "sh", "-c", "echo $COLOUR; pwd; exit 7") == (7, "blue\n/workspace\n")
    assert run.monopod("shell", "build", stdin="echo from $COLOUR\n") == (0, "from blue\n")
    code, said = run.monopod("shell", "build/after")
    assert (code, said) == (2, "monopod shell: no Step is running or held in 'build/after'; these are: build/make\n")
    assert run.monopod("shell", "biuld")[1].endswith("is called 'biuld' (did you mean 'build'?)\n")
    code, said = run.monopod("continue")
    assert (code, said.startswith("Continuing build/make of run 'inside-")) == (0, True)
    assert run.end() == 0
    assert "[build : after] after\n" in run.shown


@pytest.mark.slow
def test_held_before_a_step_on_a_terminal_and_released_by_tektons_script(held):
    run = held("--debug=build/make")
    run.until("held before it starts")
    with Terminal([*PROGRAM, "shell", "build/make"], run.environment, 100, 30) as terminal:
        terminal.type("stty size; echo $COLOUR-$PWD; cat /tekton/scripts/*\r")
        terminal.wait_for("30 100")
        terminal.wait_for("blue-/workspace")
        terminal.wait_for("echo making")
        terminal.resize(90, 20)
        terminal.type("clear; stty size\r")
        terminal.wait_for("20 90")
        terminal.type("exec /tekton/debug/scripts/debug-beforestep-fail-continue\r")
        assert terminal.process.wait(PATIENCE) in (0, 137)  # 137: the script is killed with the container it releases
    assert run.end() == 1
    assert "[build : make] making" not in "".join(run.shown)
    assert "failed on request at the breakpoint before it" in "".join(run.shown)


@pytest.mark.slow
def test_only_the_step_that_a_shared_container_runs_is_released(held):
    run = held("--pack", "--debug=build/after", "--pause-on-failure")
    run.until("held after it failed (exit code 3)")
    code, said = run.monopod("fail", "build/after")
    assert (code, said) == (2, "monopod fail: no Step is held in 'build/after'; these are: build/make\n")
    assert run.monopod("continue", "build/make")[1].startswith("Continuing build/make of run 'inside-")
    run.until("held before it starts")
    assert run.monopod("shell", "build/make", "--", "true")[0] == 2
    assert run.monopod("continue")[1].startswith("Continuing build/after of run 'inside-")
    assert run.end() == 0


@pytest.mark.slow
def test_nothing_is_held_or_running(held):
    run = held("--debug=build/make")
    run.until("held before it starts")
    assert run.monopod("cancel")[0] == 0
    assert run.end() == 130
    assert run.monopod("continue") == (2, "monopod continue: you have no active run\n")
    assert run.monopod("shell", "a", "b", "c")[0] == 2


HELD, RUNNING = Activity("held"), Activity("running")
PLAN = Plan(
    Pipeline(
        "p",
        tasks=(
            Task("a", steps=(Step("x"), Step("y")), slots=(Slot("a", ("a-x", "a-y")),)),
            Task("b", steps=(Step("x"),), slots=(Slot("b", ("b-x",)),)),
            Task("c", steps=(Step("x"), Step("y")), slots=(Slot("c", ("c-x", "c-x")),)),
        ),
    ),
    json.loads("{}"),
)


def test_a_held_step_comes_before_a_running_one():
    place = find_place(PLAN, {"a-x": RUNNING, "b-x": HELD}, None, ["held", "running"])
    assert place.label == "b/x"


@pytest.mark.parametrize("text", [None, "c", "c/y"])
def test_container_of_several_steps_is_the_step_that_it_runs(text):
    assert find_place(PLAN, {"c-x": Activity("held", "c/y")}, text, ["held"]) == Place("c-x", "c/y")


def test_container_of_several_steps_is_named_if_nobody_knows_what_it_runs():
    assert find_place(PLAN, None, "c/x", ["held"]) == Place("c-x", "container c-x")


@pytest.mark.parametrize(
    ("states", "text", "message"),
    [
        ({"a-x": HELD, "b-x": HELD}, None, "several Steps are held: a/x, b/x; name one, as TASK/STEP"),
        ({"b-x": HELD}, "a", "no Step is running or held in 'a'; these are: b/x"),
        ({"c-x": Activity("held", "c/y")}, "c/x", "no Step is running or held in 'c/x'; these are: c/y"),
        ({}, None, "no Step is running or held"),
        (None, "a", "name one Step, as TASK/STEP: the run does not report its events"),
    ],
)
def test_what_is_not_one_place_is_refused(states, text, message):
    with pytest.raises(NoSuchPlaceError, match=f"^{message}$"):
        find_place(PLAN, states, text, ["held", "running"])
