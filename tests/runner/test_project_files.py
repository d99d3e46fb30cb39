"""`monopod run` without files, `monopod.yaml`, and `monopod init`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest
import yaml

from monopod.runner.starting.building_blocks import building_blocks
from monopod.runner.starting.first_pipeline import pipeline_text

TASK = """\
apiVersion: tekton.dev/v1
kind: Pipeline
metadata: {name: ci}
spec:
  params: [{name: greeting, default: Bye}]
  workspaces: [{name: source, optional: true}]
  tasks:
  - name: say
    workspaces: [{name: source}]
    taskSpec:
      workspaces: [{name: source, optional: true}]
      steps: [{name: say, image: "busybox:1", script: "echo $(params.greeting); ls $(workspaces.source.path)"}]
"""


@pytest.fixture
def project(tmp_path):
    (tmp_path / ".git").mkdir()
    (tmp_path / "below").mkdir()
    (tmp_path / "pipeline.yaml").write_text(TASK)
    return tmp_path


def monopod(folder, *words):
    return subprocess.run(
        [sys.executable, "-m", "monopod", *words],
        cwd=folder,
        env={**os.environ, "XDG_STATE_HOME": str(folder / "state")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def test_settings_of_the_project_apply_and_are_repeated(project):
    (project / "monopod.yaml").write_text(
        "file: pipeline.yaml\nname: ci\nparams:\n  greeting: Hello\nworkspaces:\n  source: ./below\nbackend: host\n"
    )
    (project / "below/marker").touch()
    for words in (("run", "-q", "--logs", "say"), ("rerun", "-q", "--logs", "say")):
        done = monopod(project / "below", *words)
        assert done.returncode == 0, done.stderr
        assert "[say : say] Hello\n[say : say] marker\n" in done.stdout
    done = monopod(project, "run", "--dry-run", "-p", "greeting=Hi")
    assert "greeting  Hi\n" in done.stdout
    assert f"source  hostPath {project}/below\n" in done.stdout
    done = monopod(project, "run", "--dry-run", "-f", "pipeline.yaml")
    assert "greeting  Bye  (default)\n" in done.stdout


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bakend: host\n", "monopod.yaml:1:1: bakend: unknown field (did you mean 'backend'?)"),
        ("backend: docker\n", "monopod.yaml:1:10: backend:"),
        (
            "params: {greting: x}\n",
            "monopod.yaml:1:19: greting: there is no param 'greting' (did you mean 'greeting'?)",
        ),
    ],
)
def test_wrong_settings_are_reported_with_their_line(project, text, message):
    (project / "monopod.yaml").write_text(text)
    done = monopod(project, "run")
    assert done.returncode == 2
    assert message in done.stderr


def test_several_candidates_are_listed(project):
    (project / ".tekton").mkdir()
    (project / ".tekton/run.yaml").write_text(TASK)
    done = monopod(project / "below", "run")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "several files could be meant (../.tekton, ../pipeline.yaml); choose one with -f\n"


FILES = {
    "python": {
        "pyproject.toml": '[project]\nname = "x"\nversion = "1"\ndependencies = ["psycopg[binary]"]\n'
        '[project.optional-dependencies]\ndev = ["pytest"]\n'
    },
    "node": {"package.json": '{"scripts": {"test": "node --test", "build": "echo"}}', "yarn.lock": ""},
    "go": {"go.mod": "module x\n\ngo 1.22\n"},
    "maven": {"pom.xml": "<project/>", "mvnw": ""},
    "gradle": {"build.gradle.kts": ""},
    "image": {"Containerfile": "FROM scratch\n"},
    "nothing": {"README": ""},
}
FILES["everything"] = {name: text for files in FILES.values() for name, text in files.items()}


@pytest.mark.parametrize("kind", FILES)
def test_first_pipeline_passes_the_check(tmp_path, kind):
    for name, text in FILES[kind].items():
        (tmp_path / name).write_text(text)
    done = monopod(tmp_path, "init")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("Next:\n  monopod check\n  monopod run\n")
    checked = monopod(tmp_path, "check", "--strict", "--format", "json")
    found = json.loads(checked.stdout)
    assert (checked.returncode, found["errors"], found["warnings"]) == (0, 0, 0)
    again = monopod(tmp_path, "init")
    assert (again.returncode, again.stderr) == (2, "monopod init: pipeline.yaml exists; use --force to replace it\n")


def tasks(folder, files):
    for name, text in files.items():
        (folder / name).write_text(text)
    document = yaml.safe_load(pipeline_text("x", building_blocks(folder)))
    return {task["name"]: task for task in document["spec"]["tasks"]}


def test_files_of_a_project_decide_its_tasks(tmp_path):
    found = tasks(tmp_path, FILES["everything"])
    assert list(found) == ["python", "node", "go", "maven", "image"]
    assert found["node"]["runAfter"] == ["python"]
    assert [step["name"] for step in found["node"]["taskSpec"]["steps"]] == ["install", "test", "build"]
    assert "yarn install --frozen-lockfile" in found["node"]["taskSpec"]["steps"][0]["script"]
    assert found["go"]["taskSpec"]["steps"][0]["image"] == "docker.io/library/golang:1.22"
    assert "sh mvnw" in found["maven"]["taskSpec"]["steps"][0]["script"]
    assert found["python"]["taskSpec"]["sidecars"][0]["name"] == "postgres"
    assert '".[dev]"' in found["python"]["taskSpec"]["steps"][0]["script"]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
def test_first_pipeline_runs_on_the_host(tmp_path):
    (tmp_path / "package.json").write_text('{"name": "a", "version": "1.0.0", "scripts": {"test": "echo 3 passed"}}')
    assert monopod(tmp_path, "init").returncode == 0
    done = monopod(tmp_path, "run", "--backend", "host")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[node : test] 3 passed" in done.stdout
