"""`monopod compile` for a cluster: the kinds of objects it writes, and errors for options that do not apply."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from monopod.runner.command_line import main

PIPELINE = """\
apiVersion: tekton.dev/v1
kind: Pipeline
metadata:
  name: greet
spec:
  tasks:
  - name: hello
    taskSpec:
      steps:
      - name: say
        image: busybox
        script: echo hello
"""
RUN = """\
apiVersion: tekton.dev/v1
kind: PipelineRun
metadata:
  name: {name}
spec:
  pipelineRef:
    name: greet
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: settings
---
"""

Compile = Callable[..., tuple[int, str, str]]


@pytest.fixture
def compile_(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Compile:
    """Runs `monopod compile` on the text of a file; returns the exit code, its output and its errors."""
    monkeypatch.chdir(tmp_path)

    def run(text: str, *arguments: str) -> tuple[int, str, str]:
        (tmp_path / "pipeline.yaml").write_text(text)
        monkeypatch.setattr(sys, "argv", ["monopod", "compile", "-f", "pipeline.yaml", *arguments])
        exit_code = main()
        output = capsys.readouterr()
        return exit_code, output.out, output.err

    return run


def objects(text: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(text))


@pytest.mark.parametrize(
    ("arguments", "api_version", "kind", "name"),
    [
        ([], "v1", "Pod", {"generateName": "greet-run-"}),
        (["--kind", "Job", "--ttl", "1h"], "batch/v1", "Job", {"generateName": "greet-run-"}),
        (["--kind", "CronJob", "--schedule", "@daily"], "batch/v1", "CronJob", {"name": "greet-run"}),
        (["--kind", "PodTemplate"], "v1", "PodTemplate", {"generateName": "greet-run-"}),
    ],
)
def test_kinds(compile_: Compile, arguments: list[str], api_version: str, kind: str, name: dict[str, str]) -> None:
    exit_code, output, errors = compile_(PIPELINE, *arguments)
    assert (exit_code, errors) == (0, "")
    (made,) = objects(output)
    assert (made["apiVersion"], made["kind"]) == (api_version, kind)
    assert name.items() <= made["metadata"].items()
    assert compile_(PIPELINE, *arguments)[1] == output


def test_other_objects_are_written_with_a_job_too(compile_: Compile) -> None:
    exit_code, output, _ = compile_(RUN.format(name="nightly") + PIPELINE, "--kind", "Job", "-n", "ci")
    assert exit_code == 0
    config_map, job = objects(output)
    assert config_map["kind"] == "ConfigMap"
    assert (job["kind"], job["metadata"]["name"], job["metadata"]["namespace"]) == ("Job", "nightly", "ci")


def test_overlong_name_is_reported_at_its_position(compile_: Compile) -> None:
    text = RUN.format(name="n" * 60) + PIPELINE
    exit_code, output, errors = compile_(text, "--kind", "CronJob", "--schedule", "@daily")
    assert (exit_code, output) == (2, "")
    assert errors.startswith("pipeline.yaml:4:9: metadata.name: 'nnn")
    assert "has 60 characters; the name of a CronJob may have 52" in errors
    assert compile_(text, "--kind", "Job")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--kind", "CronJob"], "--kind CronJob needs --schedule"),
        (["--schedule", "@daily"], "--schedule is for --kind CronJob, not for Pod"),
        (["--kind", "PodTemplate", "--ttl", "1h"], "--ttl is for --kind Job and CronJob"),
        (["--kind", "CronJob", "--schedule", "61 * * * *"], "--schedule: '61' is not a valid minute; use 0 to 59"),
    ],
)
def test_options_that_do_not_apply_to_the_kind(compile_: Compile, arguments: list[str], message: str) -> None:
    exit_code, output, errors = compile_(PIPELINE, *arguments)
    assert (exit_code, output) == (2, "")
    assert message in errors


@pytest.mark.parametrize(
    ("arguments", "expected"), [([], 4320), (["--timeout", "10m"], 1320), (["--timeout", "0"], None)]
)
def test_active_deadline_of_the_pod(compile_: Compile, arguments: list[str], expected: int | None) -> None:
    (pod,) = objects(compile_(PIPELINE, *arguments)[1])
    assert pod["spec"].get("activeDeadlineSeconds") == expected
