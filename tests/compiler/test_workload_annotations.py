"""The annotations that say how a CronJob or a Job runs a Pipeline."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import pytest
import yaml

from monopod.compiler.compilation import compile_runs
from monopod.compiler.diagnostics import Problems
from monopod.compiler.documents.documents import load
from monopod.compiler.options import Options
from monopod.compiler.pod.workload import Workload

CRON_JOB = Workload("CronJob")
ALL = {"schedule": "*/5 * * * *", "time-zone": "Etc/UTC", "concurrency-policy": "Allow", "suspend": "true", "ttl": "1h"}


def pipeline(**annotations: str) -> dict[str, Any]:
    step = {"name": "a", "image": "busybox", "command": ["true"]}
    return {
        "apiVersion": "tekton.dev/v1",
        "kind": "Pipeline",
        "metadata": {"name": "p", "annotations": written(annotations)},
        "spec": {"tasks": [{"name": "t", "taskSpec": {"steps": [step]}}]},
    }


def run(**annotations: str) -> dict[str, Any]:
    return {
        "apiVersion": "tekton.dev/v1",
        "kind": "PipelineRun",
        "metadata": {"name": "r", "annotations": written(annotations)},
        "spec": {"pipelineRef": {"name": "p"}},
    }


def written(annotations: dict[str, str]) -> dict[str, str]:
    return {f"monopod.dev/{name.replace('_', '-')}": text for name, text in annotations.items()}


def made(workload: Workload, *documents: dict[str, Any]) -> dict[str, Any]:
    text = yaml.safe_dump_all(documents, sort_keys=False)
    (compilation,) = compile_runs(load(["-"], io.BytesIO(text.encode())), Options(workload=workload))
    return compilation.workload


def test_a_cron_job_takes_its_settings_from_the_pipeline():
    spec = made(CRON_JOB, pipeline(**ALL))["spec"]
    assert (spec["schedule"], spec["timeZone"]) == ("*/5 * * * *", "Etc/UTC")
    assert (spec["concurrencyPolicy"], spec["suspend"]) == ("Allow", True)
    assert spec["jobTemplate"]["spec"]["ttlSecondsAfterFinished"] == 3600


def test_the_run_takes_precedence_over_its_pipeline_and_options_over_both():
    documents = (pipeline(**ALL), run(schedule="@daily"))
    assert made(CRON_JOB, *documents)["spec"]["schedule"] == "@daily"
    spec = made(replace(CRON_JOB, schedule="@hourly", ttl=60), *documents)["spec"]
    assert (spec["schedule"], spec["jobTemplate"]["spec"]["ttlSecondsAfterFinished"]) == ("@hourly", 60)


def test_the_annotations_stay_with_the_run():
    assert "monopod.dev/schedule" not in str(made(CRON_JOB, pipeline(), run(**ALL))["metadata"])


def test_a_schedule_of_the_command_line_is_not_in_the_time_zone_of_another():
    assert "timeZone" not in made(replace(CRON_JOB, schedule="@hourly"), pipeline(**ALL))["spec"]


def test_a_job_has_only_the_ttl():
    spec = made(Workload("Job"), pipeline(**{**ALL, "schedule": "never"}))["spec"]
    assert spec["ttlSecondsAfterFinished"] == 3600


def test_a_cron_job_without_a_schedule_is_refused():
    with pytest.raises(Problems, match=r"^--kind CronJob needs --schedule"):
        made(CRON_JOB, pipeline())


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("schedule", "daily", "'daily' has 1 fields"),
        ("schedule", "@daily\n@hourly", "a CronJob has one schedule, not 2"),
        ("time-zone", "Europe/Berln", "(did you mean 'Europe/Berlin'?)"),
        ("concurrency-policy", "Enqueue", "a CronJob has no concurrencyPolicy 'Enqueue'"),
        ("suspend", "yes", "expected 'true' or 'false', got 'yes'"),
        ("ttl", "soon", "'soon' is not a duration"),
        ("ttl", "999999h", "a ttl may be 2147483647 seconds at most"),
    ],
)
def test_wrong_annotations_are_reported_where_they_are_written(name: str, text: str, message: str):
    with pytest.raises(Problems) as raised:
        made(CRON_JOB, pipeline(**{**ALL, name: text}))
    (problem,) = raised.value.problems
    assert problem.message.startswith(f"metadata.annotations.monopod.dev/{name}: ")
    assert message in problem.message
