"""The commands that report on runs, end to end, on this machine."""

import json
import os
import subprocess
import sys
from pathlib import Path

import junitparser
import pytest

MONOPOD = os.path.join(os.path.dirname(sys.executable), "monopod")
EXAMPLES = Path(__file__).resolve().parents[3] / "examples"

PIPELINE = """\
apiVersion: tekton.dev/v1
kind: Pipeline
metadata: {name: shop}
spec:
  params: [{name: what, default: cart}]
  tasks:
    - name: build
      params: [{name: what, value: $(params.what)}]
      taskSpec:
        params: [{name: what}]
        results: [{name: digest}]
        steps:
          - {name: compile, image: busybox, script: "echo building $(params.what); printf abc > $(results.digest.path)"}
    - name: test
      params: [{name: digest, value: $(tasks.build.results.digest)}]
      taskSpec:
        params: [{name: digest}]
        steps: [{name: check, image: busybox, script: "echo '<b>no</b>' >&2; exit 3"}]
    - name: deploy
      runAfter: [test]
      taskSpec: {steps: [{name: push, image: busybox, script: "true"}]}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("shop")


@pytest.fixture(scope="module")
def monopod(folder):
    def monopod(*arguments, expected=0, state="state", **environment):
        done = subprocess.run(
            [MONOPOD, *arguments],
            cwd=folder,
            env={**os.environ, "XDG_STATE_HOME": str(folder / state), **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == expected, done.stderr
        return done

    return monopod


@pytest.fixture(scope="module")
def failed(folder, monopod):
    """The name of a recorded run that failed, with its reports in `folder`."""
    (folder / "shop.yaml").write_text(PIPELINE)
    reports = ("--junit", "junit.xml", "--trace", "trace.json")
    done = monopod("run", "-f", "shop.yaml", "-o", "name", *reports, expected=1)
    return done.stdout.strip().removeprefix("pipelinerun.tekton.dev/")


pytestmark = pytest.mark.slow


def test_runs(failed, monopod, folder):
    header, row = monopod("runs").stdout.splitlines()
    assert header.split() == ["NAME", "STATUS", "STARTED", "TOOK", "TREND", "BACKEND", "FILE"]
    assert row.split()[:2] == [failed, "Failed"]
    assert row.split()[-2:] == ["host", "shop.yaml"]
    assert monopod("runs", "-o", "name").stdout == f"{failed}\n"
    assert "PROJECT" in monopod("runs", "--all").stdout
    assert monopod("runs", "--stats").stdout.splitlines()[1].split()[:3] == ["shop", "1", "0%"]
    (found,) = json.loads(monopod("runs", "--stats", "-o", "json").stdout)
    assert [(task["task"], task["successRate"]) for task in found["tasks"]] == [
        ("build", 1.0),
        ("test", 0.0),
        ("deploy", None),
    ]
    monopod("runs", "--stats", "-o", "name", expected=2)
    (run,) = json.loads(monopod("runs", "-o", "json").stdout)
    assert (run["name"], run["status"], run["pipeline"], run["files"]) == (failed, "Failed", "shop", ["shop.yaml"])
    assert run["directory"] == f"{folder}/state/monopod/runs/{failed}"
    assert Path(run["directory"]).stat().st_mode & 0o777 == 0o700


def test_page(failed, monopod, folder):
    monopod("report", failed, "-o", "report.html")
    text = (folder / "report.html").read_text()
    assert "&lt;b&gt;no&lt;/b&gt;" in text
    assert "<b>no</b>" not in text
    assert "<code>cart</code>" in text  # a param of the run, and of the Task
    assert text.count("<code>abc</code>") == 2  # the Result, and the param that refers to it
    assert monopod("report", "shop").stdout == text


def test_page_opens_in_the_browser(failed, monopod, folder):
    browser = folder / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {folder}/opened\n')
    browser.chmod(0o755)
    path = f"{folder}/state/monopod/runs/{failed}/report.html"
    assert monopod("report", "--open", BROWSER=f"{browser} %s").stdout == f"{path}\n"
    assert (folder / "opened").read_text() == f"file://{path}\n"
    assert Path(path).read_text() == monopod("report").stdout
    monopod("report", "--open", "-o", "page.html", BROWSER=f"{browser} %s")
    assert (folder / "opened").read_text() == f"file://{folder}/page.html\n"


def test_page_is_named_without_a_browser(failed, monopod, folder):
    done = monopod("report", "--open", PATH="/nonexistent", DISPLAY="", WAYLAND_DISPLAY="", BROWSER="")
    assert done.stdout == f"{folder}/state/monopod/runs/{failed}/report.html\n"
    assert done.stderr == "monopod report: no browser found; open this file in a browser\n"
    assert "--format junit" in monopod("report", "--open", "--format", "junit", expected=2).stderr


@pytest.mark.parametrize(("file", "form"), [("r.xml", "junit"), ("r.json", "json"), ("r.txt", "html")])
def test_suffix_of_the_file_selects_the_format(failed, monopod, folder, file, form):
    monopod("report", failed, "-o", file)
    assert (folder / file).read_text() == monopod("report", failed, "--format", form).stdout


def test_reports_of_the_run_match_its_record(failed, monopod, folder):
    for form, file in (("junit", "junit.xml"), ("trace", "trace.json")):
        assert monopod("report", "--format", form).stdout == (folder / file).read_text()
    suites = {suite.name: suite.failures for suite in junitparser.JUnitXml.fromfile(str(folder / "junit.xml"))}
    assert suites == {f"{failed}.build": 0, f"{failed}.test": 1, f"{failed}.deploy": 0}
    document = json.loads(monopod("report", "--format", "json").stdout)
    assert (document["kind"], document["metadata"]["name"]) == ("PipelineRun", failed)
    assert document["status"]["conditions"][0]["status"] == "False"


def test_explain(failed, monopod):
    lines = monopod("explain").stdout.splitlines()
    assert lines[0].startswith(f"{failed} Failed in ")
    assert lines[2] == "Critical path: the Tasks that determined how long the run took"
    explained = json.loads(monopod("explain", failed, "-o", "json").stdout)
    assert [each["task"] for each in explained["criticalPath"]] == ["build", "test"]


def test_logs_and_status_of_a_run_on_this_machine_need_no_cluster(failed, monopod):
    log = monopod("logs").stdout.splitlines()
    assert log[0] == f"Run {failed} started in namespace default"
    assert monopod("logs", failed, "test").stdout == "".join(
        line.partition("] ")[2] + "\n" for line in log if line.startswith("[test : ") and "exit code" not in line
    )
    status = monopod("status", failed)
    assert status.stdout.splitlines()[-1].startswith(f"{failed} Failed in ")
    assert status.stderr == ""
    assert monopod("status", "-o", "name").stdout == f"pipelinerun.tekton.dev/{failed}\n"
    document = json.loads(monopod("status", "-o", "json").stdout)
    assert document == json.loads(monopod("report", "--format", "json").stdout)
    attached = monopod("attach", expected=1).stdout
    assert attached.startswith("".join(f"{line}\n" for line in log))
    assert "KUBECONFIG" not in monopod("status", f"{failed}x", expected=2).stderr


def test_unknown_names_are_reported(failed, monopod):
    for command in ("report", "explain"):
        error = monopod(command, failed + "x", expected=2).stderr
        assert error == (
            f"monopod {command}: no recorded run '{failed}x' (did you mean '{failed}'?); "
            "`monopod runs --all` lists all recorded runs\n"
        )
        error = monopod(command, expected=2, state="empty").stderr
        assert error == (
            f"monopod {command}: no recorded runs; `monopod run` records each run, except with --no-record\n"
        )
    assert monopod("runs", state="empty").stdout == ""
    assert monopod("logs", "test/nope", expected=2).stderr.startswith("monopod logs: Task 'test' has no Step 'nope'; ")


def test_reports_are_written_without_a_record(failed, monopod, folder):
    monopod("run", "-f", "shop.yaml", "--no-record", "--junit", "other.xml", expected=1, state="none")
    assert [path for path in (folder / "none").rglob("*") if path.is_file()] == []
    assert junitparser.JUnitXml.fromfile(str(folder / "other.xml")).failures == 1


def test_unwritable_report_is_reported_before_anything_runs(failed, monopod):
    done = monopod("run", "-f", "shop.yaml", "--junit", "nowhere/junit.xml", expected=2)
    assert done.stderr == "monopod run: nowhere/junit.xml: No such file or directory\n"
    assert len(monopod("runs", "-o", "name").stdout.splitlines()) == 1


def test_reports_of_a_run_that_could_not_be_recorded_are_an_error(failed, monopod, folder):
    """They stay empty, which no CI system takes for success. The state directory is a file here."""
    files = ("--junit", "unrecorded.xml", "--trace", "unrecorded.json")
    done = monopod("run", "-f", "shop.yaml", *files, expected=1, state="shop.yaml")
    (error,) = (line for line in done.stderr.splitlines() if line.startswith("monopod run:"))
    assert error.startswith("monopod run: cannot write the report: the run could not be recorded: ")
    assert [(folder / name).read_text() for name in files[1::2]] == ["", ""]


def test_report_on_a_full_disk_is_one_error(failed, monopod):
    done = monopod("run", "-f", "shop.yaml", "--junit", "/dev/full", expected=1, state="full")
    errors = [line for line in done.stderr.splitlines() if line.startswith("monopod run:")]
    assert errors == ["monopod run: cannot write the report: [Errno 28] No space left on device"]


def test_several_runs_are_in_one_report(failed, monopod, folder):
    runs = "".join(
        "---\napiVersion: tekton.dev/v1\nkind: PipelineRun\n"
        f"metadata: {{name: {name}}}\nspec: {{pipelineRef: {{name: shop}}}}\n"
        for name in ("first", "second")
    )
    (folder / "runs.yaml").write_text(f"{PIPELINE}{runs}")
    monopod("run", "-f", "runs.yaml", "--junit", "both.xml", expected=1, state="several")
    names = [suite.name for suite in junitparser.JUnitXml.fromfile(str(folder / "both.xml"))]
    assert names == [f"{run}.{task}" for run in ("first", "second") for task in ("build", "test", "deploy")]
    monopod("run", "-f", "runs.yaml", expected=1, state="several")
    names = monopod("runs", "-o", "name", state="several").stdout.split()
    assert names == ["second.2", "first.2", "second", "first"]


def test_active_and_killed_runs(folder, monopod):
    (folder / "gate").mkdir()
    os.mkfifo(folder / "gate" / "fifo")
    script = "echo it waits; cat $(workspaces.gate.path)/fifo"
    (folder / "wait.yaml").write_text(
        "apiVersion: tekton.dev/v1\nkind: Pipeline\nmetadata: {name: wait}\nspec:\n  workspaces: [{name: gate}]\n"
        "  tasks:\n    - name: a\n      workspaces: [{name: gate}]\n"
        "      taskSpec:\n        workspaces: [{name: gate}]\n"
        f"        steps: [{{name: s, image: busybox, script: '{script}'}}]\n"
    )
    run = subprocess.Popen(
        [MONOPOD, "run", "-f", "wait.yaml", "-w", f"gate=hostPath:{folder}/gate"],
        cwd=folder,
        env={**os.environ, "XDG_STATE_HOME": str(folder / "killed")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert any("it waits" in line for line in run.stdout)
        (running,) = json.loads(monopod("runs", "-o", "json", state="killed").stdout)
        assert (running["status"], running["seconds"]) == ("Running", None)
        assert ">the run is still active</p>" in monopod("report", state="killed").stdout
    finally:
        run.kill()
        run.communicate()
    (killed,) = json.loads(monopod("runs", "-o", "json", state="killed").stdout)
    assert killed["status"] == "Unknown"
    assert ">the process that followed the run was killed</p>" in monopod("report", state="killed").stdout
    ended = "monopod logs: the record is incomplete: the process that followed the run was killed\n"
    assert monopod("logs", state="killed").stderr == ended
    error = monopod("report", "--format", "json", state="killed", expected=2).stderr
    assert error == (
        f"monopod report: the record of '{killed['name']}' is incomplete: "
        "the process that followed the run was killed\n"
    )
