"""Every example of every `--help` is run as typed by a user, in a folder that has its files."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from api_server import ApiServer
from person import Session, cluster_of_this_machine, session_in

from monopod.runner import command_line

pytestmark = pytest.mark.slow

PROGRAMS = ("monopod ", "compile-pipeline ", "kubectl ", "source ")
EXAMPLES = {
    name: [
        re.split(r"   +[#(]", line)[0].strip()
        for line in command_line.command_named(name).EXAMPLES.partition("\n\n")[0].splitlines()
        if line.strip().startswith(PROGRAMS)
    ]
    for name in command_line.COMMANDS
}
NOT_RUN = {
    "monopod run -f pipeline.yaml --backend podman": "test_docs_commands runs it, with a network that there is here",
} | {
    example: "needs a held Step of an active run; runner/test_debugging.py runs this command"
    for name in ("shell", "continue", "fail")
    for example in EXAMPLES[name]
}
WORKFLOW = (Path(__file__).parents[1] / "examples/argo/workflow.yaml").read_text()
TASKS = """\
apiVersion: tekton.dev/v1
kind: Task
metadata: {name: pytest}
spec:
  params: [{name: version}]
  workspaces: [{name: source, readOnly: true}]
  steps:
  - name: pytest
    image: docker.io/library/busybox@sha256:0000000000000000000000000000000000000000000000000000000000000000
    computeResources: {requests: {cpu: 10m, memory: 16Mi}}
    env: [{name: VERSION, value: $(params.version)}]
    script: 'cd $(workspaces.source.path); echo "version $VERSION: 15 passed"'
"""
PIPELINE = """\
apiVersion: tekton.dev/v1
kind: Pipeline
metadata: {name: build}
spec:
  params: [{name: version, default: "1.0"}]
  workspaces: [{name: source}]
  tasks:
  - name: build
    timeout: 10m
    taskSpec:
      steps:
      - name: make
        image: docker.io/library/busybox@sha256:0000000000000000000000000000000000000000000000000000000000000000
        computeResources: {requests: {cpu: 10m, memory: 16Mi}}
        script: echo built
  - name: unit-tests
    timeout: 10m
    runAfter: [build]
    taskRef: {name: pytest}
    params: [{name: version, value: $(params.version)}]
    workspaces: [{name: source}]
"""
SHARDED = (
    PIPELINE.replace("params: [{name", "params: [{name: files, type: array, default: [a, b, c, d]}, {name", 1)
    + """\
  - name: check
    timeout: 10m
    matrix: {params: [{name: file, value: '$(params.files[*])'}]}
    taskSpec:
      params: [{name: file}]
      steps:
      - name: check
        image: docker.io/library/busybox@sha256:0000000000000000000000000000000000000000000000000000000000000000
        computeResources: {requests: {cpu: 10m, memory: 16Mi}}
        env: [{name: FILE, value: $(params.file)}]
        script: echo "checked $FILE"
"""
)
STEP = "{name: act, image: busybox, script: '%s'}"
RUN = f"""\
apiVersion: tekton.dev/v1
kind: PipelineRun
metadata: {{name: NAME}}
spec: {{pipelineRef: {{name: ci}}}}
---
apiVersion: tekton.dev/v1
kind: Pipeline
metadata: {{name: ci}}
spec:
  tasks:
  - name: unit-tests
    taskSpec: {{steps: [{{name: pytest, image: busybox, script: echo 15 passed}}]}}
  - name: test
    matrix: {{params: [{{name: go, value: ["1.21", "1.22"]}}]}}
    taskSpec: {{params: [{{name: go}}], steps: [{STEP % "echo $(params.go)"}]}}
  - name: deploy
    matrix: {{params: [{{name: region, value: [a, b, c]}}]}}
    taskSpec: {{params: [{{name: region}}], steps: [{STEP % "echo $(params.region)"}]}}
  - name: scan
    pipelineSpec: {{tasks: [{{name: codeql, taskSpec: {{steps: [{STEP % "echo nothing"}]}}}}]}}
"""
WAITING = f"""\
apiVersion: tekton.dev/v1
kind: PipelineRun
metadata: {{name: build-x7k2p}}
spec: {{pipelineSpec: {{tasks: [{{name: wait, taskSpec: {{steps: [{STEP % "exec sleep 1000"}]}}}}]}}}}
"""


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with cluster_of_this_machine() as server:
        yield server


@pytest.fixture
def session(api: ApiServer, tmp_path: Path) -> Session:
    session = session_in(tmp_path, api.url)
    session.environment["TMPDIR"] = str(tmp_path)  # only runs of this test are active
    session.environment["PASSWORD"] = "s3cret"
    for folder in (session.directory / "tekton", session.directory / ".tekton"):
        folder.mkdir()
    claim = {"metadata": {"name": "caches", "namespace": "ci", "uid": "caches"}, "status": {"phase": "Bound"}}
    api.put("persistentvolumeclaims", "ci", claim)
    (Path(session.environment["HOME"]) / ".config/fish/completions").mkdir(parents=True)
    for name, text in {
        "tekton/pipeline.yaml": PIPELINE,
        "workflow.yaml": WORKFLOW,
        "tekton/tasks.yaml": TASKS,
        "nightly.yaml": f"{PIPELINE}---\n{TASKS}",
        "run.yaml": RUN.replace("NAME", "run"),
        "images.json": '{"busybox": {"config": {"Cmd": ["sh"]}}}',
    }.items():
        (session.directory / name).write_text(text)
    return session


def run_before(session: Session, name: str) -> None:
    """Run the commands that a command requires."""
    if name in ("attach", "logs", "status"):
        (session.directory / "build.yaml").write_text(RUN.replace("NAME", "build-x7k2p"))
        (session.directory / "ci.yaml").write_text(RUN.replace("NAME", "ci-x7k2p"))
        in_cluster = "--context prod -n ci"
        session.run(
            "monopod run -f build.yaml --context prod --detach && monopod attach build-x7k2p --context prod"
            f" && monopod run -f ci.yaml {in_cluster} --detach && monopod attach ci-x7k2p {in_cluster}"
        )
    elif name == "cache":
        (session.directory / "shared").mkdir()
    elif name == "rerun":
        write_files(session, "")
        session.run("monopod run -f pipeline.yaml -w source=.")
    elif name in ("runs", "report", "explain"):
        (session.directory / "before.yaml").write_text(RUN.replace("NAME", "ci-x7k2p"))
        session.run("monopod run -f before.yaml")
    assert session.last == 0


def write_files(session: Session, example: str) -> None:
    """Write the files; pipeline.yaml has no Tasks if the example names a file for them."""
    is_apart = "tasks.yaml" in example
    pipeline = SHARDED if "--shard-by files" in example else PIPELINE
    (session.directory / "pipeline.yaml").write_text(pipeline if is_apart else f"{pipeline}---\n{TASKS}")
    (session.directory / "tasks.yaml").write_text(TASKS)
    if example.startswith("monopod init"):
        (session.directory / "pipeline.yaml").unlink()
        (session.directory / "services/shop").mkdir(parents=True, exist_ok=True)


def test_every_command_has_examples():
    assert [name for name, examples in EXAMPLES.items() if not examples] == []
    assert set(NOT_RUN) <= {example for examples in EXAMPLES.values() for example in examples}


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name != "cancel"])
def test_examples_of_a_command_work(name: str, session: Session):
    run_before(session, name)
    for example in EXAMPLES[name]:
        if example in NOT_RUN:
            continue
        write_files(session, example)
        printed = session.run(f'set -o pipefail; fpath=(- "$HOME"); {example}')
        assert session.last == 0, f"{example}\n{printed}"
        for file in re.findall(r"(?: > | -o |--junit |--trace )([\w./-]+\.\w+)", example):
            assert (session.directory / file).stat().st_size, example


@pytest.mark.parametrize("example", EXAMPLES["cancel"])
def test_examples_of_cancel_work(example: str, session: Session):
    (session.directory / "waiting.yaml").write_text(WAITING)
    where = "--context prod -n ci" if "--context" in example else ""
    with subprocess.Popen(
        ["sh", "-c", f"exec monopod run -f waiting.yaml {where}"],
        cwd=session.directory,
        env=session.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as going:
        assert going.stdout is not None
        lines = iter(going.stdout.readline, "")
        assert any("[wait] started" in line for line in lines)
        printed = session.run(example)
        assert session.last == 0, printed
        rest = "".join(lines)
        assert going.wait() == 130, rest
