"""`monopod rerun`, the real command on the real host backend: what runs again, and what is reused."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

MONOPOD = Path(sys.executable).with_name("monopod")
PIPELINE = """\
apiVersion: tekton.dev/v1
kind: Pipeline
metadata: {name: flow}
spec:
  params: [{name: version, default: "1"}, {name: verdict, default: bad}]
  results: [{name: image, value: $(tasks.build.results.image)}]
  workspaces: [{name: source}]
  tasks:
  - name: build
    workspaces: [{name: source}]
    params: [{name: version, value: $(params.version)}]
    taskSpec:
      params: [{name: version}]
      workspaces: [{name: source}]
      results: [{name: image}, {name: files, type: array}, {name: about, type: object, properties: {size: {}}}]
      steps:
      - name: make
        image: alpine
        script: |
          printf %s "made $(params.version)" > $(workspaces.source.path)/made
          printf %s 'app:$(params.version) $'"(params.x)" > $(results.image.path)
          printf '["a b", "c"]' > $(results.files.path)
          printf '{"size": "7"}' > $(results.about.path)
  - name: lint
    taskSpec: {steps: [{name: check, image: alpine, script: echo linted}]}
  - name: variants
    matrix: {params: [{name: go, value: [u, v, w]}]}
    taskSpec:
      params: [{name: go}]
      results: [{name: binary}]
      steps: [{name: make, image: alpine, script: "printf bin-$(params.go) > $(results.binary.path)"}]
  - name: inner
    pipelineSpec:
      results: [{name: deep, value: $(tasks.leaf.results.deep)}]
      tasks:
      - name: leaf
        taskSpec:
          results: [{name: deep}]
          steps: [{name: make, image: alpine, script: printf below > $(results.deep.path)}]
  - name: test
    runAfter: [lint]
    workspaces: [{name: source}]
    params:
    - {name: image, value: $(tasks.build.results.image)}
    - {name: list, value: ["$(tasks.build.results.files[*])", "$(tasks.variants.results.binary[*])"]}
    - name: rest
      value: "$(tasks.build.results.about.size) $(tasks.variants.matrix.length) $(tasks.inner.results.deep)"
    - {name: verdict, value: $(params.verdict)}
    taskSpec:
      params: [{name: image}, {name: list, type: array}, {name: rest}, {name: verdict}]
      workspaces: [{name: source}]
      steps:
      - name: print
        image: alpine
        command: [printf, "<%s>"]
        args: ["$(params.image)", "$(params.list[*])", "$(params.rest)"]
      - {name: judge, image: alpine, script: "cat $(workspaces.source.path)/made; test $(params.verdict) = good"}
  - name: deploy
    runAfter: [test]
    taskSpec: {steps: [{name: apply, image: alpine, script: echo deployed}]}
  finally:
  - name: notify
    params: [{name: all, value: "$(tasks.build.status) $(tasks.deploy.status) $(tasks.status)"}]
    taskSpec:
      params: [{name: all}]
      steps: [{name: send, image: alpine, script: "echo $(params.all)"}]
"""
REUSED = {"build", "lint", "variants", "inner"}


class Project:
    """A directory with a Pipeline, and a user who runs monopod in it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        state, temporary = directory.parent / "state", directory.parent / "tmp"
        temporary.mkdir(exist_ok=True)
        self.environment = {**os.environ, "XDG_STATE_HOME": str(state), "TMPDIR": str(temporary), "NO_COLOR": "1"}
        self.file = directory / "flow.yaml"
        (directory / "files").mkdir(parents=True)
        self.write(PIPELINE)
        self.code = 0
        self.errors = ""

    def write(self, text: str) -> None:
        self.file.write_text(text)

    def monopod(self, *arguments: str, directory: Path | None = None, text: str = "") -> str:
        done = subprocess.run(
            [MONOPOD, *arguments],
            cwd=directory or self.directory,
            env=self.environment,
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )
        self.code, self.errors = done.returncode, done.stderr
        assert "Traceback" not in done.stderr, done.stderr
        return done.stdout

    def run(self, *arguments: str, **options: str) -> str:
        """Run the Pipeline in the folder; return the name of the run."""
        files = ("-f", "flow.yaml") if "-f" not in arguments else ()
        printed = self.monopod("run", *files, "-o", "name", *arguments, **options)
        assert self.code in (0, 1), self.errors
        return printed.strip().rpartition("/")[2]

    def rerun(self, *arguments: str, directory: Path | None = None) -> dict[str, str]:
        """Repeat a run; return what became of each Task, empty if nothing ran."""
        printed = self.monopod("rerun", *arguments, "-o", "json", directory=directory)
        if not printed:
            return {}
        status = json.loads(printed)["status"]
        became = {each["name"]: each["reason"] for each in status.get("skippedTasks", ())}
        for run in (*status["taskRuns"].values(), *status.get("pipelineRuns", {}).values()):
            became.setdefault(run["pipelineTaskName"], run["status"]["conditions"][0]["reason"])
        return became


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "project")


def reused(became: dict[str, str]) -> set[str]:
    return {name for name, reason in became.items() if reason == "Task was reused"}


def test_failed_tasks_run_again_with_the_results_and_files_of_the_others(project):
    name = project.run("-w", "source=./files")
    assert project.code == 1
    became = project.rerun("--failed", "-p", "verdict=good")
    assert project.code == 0
    assert reused(became) == REUSED
    assert (became["test"], became["deploy"], became["notify"]) == ("Succeeded", "Succeeded", "Succeeded")
    assert "[test : print] <app:1 $(params.x)><a b><c><bin-u><bin-v><bin-w><7 3 below>" in project.errors
    assert "[test : judge] made 1" in project.errors
    assert "[notify : send] Succeeded Succeeded Succeeded" in project.errors
    assert f"[build] Skipped: Task was reused: it succeeded in {name}" in project.errors


def test_what_was_reused_is_reused_again_under_the_name_of_its_run(project):
    first = project.run("-w", "source=./files")
    assert reused(project.rerun("--failed")) == REUSED
    became = project.rerun("--failed", "-p", "verdict=good")
    assert reused(became) == REUSED
    assert f"[lint] Skipped: Task was reused: it succeeded in {first}" in project.errors
    assert project.rerun("--failed") == {}
    assert project.code == 2
    assert "succeeded and none has changed; leave --failed out to run them again" in project.errors


def test_whole_run_is_repeated_with_the_same_options(project):
    project.run("-w", "source=./files", "-p", "verdict=good", "-p", "version=7")
    became = project.rerun()
    assert set(became.values()) == {"Succeeded"}
    assert "[test : judge] made 7" in project.errors


def test_workspace_can_be_bound_elsewhere(project):
    name = project.run("-w", "source=./files")
    other = project.directory / "other"
    other.mkdir()
    became = project.rerun(name, "--failed", "-w", "source=.", directory=other)
    assert (became["build"], became["lint"]) == ("Succeeded", "Task was reused"), project.errors
    assert (other / "made").read_text() == "made 1"
    assert project.rerun("-w", "sourec=.") == {}
    assert "sourec" in project.errors
    project.rerun()
    assert "[test : judge] made 1" in project.errors


def test_changed_task_and_all_after_it_run_again(project):
    project.run("-w", "source=./files", "-p", "verdict=good")
    project.write(PIPELINE.replace("echo linted", "echo linted better"))
    became = project.rerun("--failed")
    assert reused(became) == REUSED - {"lint"}
    assert (became["lint"], became["test"], became["deploy"]) == ("Succeeded",) * 3


def test_changed_param_runs_the_tasks_again_that_use_it(project):
    project.run("-w", "source=./files", "-p", "verdict=good")
    became = project.rerun("--failed", "-p", "version=2")
    assert reused(became) == REUSED - {"build"}
    assert "[test : judge] made 2" in project.errors


def test_order_limits_and_descriptions_are_no_change(project):
    project.run("-w", "source=./files")
    text = PIPELINE.replace("- name: lint\n", "- name: lint\n    timeout: 5m\n    retries: 1\n    displayName: Lint\n")
    project.write(f"# a comment\n{text}")
    assert reused(project.rerun("--failed")) == REUSED


def test_from_only_and_skip(project):
    project.run("-w", "source=./files", "-p", "verdict=good")
    assert reused(project.rerun("--from", "test")) == REUSED
    became = project.rerun("--only", "lint", "--skip", "notify")
    assert reused(became) == {"build", "variants", "inner", "test", "deploy", "notify"}
    assert became["lint"] == "Succeeded"


def test_result_of_a_task_that_did_not_succeed_must_be_given(project):
    project.write(PIPELINE.replace('printf \'["a b"', 'exit 3; printf \'["a b"'))
    name = project.run("-w", "source=./files")
    assert project.rerun("--only", "test") == {}
    message = f"the Task 'build' is not repeated, but it did not succeed in {name}; use --failed, or --from build"
    assert message in project.errors
    given = ("--result", "build.image=i", "--result", "build.files=f", "--result", "build.about=size:1")
    became = project.rerun("--only", "test", *given)
    assert became["test"] == "StepFailed"
    assert "[test : print] <i><f><bin-u>" in project.errors


def test_files_that_are_gone_with_the_pod_are_the_reason_to_refuse(project):
    name = project.run()
    assert project.rerun("--failed") == {}
    assert project.code == 2
    assert f"the files of the Workspace 'source' are gone with the Pod of {name}" in project.errors
    assert project.rerun("--from", "build", "--skip", "test")["build"] == "Succeeded"


@pytest.mark.parametrize("is_configured", [True, False])
def test_kept_files_are_used(project, is_configured):
    if is_configured:
        (project.directory / "monopod.yaml").write_text("keepWorkspaces: true\n")
    project.run(*[] if is_configured else ["--keep", "always"])
    assert reused(project.rerun("--failed")) == REUSED
    assert reused(project.rerun("--failed", "-p", "verdict=good")) == REUSED
    assert "[test : judge] made 1" in project.errors


def test_record_has_the_files_that_are_gone(project):
    project.run("-w", "source=./files")
    project.file.unlink()
    assert reused(project.rerun("--failed")) == REUSED
    project.run("-w", "source=./files", "-f", "-", text=PIPELINE)
    assert reused(project.rerun("--failed")) == REUSED


@pytest.mark.parametrize("options", [("-w", "source=./files"), ("--keep", "always")])
def test_run_whose_follower_was_killed_is_continued(project, options):
    slow = PIPELINE.replace("runAfter: [test]", "runAfter: [test]\n    workspaces: [{name: source}]")
    slow = slow.replace("{steps: [{name: apply", "{workspaces: [{name: source}], steps: [{name: apply")
    slow = slow.replace("echo deployed", "cat $(workspaces.source.path)/made").replace("default: bad", "default: good")
    project.write(slow.replace("cat $(workspaces.source.path)/made}", "sleep 100}"))
    command = [MONOPOD, "run", "-f", "flow.yaml", *options]
    with subprocess.Popen(command, cwd=project.directory, env=project.environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        next(line for line in process.stdout if b"[deploy] started" in line)
        (events,) = project.directory.parent.glob("state/monopod/runs/*/events.jsonl")
        while b'"task":"deploy"' not in events.read_bytes():
            time.sleep(0.01)  # they are written twice a second
        process.send_signal(signal.SIGKILL)
    project.write(slow)
    became = project.rerun("--failed", "-p", "verdict=good")
    assert became["deploy"] == "Succeeded"
    assert "[deploy : apply] made 1" in project.errors
    assert {"build", "lint", "variants", "test"} <= reused(became) | {"test"}
    assert "Task was reused" in became.values()


def test_latest_run_of_this_project_is_repeated(project, tmp_path):
    first = project.run("-w", "source=./files")
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(project.file, other / "flow.yaml")
    project.monopod("run", "-f", "flow.yaml", directory=other)
    subprocess.run(["git", "init", "-q", project.directory], check=True)
    became = project.rerun("--failed")
    assert f"it succeeded in {first}" in project.errors
    assert reused(became) == REUSED
    assert project.rerun("--failed", directory=tmp_path) == {}
    assert "no recorded run of" in project.errors


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("nope",), "no recorded run 'nope'"),
        (("--failed", "--from", "test"), "--failed chooses the Tasks by itself; leave out --from and --only"),
        (("--from", "tset"), "--from tset: there is no Task 'tset' (did you mean 'test'?)"),
        (("-p", "versoin=1"), "-p versoin=1: there is no param 'versoin' (did you mean 'version'?)"),
    ],
)
def test_what_is_refused(project, words, message):
    project.run("-w", "source=./files")
    assert project.rerun(*words) == {}
    assert project.code == 2
    assert message in project.errors
