"""docs/ci.md: its scripts run with a kubectl that records calls, its objects are validated with the Kubernetes API."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs/ci.md").read_text()
SCRIPT = ROOT / "docs/ci/monopod-job.sh"
BLOCKS = [(match[1], match[2]) for match in re.finditer(r"^```(\w+)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)]
OBJECTS = [each for kind, text in BLOCKS if kind == "yaml" for each in yaml.safe_load_all(text)]
PIPELINE = """\
apiVersion: tekton.dev/v1
kind: Pipeline
metadata: {name: ci}
spec:
  params: [{name: revision, default: main}]
  tasks:
  - name: hello
    taskSpec:
      steps: [{name: say, image: busybox, script: echo hello}]
"""
KUBECTL = """\
#!{python}
import json, os, signal, sys
with open(os.environ["NOTES"], "a") as notes:
    notes.write(json.dumps(sys.argv[1:]) + "\\n")
verb = sys.argv[1]
if verb == "apply":
    sys.stdin.read()
elif verb == "create" and "--output" in sys.argv:
    print("job.batch/ci-run-x7k2p")
elif verb == "logs":
    print("the log of the run", flush=True)
    if os.environ.get("CANCELLED"):
        os.kill(os.getppid(), signal.SIGTERM)
        signal.pause()
elif verb == "get":
    count = sum(json.loads(line)[0] == "get" for line in open(os.environ["NOTES"]))
    print(os.environ["CONDITIONS"] if count > 1 else "", end="")
"""
NEEDED = {
    "logs": {"jobs get", "pods get", "pods list", "pods watch", "pods/log get"},
    "get": {"jobs get"},
    "delete": {"jobs delete"},
}
"""What kubectl does to answer a command about a Job."""

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def shell(tmp_path: Path) -> Run:
    """Runs lines of sh in a folder with Pipelines, with the real monopod, and a kubectl and sleep that do nothing."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in {
        "kubectl": KUBECTL.replace("{python}", sys.executable),
        "sleep": "#!/bin/sh\n",
        "monopod": f'#!/bin/sh\nexec {shlex.quote(os.path.dirname(sys.executable))}/monopod "$@"\n',
    }.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    for name in ("ci.yaml", "nightly.yaml"):
        (tmp_path / name).write_text(PIPELINE)
    (tmp_path / "monopod-job.sh").write_text(SCRIPT.read_text())

    def run(lines: str, **environment: str) -> subprocess.CompletedProcess[str]:
        paths = f"{programs}:{os.environ['PATH']}"
        return subprocess.run(
            ["sh", "-euc", lines],
            env={**os.environ, "PATH": paths, "NOTES": f"{tmp_path}/notes", "CONDITIONS": "Complete", **environment},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def notes(folder: Path) -> list[list[str]]:
    return [json.loads(line) for line in (folder / "notes").read_text().splitlines()]


def allowed(role: str) -> set[str]:
    roles = {each["metadata"]["name"]: each["rules"] for each in OBJECTS if each.get("kind") == "Role"}
    return {f"{resource} {verb}" for rule in roles[role] for resource in rule["resources"] for verb in rule["verbs"]}


def gitlab_script(part: str = "script") -> str:
    (job,) = (each["pipeline"] for each in OBJECTS if "pipeline" in each)
    variables = "".join(f"{name}={shlex.quote(value)}\n" for name, value in job["variables"].items())
    return variables + "\n".join(job[part])


@pytest.mark.parametrize(
    ("conditions", "exit_code"),
    [("SuccessCriteriaMet Complete", 0), ("FailureTarget Failed", 1), ("Complete", 0), ("Failed", 1)],
)
def test_gitlab_job_has_the_outcome_of_the_run(shell: Run, tmp_path: Path, conditions: str, exit_code: int) -> None:
    done = shell(gitlab_script(), CI_COMMIT_SHA="0" * 40, CONDITIONS=conditions)
    assert done.returncode == exit_code, done.stderr
    assert done.stdout == "created job.batch/ci-run-x7k2p in ci\nthe log of the run\n"
    job = yaml.safe_load((tmp_path / "monopod-job.yaml").read_text())
    kubernetes_validate.validate(job, "1.29", strict=True)
    assert (job["kind"], job["spec"]["ttlSecondsAfterFinished"]) == ("Job", 86400)
    assert {call[0] for call in notes(tmp_path)} == {"create", "logs", "get"}


def test_wrong_pipeline_creates_nothing(shell: Run, tmp_path: Path) -> None:
    done = shell("sh monopod-job.sh ci -f ci.yaml -p revison=1")
    assert done.returncode == 2
    assert "there is no param 'revison' (did you mean 'revision'?)" in done.stderr
    assert not (tmp_path / "notes").exists()


def test_cancelled_job_is_deleted(shell: Run, tmp_path: Path) -> None:
    done = shell("exec sh monopod-job.sh ci -f ci.yaml", CANCELLED="1")
    assert done.returncode == 128 + signal.SIGINT
    assert notes(tmp_path)[-1] == ["delete", "--namespace", "ci", "job.batch/ci-run-x7k2p", "--wait=false"]


@pytest.mark.parametrize(("status", "deleted"), [("canceled", True), ("success", False), ("failed", False)])
def test_gitlab_after_script(shell: Run, tmp_path: Path, status: str, deleted: bool) -> None:
    (tmp_path / "monopod-job.name").write_text("job.batch/ci-run-x7k2p\n")
    assert shell(gitlab_script("after_script"), CI_JOB_STATUS=status).returncode == 0
    assert (tmp_path / "notes").exists() == deleted
    if deleted:
        assert notes(tmp_path)[0][:4] == ["delete", "--namespace", "ci", "job.batch/ci-run-x7k2p"]


def test_role_allows_exactly_what_the_script_does(shell: Run, tmp_path: Path) -> None:
    shell(gitlab_script(), CI_COMMIT_SHA="1")
    shell("exec sh monopod-job.sh ci -f ci.yaml", CANCELLED="1")
    needed = {f"{yaml.safe_load((tmp_path / 'monopod-job.yaml').read_text())['kind'].lower()}s create"}
    for call in notes(tmp_path):
        needed |= NEEDED.get(call[0], set())
    assert needed == allowed("monopod-ci")


def test_all_objects_of_the_page_are_validated() -> None:
    kinds = {each.get("kind", "of GitLab") for each in OBJECTS}
    assert kinds == {"ServiceAccount", "Role", "RoleBinding", "PipelineRun", "of GitLab"}
    assert sum(each.get("kind") == "PipelineRun" for each in OBJECTS) == 1
    assert sum("pipeline" in each for each in OBJECTS) == 1


def test_shell_lines_of_the_page_run(shell: Run, tmp_path: Path) -> None:
    lines = [text for kind, text in BLOCKS if kind == "sh"]
    done = shell("git init -q . && mkdir deploy\n" + "\n".join(lines))
    assert done.returncode == 0, done.stderr
    assert [call[0] for call in notes(tmp_path)] == ["apply", "create"]
    made = yaml.safe_load((tmp_path / "deploy/nightly.yaml").read_text())
    assert (made["kind"], made["metadata"]["namespace"]) == ("CronJob", "ci")


@pytest.mark.parametrize("version", ["1.25", "1.37"])
def test_kubernetes_accepts_all_objects(version: str) -> None:
    kinds = [each.get("kind") for each in OBJECTS]
    assert kinds.count("Role") == kinds.count("RoleBinding") == 3
    for each in OBJECTS:
        if each.get("kind") in ("Role", "RoleBinding", "ServiceAccount"):
            kubernetes_validate.validate(each, version, strict=True)


def test_argo_cd_hook_is_a_job_with_its_annotations(shell: Run, tmp_path: Path) -> None:
    (run,) = (each for each in OBJECTS if each.get("kind") == "PipelineRun")
    (tmp_path / "hook.yaml").write_text(yaml.safe_dump(run))
    done = shell("monopod compile -f hook.yaml --kind Job --namespace ci")
    job: dict[str, Any] = yaml.safe_load(done.stdout)
    assert run["metadata"]["annotations"].items() <= job["metadata"]["annotations"].items()
    assert job["metadata"]["generateName"] == "smoke-test-"
    kubernetes_validate.validate(job, "1.37", strict=True)
