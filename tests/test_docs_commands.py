"""Runs every command in README.md and docs/, and compares its output with the page.

The commands of a page run one after another in a copy of the repository, with their own home directory and a cluster
(``api_server``) whose kubelet really runs each Pod on this machine. Commands that cannot run are listed here with the
reason. ``MONOPOD_RECORD_DOCS=1`` writes the output into the pages instead, where it differs; ``all`` also where only
numbers differ.
"""

from __future__ import annotations

import ast
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from api_server import ApiServer
from person import Session, cluster_of_this_machine, session_in
from podman_store import BUSYBOX, NoContainersError, Podman, shared_podman
from screen import Screen
from shown_commands import Command, File, blocks, normalised, pages, shown
from terminal import Terminal

ROOT = Path(__file__).parents[1]
RECORD = os.environ.get("MONOPOD_RECORD_DOCS")
ELSEWHERE = {
    "docs/ci.md": "tests/test_docs_ci.py runs its scripts with a kubectl that records its calls",
    "docs/rules.md": "tests/test_docs_rules.py runs its examples, and each breaks its rule",
}
NOT_RUN: dict[str, dict[str, str]] = {
    "docs/debugging.md": {"monopod": "needs two terminals; runner/test_debugging.py runs these commands"},
    "README.md": {
        "make test": "it runs this test",
        ". .venv/bin/activate": "the session has it on its PATH",
        "compile-pipeline examples/hello/pipeline.yaml | kubectl": "there is no kubectl",
    },
    "CONTRIBUTING.md": {
        "make demo": "the page of README.md runs it",
        "make test": "it is what runs this",
        ".venv/bin/python -m pytest": "the same",
        "make test-cluster": "needs a cluster",
        "make bench-cluster": "needs a cluster",
        "make bench": "takes minutes",
        "make fuzz": "takes a minute, and .ci/run does the same",
    },
    "docs/command-line.md": {
        "monopod cancel": "no run is active by then; tests/runner and tests/kubernetes cancel runs"
    },
    "docs/images.md": {
        "podman image inspect": "needs an image of a registry; tests/compiler/images has what podman prints",
        "monopod compile": "needs what that prints",
    },
    "docs/kubernetes.md": {"monopod cancel": "the run has ended by then; tests/kubernetes cancels runs"},
    "docs/runtime-image.md": {
        "make image": "needs an image of Python from a registry; tests/semantics builds it on one made here",
        "monopod run": "needs that image",
        "for arch": "pushes to a registry",
        "podman manifest": "pushes to a registry",
    },
    "docs/tutorial.md": {
        "make demo": "the page of README.md runs it",
        ". .venv/bin/activate": "the session has it on its PATH",
        "kubectl delete": "there is no kubectl",
    },
}
"""By page: the beginning of a command, and why it does not run."""
BACKENDS = {"docs/trial-podman.md": "podman", "docs/trial-cluster.md": "kubernetes"}
"""By page: its reader's MONOPOD_BACKEND."""
PODMAN = "--backend podman"
BEFORE = {
    "docs/reports.md": {"monopod runs": ("monopod run -f examples/hello/pipeline.yaml", "monopod run -f shop.yaml")},
    "docs/command-line.md": {"monopod logs": ("monopod run -f ci-x7k2p.yaml",)},
}
"""By page and beginning of a command: what its reader has run before the first such command."""
PAGES = pages(ROOT)
SHOWN = {page: [each for each in shown((ROOT / page).read_text()) if isinstance(each, Command)] for page in PAGES}


def reason(page: str, command: str) -> str | None:
    """Return why a command of a page does not run; None if it runs."""
    return next((why for start, why in NOT_RUN.get(page, {}).items() if command.startswith(start)), None)


PIPELINE = """\
apiVersion: tekton.dev/v1
kind: Pipeline
metadata: {name: ci}
spec:
  params: [{name: x, default: ""}]
  workspaces: [{name: source, optional: true}]
  tasks:
  - name: hello
    workspaces: [{name: source}]
    taskSpec:
      params: [{name: x, default: $(params.x)}]
      workspaces: [{name: source, optional: true}]
      steps:
      - name: say
        image: busybox:1
        env: [{name: X, value: $(params.x)}]
        script: |
          echo "hello $X"
          if [ $(workspaces.source.bound) = true ]; then mkdir -p $(workspaces.source.path)/dist; fi
"""
BUILD = """\
apiVersion: tekton.dev/v1
kind: PipelineRun
metadata: {name: build}
spec:
  pipelineSpec:
    tasks:
    - name: clone
      taskSpec: {steps: [{name: fetch, image: "busybox:1", script: echo fetched}]}
    - name: unit-tests
      runAfter: [clone]
      taskSpec: {steps: [{name: pytest, image: "busybox:1", script: echo 15 passed}]}
"""
FILES = {**dict.fromkeys(("pipeline.yaml", "my-pipeline.yaml", "ci.yaml"), PIPELINE)}
TUTORIAL = (each for each in shown((ROOT / "docs/tutorial.md").read_text()) if isinstance(each, File))
FILES |= {each.name: each.text for each in TUTORIAL}
FILES |= {f"{name}.yaml": BUILD.replace("name: build}", f"name: {name}}}") for name in ("run", "build", "ci-x7k2p")}
"""Files that a page expects its reader to have."""


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiServer]:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))  # its kubelet keeps the claims there
    with cluster_of_this_machine() as server:
        yield server


@pytest.fixture(scope="session")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Podman | str]:
    """Return podman with the images of the pages, or why there is none."""
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    base = tmp_path_factory.getbasetemp()
    try:  # the images of tests/semantics
        with shared_podman(base.parent if worker else base, f"{worker or 'main'}-docs") as made:
            made("run", "--rm", BUSYBOX, "true")  # with the network that a page does not choose
            yield made
    except NoContainersError as error:
        yield f"no command with real containers was run: {error}"


@pytest.fixture
def session(api: ApiServer, tmp_path: Path) -> Session:
    session = session_in(tmp_path, api.url)
    for name in ("cache-1", "cache-2"):
        claim = {"metadata": {"name": name, "namespace": "ci", "uid": name}, "status": {"phase": "Bound"}}
        api.put("persistentvolumeclaims", "ci", claim)
    session.clone(ROOT)
    for name, text in FILES.items():
        (session.directory / name).write_text(text)
    return session


def test_listed_commands_are_in_the_pages():
    for page, commands in NOT_RUN.items():
        for start in commands:
            assert any(each.text.startswith(start) for each in SHOWN[page]), f"{page} does not show {start}"
    assert set(ELSEWHERE) | set(BEFORE) | set(NOT_RUN) <= set(PAGES)


def text_of(node: ast.expr) -> str:
    """Return the text of an expression, with … for each value in it; empty if it is not text."""
    match node:
        case ast.Constant(str(value)):
            return value
        case ast.FormattedValue(ast.Call(_, [ast.Constant(str(value)), *_])):  # a function that starts with it
            return f"{value}…"
        case ast.JoinedStr(values):
            return "".join(text_of(each) or "…" for each in values)
        case ast.BinOp(left, ast.Add(), right):
            return text_of(left) + text_of(right)
    return ""


def test_explained_messages_are_messages_of_the_program():
    """Each is part of one text of the program, with a value for each …"""
    folders = [ROOT / name for name in ("compiler", "coordinator", "runner", "runtime", "schemas", "system")]
    nodes = [
        node for folder in folders for path in folder.rglob("*.py") for node in ast.walk(ast.parse(path.read_text()))
    ]
    docstrings = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    said = {text_of(node) for node in nodes if isinstance(node, ast.expr) and id(node) not in docstrings}
    for path in (ROOT / "entrypoint").glob("*.c"):
        said |= set(re.findall(r'"([^"\n]+)"', path.read_text()))
    messages = re.findall(r"^### `(.+)`$", (ROOT / "docs/troubleshooting.md").read_text(), re.MULTILINE)
    assert len(set(messages)) == len(messages) > 40
    patterns = {each: re.compile(".*".join(map(re.escape, each.split("…"))), re.DOTALL) for each in messages}
    assert [each for each, pattern in patterns.items() if not any(map(pattern.search, said))] == []


def run_before(before: dict[str, tuple[str, ...]], text: str, session: Session) -> None:
    """Run the commands that a command of a page requires, and remove them from `before`."""
    for start in [start for start in before if text.startswith(start)]:
        for command in before.pop(start):
            printed = session.run(command)
            assert session.last == 0, f"{command}\n{printed}"


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in SHOWN if SHOWN[page] and page not in ELSEWHERE])
def test_commands_of_a_page_print_what_it_shows(page: str, session: Session, request: pytest.FixtureRequest):
    before = dict(BEFORE.get(page, {}))
    backend = BACKENDS.get(page, "host")
    session.environment["MONOPOD_BACKEND"] = backend
    ran, left_out = [], ""
    for each in shown((ROOT / page).read_text()):
        if isinstance(each, File):
            (session.directory / each.name).write_text(each.text)
            continue
        run_before(before, each.text, session)
        is_for_podman = backend == "podman" or PODMAN in each.text
        if is_for_podman and isinstance(podman := request.getfixturevalue("podman"), str):
            left_out = podman
        elif reason(page, each.text) is None:
            printed = session.run_with(podman, each.text) if is_for_podman else session.run(each.text)
            assert each.output is not None or session.last == 0, f"{each.text}\n{printed}"
            ran.append((each, printed))
    assert not before
    if RECORD:
        record(page, ran)
        return
    for each, printed in ran:
        if each.output is not None:
            assert normalised(printed, each.output) == normalised(each.output), each.text
    if left_out:
        pytest.skip(left_out)


LIVE_VIEW = re.compile(r"^── python-ci-run-", re.MULTILINE)
WHAT_VARIES = re.compile(r" +\d+%( cpu)?(?= )| +[\d.]+[KMG]i\b| [━─]{8,}(?= )")
"""CPU, memory, and the bar, whose length depends on the rest."""
AT_THE_GATE = """\
#!/bin/sh
# python3 for the Steps that run at the same time: each waits until it may go, and after its program for the end.
gates=/workspace/source
gate=${PACKAGE:+build}${SUMMARY:+static-checks}${REPORTS:+unit-tests}
[ -n "$gate" ] || exec {python} "$@"
while [ ! -e $gates/$gate ]; do sleep 0.05; done
{python} "$@" || exit
while [ ! -e $gates/end ]; do sleep 0.05; done
"""


def is_whole(screen: Screen) -> bool:
    """Return whether the view is complete: the load of each Task, and a line of output below them."""
    rows = [row for row in screen.rows if row]
    tree = [row for row in rows if " running" in row or "static-checks  " in row or "unit-tests  " in row]
    return rows[-1].startswith("build build ") and all(re.search(r"\d% .*\d[KMG]i\b", row) for row in tree)


@pytest.mark.slow
def test_live_view_matches_the_page(session: Session, tmp_path: Path):
    """The view of `make demo` on a terminal of 80 columns. Parallel Steps wait until the view is complete."""
    path = ROOT / "docs/command-line.md"
    page = path.read_text()
    (block,) = [each for each in blocks(page) if LIVE_VIEW.search(each.text)]
    source = tmp_path / "source"
    (source / "bin").mkdir(parents=True)
    source.chmod(0o777)
    python = source / "bin/python3"
    python.write_text(AT_THE_GATE.replace("{python}", os.path.realpath(sys.executable)))
    python.chmod(0o755)
    command = ["monopod", "run", "-f", "examples/python-ci/pipeline.yaml", "-w", f"source=hostPath:{source}"]
    command += ["-w", f"repository=hostPath:{session.directory}", "-p", "base-revision=none"]
    environment = session.environment | {"PATH": f"/workspace/source/bin:{session.environment['PATH']}"}
    with Terminal(["env", "-C", str(session.directory), *command], environment, 80, 24) as terminal:
        terminal.wait_for("3 running")
        (source / "static-checks").touch()
        terminal.wait_for("static-checks check │ 8 files")
        (source / "build").touch()
        terminal.wait_until(is_whole)
        seen = "".join(f"{row}\n" for row in terminal.screen.rows if row)
        (source / "unit-tests").touch()
        (source / "end").touch()
        assert terminal.finish() == 0, terminal.screen.text
    if RECORD:
        path.write_text(page[: block.start] + seen + page[block.start + len(block.text) :])
        return
    assert normalised(WHAT_VARIES.sub("", seen)) == normalised(WHAT_VARIES.sub("", block.text))


def record(page: str, commands: list[tuple[Command, str]]) -> None:
    """Write the output of commands into their page, where it differs, or everywhere."""
    text = (ROOT / page).read_text()
    for each, printed in reversed(commands):
        if each.output is None:
            continue
        if RECORD != "all" and normalised(printed, each.output) == normalised(each.output):
            continue
        lines = "".join(f"{line.rstrip()}\n" for line in printed.splitlines())
        text = text[: each.start] + lines + text[each.end :]
    (ROOT / page).write_text(text)
