"""`monopod run` on a real terminal: the screen during a run and after it."""

import os
import re
import signal
import subprocess
import sys
from functools import partial

import pytest
import slow_reader
from terminal import Terminal

pytestmark = pytest.mark.slow

PROGRAM = """\
import signal, sys
from monopod.runner.command_line import main
signal.signal(signal.SIGINT, signal.default_int_handler)  # it may be ignored where the tests run
sys.exit(main())
"""
GATE = """\
      workspaces: [{name: gate}]
      taskSpec:
        workspaces: [{name: gate}]
        steps:
        - name: %s
          image: busybox
          script: |
            #!/bin/sh
            %s
"""


def task(name, step, script, after=()):
    text = f"    - name: {name}\n" + (f"      runAfter: [{', '.join(after)}]\n" if after else "")
    return text + GATE % (step, script.replace("\n", "\n            "))


def wait_for(name):
    """Return a shell command that waits for a file of the gate."""
    return f'while [ ! -e "$(workspaces.gate.path)/{name}" ]; do sleep 0.02; done'


PIPELINE = "".join(
    [
        "apiVersion: tekton.dev/v1\nkind: PipelineRun\nmetadata: {name: ci}\nspec:\n  pipelineSpec:\n",
        "    workspaces: [{name: gate}]\n    tasks:\n",
        task("clone", "fetch", "echo at 1234"),
        task("lint", "ruff", f"echo 'lint: no files yet'\n{wait_for('lint')}\necho 'lint: 3 files'", ["clone"]),
        task(
            "unit-tests",
            "pytest",
            f"{wait_for('started')}\necho 'test 1 … 日本語'\n{wait_for('tests')}\nexit 3",
            ["clone"],
        ),
        task("integration", "run", "echo never", ["unit-tests"]),
        task("publish", "push", "echo never", ["integration", "lint"]),
        "    finally:\n",
        task("report", "echo", "echo bye"),
    ]
)


@pytest.fixture
def gate(tmp_path):
    """Opens the gates that Steps wait at."""
    (tmp_path / "gate").mkdir(mode=0o777)
    (tmp_path / "gate").chmod(0o777)
    return lambda name: (tmp_path / "gate" / name).touch()


@pytest.fixture
def start(tmp_path, gate):
    (tmp_path / "state").mkdir()

    def start(width, height, *options, pipeline=PIPELINE, shell="", **environment):
        file = tmp_path / "ci.yaml"
        file.write_text(pipeline)
        command = [
            sys.executable,
            "-c",
            PROGRAM,
            "run",
            "-f",
            str(file),
            "-w",
            f"gate=hostPath:{tmp_path}/gate",
            *options,
        ]
        if shell:
            command = ["bash", "-mc", shell, "bash", *command]
        environment = {**isolated(tmp_path), "PATH": "/usr/bin:/bin", **environment}
        return Terminal(command, environment, width, height)

    return start


def isolated(folder):
    """Separates the command's files from other tests."""
    return {
        "TMPDIR": str(folder / "state"),
        "XDG_STATE_HOME": str(folder / "home"),
        "XDG_DATA_HOME": str(folder / "home"),
        "MONOPOD_BACKEND": "host",
    }


def row_of(screen, task):
    """Return the row of a Task in the live view; empty if it is not visible."""
    return next((row for row in screen.rows if re.match(rf"[✓✗●○⊘] ([│├└─ ]+ )?{task} ", row)), "")


def plain(row):
    """Return a row with single blanks, and # for times and sizes."""
    return re.sub(r"(\d+m)?\d+(\.\d)?(s|%|[KMG]i)(?= |$)", "#", re.sub(" +", " ", row))


def is_drawn(screen, last_row):
    """Whether the headline is shown, and below it a row with this text."""
    *_, view = "\n".join(screen.rows).rpartition("── ci ")
    return last_row in view


@pytest.mark.parametrize(("width", "height"), [(80, 24), (200, 50)])
def test_view_of_a_failing_run(start, gate, width, height):
    with start(width, height) as terminal:
        screen = terminal.screen
        terminal.wait_for("lint: no files yet")
        gate("started")
        terminal.wait_for("test 1 … 日本語")
        terminal.wait_until(lambda screen: plain(row_of(screen, "lint")) == "● lint # # # ruff")
        terminal.wait_until(lambda screen: plain(row_of(screen, "unit-tests")) == "● unit-tests # # # pytest")
        start_of_view = next(number for number, row in enumerate(screen.rows) if row.startswith("── ci ━"))
        headline, *view = map(plain, screen.rows[start_of_view : start_of_view + 8])
        assert re.fullmatch("── ci ━+─+ 1 of 6 done # 2 running # cpu #", headline)
        assert view == [
            "✓ 1 succeeded: clone",
            "● lint # # # ruff",
            "● unit-tests # # # pytest",
            "○ integration after unit-tests",
            "○ └─ publish after integration, lint",
            "○ report finally",
            "unit-tests pytest │ test 1 … 日本語",
        ]
        assert screen.colour_of("✓ 1 succeeded") == "green"
        assert not screen.cursor_is_visible
        gate("tests")
        terminal.wait_until(lambda screen: "exit code 3" in row_of(screen, "unit-tests"))
        terminal.wait_until(partial(is_drawn, last_row="✓ 1 succeeded, 2 skipped: "))
        gate("lint")
        assert terminal.finish() == 1
        assert screen.cursor_is_visible
        lines = [line for line in screen.text.splitlines() if line]
        assert max(map(len, lines)) <= width
        output = [line for line in lines if " │ " in line]
        assert output == [
            "clone fetch       │ at 1234",
            "lint ruff         │ lint: no files yet",
            "unit-tests pytest │ test 1 … 日本語",
            "unit-tests pytest │ exit code 3",
            "lint ruff         │ lint: 3 files",
            "report echo       │ bye",
        ]
        summary = lines[lines.index(output[-1]) + 1 :]
        start_of_table = [plain(line) for line in summary].index(" TASK STATUS STARTED TOOK WHY")
        report, table = summary[:start_of_table], summary[start_of_table + 1 : -2]
        assert report[0].startswith("── unit-tests : pytest failed: exit code 3 ───")
        assert report[1].startswith("$ while [ ! -e ")
        failure = "".join(report[2:])
        assert failure.startswith(
            "test 1 … 日本語skipped as a result: integration, publishfull output: monopod logs ci"
        )
        assert re.search(r"unit-tests/pytestrun it again: monopod rerun ci\S* --failed$", failure)
        assert [line[:52] for line in map(plain, table) if line[0] in "✓✗⊘"] == [
            "✓ clone Succeeded +# #",
            "✓ lint Succeeded +# #",
            "✗ unit-tests Failed +# # pytest: exit code 3",
            "⊘ integration Skipped - - PipelineRun was stopping: Task"[:52],
            "⊘ publish Skipped - - PipelineRun was stopping: Task unit-tests"[:52],
            "✓ report Succeeded +# #",
        ]
        assert summary[-2].startswith("✗ ci Failed in ")
        assert summary[-1] == "Tasks Completed: 4 (Failed: 1, Cancelled 0), Skipped: 2"


def test_view_follows_the_size_of_the_terminal(start, gate):
    with start(80, 24) as terminal:
        terminal.wait_for("lint: no files yet")
        for width, height in ((200, 50), (50, 6), (120, 30)):
            terminal.resize(width, height)
            last_row = "more: " if width == 50 else "report "
            terminal.wait_until(partial(is_drawn, last_row=last_row))
        for name in ("started", "tests", "lint"):
            gate(name)
        assert terminal.finish() == 1
        assert terminal.screen.text.count("lint: 3 files") == 1


def test_many_tasks_on_a_small_terminal(start, gate):
    tasks = [task(f"task-{number:02}", "run", f"{wait_for('all')}\necho done {number}") for number in range(40)]
    last = task("last", "run", "echo done 40", [f"task-{number:02}" for number in range(40)])
    start_of_pipeline = PIPELINE[: PIPELINE.index("    - name: clone")]
    with start(80, 12, pipeline="".join([start_of_pipeline, *tasks, last])) as terminal:
        terminal.wait_for("40 running")
        terminal.wait_for("and 39 more: 38 running, 1 waiting")
        gate("all")
        assert terminal.finish() == 0
        for number in range(41):
            assert len(re.findall(rf"│ done {number}$", terminal.screen.text, re.MULTILINE)) == 1


@pytest.mark.parametrize("environment", [{"TERM": "dumb"}, {"CI": "true"}])
def test_cursor_never_moves_without_a_live_view(start, gate, environment):
    for name in ("started", "tests", "lint"):
        gate(name)
    with start(80, 24, **environment) as terminal:
        assert terminal.finish() == 1
        assert "\x1b" not in terminal.sent
        assert "[lint : ruff] lint: 3 files" in terminal.screen.text
        assert "full output: monopod logs ci" in terminal.screen.text


def test_output_of_steps_cannot_harm_the_terminal(start):
    script = r"printf '\033[2J\033[1;1Hhome\033]0;title\007 \033[31mred\033[0m \033[?25h\033c\n'; exit 1"
    pipeline = PIPELINE[: PIPELINE.index("    - name: clone")] + task("hostile", "write", script)
    with start(80, 24, pipeline=pipeline) as terminal:
        assert terminal.finish() == 1
        lines = terminal.screen.text.splitlines()
        assert "hostile write │ home red" in lines
        assert "home red" in lines  # among the last lines of the Step
        assert terminal.screen.colour_of("red") == "red"
        for sequence in ("\x1b[2J", "\x1b]", "\x1bc"):
            assert sequence not in terminal.sent


def test_control_c_cancels_and_restores_the_terminal(start, gate):
    with start(80, 24) as terminal:
        terminal.wait_for("lint: no files yet")
        terminal.type("\x03")
        assert terminal.finish() == 130
        assert "Cancelling: stopping running Steps." in terminal.screen.text
        assert terminal.screen.cursor_is_visible
        assert "✗ ci Cancelled in " in terminal.screen.text


def test_stopped_terminal_never_blocks_the_run(start, gate, tmp_path):
    steps = [
        task("count", "seq", f"echo begun\n{wait_for('go')}\nseq -f 'n %g' 20000"),
        task("last", "echo", 'echo done > "$(workspaces.gate.path)/done"', ["count"]),
    ]
    os.mkfifo(tmp_path / "gate" / "done")
    with start(80, 24, pipeline=PIPELINE[: PIPELINE.index("    - name: clone")] + "".join(steps)) as terminal:
        terminal.wait_for("begun")
        terminal.type("\x13")  # Ctrl-S
        gate("go")
        slow_reader.wait_until_steps_are_done(tmp_path / "gate", terminal.process)
        terminal.type("\x11")  # Ctrl-Q
        assert terminal.finish() == 0
        lines = [line for line in terminal.screen.text.splitlines() if "│ n " in line]
        assert lines == [f"count seq │ n {number}" for number in range(1, 20001)]


def test_control_z_restores_the_terminal(start, gate):
    with start(80, 24, shell='"$@"; echo "status $?"; read line; fg') as terminal:
        screen = terminal.screen
        terminal.wait_for("report ")
        assert not screen.cursor_is_visible
        terminal.type("\x1a")
        terminal.wait_for("status 148")  # SIGTSTP
        assert screen.cursor_is_visible
        assert [row for row in screen.rows if row][-1] == "status 148"
        assert not any(row.startswith("── ci ") for row in screen.rows)
        terminal.type("\n")
        terminal.wait_until(partial(is_drawn, last_row="report "))
        assert not screen.cursor_is_visible
        for name in ("started", "tests", "lint"):
            gate(name)
        assert terminal.finish() == 1
        assert screen.text.count("── ci ") == 0
        assert screen.text.count("lint: 3 files") == 1
        assert screen.cursor_is_visible


def test_view_after_sigstop_is_below_text_written_in_between(start, gate):
    with start(80, 24, shell='"$@"; echo; echo "status $?"; read line; fg') as terminal:
        screen = terminal.screen
        terminal.wait_for("lint: no files yet")
        os.killpg(terminal.foreground, signal.SIGSTOP)
        terminal.wait_for("status ")
        terminal.type("\n")
        terminal.wait_until(lambda screen: sum(row.startswith("── ci ") for row in screen.rows) == 2)
        terminal.wait_until(partial(is_drawn, last_row="report "))
        assert "status 0" in screen.text
        assert not screen.cursor_is_visible
        for name in ("started", "tests", "lint"):
            gate(name)
        assert terminal.finish() == 1


def test_selected_lines_with_timestamps_on_a_terminal(start, gate):
    for name in ("started", "tests", "lint"):
        gate(name)
    with start(200, 50, "--logs", "lint", "--logs", "report/echo", "--timestamps") as terminal:
        assert terminal.finish() == 1
        lines = [line for line in terminal.screen.text.splitlines() if " │ " in line]
        stamp = r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z "
        assert sorted(re.sub(f"^{stamp}", "@", line) for line in lines) == [
            "@lint ruff         │ lint: 3 files",
            "@lint ruff         │ lint: no files yet",
            "@report echo       │ bye",
            "@unit-tests pytest │ exit code 3",
        ]


def test_quiet_run_on_a_terminal(start, gate):
    for name in ("started", "tests", "lint"):
        gate(name)
    with start(80, 24, "--quiet") as terminal:
        assert terminal.finish() == 1
        lines = terminal.screen.text.splitlines()
        assert lines[0] == "unit-tests pytest │ exit code 3"
        assert lines[2].startswith("── unit-tests : pytest failed: exit code 3")
        assert "lint ruff" not in terminal.screen.text


@pytest.fixture
def run(tmp_path, gate):
    (tmp_path / "state").mkdir()
    for name in ("started", "tests", "lint"):
        gate(name)

    def run(*options, command=("run", "-f", "ci.yaml", "-w", f"gate=hostPath:{tmp_path}/gate"), **environment):
        (tmp_path / "ci.yaml").write_text(PIPELINE)
        command = [sys.executable, "-c", PROGRAM, *command, *options]
        environment = {**isolated(tmp_path), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", **environment}
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, check=False)
        done.stdout, done.stderr = done.stdout.decode(), done.stderr.decode()  # \r stays \r
        return done

    return run


@pytest.mark.parametrize(
    ("environment", "begin", "end"),
    [
        ({"GITHUB_ACTIONS": "true"}, r"::group::([\w-]+)", "::endgroup::"),
        (
            {"GITLAB_CI": "true"},
            r"\x1b\[0Ksection_start:\d+:monopod_\d+_[\w-]+\r\x1b\[0K([\w-]+)",
            r"\x1b\[0Ksection_end:",
        ),
        ({"TF_BUILD": "True"}, r"##\[group\]([\w-]+)", r"##\[endgroup\]"),
        ({"BUILDKITE": "true"}, r"--- ([\w-]+)", r"\+\+\+ monopod"),
        ({"TEAMCITY_VERSION": "2025.07"}, r"##teamcity\[blockOpened name='([\w-]+)", r"##teamcity\[blockClosed"),
        ({"TRAVIS": "true"}, r"travis_fold:start:monopod_\d+_[\w-]+\r\x1b\[0K([\w-]+)", "travis_fold:end:"),
    ],
)
def test_folds_in_the_log_of_each_ci_system(run, environment, begin, end):
    done = run(CI="true", **environment)
    assert done.returncode == 1
    fold, folds = None, {}
    for line in done.stdout.split("\n"):
        if opened := re.match(begin, line):
            assert fold is None or "BUILDKITE" in environment  # where a fold ends when the next fold starts
            fold = opened[1]
            folds.setdefault(fold, [])
        elif re.match(end, line):
            fold = None
        elif fold is not None:
            folds[fold].append(line)
            assert line.startswith(f"[{fold} : ") or line == f"[{fold}] started"
    assert folds == {
        "clone": ["[clone] started", "[clone : fetch] at 1234"],
        "lint": ["[lint] started", "[lint : ruff] lint: no files yet", "[lint : ruff] lint: 3 files"],
        "unit-tests": [
            *["[unit-tests] started", "[unit-tests : pytest] test 1 … 日本語"],
            "[unit-tests : pytest] exit code 3",
        ],
        "report": ["[report] started", "[report : echo] bye"],
    }


def test_unknown_name_is_reported_before_anything_runs(run):
    done = run("--logs", "unit-test/pytest", "--logs", "lint/flake8", "--logs", "clone")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        "--logs lint/flake8: Task 'lint' has no Step 'flake8'; its Steps are ruff\n"
        "--logs unit-test/pytest: there is no Task 'unit-test' (did you mean 'unit-tests'?)\n"
        "2 errors\n"
    )


def test_full_output_of_a_kept_run_is_its_log(run):
    done = run("--keep", "always", "--quiet")
    more = re.search(r"full output: less (\S+)", done.stdout)
    with open(more[1]) as log:
        assert log.read() == "test 1 … 日本語\n"


def test_full_output_of_a_recorded_run_is_in_its_record(run):
    done = run("-q")
    more = re.search(r"full output: monopod logs (\S+) (\S+)", done.stdout)
    again = run(command=("logs", more[1], more[2]))
    assert again.returncode == 0
    assert again.stdout == "test 1 … 日本語\n"


def test_full_output_needs_another_run_otherwise(run):
    done = run("-q", "--logs", "lint", "--no-record")
    more = re.search(r"full output: monopod (run .*)", done.stdout)[1].split(" ")
    assert more[-3:] == ["--no-record", "--logs", "unit-tests/pytest"]
    again = run(command=more)
    assert "[unit-tests : pytest] test 1 … 日本語" in again.stdout
    assert "[lint : ruff]" not in again.stdout
