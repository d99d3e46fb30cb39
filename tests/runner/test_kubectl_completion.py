"""`kubectl_complete-monopod`, which kubectl calls for `kubectl monopod … TAB`."""

import subprocess
import sys
from pathlib import Path

import pytest

from monopod.runner.command_line import COMMANDS
from monopod.runner.completion.answers import FILES, NO_FILES, NO_SPACE, completions
from monopod.runner.completion.words import words_of_command


def complete(*words):
    """Call the program as kubectl does; return its completions and the directive."""
    program = Path(sys.executable).with_name("kubectl_complete-monopod")
    done = subprocess.run([program, *words], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    *lines, directive = done.stdout.splitlines()
    return [line.partition("\t")[0] for line in lines], int(directive.removeprefix(":"))


def test_commands():
    assert complete("") == (list(COMMANDS), NO_FILES)
    assert complete("c") == (["cancel", "continue", "cache", "compile", "convert", "check", "completion"], NO_FILES)
    assert complete("-") == (["--help", "--version"], NO_FILES)
    assert complete("no-such-command", "") == ([], NO_FILES)


@pytest.mark.parametrize("name", COMMANDS)
def test_options_of_a_command(name):
    options = [each for option in words_of_command(name).options for each in option.names]
    assert complete(name, "--") == ([each for each in options if each.startswith("--")], NO_FILES)


@pytest.mark.parametrize(
    ("words", "offered", "directive"),
    [
        (("run", "-f", "ci"), [], FILES),
        (("run", ""), [], FILES),
        (("attach", "build", "-o", "j"), ["json"], NO_FILES),
        (("attach", "build", "--output=j"), ["--output=json"], NO_FILES),
        (("attach", "build", "--no-such-option=j"), [], NO_FILES),
        (("attach", "build", "--context", ""), [], NO_FILES),
        (("cancel", "--grace", "Cancelled"), ["CancelledRunFinally", "Cancelled"], NO_FILES),
        (("completion", ""), ["bash", "zsh", "fish"], NO_FILES),
    ],
)
def test_values(words, offered, directive):
    assert complete(*words) == (offered, directive)


KUBECTL = """\
#!/bin/sh
echo "$@" > "$0.called"
printf 'pod/build-x7k2p\\npod/build-aaaaa\\n'
"""


def test_pods_come_from_kubectl(tmp_path, monkeypatch):
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(KUBECTL)
    kubectl.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert complete("logs", "--context", "prod", "-n", "ci", "build-x") == (["build-x7k2p"], NO_FILES)
    called = (tmp_path / "kubectl.called").read_text()
    assert called == (
        "get pods --selector app.kubernetes.io/managed-by=monopod --output name --request-timeout=2s "
        "--context=prod --namespace=ci\n"
    )
    assert complete("cancel", "") == (["build-x7k2p", "build-aaaaa"], NO_FILES)
    assert complete("logs", "build-x7k2p", "") == ([], NO_FILES)  # its Tasks are only in the cluster


def test_no_completions_without_kubectl_runs_or_a_file(tmp_path, monkeypatch):
    for name in ("PATH", "HOME", "TMPDIR", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    for words in (
        ("status", ""),
        ("report", ""),
        ("run", "--context", ""),
        ("run", "-f", "missing.yaml", "-p", ""),
        ("run", "-f", str(tmp_path), "--logs", ""),
        ("run", "-f", "-", "--name", ""),
    ):
        assert complete(*words) == ([], NO_FILES)
    assert completions(["cancel", ""], is_plugin=False) == ":4\n"


@pytest.mark.parametrize(
    "content", ["{", "- a", "a: &a [*a]", "spec: 5", "kind: Pipeline\nspec: {tasks: 5, params: [x]}"]
)
def test_no_completions_from_other_files(tmp_path, content):
    (tmp_path / "file.yaml").write_text(content)
    for option in ("-p", "-w", "--logs", "--name"):
        assert complete("run", "-f", str(tmp_path / "file.yaml"), option, "") == ([], NO_FILES)


def test_completions_from_the_files(tmp_path):
    (tmp_path / "run.yaml").write_text("""\
kind: PipelineRun
metadata: {generateName: build-}
spec:
  pipelineSpec:
    params: [{name: version, description: "what\\n to build"}, {name: mode, enum: [a, b]}]
    workspaces: [{name: source}]
    tasks: [{name: unit, taskRef: {name: unit-tests}}]
---
kind: Task
metadata: {name: unit-tests}
spec: {params: [{name: other}], steps: [{name: pytest}, {image: x}]}
""")
    files = ("run", "-f", str(tmp_path))
    assert complete(*files, "--name", "") == (["build-", "unit-tests"], NO_FILES)
    assert complete(*files, "-p", "") == (["version=", "mode="], NO_FILES + NO_SPACE)
    assert complete(*files, "--param=mode=") == (["--param=mode=a", "--param=mode=b"], NO_FILES)
    assert complete(*files, "-w", "source=p") == (["source=pvc:"], NO_FILES + NO_SPACE)
    assert complete(*files, "-w", "source=") == (
        [f"source={binding}" for binding in (".", "emptyDir", "pvc:", "hostPath:", "secret:", "configMap:")],
        NO_FILES,
    )
    assert complete(*files, "--fetch", "s") == (["source:"], NO_FILES + NO_SPACE)
    assert complete(*files, "--fetch", "source:d") == ([], NO_FILES)
    assert complete(*files, "--logs", "") == (["unit"], NO_FILES)
    assert complete(*files, "--logs", "unit/") == (["unit/pytest"], NO_FILES)
    (tmp_path / "run.yaml").write_text("kind: Task\nspec: {params: [{name: other}]}")
    assert complete(*files, "-p", "") == (["other="], NO_FILES + NO_SPACE)


def test_descriptions_follow_a_tab():
    program = Path(sys.executable).with_name("kubectl_complete-monopod")
    done = subprocess.run([program, "att"], capture_output=True, text=True, check=True)
    assert done.stdout == "attach\tfollow a run of another shell or of a cluster, from its beginning to its end\n:4\n"


def test_patterns_of_remote_references_are_listed(tmp_path):
    (tmp_path / "p.yaml").write_text("""\
kind: Pipeline
spec:
  tasks:
  - taskRef: {resolver: git, params: [{name: url, value: 'https://github.com/acme/tasks'}]}
  - taskRef: {resolver: bundles, params: [{name: bundle, value: 'quay.io/acme/x:1@sha256:ab'}]}
  - taskRef: {resolver: hub, params: [{name: name, value: git-clone}]}
  - taskRef: {resolver: git, params: [{name: url, value: $(params.url)}]}
""")
    patterns = ["git:https://github.com/acme/tasks=", "bundles:quay.io/acme/x=", "hub:*/git-clone="]
    assert complete("compile", "-f", str(tmp_path / "p.yaml"), "--resolve", "") == (patterns, NO_FILES + NO_SPACE)
    (tmp_path / "tasks").mkdir()
    pattern = f"git:*={tmp_path}/"
    assert complete("compile", "--resolve", f"{pattern}t") == ([f"{pattern}tasks"], NO_FILES)
