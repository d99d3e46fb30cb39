"""Furiko's cron expressions, time zones and concurrency as fields of a CronJob."""

from __future__ import annotations

import zoneinfo
from typing import Any

import pytest
import yaml
from importing import compilations_of, problems_of

from monopod.compiler.importers.furiko.cron import NotOfKubernetesError, to_kubernetes, union
from monopod.compiler.importers.furiko.xxhash import xxh64
from monopod.compiler.pod.cron_schedule import schedule_problem
from monopod.compiler.pod.workload import Workload

CRON_JOB = Workload("CronJob")


def config(schedule: Any = None, policy: str = "Forbid", name: str = "nightly", **concurrency: Any) -> str:
    container = {"name": "a", "image": "busybox", "command": ["true"]}
    spec = {
        "concurrency": {"policy": policy, **concurrency},
        **({} if schedule is None else {"schedule": schedule}),
        "template": {"spec": {"taskTemplate": {"pod": {"spec": {"containers": [container]}}}}},
    }
    document = {
        "apiVersion": "execution.furiko.io/v1alpha1",
        "kind": "JobConfig",
        "metadata": {"name": name},
        "spec": spec,
    }
    return yaml.safe_dump(document, sort_keys=False)


def cron_jobs(*texts: str) -> list[dict[str, Any]]:
    return [each.workload for each in compilations_of("---\n".join(texts), workload=CRON_JOB)]


@pytest.mark.parametrize(
    ("data", "hashed"),
    [
        (b"", 0xEF46DB3751D8E999),
        (b"a", 0xD24EC4F1A98C6E5B),
        (b"abc", 0x44BC2CF5AD770999),
        (b"Nobody inspects the spammish repetition", 0xFBCEA83C8A378BF1),
    ],
)
def test_the_hash_is_xxh64(data: bytes, hashed: int):
    assert xxh64(data) == hashed


@pytest.mark.parametrize(
    ("expression", "schedule"),
    [
        ("0 10 * * *", "0 10 * * *"),
        ("0 */15 * * * * *", "*/15 * * * *"),
        ("0/30 10-19 * * *", "0,30 10-19 * * *"),
        ("5/20 /6 ? JAN-March,DECEMBER MON-FRI", "5/20 */6 * 1-3,12 1-5"),
        ("0 0 * * 7", "0 0 * * 0"),
        ("@weekly", "0 0 * * 0"),
        ("0 0 */10 * mon", "0 0 1,11,21,31 * 1"),
        ("0 0 1-31 * mon", "0 0 1-31 * 1"),
        ("0 0 1 1 * *", "0 0 1 1 *"),
        ("H H * * * *", "36 7 * * *"),
        ("H H H * * * *", "36 7 * * *"),
    ],
)
def test_an_expression_means_the_same_schedule(expression: str, schedule: str):
    """The hashes are Furiko's: its own tests have 07:36:44 for this key."""
    assert to_kubernetes(expression, "myid1") == schedule
    assert schedule_problem(schedule) is None


def test_another_key_has_another_hash():
    assert to_kubernetes("H H * * *", "myid2") == "43 4 * * *"


@pytest.mark.parametrize("name", "abcdefghij")
def test_hashes_are_within_their_ranges(name: str):
    first, hours, day, month, weekday = to_kubernetes("H/15 H(3-5) H H H", f"default/{name}").split()
    assert first in ("*/15", *(f"{start}/15" for start in range(15)))
    assert 3 <= int(hours) <= 5
    assert 1 <= int(day) <= 28
    assert 1 <= int(month) <= 12
    assert 0 <= int(weekday) <= 6
    within = [int(each) for each in to_kubernetes("H(10-39)/10 * * * *", name).partition(" ")[0].split(",")]
    assert len(within) == 3
    assert 10 <= within[0] < 20
    assert within == [within[0] + 10 * index for index in range(3)]


@pytest.mark.parametrize(
    "expression", ["30 0 10 * * * *", "0 10 * * * 2030", "0 0 L * *", "0 0 1W * *", "0 0 * * 5#3", "0 0 * * 5L"]
)
def test_kubernetes_cannot_express_some_expressions(expression: str):
    with pytest.raises(NotOfKubernetesError):
        to_kubernetes(expression, "k")


@pytest.mark.parametrize(
    "expression",
    ["0 10 *", "60 * * * *", "x * * * *", "*5 * * * *", "5-3 * * * *", "*/0 * * * *", "H(9-5) * * * *", ", * * * *"],
)
def test_an_invalid_expression_is_refused(expression: str):
    with pytest.raises(ValueError, match=r"\w") as raised:
        to_kubernetes(expression, "k")
    assert not isinstance(raised.value, NotOfKubernetesError)


def test_expressions_that_differ_in_one_field_are_one_schedule():
    assert union(["0 3 * * *", "0 4 * * *", "0 8 * * *"], "k") == "0 3,4,8 * * *"
    for others in (["0/30 10-19 * * *", "0 0/2 * * *"], ["0 0 1 * *", "0 0 * * *"]):
        with pytest.raises(NotOfKubernetesError):
            union(others, "k")


def test_each_job_config_becomes_a_cron_job():
    cron = {"expression": "H/15 * * * *", "timezone": "Asia/Singapore"}
    made = cron_jobs(config({"cron": cron, "disabled": True}), config({"cron": {"expression": "@daily"}}, name="b"))
    first, second = (each["spec"] for each in made)
    assert [each["metadata"]["name"] for each in made] == ["nightly", "b"]
    assert (first["schedule"], first["timeZone"]) == (
        to_kubernetes("H/15 * * * *", "default/nightly"),
        cron["timezone"],
    )
    assert (first["concurrencyPolicy"], first["suspend"]) == ("Forbid", True)
    assert (second["schedule"], second["timeZone"]) == ("0 0 * * *", "Etc/UTC")
    assert "suspend" not in second


@pytest.mark.parametrize(
    ("written", "name"),
    [("UTC", "Etc/UTC"), ("UTC+08:00", "Etc/GMT-8"), ("GMT-3", "Etc/GMT+3"), ("UTC+0000", "Etc/UTC")],
)
def test_zones_of_whole_hours_have_names(written: str, name: str):
    (made,) = cron_jobs(config({"cron": {"expression": "@daily", "timezone": written}}))
    assert made["spec"]["timeZone"] == name


def test_a_machine_without_time_zones_accepts_a_name(monkeypatch):
    monkeypatch.setattr(zoneinfo, "available_timezones", set)
    (made,) = cron_jobs(config({"cron": {"expression": "@daily", "timezone": "Asia/Singapore"}}))
    assert made["spec"]["timeZone"] == "Asia/Singapore"


AT = "spec.schedule.cron"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (config({"cron": {"expression": "0 0 L * *"}}), f"{AT}.expression: 'L' is not a valid day of the month"),
        (config({"cron": {"expressions": ["0 1 * * *", "5 2 * * *"]}}), "a CronJob has one schedule, not 2"),
        (config({"cron": {"expression": "@daily", "timezone": "UTC+05:30"}}), f"{AT}.timezone: unknown time zone"),
        (config({"cron": {"expression": "@daily"}}, "Enqueue"), "spec.concurrency.policy: a CronJob has no "
         "concurrencyPolicy 'Enqueue'"),
        (config(), "--kind CronJob needs --schedule"),
    ],
)  # fmt: skip
def test_what_a_cron_job_cannot_do_prevents_only_the_cron_job(text: str, message: str):
    assert problems_of(text) == []
    (problem,) = problems_of(text, workload=CRON_JOB)
    assert message in problem


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (config({"cron": {"expression": "0 25 * * *"}}), f"{AT}.expression: '25' is not a valid hour"),
        (config({"cron": {"expression": "@daily", "timezone": "Asia/Singapor"}}), "(did you mean 'Asia/Singapore'?)"),
        (config({"cron": {"timezone": "UTC"}}), f"{AT}: one of expression, expressions is required"),
        (config(policy="Allow", maxConcurrency=2), "spec.concurrency.maxConcurrency: the policy Allow has no maximum"),
        (config(policy="Forbid", maxConcurrency=2), "warning: spec.concurrency.maxConcurrency: maxConcurrency has no"),
        (config({"cron": {"expression": "H H 3 * * * *"}}), f"warning: {AT}.expression: the second has no effect"),
    ],
)
def test_what_furiko_would_refuse_is_an_error_and_what_is_lost_a_warning(text: str, message: str):
    (problem,) = problems_of(text)
    assert message in problem


def test_only_a_cron_job_is_made_of_several_job_configs_at_once():
    both = config() + "---\n" + config(name="b")
    (problem,) = problems_of(both)
    assert "the files define several runs (JobConfig 'nightly', JobConfig 'b'); choose one with --name" in problem
    assert problems_of(both, name="b") == []
