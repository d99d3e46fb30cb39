"""The examples, run with the real commands on this machine, as a reader of the README runs them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from git_command import git
from team_examples import STAND_INS, free_port

from monopod.schemas.formats.quantity import parse as parse_quantity

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted(path for path in ROOT.glob("examples/*/*.yaml") if path.name != "monopod.yaml")
PYTHON_CI = ROOT / "examples/python-ci/pipeline.yaml"


@dataclass(frozen=True)
class Ran:
    """The output and the exit code of a command."""

    code: int
    output: str
    messages: str

    @property
    def status(self) -> dict[str, Any]:
        return json.loads(self.output)["status"]

    def statuses(self) -> dict[str, str]:
        """The reason of each Task, by its name in the Pipeline."""
        runs = self.status["taskRuns"].values()
        return {run["pipelineTaskName"]: run["status"]["conditions"][0]["reason"] for run in runs}

    def skipped(self) -> dict[str, str]:
        return {each["name"]: each["reason"] for each in self.status.get("skippedTasks", [])}


def command(name: str, *arguments: str | Path) -> Ran:
    program = Path(sys.executable).with_name(name)
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    return Ran(done.returncode, done.stdout, done.stderr)


def run(*arguments: str | Path) -> Ran:
    return command("monopod", "run", "-o", "json", *arguments)


def commit(repository: Path) -> None:
    git(repository, "add", "-A")
    git(repository, "commit", "-m", "A change")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A git repository that holds the example's application."""
    folder = tmp_path / "repository"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "examples/python-ci", folder / "examples/python-ci", ignore=ignored)
    git(folder, "init", "-q")
    commit(folder)
    return folder


def python_ci(repository: Path, *arguments: str) -> Ran:
    return run("-f", PYTHON_CI, "-w", f"repository=hostPath:{repository}", "-w", "source=emptyDir", *arguments)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.parent.name)
def test_every_example_compiles_to_a_valid_pod(example: Path):
    first, again = command("compile-pipeline", example), command("compile-pipeline", example)
    assert first.code == 0, first.messages
    assert first.output == again.output
    pods = [each for each in yaml.safe_load_all(first.output) if each["kind"] == "Pod"]
    assert len(pods) == 1
    kubernetes_validate.validate(pods[0], "1.31", strict=True)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.parent.name)
def test_every_example_fits_a_node_with_one_cpu_to_spare(example: Path):
    (pod,) = (each for each in yaml.safe_load_all(command("compile-pipeline", example).output) if each["kind"] == "Pod")
    containers = [*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]]
    requests = [each.get("resources", {}).get("requests", {}).get("cpu", "0") for each in containers]
    assert sum(map(parse_quantity, requests)) <= 1


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.parent.name)
def test_every_example_is_free_of_errors_and_warnings(example: Path):
    checked = command("monopod", "check", "--strict", "-f", example)
    assert checked.code == 0, checked.output


@pytest.mark.slow
class TestPythonCi:
    def test_succeeds_and_reports_the_build(self, repository: Path):
        ran = python_ci(repository, "-p", "base-revision=none")
        assert ran.code == 0, ran.messages
        assert set(ran.statuses()) == {"clone", "static-checks", "unit-tests", "build", "integration", "report"}
        assert set(ran.statuses().values()) == {"Succeeded"}
        results = {each["name"]: each["value"] for each in ran.status["results"]}
        assert len(results["commit"]) == 40
        assert "0 failed" in results["tests"]
        assert "[report : report]" in ran.messages

    def test_checks_and_build_run_in_parallel(self, repository: Path):
        lines = python_ci(repository, "-p", "base-revision=none").messages.splitlines()
        started = [lines.index(f"[{name}] started") for name in ("static-checks", "unit-tests", "build")]
        first_end = next(
            number for number, line in enumerate(lines) if "] Succeeded in" in line and not line.startswith("[clone]")
        )
        assert max(started) < first_end

    def test_failing_unit_test_fails_the_run_and_is_named(self, repository: Path):
        test = next(repository.glob("examples/python-ci/app/tests/test_*.py"))
        test.write_text(
            "import unittest\n\nclass Broken(unittest.TestCase):\n    def test_sum(self):\n        assert 1 + 1 == 3\n"
        )
        commit(repository)
        ran = python_ci(repository, "-p", "base-revision=none")
        assert ran.code == 1
        assert ran.statuses()["unit-tests"] == "StepFailed"
        assert ran.statuses()["report"] == "Succeeded"
        assert ran.skipped() == {"integration": "PipelineRun was stopping"}
        summary = ran.messages[ran.messages.index("=== unit-tests : test failed") :]
        assert "test_sum" in summary
        assert "exit code 1" in summary

    def test_integration_is_skipped_without_changes(self, repository: Path):
        (repository / "NOTES").write_text("nothing of the application")
        commit(repository)
        ran = python_ci(repository)
        assert ran.code == 0, ran.messages
        assert ran.skipped() == {"integration": "When Expressions evaluated to false"}
        assert ran.status["conditions"][0]["reason"] == "Completed"


@pytest.fixture
def team(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A copy of the example that the test names."""
    folder = tmp_path / "project"
    shutil.copytree(ROOT / "examples" / request.param, folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def run_in(folder: Path, *arguments: str) -> Ran:
    """Run the project in a folder, as its monopod.yaml says."""
    program = Path(sys.executable).with_name("monopod")
    words = [program, "run", "-o", "json", *arguments]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    return Ran(done.returncode, done.stdout, done.stderr)


@pytest.mark.slow
class TestExamplesOfTeams:
    """Each is run in its folder without files on the command line, is broken, and is mended."""

    @pytest.mark.parametrize("team", ["service-ci"], indirect=True)
    def test_service_is_tested_while_it_runs(self, team: Path):
        port = str(free_port())
        ran = run_in(team, "-p", f"port={port}")
        assert ran.code == 0, ran.messages
        assert ran.status["results"] == [{"name": "tests", "value": "4"}]
        assert "[integration : smoke] a link was added and followed" in ran.messages
        links = team / "shortener/links.py"
        links.write_text(links.read_text().replace('("http", "https")', '("http", "https", "mailto")'))
        broken = run_in(team, "-p", f"port={port}")
        assert (broken.code, broken.statuses()["integration"]) == (1, "StepFailed")
        assert "unit tests: Succeeded, integration: Failed" in broken.messages, "only the running service shows it"

    @pytest.mark.parametrize("team", ["go-matrix"], indirect=True)
    def test_each_version_has_its_own_database(self, team: Path):
        ran = run_in(team, *STAND_INS)
        assert ran.code == 0, ran.messages
        assert ran.messages.count("ok: visits of a page are counted") == 2

    @pytest.mark.skipif(not (shutil.which("go") and shutil.which("redis-server")), reason="no Go, or no Redis")
    @pytest.mark.parametrize("team", ["go-matrix"], indirect=True)
    def test_go_tests_a_package_with_redis(self, team: Path):
        ran = run_in(team)
        assert ran.code == 0, ran.messages
        assert ran.messages.count("--- PASS: TestVisitsOfAPageAreCounted") == 2
        program = team / "visits.go"
        program.write_text(program.read_text().replace("INCR", "DECR"))
        broken = run_in(team)
        assert (broken.code, "visit 1: -1, <nil>" in broken.messages) == (1, True)

    @pytest.mark.parametrize("team", ["monorepo"], indirect=True)
    def test_a_change_tests_what_depends_on_it(self, team: Path):
        git(team, "init", "-q")
        commit(team)
        assert run_in(team, "-p", "base=HEAD").skipped() == {
            "test": "Matrix Parameters have an empty array",
            "package": "When Expressions evaluated to false",
        }
        (team / "prices/prices.py").write_text((team / "prices/prices.py").read_text() + "# no effect\n")
        ran = run_in(team, "-p", "base=HEAD")
        assert ran.code == 0, ran.messages
        results = {each["name"]: each["value"] for each in ran.status["results"]}
        assert results["components"] == ["prices", "api"]

    @pytest.mark.parametrize("team", ["release"], indirect=True)
    def test_a_version_is_released_once(self, team: Path, tmp_path: Path):
        (tmp_path / "key").write_text("correct horse battery staple")
        (tmp_path / "releases").mkdir()
        unsigned = run_in(team, "-p", "publish=true")
        assert unsigned.code == 2
        assert "give it with --secret signing/key=env:VARIABLE, or with -f" in unsigned.messages
        options = [
            "--secret",
            f"signing/key=@{tmp_path / 'key'}",
            "-p",
            "publish=true",
            "-w",
            f"releases={tmp_path}/releases",
        ]
        ran = run_in(team, *options)
        assert ran.code == 0, ran.messages
        assert "battery" not in ran.messages + ran.output
        released = tmp_path / "releases/1.2.0"
        assert sorted(path.name for path in released.iterdir()) == [
            "NOTES.md",
            "wordcount-1.2.0.pyz",
            "wordcount-1.2.0.sig",
        ]
        counted = subprocess.run(
            [sys.executable, released / "wordcount-1.2.0.pyz"],
            input="a b a",
            capture_output=True,
            text=True,
            check=True,
        )
        assert counted.stdout.splitlines()[0] == "2 a"
        again = run_in(team, *options)
        assert again.code == 1
        assert "1.2.0 is already released" in again.messages

    @pytest.mark.parametrize("team", ["nightly"], indirect=True)
    def test_an_unreliable_machine_is_tried_again(self, team: Path):
        ran = run_in(team, "-p", "unreliable=2", "-p", "shards=3")
        assert ran.code == 0, ran.messages
        assert "the disk is full" in ran.messages
        intervals = team / "merge/intervals.py"
        intervals.write_text(intervals.read_text().replace("max(merged[-1][1], end)", "end"))
        broken = run_in(team, "-p", "shards=2")
        assert broken.code == 1
        assert "became" in broken.messages, "the failure shows an input that fails"
        assert "nightly: 2 shards, Failed" in broken.messages


@pytest.mark.slow
@pytest.mark.parametrize("name", ["hello", "survey", "settings"])
def test_small_examples_succeed(name: str):
    ran = run("-f", *(ROOT / "examples" / name).glob("*.yaml"))
    assert ran.code == 0, ran.messages
    assert set(ran.statuses().values()) == {"Succeeded"}


RENDEZVOUS = """
apiVersion: tekton.dev/v1
kind: Pipeline
metadata: {name: rendezvous}
spec:
  workspaces: [{name: shared}]
  tasks:
  - name: left
    workspaces: [{name: shared}]
    taskSpec: &task
      workspaces: [{name: shared}]
      steps:
      - name: meet
        image: busybox
        script: |
          cd $(workspaces.shared.path)
          touch "$(context.taskRun.name)"
          until [ "$(ls | wc -l)" = 2 ]; do sleep 0.01; done
  - name: right
    workspaces: [{name: shared}]
    taskSpec: *task
"""


@pytest.mark.slow
def test_parallel_tasks_see_each_others_files(tmp_path: Path):
    """Each Task waits for a file of the other: it ends only if both run at once, on one Workspace."""
    pipeline = tmp_path / "pipeline.yaml"
    pipeline.write_text(RENDEZVOUS)
    ran = run("-f", pipeline, "-w", "shared=emptyDir", "--timeout", "60s")
    assert ran.code == 0, ran.messages


KONFLUX = ROOT / "examples/konflux"
OF_KONFLUX = ("-p", "git-url=https://github.com/acme/app", "-p", "output-image=quay.io/acme/app:1")


def konflux(*arguments: str) -> Ran:
    bundles = f"bundles:quay.io/konflux-ci/tekton-catalog/*={KONFLUX}/tasks"
    file = KONFLUX / "pipelines/docker-build/docker-build.yaml"
    return run("-f", file, "--resolve", bundles, *OF_KONFLUX, *arguments)


def test_docker_build_of_konflux_runs_with_stand_ins(tmp_path: Path):
    ran = konflux("-p", "prefetch-input=left-pad is-odd", "-w", f"workspace=hostPath:{tmp_path}")
    assert ran.code == 0, ran.messages
    assert {task for task, reason in ran.statuses().items() if reason == "Succeeded"} == {
        *("init", "clone-repository", "prefetch-dependencies", "build-container", "build-image-index"),
        *("clair-scan", "sast-shell-check", "push-dockerfile"),
    }
    assert ran.skipped() == {"build-source-image": "When Expressions evaluated to false"}
    results = {each["name"]: each["value"] for each in ran.status["results"]}
    assert results["IMAGE_URL"] == "quay.io/acme/app:1"
    assert results["IMAGE_DIGEST"].startswith("sha256:")
    assert len(results["CHAINS-GIT_COMMIT"]) == 40
    listed = (tmp_path / "image/sbom.txt").read_text().split()
    assert "cachi2/output/deps/left-pad" in listed, "what was prefetched once is in the image"


def test_trusted_artifacts_of_konflux_run_with_a_stand_in_for_their_image(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    file = KONFLUX / "pipelines/docker-build-oci-ta/docker-build-oci-ta.yaml"
    bundles = f"bundles:quay.io/konflux-ci/tekton-catalog/*={KONFLUX}/tasks"
    images = KONFLUX / "images/trusted-artifacts.yaml"
    ran = run("-f", file, "--resolve", bundles, "--image-config", images, "-p", "prefetch-input=left-pad", *OF_KONFLUX)
    assert ran.code == 0, ran.messages
    assert ran.skipped() == {"build-source-image": "When Expressions evaluated to false"}
    assert set(ran.statuses().values()) == {"Succeeded"}
    assert len(list((tmp_path / "monopod/claims/default/registry").iterdir())) == 2, (
        "sources, which prefetching keeps, and dependencies"
    )


def test_checks_of_konflux_can_be_skipped_and_the_sources_built():
    ran = konflux("-p", "skip-checks=true", "-p", "build-source-image=true", "-w", "workspace=emptyDir")
    assert set(ran.skipped()) == {"clair-scan", "sast-shell-check"}
    assert ran.statuses()["build-source-image"] == "Succeeded"


@pytest.mark.parametrize("task", sorted(KONFLUX.glob("tasks/*/*/*.yaml")), ids=lambda path: path.stem)
def test_stand_ins_of_konflux_have_its_layout_and_compile(task: Path):
    document = yaml.safe_load(task.read_text())
    version = document["metadata"]["labels"]["app.kubernetes.io/version"]
    assert (document["metadata"]["name"], version) == (task.parts[-3], task.parts[-2])
    required = [param["name"] for param in document["spec"].get("params", []) if "default" not in param]
    params = [word for name in required for word in ("-p", f"{name}=x")]
    images = KONFLUX / "images/trusted-artifacts.yaml"
    assert command("monopod", "compile", "-f", task, "--image-config", images, *params).code == 0
