"""Runs whose process ended before the coordinator reported their end: all commands say the same of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest

pytestmark = pytest.mark.slow

MONOPOD = Path(sys.executable).with_name("monopod")
PIPELINE = """\
apiVersion: tekton.dev/v1
kind: Pipeline
metadata: {name: flow}
spec:
  tasks:
  - name: build
    taskSpec: {steps: [{name: make, image: alpine, script: echo made}]}
  - name: test
    runAfter: [build]
    taskSpec: {steps: [{name: wait, image: alpine, script: "trap '' TERM; echo waits; sleep 1000"}]}
"""


@pytest.fixture
def ended(tmp_path):
    """Runs the Pipeline until its process receives a signal; returns a function that runs commands for it."""
    (tmp_path / "tmp").mkdir()
    (tmp_path / "flow.yaml").write_text(PIPELINE)
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state"), "TMPDIR": str(tmp_path / "tmp")}

    def monopod(*words):
        command = [MONOPOD, *words]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert "Traceback" not in done.stderr
        return done.stdout

    def ended(number):
        command = [MONOPOD, "run", "-f", "flow.yaml"]
        with subprocess.Popen(
            command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as process:
            next(line for line in process.stdout if b"[test : wait] waits" in line)
            (events,) = tmp_path.glob("state/monopod/runs/*/events.jsonl")
            while b'"step":"wait"' not in events.read_bytes():
                time.sleep(0.01)  # they are written twice a second
            process.send_signal(number)
            shown = process.stdout.read().decode()
        return shown, monopod

    return ended


def rows(text):
    """Return the status of each Task and Step in a table."""
    lines = [line.split() for line in text.splitlines()]
    return {words[0]: words[1] for words in lines if words and words[0] in ("build", "make", "test", "wait")}


def test_a_run_whose_terminal_closed_is_cancelled_everywhere(ended):
    shown, monopod = ended(signal.SIGHUP)
    assert rows(shown) == {"build": "Succeeded", "test": "Cancelled"}
    status = monopod("status")
    assert rows(status) == {"build": "Succeeded", "make": "Succeeded", "test": "Cancelled", "wait": "Cancelled"}
    assert "Running" not in status
    for document in (monopod("status", "-o", "json"), monopod("report", "--format", "json")):
        (run,) = [
            run for run in json.loads(document)["status"]["taskRuns"].values() if run["pipelineTaskName"] == "test"
        ]
        assert run["status"]["conditions"][0]["reason"] == "Cancelled"
        assert run["status"]["steps"][0]["terminationReason"] == "Cancelled"
    (suite,) = ElementTree.fromstring(monopod("report", "--format", "junit")).iterfind("testsuite[2]")
    assert suite.find("properties/property[@name='status']").get("value") == "Cancelled"
    assert suite.find("testcase/error").get("type") == "Cancelled"


def test_a_run_whose_process_was_killed_has_no_duration(ended):
    _, monopod = ended(signal.SIGKILL)
    status = monopod("status")
    assert rows(status) == {"build": "Succeeded", "make": "Succeeded", "test": "Unknown", "wait": "Unknown"}
    assert status.splitlines()[-1].endswith(" Unknown: the process that followed the run was killed")
    assert monopod("attach").splitlines()[-1] == status.splitlines()[-1]
    assert monopod("explain").splitlines()[0].endswith(" Unknown")
    assert monopod("runs").splitlines()[1].split()[4] == "-"
