"""`monopod run`, the real command on the real host backend."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest
import yaml

pytestmark = pytest.mark.slow

PIPELINE = """\
apiVersion: tekton.dev/v1
kind: PipelineRun
metadata:
  name: {name}
spec:
  pipelineSpec:
    tasks:
    - name: first
      taskSpec:
        steps:
        - name: talk
          image: busybox
          script: |
            echo one
            echo two >&2
    - name: second
      runAfter: [first]
      taskSpec:
        steps:
        - name: act
          image: busybox
          script: |
            {script}
    - name: third
      runAfter: [second]
      taskSpec:
        steps:
        - name: never
          image: busybox
          script: echo third
    finally:
    - name: report
      taskSpec:
        steps:
        - name: echo
          image: busybox
          script: echo "second was $(tasks.second.status)"
"""
PROGRAM = """\
import sys
from monopod.runner.program import main
sys.exit(main())
"""


OUTPUT_BYTES = 200_000_000


@pytest.fixture
def start(tmp_path):
    """Starts `monopod run` of the Pipeline whose second Task runs a script; its state is below tmp_path/state."""
    (tmp_path / "state").mkdir()
    environment = {**os.environ, "TMPDIR": str(tmp_path / "state")}

    def start(script, *options, name="test", before=(), text=True):
        (tmp_path / "run.yaml").write_text(PIPELINE.format(name=name, script=script))
        command = [*before, sys.executable, "-c", PROGRAM, "run", "-f", str(tmp_path / "run.yaml"), *options]
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(command, env=environment, text=text, start_new_session=True, **streams)

    return start


@pytest.fixture
def left_behind(tmp_path):
    """Returns what a run left behind: the names of its files, and the processes that use its state directory."""

    def left_behind():
        state = str(tmp_path / "state")
        files = [name for each in os.scandir(state) for name in os.listdir(each)]
        processes = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("TMPDIR") == state and process.status() != psutil.STATUS_ZOMBIE:
                    processes.append(process.name())
            except psutil.Error:
                continue
        return files, processes

    return left_behind


def test_failed_run_is_printed_line_by_line(start, left_behind):
    process = start("echo no; exit 7")
    output, errors = process.communicate()
    assert process.returncode == 1
    assert errors == "The host backend does not use images: Steps run with this machine's programs.\n"
    lines = output.splitlines()
    for line in (
        "[first : talk] one",
        "[first : talk] two",
        "[second : act] no",
        "[second : act] exit code 7",
        "[third] Skipped: PipelineRun was stopping: Task second did not succeed",
        "[report : echo] second was Failed",
        "=== second : act failed: exit code 7",
    ):
        assert line in lines
    assert lines.index("[second : act] no") < lines.index("[second : act] exit code 7")
    assert left_behind() == ([], [])


def test_parent_may_ignore_sigchld(start, left_behind):
    ignore = "import os, signal as s, sys; s.signal(s.SIGCHLD, s.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
    process = start("exit 7", before=[sys.executable, "-c", ignore])
    output, errors = process.communicate()
    assert (process.returncode, errors.count("\n")) == (1, 1), errors
    assert "[second : act] exit code 7" in output.splitlines()
    assert left_behind() == ([], [])


@pytest.mark.parametrize(("form", "read"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_stdout_has_only_the_finished_document(start, form, read):
    process = start("exit 0", "-o", form)
    output, errors = process.communicate()
    assert process.returncode == 0
    run = read(output)
    assert (run["kind"], run["metadata"]["name"]) == ("PipelineRun", "test")
    assert run["status"]["conditions"][0]["status"] == "True"
    assert "[first : talk] one" in errors.splitlines()


def test_stdout_has_only_the_name_of_the_run(start):
    process = start("exit 1", "-o", "name")
    output, _ = process.communicate()
    assert (process.returncode, output) == (1, "pipelinerun.tekton.dev/test\n")


def test_interrupt_cancels_and_cleans_up(start, left_behind):
    process = start("trap 'echo stopping; exit 0' TERM; echo ready; while :; do sleep 0.1; done")
    lines = []
    with process:
        for line in process.stdout:
            lines.append(line.rstrip())
            if line == "[second : act] ready\n":
                process.send_signal(signal.SIGINT)
    assert process.returncode == 130
    assert "[second : act] stopping" in lines
    assert lines[-1].startswith("test Cancelled in ")
    assert left_behind() == ([], [])


def test_second_interrupt_kills_what_does_not_stop(start, left_behind):
    again = "Cancelling: stopping running Steps. Press Ctrl-C again to kill them.\n"
    with start("trap '' TERM; echo ready; while :; do sleep 0.1; done") as process:
        for line in process.stdout:
            if line in ("[second : act] ready\n", again):
                process.send_signal(signal.SIGINT)
    assert process.returncode == 130
    assert left_behind() == ([], [])


def test_second_interrupt_does_not_wait_until_all_output_is_shown(start, left_behind):
    size = 0
    with start(f"trap '' TERM; head -c {OUTPUT_BYTES} /dev/urandom", text=False) as process:
        for line in process.stdout:
            size += len(line)
            if size - len(line) <= OUTPUT_BYTES / 10 < size:  # more was read than shown
                process.send_signal(signal.SIGINT)
            if b"Press Ctrl-C again" in line:
                process.send_signal(signal.SIGINT)
    assert process.returncode == 130
    assert size < OUTPUT_BYTES / 2
    assert left_behind() == ([], [])


def test_killed_runner_leaves_no_process(start):
    with start("echo ready; sleep 1000") as process:
        for line in process.stdout:
            if line == "[second : act] ready\n":
                process.kill()
        process.stderr.read()  # until no process has it open
    assert process.returncode == -signal.SIGKILL


def test_kept_files_are_named(start, tmp_path):
    process = start("echo hello > /workspace/file", "--keep", "always")
    output, _ = process.communicate()
    *_, last = output.splitlines()
    assert last.startswith(f"Kept in {tmp_path / 'state'}/")
    kept = last.removeprefix("Kept in ")
    assert {"logs", "volumes", "pod.json"} <= set(os.listdir(kept))


def test_steps_see_neither_records_nor_claims(tmp_path):
    """As it is with the caller's own directories: the run works, its record is written, and no Step sees it."""
    home = Path(tempfile.mkdtemp(prefix="run-test-", dir="/opt" if os.geteuid() == 0 else Path.home()))
    try:
        pipeline = yaml.safe_load(PIPELINE.format(name="walls", script="exit 0"))
        (spec,) = [each for each in pipeline["spec"]["pipelineSpec"]["tasks"] if each["name"] == "first"]
        records = home / ".local/state/monopod"
        spec["taskSpec"]["steps"][0]["script"] = f"ls -A {records} | wc -l; ls -A {home}/.local/state | wc -l"
        file = tmp_path / "p.yaml"
        file.write_text(yaml.safe_dump(pipeline))
        environment = {**os.environ, "HOME": str(home), "NO_COLOR": "1"}
        for name in ("XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"):
            environment.pop(name, None)
        command = [sys.executable, "-c", PROGRAM, "run", "-f", str(file)]
        ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
        assert ran.returncode == 0, ran.stderr
        seen = [line.split("] ")[-1] for line in ran.stdout.splitlines() if "[first : talk]" in line]
        assert seen == ["0", "1"]
        assert len(os.listdir(records / "runs")) == 1

        pipeline["spec"]["workspaces"] = [{"name": "w", "persistentVolumeClaim": {"claimName": "../../escaped"}}]
        pipeline["spec"]["pipelineSpec"]["workspaces"] = [{"name": "w"}]
        file.write_text(yaml.safe_dump(pipeline))
        ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
        assert ran.returncode == 2
        assert f"{file}:" in ran.stderr
        assert "'../../escaped' is not a valid name" in ran.stderr
        assert not list(home.rglob("escaped"))
    finally:
        shutil.rmtree(home)
