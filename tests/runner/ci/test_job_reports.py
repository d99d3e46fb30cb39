"""What a run leaves in CI systems: annotations of failed Steps, and the summary of the job. A Step commands nothing."""

import io
import os
import subprocess
import sys
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monopod.compiler.diagnostics import Position
from monopod.runner.ci.annotations import Annotation, annotation_lines
from monopod.runner.ci.error_lines import error_lines
from monopod.runner.ci.job_reports import report_to_ci
from monopod.runner.ci.job_summary import MOST_BYTES, job_summary
from monopod.runner.display.ci_log import guarded
from monopod.runner.display.summary import Outcome, Row, Summary
from monopod.runner.reports.failures import Failure

SYSTEMS = {"GitHub Actions": "GITHUB_ACTIONS", "Azure Pipelines": "TF_BUILD", "TeamCity": "TEAMCITY_VERSION"}
EVIL = "a%0A\n::error::b\r##vso[task.x]c;d]e'f|g\x1b]0;t\x07,h:i\u2028##teamcity[x]<b>|`*_[x](y)"


def summary_of(*failures, rows=(), results=()):
    outcome = Outcome("Failed" if failures else "Succeeded", "x", "3 Tasks <completed>")
    return Summary("ci-x7k2p", outcome, "10.0s", tuple(rows), failures, (), tuple(results), None)


@pytest.mark.parametrize(
    ("system", "expected"),
    [
        ("GitHub Actions", "::error file=src/a%2Cb.go,line=3,col=7,title=build %3A go::50%25 wrong: x"),
        (
            "Azure Pipelines",
            "##vso[task.logissue type=error;sourcepath=src/a,b.go;linenumber=3;columnnumber=7;]"
            "build : go: 50%AZP25 wrong: x",
        ),
        ("TeamCity", "##teamcity[buildProblem description='src/a,b.go:3: build : go: 50% wrong: x']"),
    ],
)
def test_annotation_of_each_system(system, expected):
    assert annotation_lines(system, [Annotation("build : go", "50% wrong: x", "src/a,b.go", 3, 7)]) == [expected]


@pytest.mark.parametrize("system", ["GitLab", "Travis CI", "Buildkite"])
def test_systems_without_annotations(system):
    assert annotation_lines(system, [Annotation("a", "b")]) == []


@pytest.mark.parametrize("system", SYSTEMS)
@given(st.text() | st.just(EVIL), st.text() | st.just(EVIL))
def test_annotation_is_one_command(system, title, text):
    """A Step that chooses every text adds no line, property or command."""
    (line,) = annotation_lines(system, [Annotation(title, text, "a.py", 1)])
    assert len(line.splitlines()) == 1
    match system:
        case "GitHub Actions":
            properties = line.removeprefix("::error ").partition("::")[0]
            assert [each.partition("=")[0] for each in properties.split(",")] == ["file", "line", "title"]
        case "Azure Pipelines":
            assert line.partition("]")[0] == "##vso[task.logissue type=error;sourcepath=a.py;linenumber=1;"
        case "TeamCity":
            value = line.removeprefix("##teamcity[buildProblem description='").removesuffix("']")
            assert "'" not in value.replace("||", "").replace("|'", "")
            assert "]" not in value.replace("||", "").replace("|]", "")


def test_error_lines_of_compilers():
    lines = [
        "main.c:3:5: error: expected ';'",
        "\x1b[1m./pkg/x.go:12:2:\x1b[0m undefined: y",
        "E   tests/test_a.py:9: AssertionError",
        "/workspace/source/src/lib.rs:1:1: missing",
        "main.c:4:1: warning: unused",
        "main.c:5:1: note: here",
        "other.c:1:1: error: not in the repository",
        "12:30:01: started",
        "main.c: something",
    ]
    known = {"main.c", "./pkg/x.go", "tests/test_a.py", "src/lib.rs"}
    assert [tuple(error) for error in error_lines(lines, lambda path: path if path in known else None)] == [
        ("main.c", 3, 5, "error: expected ';'"),
        ("./pkg/x.go", 12, 2, "undefined: y"),
        ("tests/test_a.py", 9, 0, "AssertionError"),
        ("src/lib.rs", 1, 1, "missing"),
    ]


class Log(io.StringIO):
    def fileno(self):
        raise OSError


@pytest.fixture
def report(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def report(summary, **environment):
        log = Log()
        report_to_ci(summary, guarded(log, environment), environment, lambda *_: Position("ci.yaml", 8, 5))
        return log.getvalue().splitlines()

    return report


def test_errors_are_annotated_where_they_are(report, tmp_path):
    (tmp_path / "ci.yaml").touch()
    (tmp_path / "main.py").touch()
    (tmp_path / "elsewhere").symlink_to("/etc/passwd")
    lines = ("main.py:3: bad", "/etc/passwd:1: bad", "../x:1: bad", "elsewhere:1: bad")
    found = Failure("build[go=1]", "make", "exit code 1", last_lines=lines)
    unknown = Failure("test", "run", "exit code 2", last_lines=("no place",))
    whole = Failure("late", "", "timed out")
    assert report(summary_of(found, unknown, whole), GITHUB_ACTIONS="true", GITHUB_WORKSPACE=str(tmp_path)) == [
        "::error file=main.py,line=3,title=build[go=1] %3A make::bad",
        "::error file=ci.yaml,line=8,col=5,title=test %3A run::test : run failed: exit code 2: no place",
        "::error file=ci.yaml,line=8,col=5,title=late::late failed: timed out",
    ]
    assert report(summary_of(whole)) == []


def test_paths_are_relative_to_the_repository(report, tmp_path, monkeypatch):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "ci.yaml").touch()
    monkeypatch.chdir(tmp_path / "sub")
    (line,) = report(summary_of(Failure("a", "b", "c")), TF_BUILD="True", BUILD_SOURCESDIRECTORY=str(tmp_path))
    assert "sourcepath=sub/ci.yaml;" in line


def test_summary_of_github_is_appended_and_limited(report, tmp_path):
    file = tmp_path / "summary.md"
    file.write_text("before\n")
    rows = [Row(f"task-{number}", "Succeeded", "+0.0s", "1.0s", "") for number in range(20_000)]
    environment = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(file)}
    report(summary_of(rows=rows), **environment)
    text = file.read_text()
    assert text.startswith("before\n## ✓ ci&#45;x7k2p Succeeded in 10&#46;0s")
    assert len(text.encode()) <= MOST_BYTES
    assert text.endswith("and what follows are left out: the summary would be too large.\n")
    size = file.stat().st_size
    report(summary_of(rows=rows), **environment)
    assert size <= file.stat().st_size <= MOST_BYTES


def test_summary_that_cannot_be_written_is_a_warning(report, tmp_path, capsys):
    report(summary_of(), GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY=str(tmp_path / "none" / "file"))
    assert "warning: cannot write the summary of the job: " in capsys.readouterr().err


def test_summaries_of_azure_and_buildkite(report, tmp_path, monkeypatch):
    (line,) = report(summary_of(), TF_BUILD="True", AGENT_TEMPDIRECTORY=str(tmp_path))
    path = line.removeprefix("##vso[task.uploadsummary]")
    assert "ci&#45;x7k2p" in (tmp_path / os.path.basename(path)).read_text()
    agent = tmp_path / "buildkite-agent"
    agent.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/arguments; cat > {tmp_path}/text\n')
    agent.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert report(summary_of(Failure("a", "b", "c")), BUILDKITE="true") == []
    assert (tmp_path / "arguments").read_text() == "annotate --style error --context monopod-ci-x7k2p\n"
    assert "### a &#58; b failed&#58; c" in (tmp_path / "text").read_text()


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__(convert_charrefs=False)
        self.tags = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, attributes))


@given(st.text() | st.just(EVIL))
def test_text_of_a_run_is_never_markup(text):
    failure = Failure("a", "b", text, command=text, last_lines=(text, "</pre><b>"), skipped=text)
    markdown = job_summary(summary_of(failure, rows=[Row(text, "Failed", "-", "-", text)], results=[(text, text)]))
    assert [tag for tag, _ in Tags(markdown).tags] == [*(["code"] if text else []), "pre"]
    outside = markdown.partition("<pre>")[0] + markdown.partition("</pre>")[2]
    rows = [line for line in outside.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in rows} <= {3, 7}
    assert not set("`*_[]") & set(outside.replace("| --- |", ""))


STEP = """\
apiVersion: tekton.dev/v1
kind: Pipeline
metadata: {name: ci}
spec:
  tasks:
  - name: build
    taskSpec:
      steps:
      - {name: ok, image: busybox, script: "true"}
      - name: make
        image: busybox
        script: |
          echo '::error::forged'
          exit 3
"""


@pytest.mark.slow
def test_run_in_github_actions(tmp_path):
    (tmp_path / "ci.yaml").write_text(STEP)
    environment = {**os.environ, "GITHUB_ACTIONS": "true", "CI": "true", "GITHUB_WORKSPACE": str(tmp_path)}
    environment |= {"GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md")}
    command = [os.path.join(os.path.dirname(sys.executable), "monopod"), "run", "-f", "ci.yaml"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    commands = [line for line in done.stdout.splitlines() if line.startswith("::error")]
    line = 1 + STEP.splitlines().index("      - name: make")
    assert commands[0].startswith(f"::error file=ci.yaml,line={line},col=9,title=build %3A make::build : make failed: ")
    assert len(commands) == 1
    assert "Failed" in (tmp_path / "summary.md").read_text()
