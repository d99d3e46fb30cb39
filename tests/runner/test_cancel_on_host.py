"""Cancelling real runs on the real host backend, in Tekton's three ways and in every state of a run.

A Step that must be running prints a line and then waits for a line in a FIFO, so nothing depends on time.
"""

import json
import os
import signal
import subprocess
import sys

import pytest

from monopod.runner.command_line import main
from monopod.runner.run import KILLING, NOTICES

pytestmark = pytest.mark.slow

RUN = """\
apiVersion: tekton.dev/v1
kind: PipelineRun
metadata: {name: test}
spec:
  pipelineSpec:
    tasks:
    - name: work
      %(fields)s
      taskSpec:
        volumes: [{name: shared, hostPath: {path: %(shared)s}}]
        %(sidecars)s
        steps:
        - name: act
          image: busybox
          volumeMounts: [{name: shared, mountPath: /shared}]
          script: |
            #!/bin/sh
            %(script)s
        - {name: last, image: busybox, script: echo last}
    - name: next
      runAfter: [work]
      taskSpec: {steps: [{name: act, image: busybox, script: echo next}]}
    finally:
    - name: report
      taskSpec:
        volumes: [{name: shared, hostPath: {path: %(shared)s}}]
        steps:
        - name: act
          image: busybox
          volumeMounts: [{name: shared, mountPath: /shared}]
          script: |
            #!/bin/sh
            %(final)s
"""
WAIT = "echo ready; read line < /shared/go; echo continued"
PROGRAM = """\
import sys
from monopod.runner.program import main
sys.exit(main())
"""
READY = "[work : act] ready"
GENTLEST, GENTLE, HARD = "StoppedRunFinally", "CancelledRunFinally", "Cancelled"


class Following:
    """A `monopod run` that is followed line by line."""

    def __init__(self, process, monkeypatch, capsys, shared):
        self.process = process
        self.lines = []
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        self._shared = shared

    def until(self, line):
        """Read lines up to and including this line."""
        read = ""
        while read != line + "\n":
            read = self.process.stdout.readline()
            assert read, f"{line!r} did not come:\n" + "\n".join(self.lines) + self.process.stderr.read()
            self.lines.append(read.rstrip("\n"))

    def cancel(self, mode="Cancelled", earlier=None):
        """Cancel the run from another process; `earlier` is the mode already requested, if it is a harder mode."""
        self._monkeypatch.setattr(sys, "argv", ["monopod", "cancel", "--grace", mode])
        assert main() == 0
        already = "" if earlier is None else " (requested earlier)"
        expected = f"Cancelling run 'test': {earlier or mode}{already}\n"
        assert self._capsys.readouterr() == (expected, "")

    def let_go(self):
        """Let the waiting Step continue."""
        with open(self._shared / "go", "w") as fifo:
            fifo.write("\n")

    def end(self):
        """Read the rest; return the exit code and all lines except the table."""
        rest, errors = self.process.communicate()
        self.lines += rest.splitlines()
        assert errors == "The host backend does not use images: Steps run with this machine's programs.\n"
        return self.process.returncode, self.lines

    def ran(self, *tasks):
        """Whether exactly these Tasks were started, apart from `work`."""
        return [line[1:].partition("]")[0] for line in self.lines if line.endswith("] started")] == ["work", *tasks]


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Starts a run whose Task `work` runs `script` and whose finally Task runs `final`."""
    state, shared = tmp_path / "state", tmp_path / "shared"
    state.mkdir()
    shared.mkdir()
    os.mkfifo(shared / "go")
    monkeypatch.setenv("TMPDIR", str(state))
    started = []

    def run(script=WAIT, *options, final="echo 'work was' $(tasks.work.status)", fields="", sidecars=""):
        text = RUN % {"script": script, "final": final, "fields": fields, "sidecars": sidecars, "shared": shared}
        (tmp_path / "run.yaml").write_text(text)
        command = [sys.executable, "-c", PROGRAM, "run", "-f", str(tmp_path / "run.yaml"), *options]
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = subprocess.Popen(command, text=True, start_new_session=True, **streams)
        started.append(process)
        return Following(process, monkeypatch, capsys, shared)

    yield run
    for process in started:
        with process:
            process.kill()
    assert os.listdir(state) == []


def test_cancelled_while_a_step_runs(run):
    following = run()
    following.until(READY)
    following.cancel()
    code, lines = following.end()
    assert code == 130
    assert NOTICES["Cancelled"] in lines
    assert following.ran()
    assert not {"[work : act] continued", "[work : last] last"} & set(lines)
    assert any(line.startswith("test Cancelled in ") for line in lines)


def test_cancelled_gracefully_while_a_step_runs(run):
    following = run()
    following.until(READY)
    following.cancel(GENTLE)
    code, lines = following.end()
    assert code == 130
    assert NOTICES[GENTLE] in lines
    assert following.ran("report")
    assert "[report : act] work was Failed" in lines
    assert not {"[work : act] continued", "[work : last] last"} & set(lines)


def test_stopped_gracefully_while_a_step_runs(run):
    following = run()
    following.until(READY)
    following.cancel(GENTLEST)
    following.let_go()
    code, lines = following.end()
    assert code == 130
    assert NOTICES[GENTLEST] in lines
    assert following.ran("report")
    for line in ("[work : act] continued", "[work : last] last", "[report : act] work was Succeeded"):
        assert line in lines


def test_cancelled_before_the_first_step(run):
    never_ready = "{exec: {command: ['false']}, periodSeconds: 1, failureThreshold: 10000}"
    following = run(
        sidecars=f"sidecars: [{{name: s, image: busybox, script: sleep 10000, readinessProbe: {never_ready}}}]"
    )
    following.until("[work] started")
    following.cancel()
    code, lines = following.end()
    assert code == 130
    assert READY not in lines
    assert following.ran()


@pytest.mark.parametrize("mode", [GENTLEST, GENTLE])
def test_graceful_cancellation_lets_finally_tasks_finish(run, mode):
    following = run("exit 0", final=WAIT)
    following.until("[report : act] ready")
    following.cancel(mode)
    following.let_go()
    code, lines = following.end()
    assert "[report : act] continued" in lines
    assert following.ran("next", "report")
    assert code == 130


def test_cancelled_while_a_finally_task_runs(run):
    following = run("exit 0", final=WAIT)
    following.until("[report : act] ready")
    following.cancel()
    code, lines = following.end()
    assert code == 130
    assert "[report : act] continued" not in lines


@pytest.mark.parametrize("mode", [HARD, GENTLE])
def test_cancelled_task_is_not_retried(run, mode):
    following = run("echo attempt $(context.task.retry-count); " + WAIT, fields="retries: 3")
    following.until(READY)
    following.cancel(mode)
    code, lines = following.end()
    assert code == 130
    assert "[work : act] attempt 0" in lines
    assert "[work : act] attempt 1" not in lines
    assert following.ran(*["report"] * (mode == GENTLE))


def test_stopped_run_still_retries(run):
    following = run("echo attempt $(context.task.retry-count); " + WAIT + "; exit 1", fields="retries: 1")
    following.until(READY)
    following.cancel(GENTLEST)
    following.let_go()
    following.until(READY)
    assert following.lines[-2] == "[work : act] attempt 1"
    following.let_go()
    code, lines = following.end()
    assert code == 1  # as in Tekton: a failure takes precedence
    assert following.ran("report")
    assert "[report : act] work was Failed" in lines


def test_harder_mode_follows_a_milder_mode(run):
    following = run("trap '' TERM; " + WAIT)  # so that the run has not ended when it is cancelled for the third time
    following.until(READY)
    following.cancel(GENTLEST)
    following.cancel(HARD)
    following.cancel(GENTLE, earlier=HARD)
    following.let_go()
    code, lines = following.end()
    assert code == 130
    assert [line for line in lines if line in NOTICES.values()] == [NOTICES[GENTLEST], NOTICES[HARD]]
    assert following.ran()


def test_interrupt_after_graceful_cancellation_cancels_and_the_next_kills(run):
    following = run("trap '' TERM; " + WAIT)
    following.until(READY)
    following.cancel(GENTLEST)
    following.process.send_signal(signal.SIGINT)
    following.until(NOTICES["Cancelled"])
    following.process.send_signal(signal.SIGINT)
    code, lines = following.end()
    assert code == 130
    assert KILLING in lines


def test_step_that_ignores_sigterm_is_killed_after_its_grace_period(run):
    following = run("trap '' TERM; echo ready; while :; do read line < /shared/go; done")
    following.until(READY)
    following.cancel(GENTLE)
    code, lines = following.end()
    assert code == 130
    assert "[report : act] work was Failed" in lines
    assert KILLING not in lines


def test_step_may_clean_up_on_sigterm(run):
    following = run("trap 'echo cleaning; exit 0' TERM; echo ready; while :; do sleep 0.1; done")
    following.until(READY)
    following.cancel()
    code, lines = following.end()
    assert code == 130
    assert "[work : act] cleaning" in lines


def test_document_of_a_cancelled_run_has_its_reason(run):
    following = run("echo ready > /shared/go; sleep 10000", "-o", "json")
    with open(following._shared / "go") as fifo:
        assert fifo.readline() == "ready\n"
    following.cancel(GENTLE)
    output, _ = following.process.communicate()
    assert following.process.returncode == 130
    condition = json.loads(output)["status"]["conditions"][0]
    assert (condition["status"], condition["reason"]) == ("False", "Cancelled")
