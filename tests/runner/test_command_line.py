"""The commands as users call them: exit codes, messages and streams, and what the help imports."""

import json
import os
import signal
import subprocess
import sys
from xml.etree import ElementTree

import pytest
import yaml

from monopod.compiler.pod.assembly import plan_of
from monopod.runner.command_line import COMMANDS, main

PIPELINE = """\
apiVersion: tekton.dev/v1
kind: Pipeline
metadata:
  name: greet
spec:
  params:
  - name: who
    default: world
  tasks:
  - name: hello
    params:
    - name: who
      value: $(params.who)
    taskSpec:
      params:
      - name: who
      steps:
      - name: say
        image: busybox
        script: echo hello $(params.who)
  - name: bye
    runAfter: [hello]
    taskSpec:
      steps:
      - name: say
        image: busybox
        script: echo bye
"""
ALL = ", ".join(COMMANDS)
PROGRAM = """\
import sys
from monopod.runner.program import {0}
sys.argv[0] = {1!r}
sys.exit({0}())
"""


@pytest.fixture
def monopod(tmp_path):
    """Runs `monopod`, or another of its programs, in an empty folder that holds pipeline.yaml."""
    (tmp_path / "pipeline.yaml").write_text(PIPELINE)

    def monopod(*arguments, function="main", name="monopod", **options):
        command = [sys.executable, "-c", PROGRAM.format(function, name), *arguments]
        options = {"capture_output": True, "text": True, "cwd": tmp_path, **options}
        return subprocess.run(command, check=False, **options)

    return monopod


def test_help_lists_every_command_and_the_exit_codes(monopod):
    done = monopod("--help")
    assert done.returncode == 0
    assert done.stderr == ""
    for name in COMMANDS:
        assert f"\n  {name} " in done.stdout
    assert "130 cancelled" in done.stdout.splitlines()[-1]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_each_command_has_examples(monopod, command):
    done = monopod(command, "--help")
    assert done.returncode == 0
    examples = done.stdout.partition("\nexamples:\n")[2]
    assert f"monopod {command}" in examples


def test_help_imports_nothing_heavy(monopod, tmp_path):
    for arguments in (["--help"], *([name, "--help"] for name in COMMANDS), ["--version"]):
        command = [sys.executable, "-X", "importtime", "-c", PROGRAM.format("main", "monopod"), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
        imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
        assert "monopod" in imported
        assert not imported & {
            "pydantic",
            "networkx",
            "kubernetes",
            "rich",
            "yaml",
            "psutil",
            "asyncio",
            "typing_extensions",
        }


def test_version(monopod):
    from monopod import __version__  # noqa: PLC0415

    assert monopod("--version").stdout == f"monopod {__version__}\n"
    assert monopod("version").stdout == f"monopod {__version__}\n"


def test_module_is_the_same_program(monopod, tmp_path):
    command = [sys.executable, "-m", "monopod", "compile", "-f", "pipeline.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=True)
    assert done.stdout == monopod("compile", "-f", "pipeline.yaml").stdout


def test_missing_file_is_reported(monopod):
    done = monopod("run", "-f", "nope.yaml")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "nope.yaml: No such file or directory\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], f"missing command; the commands are {ALL}"),
        (["rnu"], "unknown command 'rnu'; did you mean run?"),
        (["deploy"], f"unknown command 'deploy'; the commands are {ALL}"),
        (["-f", "x.yaml"], f"unknown command 'x.yaml'; the commands are {ALL}"),
        (["cancel", "--grace", "Stopped"], "argument --grace: invalid choice: 'Stopped'"),
        (["compile", "pipeline.yaml", "-p", "who"], "argument -p/--param: expected NAME=VALUE, got 'who'"),
        (["run", "pipeline.yaml", "--timeout", "soon"], "'soon' is not a duration"),
        (["run", "pipeline.yaml", "--max-concurrency", "0"], "expected a positive whole number, got '0'"),
        (["run", "pipeline.yaml", "--max-parallel", "-1"], "expected a positive whole number, got '-1'"),
        (["run", "pipeline.yaml", "-o", "xml"], "invalid choice: 'xml'"),
        (["run", "pipeline.yaml", "--nonsense"], "monopod run: unknown option --nonsense; see monopod run --help\n"),
        (["run", "pipeline.yaml", "--out", "json"], "unknown option --out (did you mean --output?); see monopod run"),
        (["run", "pipeline.yaml", "--parma=a=b"], "unknown option --parma (did you mean --param?)"),
        (["run", "pipeline.yaml", "--file", "x"], "unknown option --file (did you mean --filename?)"),
        (["version", "please"], "monopod version: unexpected argument 'please'; see monopod version --help\n"),
        (["help", "chekc"], "monopod help: unknown command 'chekc'; did you mean check?"),
        (["cache"], "monopod cache: missing action: list or prune; see monopod cache --help\n"),
        (["completion"], "missing shell: bash or zsh or fish; see monopod completion --help\n"),
        (["lint"], "unknown command 'lint'; did you mean check?"),
        (["run", "pipeline.yaml", "--network", "none"], "--network applies only to --backend podman, not to host"),
        (["run", "pipeline.yaml", "--detach"], "--detach applies only to --backend kubernetes, not to host"),
        (
            ["run", "pipeline.yaml", "--context", "prod", "--backend", "host"],
            "--context applies only to --backend kube",
        ),
        (["compile", "-f", "missing.yaml"], "missing.yaml"),
    ],
)
def test_wrong_usage_is_reported(tmp_path, monkeypatch, capsys, arguments, message):
    (tmp_path / "pipeline.yaml").write_text(PIPELINE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["monopod", *arguments])
    try:
        exit_code = main()
    except SystemExit as ended:  # by argparse
        exit_code = ended.code
    output, errors = capsys.readouterr()
    assert (exit_code, output) == (2, "")
    assert message in errors


def test_run_in_an_empty_directory_names_what_to_do(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["monopod", "run"])
    assert main() == 2
    message = "no input file; use -f FILE, or -f - for standard input; monopod init writes a first pipeline\n"
    assert capsys.readouterr() == ("", message)


def test_usage_as_a_kubectl_plugin(monopod):
    assert monopod("--help", name="/usr/bin/kubectl-monopod").stdout.startswith("usage: kubectl monopod COMMAND")


def test_problems_are_printed_one_per_line_and_counted(monopod, tmp_path):
    text = PIPELINE.replace("image: ", "imagee: ")
    (tmp_path / "wrong.yaml").write_text(text)
    done = monopod("compile", "-f", "wrong.yaml")
    assert done.returncode == 2
    assert done.stdout == ""
    *problems, count = done.stderr.splitlines()
    assert all(line.startswith("wrong.yaml:") for line in problems)
    assert len(problems) > 1
    assert count == f"{len(problems)} errors"


@pytest.mark.parametrize(
    "arguments",
    [
        ["-f", "pipeline.yaml"],
        ["pipeline.yaml"],
        ["-p", "who=Ada", "pipeline.yaml"],
        ["pipeline.yaml", "-p", "who=Ada"],
    ],
)
def test_compile_writes_one_pod(monopod, arguments):
    done = monopod("compile", *arguments)
    assert done.returncode == 0, done.stderr
    (pod,) = yaml.safe_load_all(done.stdout)
    assert pod["kind"] == "Pod"
    assert monopod(*arguments, function="compile_pipeline", name="compile-pipeline").stdout == done.stdout


def test_compile_takes_several_files_behind_one_option_and_standard_input(monopod, tmp_path):
    settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"a": "b"}}
    (tmp_path / "settings.yaml").write_text(json.dumps(settings))
    done = monopod("compile", "-f", "pipeline.yaml", "settings.yaml")
    assert [each["kind"] for each in yaml.safe_load_all(done.stdout)] == ["ConfigMap", "Pod"]
    assert monopod("compile", "-f", "-", "-f", "settings.yaml", input=PIPELINE).stdout == done.stdout


def test_timeout_option_replaces_the_timeout_of_the_pipeline(monopod, tmp_path):
    run = {"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "metadata": {"name": "run"}}
    run["spec"] = {"pipelineRef": {"name": "greet"}, "timeouts": {"pipeline": "2h", "tasks": "1h"}}
    (tmp_path / "run.yaml").write_text(json.dumps(run))
    (pod,) = yaml.safe_load_all(monopod("compile", "pipeline.yaml", "run.yaml", "--timeout", "1h30m").stdout)
    plan = plan_of(pod)
    assert (plan.pipeline.timeout, plan.pipeline.tasks_timeout, plan.pipeline.finally_timeout) == (5400, 3600, 1800)
    assert plan.document["spec"]["timeouts"] == {"pipeline": "1h30m0s", "tasks": "1h0m0s"}  # as Go writes them
    done = monopod("compile", "pipeline.yaml", "run.yaml", "--timeout", "30m")
    assert done.returncode == 2
    assert done.stderr == "--timeout: timeouts.tasks must not be longer than timeouts.pipeline\n"


def test_compile_replaces_its_output_atomically(monopod, tmp_path):
    pod = tmp_path / "pod.yaml"
    assert monopod("compile", "-f", "pipeline.yaml", "-o", "pod.yaml").returncode == 0
    text = pod.read_text()
    assert yaml.safe_load(text)["kind"] == "Pod"
    pod.chmod(0o640)
    assert monopod("compile", "-f", "missing.yaml", "-o", "pod.yaml").returncode == 2
    assert pod.read_text() == text
    link = tmp_path / "link.yaml"
    link.symlink_to("pod.yaml")
    assert monopod("compile", "-f", "pipeline.yaml", "-p", "who=Ada", "-o", "link.yaml").returncode == 0
    assert link.is_symlink()
    assert pod.read_text() != text
    assert pod.stat().st_mode & 0o777 == 0o640
    assert {path.name for path in tmp_path.iterdir()} == {"pipeline.yaml", "pod.yaml", "link.yaml"}


def test_compile_reports_a_write_error(monopod):
    done = monopod("compile", "-f", "pipeline.yaml", "-o", "no/such/folder/pod.yaml")
    assert done.returncode == 1
    assert done.stderr == "monopod compile: no/such/folder/pod.yaml: No such file or directory\n"


NAMED_BY_RUN = """\
apiVersion: tekton.dev/v1
kind: PipelineRun
metadata: {generateName: nightly-}
spec:
  pipelineSpec:
    tasks:
    - name: show
      taskSpec:
        steps: [{name: s, image: "i:$(context.pipelineRun.name)", script: echo $(context.pipelineRun.namespace)}]
"""


def test_generated_name_is_an_error_only_for_compile(monopod, tmp_path):
    (tmp_path / "named.yaml").write_text(NAMED_BY_RUN)
    assert [monopod(command, "-f", "named.yaml").returncode for command in ("run", "check", "graph")] == [0, 0, 0]
    done = monopod("compile", "-f", "named.yaml")
    assert done.returncode == 2
    assert "named.yaml:9:34: " in done.stderr
    assert "or start it with monopod run, which makes the name first" in done.stderr


def test_check_prints_problems_and_their_count(monopod, tmp_path):
    done = monopod("check", "pipeline.yaml")
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == "2 warnings, 2 notes"
    (tmp_path / "wrong.yaml").write_text(PIPELINE.replace("hello]", "helo]"))
    done = monopod("check", "-f", "wrong.yaml")
    assert done.returncode == 2
    problem, *_, count = done.stdout.splitlines()
    assert problem.startswith("wrong.yaml:22:16: ")
    assert problem.endswith("there is no Task 'helo' (did you mean 'hello'?) [unknown-task]")
    assert count == "1 error, 2 warnings, 2 notes"


@pytest.mark.parametrize("form", ["text", "mermaid", "dot"])
def test_graph_names_the_tasks(monopod, form):
    done = monopod("graph", "-f", "pipeline.yaml", "--format", form)
    assert done.returncode == 0
    assert "hello" in done.stdout
    assert "bye" in done.stdout


def test_graph_fits_the_terminal(monopod, tmp_path):
    text = PIPELINE.replace(
        "runAfter: [hello]", "runAfter: [hello]\n    when: [{cel: '" + " || ".join(["true"] * 20) + "'}]"
    )
    (tmp_path / "long.yaml").write_text(text)
    narrow = monopod("graph", "long.yaml", env={**os.environ, "COLUMNS": "60"})
    assert max(map(len, narrow.stdout.splitlines())) <= 60
    assert monopod("graph", "long.yaml", "-o", "graph.txt").returncode == 0
    assert len((tmp_path / "graph.txt").read_text().splitlines()) == 3


def test_graph_draws_pictures(monopod, tmp_path):
    """Without Graphviz and other programs, and also of several runs."""
    nothing = {"PATH": str(tmp_path)}
    run = "apiVersion: tekton.dev/v1\nkind: PipelineRun\nmetadata: {name: %s}\nspec: {pipelineRef: {name: greet}}\n"
    (tmp_path / "runs.yaml").write_text(f"{run % 'one'}---\n{run % 'two'}")
    svg = monopod("graph", "pipeline.yaml", "runs.yaml", "--format", "svg", env=nothing).stdout
    texts = [each.text for each in ElementTree.fromstring(svg).iter() if each.tag.endswith("text")]
    assert (texts.count("greet"), texts.count("hello"), texts.count("bye")) == (2, 2, 2)
    assert monopod("graph", "pipeline.yaml", "-o", "graph.png", env=nothing).returncode == 0
    assert (tmp_path / "graph.png").read_bytes().startswith(b"\x89PNG")
    assert monopod("graph", "pipeline.yaml", "-o", "graph.mmd").returncode == 0
    assert (tmp_path / "graph.mmd").read_text().startswith("flowchart LR")


@pytest.mark.parametrize("name", ["g.gif", "g.PDF", "g.json"])
def test_graph_in_an_unknown_format_is_refused(monopod, tmp_path, name):
    done = monopod("graph", "pipeline.yaml", "-o", name)
    hint = "use .txt, .svg, .png, .dot or .mmd, or choose with --format"
    assert (done.returncode, done.stderr) == (2, f"monopod graph: unknown format: {name}; {hint}\n")
    assert not (tmp_path / name).exists()
    assert monopod("graph", "pipeline.yaml", "-o", name, "--format", "dot").returncode == 0


@pytest.mark.parametrize("name", ["graph", "graph-1.2", "g.md", "g.txt"])
def test_graph_in_other_files_is_text(monopod, tmp_path, name):
    assert monopod("graph", "pipeline.yaml", "-o", name).returncode == 0
    assert "──" in (tmp_path / name).read_text()


def test_graph_is_written_to_standard_output_as_by_other_commands(monopod, tmp_path):
    assert "──" in monopod("graph", "pipeline.yaml", "-o", "-").stdout
    assert not (tmp_path / "-").exists()


def test_closed_pipe_ends_the_command_silently(monopod):
    reader, writer = os.pipe()
    os.close(reader)
    done = monopod("compile", "-f", "pipeline.yaml", capture_output=False, stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


def test_closed_standard_streams(monopod, tmp_path):
    command = [sys.executable, "-c", PROGRAM.format("main", "monopod"), "compile", "pipeline.yaml"]
    for closed, kept in ((">&- 2>", "2"), ("2>&- >", "1"), ("<&- >&- 2>", "2")):
        shell = ["sh", "-c", f'exec "$@" {closed}kept', "sh", *command]
        assert subprocess.run(shell, check=False, cwd=tmp_path).returncode == 0
        assert bool((tmp_path / "kept").read_text()) is (kept == "1")


def test_full_disk_is_reported(monopod):
    with open("/dev/full", "w") as full:
        done = monopod("compile", "-f", "pipeline.yaml", capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (1, "monopod compile: No space left on device\n")


def test_interrupt_before_anything_runs_prints_nothing(tmp_path):
    command = [sys.executable, "-c", PROGRAM.format("main", "monopod"), "compile", "pipeline.yaml"]
    os.mkfifo(tmp_path / "pipeline.yaml")
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
    )
    # opens once the other side reads, then waits for input that never comes
    with open(tmp_path / "pipeline.yaml", "wb"):
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate()
    assert (process.returncode, output, errors) == (-signal.SIGINT, b"", b"")
