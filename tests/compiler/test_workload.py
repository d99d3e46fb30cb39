"""Workloads that contain the Pod: valid in every version of the API; and their options."""

from __future__ import annotations

import copy
import json
from typing import Any

import kubernetes_validate
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kubernetes_validate import utils as kubernetes_schemas

from monopod.compiler.pod.assembly import make_pod
from monopod.compiler.pod.cron_schedule import schedule_problem
from monopod.compiler.pod.deadline import MARGIN, active_deadline
from monopod.compiler.pod.kube_version import OLDEST, KubeVersion
from monopod.compiler.pod.workload import KINDS, Workload, make_workload, name_problem
from monopod.schemas.plan import Pipeline, Plan, Task

VERSIONS = sorted({KubeVersion.parse(version) for version in kubernetes_schemas.all_versions()})
NIGHTLY = Workload("CronJob", "30 3 * * 1-5", "Europe/Berlin", 3600)


def wanted(kind: Any) -> Workload:
    return NIGHTLY if kind == "CronJob" else Workload(kind, ttl=90.5 if kind == "Job" else None)


def made(pod: dict[str, Any], workload: Workload, version: KubeVersion = VERSIONS[-1]) -> dict[str, Any]:
    return make_workload(pod, workload, version)


@pytest.fixture
def pod(chain: Any) -> dict[str, Any]:
    plan, parts = chain(["a", "b"])
    return make_pod(plan, parts, runtime_image="example.com/monopod:1", log_format="human")


def test_schemas_include_the_oldest_supported_version() -> None:
    assert VERSIONS[0] == OLDEST


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_every_version_accepts_every_kind(chain: Any, kind: Any, version: KubeVersion) -> None:
    plan, parts = chain(["a", "b"], resources={"requests": {"cpu": "1", "memory": "1Gi"}})
    pod = make_pod(plan, parts, runtime_image="i:1", log_format="json", kube_version=version)
    if not version.has_native_sidecars:  # fields that old schemas lack must not be present
        assert "restartPolicy" not in json.dumps(pod["spec"]["initContainers"])
    kubernetes_validate.validate(made(pod, wanted(kind), version), str(version), strict=True)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_oldest_and_newest_version_accept_random_pods(plans: Any, data: st.DataObject) -> None:
    plan, parts = data.draw(plans)
    version = data.draw(st.sampled_from([VERSIONS[0], VERSIONS[-1]]))
    pod = make_pod(plan, parts, runtime_image="i:1", log_format="json", kube_version=version)
    kind = data.draw(st.sampled_from(KINDS))
    kubernetes_validate.validate(made(pod, wanted(kind), version), str(version), strict=True)


@pytest.mark.parametrize("kind", KINDS)
def test_workload_contains_the_pod_unchanged(pod: dict[str, Any], kind: Any) -> None:
    before = copy.deepcopy(pod)
    whole = made(pod, wanted(kind))
    assert pod == before
    assert json.dumps(whole) == json.dumps(made(copy.deepcopy(pod), wanted(kind)))
    inside: dict[str, Any] = {
        "Pod": lambda: whole,
        "PodTemplate": lambda: whole["template"],
        "Job": lambda: whole["spec"]["template"],
        "CronJob": lambda: whole["spec"]["jobTemplate"]["spec"]["template"],
    }[kind]()
    assert inside["spec"] == pod["spec"]
    assert inside["metadata"]["labels"] == pod["metadata"]["labels"] == whole["metadata"]["labels"]
    assert inside["metadata"]["annotations"] == pod["metadata"]["annotations"]
    if kind != "Pod":
        assert inside["metadata"].keys() == {"labels", "annotations"}  # only the object has names
        assert "kubectl.kubernetes.io/default-container" not in whole["metadata"]["annotations"]


@pytest.mark.parametrize(
    ("names", "kind", "expected"),
    [
        ({"name": "build"}, "Job", {"name": "build"}),
        ({"generateName": "build-run-"}, "Job", {"generateName": "build-run-"}),
        ({"generateName": "build-"}, "PodTemplate", {"generateName": "build-"}),
        ({"name": "build", "namespace": "ci"}, "CronJob", {"name": "build", "namespace": "ci"}),
        ({"generateName": "build-run-"}, "CronJob", {"name": "build-run"}),
        ({"name": "build", "generateName": "other-"}, "CronJob", {"name": "build"}),
    ],
)  # fmt: skip
def test_names(pod: dict[str, Any], names: dict[str, str], kind: Any, expected: dict[str, str]) -> None:
    metadata = {key: pod["metadata"][key] for key in ("labels", "annotations")}
    whole = made({**pod, "metadata": {**names, **metadata}}, wanted(kind))
    assert {key: whole["metadata"][key] for key in whole["metadata"] if key not in metadata} == expected


@pytest.mark.parametrize(("kind", "longest"), [("CronJob", 52), ("Job", 63), ("PodTemplate", 253), ("Pod", 253)])
def test_names_that_are_too_long(kind: Any, longest: int) -> None:
    assert name_problem({"name": "a" * longest}, kind) is None
    problem = name_problem({"name": "a" * (longest + 1)}, kind)
    assert problem is not None
    assert f"has {longest + 1} characters; the name of a {kind} may have {longest}" in problem
    assert (name_problem({"generateName": "a" * 60 + "-"}, kind) is None) == (kind != "CronJob")


# Failed Pods


def verdict(job: dict[str, Any], exit_codes: list[int], conditions: list[str]) -> str:
    """Return what the Job controller does about a failed Pod (Kubernetes docs, "Pod failure policy")."""
    for rule in job.get("podFailurePolicy", {}).get("rules", ()):
        on_codes = rule.get("onExitCodes")
        if on_codes is not None:
            assert on_codes["operator"] == "NotIn"
            if any(code != 0 and code not in on_codes["values"] for code in exit_codes):
                return str(rule["action"])
        elif any(pattern["type"] in conditions and pattern["status"] == "True" for pattern in rule["onPodConditions"]):
            return str(rule["action"])
    return "Count" if job["backoffLimit"] else "FailJob"


@pytest.mark.parametrize("version", VERSIONS, ids=str)
@pytest.mark.parametrize(
    ("exit_codes", "conditions", "expected"),
    [
        ([1, 0, 0], [], "FailJob"),  # a Step failed
        ([0, 137], [], "FailJob"),  # for its use of memory
        ([143, 143], ["DisruptionTarget"], "Ignore"),  # evicted, or its node went down
        ([], ["DisruptionTarget"], "Ignore"),  # its end is unknown
        ([], [], "Count"),  # the node refused it
    ],
)
def test_job_retries_lost_pods_but_not_failed_runs(
    pod: dict[str, Any], version: KubeVersion, exit_codes: list[int], conditions: list[str], expected: str
) -> None:
    job = made(pod, Workload("Job"), version)["spec"]
    has_policy = version >= (1, 26)
    assert verdict(job, exit_codes, conditions) == (expected if has_policy else "FailJob")
    assert job.get("podReplacementPolicy") == ("Failed" if version >= (1, 29) else None)


def test_ttl_is_in_whole_seconds_and_optional(pod: dict[str, Any]) -> None:
    assert made(pod, Workload("Job", ttl=90.5))["spec"]["ttlSecondsAfterFinished"] == 91
    assert made(pod, Workload("Job", ttl=0))["spec"]["ttlSecondsAfterFinished"] == 0
    assert "ttlSecondsAfterFinished" not in made(pod, Workload("Job"))["spec"]
    assert made(pod, NIGHTLY)["spec"]["jobTemplate"]["spec"]["ttlSecondsAfterFinished"] == 3600


def test_runs_of_a_cron_job_do_not_overlap(pod: dict[str, Any]) -> None:
    spec = made(pod, NIGHTLY)["spec"]
    assert (spec["schedule"], spec["timeZone"]) == ("30 3 * * 1-5", "Europe/Berlin")
    assert spec["concurrencyPolicy"] == "Forbid"
    assert "timeZone" not in made(pod, Workload("CronJob", "@daily"))["spec"]


# Options


@pytest.mark.parametrize(
    ("workload", "message"),
    [
        (Workload("Pod", schedule="@daily"), "--schedule is for --kind CronJob, not for Pod"),
        (Workload("Job", time_zone="Etc/UTC"), "--time-zone is for --kind CronJob, not for Job"),
        (Workload("Pod", ttl=1), "--ttl is for --kind Job and CronJob: no cluster removes a Pod by itself"),
        (Workload("Job", ttl=2**31), "--ttl may be 2147483647 seconds at most"),
        (Workload("CronJob", "daily"), "--schedule: 'daily' has 1 fields"),
        (Workload("CronJob", "@daily", "Europe/Berln"), "'Europe/Berln' (did you mean 'Europe/Berlin'?)"),
    ],
)
def test_conflicting_options(workload: Workload, message: str) -> None:
    (problem,) = workload.problems()
    assert message in problem


@pytest.mark.parametrize("kind", KINDS)
def test_compatible_options(kind: Any) -> None:
    assert not list(wanted(kind).problems())


@pytest.mark.parametrize(
    "text",
    [
        "* * * * *",
        "*/5 0-8/2 1,15 jan-MAR mon",
        "0 0 ? * *",
        "5/10 * * * SUN",
        "59 23 31 12 6",
        "@hourly",
        "@every 1h30m",
    ],
)  # fmt: skip
def test_valid_schedules(text: str) -> None:
    assert schedule_problem(text) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("60 * * * *", "'60' is not a valid minute; use 0 to 59"),
        ("* * 0 * *", "'0' is not a valid day of the month; use 1 to 31"),
        ("* * * 13 *", "'13' is not a valid month; use 1 to 12"),
        ("* * * * 7", "'7' is not a valid day of the week; use 0 to 6 (Sunday is 0)"),
        ("* * * mon *", "'mon' is not a valid month"),
        ("30-10 * * * *", "'30-10': the range of the minute ends before it starts"),
        ("*/0 * * * *", "'*/0': a step must be above 0"),
        ("1.5 * * * *", "'1.5' is not a valid minute; expected minute, hour"),
        ("* * * * * *", "has 6 fields"),
        ("", "has 0 fields"),
        ("@noon", "'@noon' is not a schedule"),
        ("@every soon", "'soon' is not a duration"),
        ("@every 0s", "the time must be above 0"),
        ("TZ=Etc/UTC * * * * *", "given with --time-zone"),
    ],
)
def test_invalid_schedules(text: str, message: str) -> None:
    assert message in (schedule_problem(text) or "")


@given(st.lists(st.tuples(st.integers(0, 70), st.integers(0, 70), st.integers(0, 3)), min_size=5, max_size=5))
def test_ranges_of_schedule_fields(fields: list[tuple[int, int, int]]) -> None:
    text = " ".join(f"{first}-{last}/{step}" for first, last, step in fields)
    bounds = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 6)]
    right = all(
        low <= first <= last <= high and step > 0
        for (first, last, step), (low, high) in zip(fields, bounds, strict=True)
    )
    assert (schedule_problem(text) is None) == right


# The deadline of a Pod


def plan_with(kind: str = "PipelineRun", retries: int = 0, timeout: float | None = None, **limits: Any) -> Plan:
    return Plan(Pipeline("p", tasks=(Task("a", retries=retries, timeout=timeout),), **limits), {"kind": kind})


@pytest.mark.parametrize(
    ("plan", "limit"),
    [
        (plan_with(timeout=60.0), None),  # the timeout of a Task does not limit the run
        (plan_with(timeout=60.0, retries=2), None),
        (Plan(Pipeline("p", timeout=3600.0), {"kind": "PipelineRun"}), 3600),
        (Plan(Pipeline("p", tasks_timeout=60.0, finally_timeout=0.5), {"kind": "PipelineRun"}), 61),
        (Plan(Pipeline("p", timeout=2.0**31), {"kind": "PipelineRun"}), None),
        (plan_with("TaskRun", 2, 60.0), 3 * 70),
        (plan_with("TaskRun"), None),
    ],
)
def test_active_deadline_follows_the_timeouts(plan: Plan, limit: int | None) -> None:
    assert active_deadline(plan) == (None if limit is None else limit + 600 + MARGIN)
