"""The Pod of a run: valid in the Kubernetes API's schema, and consistent."""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import kubernetes_validate
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kubernetes_validate import utils as kubernetes_schemas

from monopod.compiler.documents.yaml_text import to_yaml
from monopod.compiler.pod.assembly import COORDINATOR, make_pod, mount_conflict, plan_of, size_problem, stored_bytes
from monopod.compiler.pod.kube_version import DEFAULT, WITHOUT_NATIVE_SIDECARS
from monopod.compiler.pod.parts import ContainerPart, PodParts
from monopod.compiler.tasks.running_order import container_starts
from monopod.runtime.carried import installed_runtime
from monopod.schemas.plan import Pipeline, Plan, Sidecar, Slot, Step, Task, decode

VERSIONS = [
    version for version in kubernetes_schemas.all_versions() if tuple(map(int, version.split(".")[:2])) >= (1, 31)
]
DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


@pytest.fixture(scope="module")
def accept() -> Iterator[Callable[[Any, str], None]]:
    """Validates strictly with one version of the API; each schema file is read once."""
    contents: dict[str, Any] = {}
    read = kubernetes_schemas.schema_contents
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            kubernetes_schemas,
            "schema_contents",
            lambda name, version: (
                contents[name] if name in contents else contents.setdefault(name, read(name, version))
            ),
        )
        yield lambda pod, version: kubernetes_validate.validate(pod, version, strict=True)


def pod_of(plan: Plan, parts: PodParts) -> dict[str, Any]:
    return make_pod(plan, parts, runtime_image="example.com/monopod:1", log_format="human")


def container(pod: dict[str, Any], name: str) -> dict[str, Any]:
    return next(each for each in [*pod["spec"]["initContainers"], *pod["spec"]["containers"]] if each["name"] == name)


def mounts(container: dict[str, Any]) -> dict[str, str]:
    return {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}


@pytest.mark.parametrize("version", VERSIONS)
def test_api_accepts_a_pod(accept: Any, chain: Any, version: str) -> None:
    fields = {
        "imagePullPolicy": "Always",
        "envFrom": [{"configMapRef": {"name": "settings"}}],
        "env": [{"name": "A", "value": "1"}],
        "resources": {"limits": {"cpu": "1", "nvidia.com/gpu": "1"}},
        "securityContext": {"runAsUser": 1000},
    }
    accept(pod_of(*chain(["a", "b"], **fields)), version)


@settings(max_examples=30)
@given(st.data())
def test_api_accepts_random_pods(accept: Any, plans: Any, data: st.DataObject) -> None:
    accept(pod_of(*data.draw(plans)), data.draw(st.sampled_from([VERSIONS[0], VERSIONS[-1]])))


def test_schema_rejects_a_wrong_pod(accept: Any, chain: Any) -> None:
    pod = pod_of(*chain(["a"]))
    pod["spec"]["containers"][0]["volumeMount"] = []
    with pytest.raises(kubernetes_validate.ValidationError):
        accept(pod, VERSIONS[-1])


@settings(max_examples=40)
@given(st.data())
def test_names_are_unique_and_every_mount_has_its_volume(plans: Any, data: st.DataObject) -> None:
    plan, parts = data.draw(plans)
    pod = pod_of(plan, parts)
    spec = pod["spec"]
    containers = [*spec["initContainers"], *spec["containers"]]
    volumes = [volume["name"] for volume in spec["volumes"]]
    names = [each["name"] for each in containers]
    assert len(set(volumes)) == len(volumes)
    assert len(set(names)) == len(names)
    assert all(DNS_LABEL.fullmatch(name) for name in [*volumes, *names])
    used = set()
    for each in containers:
        assert len({mount["mountPath"] for mount in each["volumeMounts"]}) == len(each["volumeMounts"])
        used |= {mount["name"] for mount in each["volumeMounts"]}
    assert used <= set(volumes)
    assert set(volumes) - used <= {volume["name"] for volume in parts.volumes}
    assert {name for name in names if name != COORDINATOR} == {part.name for part in parts.containers}


@settings(max_examples=40)
@given(st.data())
def test_step_shares_only_its_own_volumes_with_the_coordinator(plans: Any, data: st.DataObject) -> None:
    plan, parts = data.draw(plans)
    pod = pod_of(plan, parts)
    coordinator = mounts(container(pod, COORDINATOR))
    owners: dict[str, str] = {}
    for part in parts.containers:
        own = mounts(container(pod, part.name))
        assert own["/monopod/bin"] == coordinator["/monopod/bin"]
        assert own["/monopod/step"] == coordinator[f"/monopod/steps/{part.name}"]
        assert owners.setdefault(own["/monopod/step"], part.name) == part.name
        assert own.get("/tekton") == (None if part.is_sidecar else coordinator[f"/monopod/slots/{part.slot}/tekton"])
        if part.has_script:
            assert own["/tekton/scripts"] == coordinator[f"/monopod/slots/{part.slot}/scripts"]
        if "/workspace" in own:
            given_mounts = {mount["mountPath"] for mount in part.fields.get("volumeMounts", ())}
            assert owners.setdefault(own["/workspace"], part.slot) == part.slot or "/workspace" in given_mounts


@settings(max_examples=40)
@given(st.data())
def test_containers_are_in_the_order_of_first_use(plans: Any, data: st.DataObject) -> None:
    plan, parts = data.draw(plans)
    order = {each["name"]: place for place, each in enumerate(pod_of(plan, parts)["spec"]["containers"])}
    check_order(plan.pipeline, order)
    starts = container_starts(plan.pipeline)
    assert sorted(order, key=order.__getitem__) == sorted(
        starts, key=lambda name: (starts[name], [part.name for part in parts.containers].index(name))
    )


def check_order(pipeline: Pipeline, order: dict[str, int]) -> list[int]:
    """Check that containers that run later are listed later; return the indexes of the containers of a Pipeline."""
    tasks, final = (
        {task.name: places_of(task, order) for task in each} for each in (pipeline.tasks, pipeline.final_tasks)
    )
    for task in pipeline.tasks:
        for earlier in task.after:
            assert min(tasks[earlier]) < min(tasks[task.name])
    for places in final.values():
        assert all(min(each) < min(places) for each in tasks.values())
    return [place for places in [*tasks.values(), *final.values()] for place in places]


def places_of(task: Task, order: dict[str, int]) -> list[int]:
    if task.pipeline is not None:
        return check_order(task.pipeline, order)
    for slot in task.slots:
        steps = [order[name] for name in slot.containers]
        assert steps == sorted(steps)
    return [order[name] for slot in task.slots for name in (*slot.containers, *slot.sidecars)]


def test_pod_does_not_depend_on_hash_order(chain: Any) -> None:
    plan, parts = chain([f"task-{number}" for number in range(9)], resources={"limits": {"cpu": "1", "memory": "1Gi"}})
    program = (
        "import pickle, sys\n"
        "from monopod.compiler.pod.assembly import make_pod\n"
        "from monopod.compiler.documents.yaml_text import to_yaml\n"
        "plan, parts = pickle.load(sys.stdin.buffer)\n"
        "print(to_yaml(make_pod(plan, parts, runtime_image='example.com/monopod:1', log_format='human')), end='')"
    )
    texts = {
        subprocess.run(
            [sys.executable, "-c", program],
            input=pickle.dumps((plan, parts)),
            env={**os.environ, "PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
            check=True,
        ).stdout.decode()
        for seed in ("1", "2")
    }
    assert texts == {to_yaml(pod_of(plan, parts))}


def test_coordinator_is_an_unprivileged_sidecar_with_the_plan(chain: Any) -> None:
    plan, parts = chain(["a"])
    pod = make_pod(plan, parts, runtime_image="example.com/monopod:1", log_format="json")
    coordinator = pod["spec"]["initContainers"]
    assert len(coordinator) == 1
    assert coordinator[0]["restartPolicy"] == "Always"
    assert coordinator[0]["args"][:3] == ["--format", "json", "--"]
    assert decode(coordinator[0]["args"][3:]) == plan
    assert coordinator[0]["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert coordinator[0]["securityContext"]["runAsNonRoot"] is True
    assert list(coordinator[0])[-1] == "command"  # what nobody can read comes last
    assert list(pod["spec"])[-1] == "initContainers"
    assert pod["metadata"]["annotations"]["monopod.dev/runtime"] == f"sha256:{installed_runtime().digest}"


def test_coordinator_without_native_sidecars_is_the_first_container(chain: Any) -> None:
    plan, parts = chain(["a", "b"])
    newer, older = (
        make_pod(plan, parts, runtime_image="i:1", log_format="human", kube_version=version)
        for version in (DEFAULT, WITHOUT_NATIVE_SIDECARS)
    )
    install, *others = older["spec"]["initContainers"]
    coordinator, *steps = older["spec"]["containers"]
    assert not others
    native = newer["spec"]["initContainers"][0]
    assert install["command"] == [*native["command"][:-1], "install"]
    assert coordinator["command"] == [*native["command"][:6], "run"]
    assert {mount["mountPath"] for mount in install["volumeMounts"]} == {"/monopod/bin", "/monopod/state"}
    assert coordinator["args"] == ["--end-with-run", *newer["spec"]["initContainers"][0]["args"]]
    assert not {"restartPolicy", "lifecycle"} & coordinator.keys()
    assert steps == newer["spec"]["containers"]
    assert older["spec"]["volumes"] == newer["spec"]["volumes"]
    assert plan_of(older) == plan_of(newer) == plan


def test_other_pods_have_no_plan() -> None:
    pod = {"spec": {"containers": [{"name": "web", "image": "nginx"}]}}
    with pytest.raises(ValueError, match="not made by monopod"):
        plan_of(pod)
    pod["spec"]["containers"].append({"name": "coordinator", "image": "x"})
    with pytest.raises(ValueError, match="not an encoded Plan"):
        plan_of(pod)


def test_arguments_are_within_the_limit_of_the_kernel(chain: Any) -> None:
    plan, parts = chain([f"task-{number}" for number in range(3)])
    noise = "".join(chr(0x4E00 + number * 7919 % 20000) for number in range(200_000))
    long = Plan(plan.pipeline, {"kind": "PipelineRun", "metadata": {"annotations": {"a": noise}}})
    coordinator = pod_of(long, parts)["spec"]["initContainers"][0]
    assert len(coordinator["args"]) > 4
    words = [*coordinator["args"], *coordinator["command"], *coordinator["lifecycle"]["postStart"]["exec"]["command"]]
    assert max(map(len, words)) < 128 * 1024  # MAX_ARG_STRLEN, with the NUL


def test_labels_and_annotations_of_the_author_are_kept(chain: Any) -> None:
    plan, parts = chain(["a"])
    labels = {"team": "a", "app.kubernetes.io/managed-by": "Helm"}
    annotations = {"kubectl.kubernetes.io/default-container": "a-run"}
    given_parts = PodParts("x", None, "ci", labels, annotations, parts.containers, (), {"priorityClassName": "low"})
    pod = pod_of(Plan(Pipeline("p" * 100, tasks=plan.pipeline.tasks), {}), given_parts)
    assert pod["metadata"]["name"] == "x"
    assert pod["metadata"]["namespace"] == "ci"
    assert "generateName" not in pod["metadata"]
    assert pod["metadata"]["labels"]["team"] == "a"
    assert pod["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "monopod"
    assert len(pod["metadata"]["labels"]["monopod.dev/pipeline"]) == 63
    assert pod["metadata"]["annotations"]["kubectl.kubernetes.io/default-container"] == "a-run"
    assert pod["spec"]["restartPolicy"] == "Never"
    assert pod["spec"]["priorityClassName"] == "low"


def test_home_is_set_unless_the_author_sets_it(chain: Any) -> None:
    own = {"name": "HOME", "value": "/root"}
    other = {"name": "A", "value": "$(HOME)/a"}
    assert container(pod_of(*chain(["a"], env=[own])), "a-run")["env"] == [own]
    assert container(pod_of(*chain(["a"], env=[other])), "a-run")["env"] == [
        {"name": "HOME", "value": "/tekton/home"},
        other,
    ]


def test_mount_of_the_author_replaces_the_implicit_workspace(chain: Any) -> None:
    pod = pod_of(*chain(["a"], volumeMounts=[{"name": "mine", "mountPath": "/workspace/"}]))
    step = container(pod, "a-run")
    assert mounts(step)["/workspace/"] == "mine"
    assert "/workspace" not in mounts(step)
    assert not any(volume["name"].startswith("workspace-") for volume in pod["spec"]["volumes"])


def test_sidecar_has_only_its_control_directory_and_script() -> None:
    task = Task("a", steps=(Step("s"),), sidecars=(Sidecar(Step("db")),), slots=(Slot("a", ("a-s",), ("a-db",)),))
    parts = (
        ContainerPart("a-s", "a", False, {"image": "x"}, False),
        ContainerPart("a-db", "a", True, {"image": "y"}, True),
    )
    pod = pod_of(Plan(Pipeline("p", tasks=(task,)), {}), PodParts("r", None, None, {}, {}, parts, (), {}))
    assert mounts(container(pod, "a-db")).keys() == {"/monopod/bin", "/monopod/step", "/tekton/scripts"}
    assert "env" not in container(pod, "a-db")
    assert mounts(container(pod, "a-s")).keys() == {"/monopod/bin", "/monopod/step", "/tekton", "/workspace"}


def test_limits_and_devices_are_kept_and_requests_shared(chain: Any) -> None:
    limits = {"cpu": "2", "memory": "1Gi", "nvidia.com/gpu": "1"}
    pod = pod_of(*chain(["a", "b"], resources={"limits": limits, "requests": {"nvidia.com/gpu": "1", "cpu": "1"}}))
    assert container(pod, "a-run")["resources"] == {
        "limits": limits,
        "requests": {"nvidia.com/gpu": "1", "cpu": "500m", "memory": "512Mi"},
    }


@pytest.mark.parametrize(
    "path", ["/", "//", "/monopod", "/monopod/bin/x", "/tekton", "/tekton/results/", "/a/../tekton"]
)
def test_author_cannot_mount_over_reserved_paths(path: str) -> None:
    assert mount_conflict(path)


@pytest.mark.parametrize("path", ["/workspace", "/tekton/home", "/tekton/home/.ssh", "/monopods", "/tektonic", "/data"])
def test_author_can_mount_other_paths(path: str) -> None:
    assert mount_conflict(path) is None


def test_pod_too_large_for_a_cluster_is_reported(chain: Any) -> None:
    names = [f"task-{number}" for number in range(700)]
    small, large = pod_of(*chain(names[:50])), pod_of(*chain(names))
    assert stored_bytes(small) < stored_bytes(large)
    assert size_problem(small) is None
    problem = size_problem(large)
    assert problem is not None
    assert problem.startswith("this Pod has 700 containers and grows to about ")
