"""LimitRanges: compiled Pods are admitted by Kubernetes, and refused Pods are not, according to an oracle."""
# ruff: noqa: E501

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Callable
from typing import Any

import kubernetes_validate
import limit_ranger
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monopod.compiler.compilation import Compilation, compile_runs
from monopod.compiler.diagnostics import Problems
from monopod.compiler.documents.documents import read
from monopod.compiler.options import Options
from monopod.compiler.pod.kube_version import KubeVersion
from monopod.schemas.formats import quantity

AMOUNTS = {
    "cpu": ["5m", "10m", "100m", "0.25", "1", "3"],
    "memory": ["1Mi", "32Mi", "100M", "1Gi", "3Gi"],
    "ephemeral-storage": ["1Mi", "1Gi"],
}
VERSIONS = [KubeVersion(1, 25), KubeVersion(1, 28), KubeVersion(1, 29), KubeVersion(1, 37)]


def run_of(tasks: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "apiVersion": "tekton.dev/v1",
        "kind": "PipelineRun",
        "metadata": {"name": "run"},
        "spec": {"pipelineSpec": {"tasks": tasks}},
    }


def task(name: str, steps: list[dict[str, Any]], sidecars: list[dict[str, Any]], after: list[str]) -> dict[str, Any]:
    spec = {
        "steps": [{"image": "alpine", "script": "true", "computeResources": each} for each in steps],
        "sidecars": [
            {"name": f"s{number}", "image": "db", "command": ["x"], "computeResources": each}
            for number, each in enumerate(sidecars)
        ],
    }
    return {"name": name, "runAfter": after, "taskSpec": spec}


def limit_range(*items: dict[str, Any], name: str = "limits", **metadata: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": {"name": name, **metadata},
        "spec": {"limits": list(items)},
    }


def compiled(run: dict[str, Any], *ranges: dict[str, Any], **options: Any) -> Compilation:
    content = "\n---\n".join(json.dumps(each) for each in (run, *ranges))
    (compilation,) = compile_runs(read(content.encode(), "run.yaml"), Options(**options))
    return compilation


def problems_of(run: dict[str, Any], *ranges: dict[str, Any], **options: Any) -> list[str]:
    with pytest.raises(Problems) as raised:
        compiled(run, *ranges, **options)
    assert {problem.rule for problem in raised.value.problems} == {"limit-range"}
    return [problem.message for problem in raised.value.problems]


@st.composite
def amounts(draw: st.DrawFn) -> dict[str, str]:
    names = draw(st.sets(st.sampled_from(sorted(AMOUNTS)), max_size=2))
    return {name: draw(st.sampled_from(AMOUNTS[name])) for name in sorted(names)}


@st.composite
def resources(draw: st.DrawFn) -> dict[str, dict[str, str]]:
    """Resources that an author may set: no request is above its limit."""
    requests, limits = draw(amounts()), draw(amounts())
    for name in requests.keys() & limits.keys():
        if quantity.parse(requests[name]) > quantity.parse(limits[name]):
            requests[name], limits[name] = limits[name], requests[name]
    return {kind: each for kind, each in (("requests", requests), ("limits", limits)) if each}


@st.composite
def runs(draw: st.DrawFn) -> dict[str, Any]:
    tasks: list[dict[str, Any]] = []
    for number in range(draw(st.integers(1, 3))):
        after = draw(st.sets(st.sampled_from([each["name"] for each in tasks]))) if tasks else set()
        steps = draw(st.lists(resources(), min_size=1, max_size=2))
        sidecars = draw(st.lists(resources(), max_size=1))
        tasks.append(task(f"t{number}", steps, sidecars, sorted(after)))
    return run_of(tasks)


@st.composite
def items(draw: st.DrawFn) -> dict[str, Any]:
    """An item of a LimitRange that the API accepts: min ≤ defaultRequest ≤ default ≤ max."""
    kind = draw(st.sampled_from(["Container", "Container", "Pod"]))
    item: dict[str, Any] = {"type": kind}
    fields = ["min", "max"] if kind == "Pod" else ["min", "defaultRequest", "default", "max"]
    for name in draw(st.sets(st.sampled_from(sorted(AMOUNTS)), min_size=1, max_size=2)):
        chosen = [field for field in fields if draw(st.booleans())]
        values = draw(st.lists(st.sampled_from(AMOUNTS[name]), min_size=len(chosen), max_size=len(chosen)))
        for field, value in zip(chosen, sorted(values, key=quantity.parse), strict=True):
            item.setdefault(field, {})[name] = value
        if draw(st.integers(0, 3)) == 0:
            item.setdefault("maxLimitRequestRatio", {})[name] = draw(st.sampled_from(["1", "2", "10", "100"]))
    return item


RANGES = st.lists(
    st.lists(items(), min_size=1, max_size=2, unique_by=lambda item: item["type"]), min_size=1, max_size=2
).map(lambda each: [limit_range(*items, name=f"limits-{number}") for number, items in enumerate(each)])


def as_written(run: dict[str, Any], pod: dict[str, Any]) -> dict[str, Any]:
    """Return the Pod with the author's own resources, without scaling and defaults."""
    pod = copy.deepcopy(pod)
    pod["spec"].pop("resources", None)
    by_name = {each["name"]: each for each in pod["spec"]["containers"]}
    for each in run["spec"]["pipelineSpec"]["tasks"]:
        spec = each["taskSpec"]
        for number, step in enumerate(spec["steps"]):
            by_name[f"{each['name']}-unnamed-{number}"]["resources"] = step["computeResources"]
        for sidecar in spec["sidecars"]:
            by_name[f"{each['name']}-sidecar-{sidecar['name']}"]["resources"] = sidecar["computeResources"]
    return pod


@settings(max_examples=100, deadline=None)
@given(run=runs(), ranges=RANGES, version=st.sampled_from(VERSIONS), beside=st.booleans())
def test_compiled_pods_are_admitted_and_refused_pods_are_not(
    run: dict[str, Any], ranges: list[dict[str, Any]], version: KubeVersion, beside: bool
) -> None:
    """Kubernetes says of no order in which it takes several LimitRanges: what one order refuses may be refused."""
    given_ranges = () if beside else ranges
    of_namespace = tuple(ranges) if beside else ()
    orders = [list(each) for each in itertools.permutations(ranges)]
    try:
        pod = compiled(run, *given_ranges, kube_version=version, limit_ranges=of_namespace).pod
    except Problems as error:
        assert {problem.rule for problem in error.problems} == {"limit-range"}  # noqa: PT017
        written = as_written(run, compiled(run, kube_version=version).pod)
        assert any(limit_ranger.complaints(limit_ranger.admitted(written, each), each, version) for each in orders)
        return
    after = limit_ranger.admitted(pod, ranges)
    for each in orders:
        assert limit_ranger.admitted(pod, each) == after
        assert limit_ranger.complaints(after, each, version) == []
    for before, each in zip(
        [*pod["spec"]["initContainers"], *pod["spec"]["containers"]],
        [*after["spec"]["initContainers"], *after["spec"]["containers"]],
        strict=True,
    ):
        for kind in ("requests", "limits"):
            assert before.get("resources", {}).get(kind, {}) == each["resources"][kind]


# Tekton's documentation, and messages


def requests_of(compilation: Compilation, resource: str = "cpu") -> dict[str, str]:
    pod = compilation.pod["spec"]
    containers = [*pod["initContainers"], *pod["containers"]]
    return {each["name"]: each.get("resources", {}).get("requests", {}).get(resource, "-") for each in containers}


CPU = limit_range(
    {"type": "Container", "default": {"cpu": "2"}, "defaultRequest": {"cpu": "1"}, "max": {"cpu": "3"},
     "min": {"cpu": "300m"}}
)  # fmt: skip


def test_steps_but_not_sidecars_share_the_default_request() -> None:
    steps, sidecar = ["t-unnamed-0", "t-unnamed-1"], "t-sidecar-s0"
    alone = compiled(run_of([task("t", [{}, {}], [], [])]), CPU)
    assert requests_of(alone) == {"coordinator": "300m", **dict.fromkeys(steps, "500m")}
    beside = compiled(run_of([task("t", [{}, {}], [{}], [])]), CPU)
    requests = requests_of(beside)
    assert sum(quantity.parse(requests[name]) for name in (*steps, sidecar)) == 2
    assert {each["resources"]["limits"]["cpu"] for each in beside.pod["spec"]["containers"]} == {"2"}


def test_request_raised_to_the_minimum_lowers_others() -> None:
    small, large = ({"requests": {"cpu": amount}, "limits": {"cpu": "2"}} for amount in ("200m", "1"))
    assert requests_of(compiled(run_of([task("t", [small, large], [], [])]), CPU)) == {
        "coordinator": "300m",
        "t-unnamed-0": "300m",
        "t-unnamed-1": "700m",
    }


def test_strictest_of_several_limit_ranges_counts() -> None:
    other = limit_range(
        {"type": "Container", "default": {"cpu": "1500m"}, "defaultRequest": {"cpu": "750m"}, "min": {"cpu": "500m"}},
        name="other",
    )
    (step,) = compiled(run_of([task("t", [{}], [], [])]), CPU, other).pod["spec"]["containers"]
    assert step["resources"] == {"limits": {"cpu": "1500m"}, "requests": {"cpu": "750m"}}


def test_limit_range_of_another_namespace_is_only_passed_on() -> None:
    elsewhere = limit_range({"type": "Container", "max": {"cpu": "1m"}}, namespace="prod")
    compilation = compiled(run_of([task("t", [{}], [], [])]), elsewhere, namespace="ci")
    assert requests_of(compilation) == {"coordinator": "10m", "t-unnamed-0": "-"}
    assert compilation.passed_through == (elsewhere,)
    assert requests_of(compiled(run_of([task("t", [{}], [], [])]), CPU, namespace="ci"))["t-unnamed-0"] == "1"


def test_coordinator_is_not_starved_by_a_default() -> None:
    tiny = limit_range({"type": "Container", "default": {"memory": "16Mi"}, "defaultRequest": {"memory": "8Mi"}})
    (coordinator,) = compiled(run_of([task("t", [{}], [], [])]), tiny).pod["spec"]["initContainers"]
    assert coordinator["resources"]["limits"]["memory"] == "32Mi"
    assert coordinator["resources"]["requests"]["memory"] == "32Mi"
    tiny["spec"]["limits"][0]["max"] = {"memory": "16Mi"}
    assert problems_of(run_of([task("t", [{}], [], [])]), tiny) == [
        "spec.limits[0].max.memory: monopod's coordinator needs 32Mi of memory, which is more than a container may have"
    ]


def test_coordinator_requests_what_the_pod_lacks() -> None:
    least = limit_range({"type": "Pod", "min": {"cpu": "1"}})
    assert requests_of(compiled(run_of([task("t", [{"requests": {"cpu": "300m"}}], [], [])]), least)) == {
        "coordinator": "700m",
        "t-unnamed-0": "300m",
    }


LIMITS = """\
apiVersion: v1
kind: LimitRange
metadata: {name: small}
spec:
  limits:
  - type: Container
    default: {cpu: 500m}
    max: {cpu: 2, memory: 1Gi}
  - type: Pod
    max: {cpu: 3}
---
"""
RUN = """\
apiVersion: tekton.dev/v1
kind: PipelineRun
metadata: {name: run}
spec:
  pipelineSpec:
    tasks:
    - name: a
      taskSpec:
        stepTemplate:
          computeResources: {limits: {memory: 2Gi}}
        steps:
        - image: alpine
          script: x
          computeResources: {requests: {cpu: 1}}
    - name: b
      taskSpec:
        steps:
        - image: alpine
          script: x
          computeResources: {limits: {cpu: 4}}
"""


def test_limit_range_violation_is_reported_at_its_position(problems: Callable[..., list[str]]) -> None:
    of_task, step = "spec.pipelineSpec.tasks[{}].taskSpec", "steps[0].computeResources"
    assert problems(LIMITS + RUN) == [
        "p.yaml:10:16: spec.limits[1].max.cpu: the Pod asks for 5010m of cpu, and a Pod may have 3; ask for less, or let "
        "less run at the same time",
        "p.yaml:10:16: spec.limits[1].max.cpu: the limits of all containers together are 5 of cpu, and a Pod may have 3; "
        "ask for less, or let less run at the same time",
        f"p.yaml:21:47: {of_task.format(0)}.stepTemplate.computeResources.limits.memory: 2Gi is more than the LimitRange "
        "'small' allows a container: 1Gi",
        f"p.yaml:25:46: {of_task.format(0)}.{step}.requests.cpu: 1 is more than the limit that the LimitRange 'small' "
        "gives it: 500m; say what its limit is",
        f"p.yaml:31:44: {of_task.format(1)}.{step}.limits.cpu: 4 is more than the LimitRange 'small' allows a container: "
        "2",
    ]


def test_contradictory_limit_range_is_reported(problems: Callable[..., list[str]]) -> None:
    wrong = LIMITS.replace("default: {cpu: 500m}", "default: {cpu: 5}").replace(
        "type: Pod", "type: Pod\n    default: {cpu: 1}"
    )
    assert problems(wrong + RUN) == [
        "p.yaml:7:20: spec.limits[0].default.cpu: 5 is more than max.cpu, 2",
        "p.yaml:10:14: spec.limits[1].default: the type Pod has no defaults; set them with the type Container",
    ]


def test_two_items_of_one_type_are_refused_as_by_the_api(problems: Callable[..., list[str]]) -> None:
    twice = "kind: LimitRange\napiVersion: v1\nmetadata: {name: l}\nspec:\n  limits:\n"
    twice += "  - {type: Container, max: {cpu: 1}}\n" * 2 + "---\n"
    assert problems(twice + RUN) == [
        "p.yaml:7:12: spec.limits[1].type: there is already an item of the type Container; merge them"
    ]


def test_unreadable_limit_range_of_the_namespace_is_reported() -> None:
    strange = limit_range({"type": "Container", "max": {"cpu": "much"}})
    with pytest.raises(Problems, match=r"LimitRange limits of the namespace: .*'much' is not a quantity"):
        compiled(run_of([task("t", [{}], [], [])]), limit_ranges=(strange,))


# Requests of the Pod as a whole


@pytest.mark.parametrize("version", [KubeVersion(1, 33), KubeVersion(1, 34), KubeVersion(1, 37)], ids=str)
def test_pod_level_requests_are_the_peak(version: KubeVersion) -> None:
    asks, limited = {"requests": {"cpu": "1"}}, {"limits": {"cpu": "2", "memory": "1Gi"}}
    pod = compiled(run_of([task("t", [asks, limited, {}], [asks], [])]), kube_version=version).pod
    kubernetes_validate.validate(pod, str(version), strict=True)
    if version < (1, 34):
        assert "resources" not in pod["spec"]
        return
    assert pod["spec"]["resources"] == {"requests": {"cpu": "3010m", "memory": "1056Mi"}}
    requests = {each["name"]: each["resources"]["requests"] for each in pod["spec"]["containers"]}
    assert requests["t-unnamed-2"] == {"cpu": "0", "memory": "0"}
    assert sum(quantity.parse(each["cpu"]) for each in requests.values()) == 3


def test_pod_without_requests_has_no_pod_level_requests() -> None:
    spec = compiled(run_of([task("t", [{}, {}], [], [])]), kube_version=KubeVersion(1, 37)).pod["spec"]
    assert "resources" not in spec
    assert not any("resources" in each for each in spec["containers"])


def test_resources_not_allowed_at_pod_level_stay_with_containers() -> None:
    huge = {"limits": {"hugepages-2Mi": "4Mi", "memory": "1Gi", "ephemeral-storage": "1Gi", "example.com/gpu": "1"}}
    pod = compiled(run_of([task("t", [huge], [], [])]), kube_version=KubeVersion(1, 37)).pod
    assert pod["spec"]["resources"] == {"requests": {"memory": "1056Mi"}}
    assert pod["spec"]["containers"][0]["resources"]["limits"] == huge["limits"]


@settings(max_examples=100, deadline=None)
@given(run=runs())
def test_pod_level_requests_are_the_sum_of_its_containers(run: dict[str, Any]) -> None:
    pod = compiled(run, kube_version=KubeVersion(1, 37)).pod
    before = compiled(run, kube_version=KubeVersion(1, 33)).pod
    assert limit_ranger.complaints(limit_ranger.admitted(pod, []), [], (1, 37)) == []
    for name, text in pod["spec"].get("resources", {}).get("requests", {}).items():
        whole = [*before["spec"]["initContainers"], *before["spec"]["containers"]]
        amounts = (each.get("resources", {}).get("requests", {}).get(name, "0") for each in whole)
        assert quantity.parse(text) == sum(map(quantity.parse, amounts))
