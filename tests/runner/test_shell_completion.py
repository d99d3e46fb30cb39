"""The completion scripts in real shells: their completions, and that the parsers accept them."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from monopod.runner.command_line import COMMANDS, command_named, parser_of
from monopod.runner.completion.words import Words, words_of

BIN = Path(sys.executable).parent
SHELLS = ("bash", "zsh", "fish")
DEADLINE = 60.0
ENVIRONMENT = {"PATH": f"{BIN}:{os.environ['PATH']}", "KUBECONFIG": "", "XDG_STATE_HOME": "", "TMPDIR": ""}
PIPELINE = """\
apiVersion: tekton.dev/v1
kind: Pipeline
metadata: {name: ci}
spec:
  params:
    - {name: version, description: what to build}
    - {name: mode, enum: [fast, thorough]}
  workspaces: [{name: source}]
  tasks:
    - {name: build, taskSpec: {steps: [{name: compile, image: x}, {name: link, image: x}]}}
    - {name: test, taskRef: {name: unit-tests}}
  finally:
    - {name: report, taskRef: {name: unit-tests}}
---
apiVersion: tekton.dev/v1
kind: Task
metadata: {name: unit-tests}
spec: {params: [{name: of-the-task}], results: [{name: report}], steps: [{name: pytest, image: x}]}
"""
KUBECONFIG = """\
current-context: prod
contexts: [{name: prod, context: {namespace: shop}}, {name: "arn:aws:eks:west:1:cluster/ci"}]
"""
VIEWS = """\
kind: Pipeline
spec:
  tasks:
  - {name: build, taskSpec: {workspaces: [{name: source}, {name: cache}]}}
"""
RUN = {
    "name": "build-x7k2p",
    "namespace": "ci",
    "uid": "",
    "kind": "PipelineRun",
    "pipeline": "ci",
    "backend": "host",
    "files": [],
    "started": 1.0,
    "version": "1",
    "format": 1,
}


def script(shell: str) -> str:
    done = subprocess.run([BIN / "monopod", "completion", shell], capture_output=True, text=True, check=True)
    return done.stdout


def need(shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"needs {shell}")


def words(name: str) -> Words:
    return words_of(parser_of(f"monopod {name}", name), command_named(name).SUMMARY)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the scripts and files to complete."""
    folder = tmp_path_factory.mktemp("shells")
    for shell in SHELLS:
        (folder / f"monopod.{shell}").write_text(script(shell))
    (folder / "pipeline.yaml").write_text(PIPELINE)
    (folder / "views.yaml").write_text(VIEWS)
    (folder / "other one.yaml").touch()
    (folder / ".kube").mkdir()
    (folder / ".kube" / "config").write_text(KUBECONFIG)
    record = folder / ".local" / "state" / "monopod" / "runs" / "build-x7k2p"
    record.mkdir(parents=True)
    (record / "run.json").write_text(json.dumps(RUN))
    return folder


BASH = """\
source monopod.bash
compopt() { :; }  # it works only while completing
COMP_LINE="$*" COMP_POINT=${#COMP_LINE} word=${COMP_LINE##*[ =:]}
"$(complete -p "$1" | sed 's/.* -F \\([^ ]*\\) .*/\\1/')" "$1" "$word"
printf '%s\\n' "${COMPREPLY[@]}"
"""


def offered(shell: str, folder: Path, *line: str) -> set[str]:
    """Return the completions of a shell for the last of these words."""
    if shell == "bash":
        command = ["bash", "--norc", "-c", BASH, "bash", *line]
    else:
        quoted = " ".join(line).replace("'", "\\'")
        command = ["fish", "--no-config", "-c", f"source monopod.fish; complete -C '{quoted}'"]
    environment = {**os.environ, **ENVIRONMENT, "HOME": str(folder)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return {each.partition("\t")[0].removesuffix("/") for each in done.stdout.splitlines() if each}


@pytest.mark.parametrize("shell", ["bash", "fish"])
class TestOffered:
    def test_commands(self, shell, folder):
        need(shell)
        assert offered(shell, folder, "monopod", "") == set(COMMANDS)
        assert offered(shell, folder, "monopod", "co") == {name for name in COMMANDS if name.startswith("co")}

    @pytest.mark.parametrize("name", COMMANDS)
    def test_all_options_of_each_command_and_no_others(self, shell, folder, name):
        need(shell)
        known = {each for option in words(name).options for each in option.names if each.startswith("--")}
        assert offered(shell, folder, "monopod", name, "--") == known

    @pytest.mark.parametrize("name", COMMANDS)
    def test_choices_of_each_option(self, shell, folder, name):
        need(shell)
        for option in words(name).options:
            if isinstance(option.values, tuple):
                for each in option.names:
                    assert offered(shell, folder, "monopod", name, each, "") == set(option.values)

    def test_files(self, shell, folder):
        need(shell)
        files = {"pipeline.yaml"}
        assert offered(shell, folder, "monopod", "run", "-f", "pip") == files
        assert offered(shell, folder, "monopod", "check", "pip") == files
        assert offered(shell, folder, "compile-pipeline", "pip") == files

    def test_no_completions_for_free_text(self, shell, folder):
        need(shell)
        assert offered(shell, folder, "monopod", "run", "--timeout", "") == set()
        assert offered(shell, folder, "monopod", "run", "-p", "pip") == set()

    def test_choices_of_arguments(self, shell, folder):
        need(shell)
        assert offered(shell, folder, "monopod", "completion", "") == set(SHELLS)

    def test_options_of_other_programs(self, shell, folder):
        need(shell)
        assert "--output" in offered(shell, folder, "compile-pipeline", "--")
        assert "--help" in offered(shell, folder, "monopod", "--")

    def test_recorded_runs(self, shell, folder):
        need(shell)
        assert offered(shell, folder, "monopod", "report", "") == {"build-x7k2p"}
        assert offered(shell, folder, "monopod", "explain", "b") == {"build-x7k2p"}

    def test_contexts(self, shell, folder):
        need(shell)
        assert offered(shell, folder, "monopod", "run", "--context", "p") == {"prod"}
        rest = "aws:eks:west:1:cluster/ci" if shell == "bash" else "arn:aws:eks:west:1:cluster/ci"
        assert offered(shell, folder, "monopod", "run", "--context", "arn:") == {rest}  # bash replaces what follows a :
        assert offered(shell, folder, "monopod", "run", "--context=p") == {
            "prod" if shell == "bash" else "--context=prod"
        }

    def test_namespaces_and_commands(self, shell, folder):
        need(shell)
        assert "shop" in offered(shell, folder, "monopod", "run", "-n", "s")
        assert offered(shell, folder, "monopod", "help", "vers") == {"version"}

    def test_params_and_workspaces_of_the_project(self, shell, folder):
        need(shell)
        assert offered(shell, folder, "monopod", "run", "-p", "") == {"version=", "mode="}
        assert offered(shell, folder, "monopod", "run", "-w", "s") == {"source="}

    def test_params_and_workspaces_of_the_files(self, shell, folder):
        need(shell)
        assert offered(shell, folder, "monopod", "run", "-f", "pipeline.yaml", "-p", "") == {"version=", "mode="}
        assert offered(shell, folder, "monopod", "run", "pipeline.yaml", "-w", "s") == {"source="}
        assert offered(shell, folder, "compile-pipeline", "pipeline.yaml", "-p", "v") == {"version="}
        values = {"fast", "thorough"} if shell == "bash" else {"mode=fast", "mode=thorough"}
        assert offered(shell, folder, "monopod", "run", "-f", "pipeline.yaml", "-p", "mode=") == values

    def test_tasks_of_the_files(self, shell, folder):
        need(shell)
        assert offered(shell, folder, "monopod", "run", "-f", "pipeline.yaml", "--logs", "") == {
            "build",
            "test",
            "report",
        }
        assert offered(shell, folder, "monopod", "run", "-f", "pipeline.yaml", "--logs", "t") == {"test"}
        assert offered(shell, folder, "monopod", "run", "-f", "pipeline.yaml", "--only", "b") == {"build"}
        assert offered(shell, folder, "monopod", "run", "-f", "pipeline.yaml", "--skip", "build,t") == {"build,test"}

    def test_views_of_the_files(self, shell, folder):
        need(shell)
        views = ["monopod", "run", "-f", "views.yaml", "--view"]
        assert offered(shell, folder, *views, "") == {"build/source", "build/cache"}
        assert offered(shell, folder, *views, "build/c") == {"build/cache"}

    def test_results_of_the_files(self, shell, folder):
        need(shell)
        assert offered(shell, folder, "monopod", "run", "-f", "pipeline.yaml", "--result", "") == {"test.report="}


def test_bash_completes_values_after_an_equals_sign(folder):
    assert offered("bash", folder, "monopod", "check", "--format=") == {"text", "json", "sarif"}
    assert offered("bash", folder, "monopod", "check", "--format=j") == {"json"}


START = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "-f", "-i"],
    "fish": ["fish", "--no-config", "-i"],
}
PREPARE = {
    "bash": "bind 'set enable-bracketed-paste off'; source monopod.bash; echo rea''dy\n",
    "zsh": "unset zle_bracketed_paste; autoload -U compinit; compinit -u -D; source monopod.zsh; echo rea''dy\n",
}


class Terminal:
    """A shell on a terminal of its own."""

    def __init__(self, shell: str, folder: Path) -> None:
        self._master, slave = pty.openpty()
        environment = {**os.environ, **ENVIRONMENT, "TERM": "dumb", "HOME": str(folder)}
        self._process = subprocess.Popen(
            START[shell],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=folder,
            env=environment,
            start_new_session=True,
        )
        os.close(slave)
        self._seen = ""
        self.type(PREPARE[shell])
        self.wait_for("ready")

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def wait_for(self, pattern: str) -> str:
        """Wait until the output since the last call matches; return it."""
        while re.search(pattern, self._seen) is None:
            ready, _, _ = select.select([self._master], [], [], DEADLINE)
            assert ready, f"{pattern!r} did not come, but {self._seen!r}"
            self._seen += os.read(self._master, 4096).decode(errors="replace")
        seen, self._seen = self._seen, ""
        return seen

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._master)


@pytest.mark.slow
@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_pressing_tab(shell: str, folder: Path):
    need(shell)
    terminal = Terminal(shell, folder)
    try:
        for typed, completed in (
            ("monopod che\t", "monopod check "),
            ("--form\t", "--format"),
            ("js\t" if shell == "zsh" else " js\t", "json "),
            ("pipe\t", r"pipeline\.yaml"),
            (" --stri\t", "--strict"),
        ):
            terminal.type(typed)
            terminal.wait_for(completed)
        terminal.type("\x15")  # Ctrl-U clears the line
        terminal.type("monopod completion f\t")
        terminal.wait_for("fish")
        terminal.type("\x15compile-pipeline --outp\t")
        terminal.wait_for("--output")
        for typed, completed in (
            ("monopod report bui\t", "build-x7k2p "),
            ("monopod run --context pr\t", "prod "),
            ("monopod run --context arn:\t", "arn:aws:eks:west:1:cluster/ci "),
            ("monopod run --context=arn:aws:e\t", "--context=arn:aws:eks:west:1:cluster/ci "),
            ("monopod run -f pipeline.yaml -p ver\t1", "version=1"),
            ("monopod run -f pipeline.yaml -p mode=t\t", "mode=thorough "),
            ("monopod run -f pipeline.yaml --logs build/c\t", "build/compile "),
            ("compile-pipeline pipeline.yaml -p ver\t1", "version=1"),
        ):
            terminal.type(f"\x15{typed}")
            terminal.wait_for(completed)
    finally:
        terminal.close()


@pytest.mark.parametrize("shell", SHELLS)
def test_scripts_are_valid(shell: str, folder: Path):
    need(shell)
    subprocess.run([shell, "-n", folder / f"monopod.{shell}"], check=True)


def test_zsh_autoloads_the_script(tmp_path: Path):
    need("zsh")
    (tmp_path / "_monopod").write_text(script("zsh"))
    command = (
        "fpath=($PWD $fpath); autoload -U compinit; compinit -u -D; print $_comps[monopod] $_comps[compile-pipeline]"
    )
    done = subprocess.run(["zsh", "-fc", command], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["_monopod", "_monopod"]
