"""Nothing that monopod prints into the log of a CI system is executed as a command, from any source.

The commands of each system are defined here independently, from its documentation and the source of its agent,
and compared to everything that is printed.
"""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from monopod.runner.display import ci_log, display
from monopod.runner.display.ci_systems import job_environment, systems_of
from monopod.runner.display.summary import Outcome, summarize
from monopod.runner.follow.follower import Follower, OutputLines
from monopod.schemas.run_events import RunWarning


def lines_as_dotnet_reads_them(text):
    return re.split(r"\r\n|\r|\n", text)


def seen_by_github(text):
    """actions/runner, ActionCommand.cs: TryParseV2 trims the line, TryParse looks for its prefix anywhere."""
    lines = lines_as_dotnet_reads_them(text)
    return [line for line in lines if line.strip().startswith("::") or "##[" in line]


def seen_by_azure(text):
    return [line for line in lines_as_dotnet_reads_them(text) if "##vso[" in line or "##[" in line]


def seen_by_teamcity(text):
    return [line for line in text.split("\n") if "##teamcity[" in line]


def seen_by_gitlab(text):
    return re.findall(r"section_(?:start|end):.*", text)


def seen_by_buildkite(text):
    return [
        line for line in text.split("\n") if re.match(r"(---|\+\+\+|~~~|\^\^\^)\s", re.sub(r"\x1b\[[\d;]*m", "", line))
    ]


def seen_by_travis(text):
    return re.findall(r"travis_(?:fold|time):.*", text)


SYSTEMS = {
    "GITHUB_ACTIONS": (seen_by_github, r"\s*(::group::|::endgroup::|::error title=(t|m)[^:]*::(t|m) : )"),
    "TF_BUILD": (seen_by_azure, r"##\[(group|endgroup)\]|##vso\[task\.logissue type=error;[^\]]*\](t|m) : "),
    "TEAMCITY_VERSION": (seen_by_teamcity, r"##teamcity\[(block(Opened|Closed) name|buildProblem description)='"),
    "GITLAB_CI": (seen_by_gitlab, r"section_(start|end):\d+:monopod_"),
    "BUILDKITE": (seen_by_buildkite, r"(---|\+\+\+) (t|m|monopod)"),
    "TRAVIS": (seen_by_travis, r"travis_fold:(start|end):monopod_"),
}
COMMANDS = (
    "::error file=a.js,line=1::forged",
    "   ::set-output name=a::forged",
    "\u3000\x0b::add-mask::forged",
    "x\r::stop-commands::forged",
    "\x1b[31m::warning::forged",
    "##[add-mask]forged",
    "text ##[group]forged",
    "a ##vso[task.setvariable variable=a]forged",
    "b ##teamcity[buildStop comment='forged']",
    "\x1b[0Ksection_start:1700000000:forged\r\x1b[0KForged",
    "section_end:1700000000:forged\r\x1b[0K",
    "--- forged",
    "+++ forged",
    "~~~ forged",
    "^^^ +++ forged",
    "\x1b[1m--- forged",
    "travis_fold:start:forged\r\x1b[0K",
    "travis_time:start:forged\r\x1b[0K",
)


def forged(variable, text):
    """Return the commands in a log that are not monopod's own."""
    seen, own = SYSTEMS[variable]
    return [each for each in seen(text) if not re.match(own, each) or seen(re.sub(own, "", each, count=1))]


def written(variable, *texts):
    below = io.StringIO(newline="")
    log = ci_log.guarded(below, {variable: "true"})
    for text in texts:
        log.write(text)
    return below.getvalue()


@pytest.mark.parametrize("variable", SYSTEMS)
def test_text_is_never_a_command(variable):
    before = "".join(f"{command}\n" for command in COMMANDS)
    after = written(variable, before)
    assert forged(variable, before)
    assert forged(variable, after) == []
    assert after.replace("\\", "") == before


@pytest.mark.parametrize("variable", SYSTEMS)
@given(st.lists(st.sampled_from([*COMMANDS, "\n", "\r", " ", "#", "##", ":", "::", "--", "-", "\x1b[1m", "a", "["])))
def test_joined_texts_are_never_a_command(variable, pieces):
    after = written(variable, *pieces)
    assert forged(variable, after) == []
    assert after.replace("\\", "") == "".join(pieces)


def test_other_text_is_not_changed():
    text = "std::vector\n# ## heading\n[--- a/file]\n  --- b\n##vs[\nsections_start\n-----BEGIN\n"
    for variable in SYSTEMS:
        assert written(variable, text) == text


def test_only_commands_of_the_detected_system_are_escaped():
    assert written("GITLAB_CI", "::error::x\n##vso[x]\n") == "::error::x\n##vso[x]\n"
    assert written("CI", "::error::x\n##vso[x]\n") == ":\\:error::x\n##vso\\[x]\n"
    for environment in ({}, {"CI": ""}, {"CI": "false"}, {"GITHUB_ACTIONS": "false"}):
        stream = io.StringIO()
        assert ci_log.guarded(stream, environment) is stream


def test_system_is_detected_below_sudo(monkeypatch):
    """sudo removes the variables of CI systems from the environment."""
    code = (
        "import os\n"
        "from monopod.runner.display.ci_systems import *\n"
        "environment = {'SUDO_COMMAND': 'monopod'}\n"
        "print(systems_of(environment), systems_of(job_environment(environment)))\n"
    )
    around = {**{name: value for name, value in os.environ.items() if name != "CI"}, "GITLAB_CI": "true"}
    shell = ["sh", "-c", f'env -u GITLAB_CI "$0" -c "{code}"; true', sys.executable]
    ran = subprocess.run(shell, env=around, capture_output=True, text=True, check=True, timeout=300)
    assert ran.stdout == "() ('GitLab',)\n"
    assert job_environment({"SUDO_COMMAND": "x", "TRAVIS": "1"}) == {"SUDO_COMMAND": "x", "TRAVIS": "1"}
    assert systems_of({"TRAVIS": "1", "CI": "1"}) == ("Travis CI",)


@pytest.mark.parametrize("variable", SYSTEMS)
def test_lines_names_and_summaries_are_never_commands(sample, feed_all, variable):
    for command in COMMANDS:
        plan = sample.plan(sample.task("t", command), sample.task("m", "s", index_count=1), sample.task("u", "s"))
        follower = Follower(plan)
        stream = io.StringIO(newline="")
        shown = display.make_display(stream, follower, {variable: "true"})
        feed_all(
            follower,
            shown,
            [
                sample.run_started(name=command),
                RunWarning(0, command),
                sample.task_started("t", 1),
                sample.task_started("m", 1, index=0, p=command),
                sample.step_started("t", command, 1),
                (f"t-{command}", f"{command}\n".encode()),
                sample.step_finished("t", command, 2, code=1, message=command),
                sample.task_finished("m", 2, index=0, message=command),
                sample.task_finished("t", 2, "Failed", message=command),
                sample.task_skipped("u", 3, command),
                sample.run_finished(3, "Failed", results=[{"name": command, "value": command}]),
            ],
        )
        shown.notice(command)
        shown.show(OutputLines("coordinator", "", command))
        shown.close(summarize(follower, Outcome("Failed", "Failed", command), 3, command))
        assert forged(variable, stream.getvalue()) == []
        assert "forged" in stream.getvalue()


@pytest.mark.parametrize("variable", SYSTEMS)
def test_documents_have_no_commands(variable, monkeypatch):
    document = {"a": list(COMMANDS), "b": {"script": "#!/bin/sh\n" + "\n".join(COMMANDS)}}
    for write, read in (
        (lambda: ci_log.write_json(json.dumps(document, ensure_ascii=False) + "\n"), json.loads),
        (lambda: ci_log.write_yaml([document]), yaml.safe_load),
    ):
        stream = io.StringIO(newline="")
        monkeypatch.setattr(sys, "stdout", ci_log.guarded(stream, {variable: "true"}))
        write()
        assert forged(variable, stream.getvalue()) == []
        assert read(stream.getvalue()) == document
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", ci_log.guarded(stream, {variable: "true"}))
    ci_log.write_yaml([{"a": "plain"}, {"b": "plain"}])
    assert stream.getvalue() == "a: plain\n---\nb: plain\n"


WRITE = "cat <<'END' | tee $(results.said.path)\n" + "\n".join(COMMANDS) + "\nEND\n"
LAST = r"x\n::error::forged\n##[error]forged\n##vso[forged]\n##teamcity[forged]\n--- forged"
HOSTILE = {
    "apiVersion": "tekton.dev/v1",
    "kind": "PipelineRun",
    "metadata": {"name": "hostile"},
    "spec": {
        "pipelineSpec": {
            "results": [{"name": "said", "value": "$(tasks.t.results.said)"}],
            "tasks": [
                {
                    "name": "t",
                    "taskSpec": {
                        "results": [{"name": "said"}],
                        "steps": [
                            {"name": "write", "image": "busybox", "script": WRITE},
                            {"name": "fail", "image": "busybox", "command": ["sh", "-c", f"printf '{LAST}'; exit 3"]},
                        ],
                    },
                },
                {
                    "name": "m",
                    "matrix": {"params": [{"name": "p", "value": ["##vso[a]forged", "::error::b"]}]},
                    "taskSpec": {
                        "params": [{"name": "p"}],
                        "steps": [{"name": "s", "image": "busybox", "script": "echo '$(params.p)'"}],
                    },
                },
            ],
        }
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("variable", SYSTEMS)
def test_hostile_run_cannot_command_a_ci_system(variable, tmp_path):
    """The real command, with both streams in one log, as in CI systems."""
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(HOSTILE))
    outside = {name: value for name, value in os.environ.items() if name not in (*SYSTEMS, "CI")}
    program = [sys.executable, "-c", "import sys; from monopod.runner.program import main; sys.exit(main())"]
    for arguments in (["run"], ["run", "-o", "json"], ["run", "-o", "yaml"], ["check"], ["compile"], ["graph"]):
        ran = subprocess.run(
            [*program, *arguments, "-f", str(tmp_path / "run.yaml")],
            env={**outside, variable: "true", "XDG_STATE_HOME": str(tmp_path)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=300,
            check=False,
        )
        assert forged(variable, ran.stdout.decode()) == [], arguments
        if arguments[0] == "run":
            assert b"forged" in ran.stdout, arguments
