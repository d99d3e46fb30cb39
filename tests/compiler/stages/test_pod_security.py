"""`--pod-security restricted`, compared to the standard: defaults are added, forbidden values are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import kubernetes_validate
import pod_security_standard as standard
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monopod.compiler.compilation import Compilation, compile_runs
from monopod.compiler.diagnostics import Problems
from monopod.compiler.documents.documents import read
from monopod.compiler.options import Options
from monopod.compiler.pod.kube_version import KubeVersion

NEWEST = KubeVersion(1, 37)


def compiled(run: dict[str, Any], **options: Any) -> Compilation:
    (compilation,) = compile_runs(read(json.dumps(run).encode(), "run.json"), Options(**options))
    return compilation


def rules_broken(run: dict[str, Any], **options: Any) -> set[str]:
    """Return the rules of the problems of a run; empty if it can be compiled."""
    try:
        compiled(run, **options)
    except Problems as error:
        return {problem.rule for problem in error.problems}
    return set()


def run_of(
    *,
    step: dict[str, Any] | None = None,
    template: dict[str, Any] | None = None,
    sidecar: dict[str, Any] | None = None,
    pod: dict[str, Any] | None = None,
    of_task: dict[str, Any] | None = None,
    volumes: list[dict[str, Any]] | None = None,
    ports: list[dict[str, Any]] | None = None,
    annotations: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Return a PipelineRun whose Steps and Sidecar have these security contexts, and whose Pod has these fields."""
    say = {"name": "say", "image": "alpine", "script": "true", "securityContext": step or {}}
    task = {
        "steps": [say, {"name": "more", "image": "alpine", "script": "true"}],
        "stepTemplate": {"securityContext": template or {}},
        "sidecars": [
            {"name": "db", "image": "db", "command": ["x"], "securityContext": sidecar or {}, "ports": ports or []}
        ],
        "volumes": volumes or [],
    }
    return {
        "apiVersion": "tekton.dev/v1",
        "kind": "PipelineRun",
        "metadata": {"name": "run", "annotations": annotations or {}},
        "spec": {
            "taskRunTemplate": {"podTemplate": pod or {}},
            "taskRunSpecs": [{"pipelineTaskName": "a", "podTemplate": {"securityContext": of_task or {}}}],
            "pipelineSpec": {"tasks": [{"name": "a", "taskSpec": task}]},
        },
    }


def contexts(**more: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Security contexts, mostly of allowed values."""
    profiles = st.sampled_from(
        [{"type": "RuntimeDefault"}, {"type": "Localhost", "localhostProfile": "p.json"}, {"type": "Unconfined"}]
    )
    linux = st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(["", "container_t", "container_engine_t", "spc_t"]),
            "user": st.sampled_from(["", "", "system_u"]),
            "role": st.sampled_from(["", "", "system_r"]),
            "level": st.just("s0:c1,c2"),
        },
    )
    fields: dict[str, st.SearchStrategy[Any]] = {
        "runAsNonRoot": st.sampled_from([True, True, True, False]),
        "runAsUser": st.sampled_from([1, 1000, 65534, 0]),
        "runAsGroup": st.just(0),
        "seccompProfile": profiles,
        "appArmorProfile": profiles,
        "seLinuxOptions": linux,
    }
    return st.fixed_dictionaries({}, optional={**fields, **more})


CAPABILITIES = st.fixed_dictionaries(
    {},
    optional={
        "add": st.lists(st.sampled_from(["NET_BIND_SERVICE", "NET_BIND_SERVICE", "CHOWN"]), max_size=2, unique=True),
        "drop": st.lists(st.sampled_from(["ALL", "KILL"]), max_size=2, unique=True),
    },
)
OF_CONTAINERS = st.one_of(
    st.just({}),
    contexts(
        capabilities=CAPABILITIES,
        privileged=st.sampled_from([False, False, True]),
        allowPrivilegeEscalation=st.sampled_from([False, False, True]),
        procMount=st.sampled_from(["Default", "Default", "Unmasked"]),
        readOnlyRootFilesystem=st.booleans(),
    ),
)
SYSCTLS = st.lists(
    st.sampled_from(["kernel.shm_rmid_forced", "net.ipv4.tcp_rmem", "net.ipv4.tcp_fin_timeout", "net.core.somaxconn"]),
    max_size=1,
).map(lambda names: [{"name": name, "value": "1"} for name in names])
OF_PODS = st.fixed_dictionaries(
    {},
    optional={
        "hostNetwork": st.sampled_from([False, False, True]),
        "securityContext": st.one_of(st.just({}), contexts(sysctls=SYSCTLS, fsGroup=st.just(1))),
    },
)
VOLUMES = st.lists(
    st.sampled_from(
        [
            {"name": "a", "emptyDir": {}},
            {"name": "b", "secret": {"secretName": "s"}},
            {"name": "c", "ephemeral": {"volumeClaimTemplate": {"spec": {"accessModes": ["ReadWriteOnce"]}}}},
            {"name": "d", "hostPath": {"path": "/srv"}},
            {"name": "e", "nfs": {"server": "s", "path": "/"}},
        ]
    ),
    max_size=2,
    unique_by=lambda volume: volume["name"],
)
PORTS = st.sampled_from([[], [{"containerPort": 80}], [{"containerPort": 80, "hostPort": 80}]])
RUNS = st.builds(
    run_of,
    step=OF_CONTAINERS,
    template=OF_CONTAINERS,
    sidecar=OF_CONTAINERS,
    pod=OF_PODS,
    of_task=st.one_of(st.just({}), contexts()),
    volumes=VOLUMES,
    ports=PORTS,
    annotations=st.sampled_from([{}, {}, {"container.apparmor.security.beta.kubernetes.io/a-say": "unconfined"}]),
)


@settings(max_examples=150, deadline=None)
@given(run=RUNS, version=st.sampled_from([KubeVersion(1, 25), KubeVersion(1, 29), KubeVersion(1, 31), NEWEST]))
def test_refusals_agree_with_the_standard(run: dict[str, Any], version: KubeVersion) -> None:
    expected = standard.forbidden(compiled(run, kube_version=version).pod, version)
    if expected:
        assert rules_broken(run, kube_version=version, pod_security="restricted") == {"pod-security"}, expected
        return
    pod = compiled(run, kube_version=version, pod_security="restricted").pod
    assert standard.forbidden(pod, version) == []
    assert standard.missing(pod) == []


def test_standard_rejects_a_plain_pod() -> None:
    pod = compiled(run_of()).pod
    fields = {"allowPrivilegeEscalation", "capabilities.drop", "runAsNonRoot", "seccompProfile"}
    assert {name.partition(": ")[2] for name in standard.missing(pod)} == fields
    assert {name.partition(": ")[0] for name in standard.missing(pod)} == {"a-say", "a-more", "a-sidecar-db"}


@pytest.mark.parametrize("version", [KubeVersion(1, 25), KubeVersion(1, 28), KubeVersion(1, 29), NEWEST], ids=str)
def test_containers_of_monopod_always_pass(version: KubeVersion) -> None:
    pod = compiled(run_of(), kube_version=version).pod
    own = [each for each in [*pod["spec"]["initContainers"], *pod["spec"]["containers"]]
           if each["name"] in ("coordinator", "install")]  # fmt: skip
    bare = {**pod, "spec": {**pod["spec"], "initContainers": own[:1], "containers": own[1:]}}
    assert standard.forbidden(bare, version) == []
    assert standard.missing(bare) == []


def test_default_security_contexts() -> None:
    spec = compiled(run_of(step={"runAsUser": 7}), pod_security="restricted").pod["spec"]
    assert spec["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    by_name = {each["name"]: each["securityContext"] for each in spec["containers"]}
    filled_in = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    assert by_name == {"a-say": {"runAsUser": 7, **filled_in}, "a-more": filled_in, "a-sidecar-db": filled_in}


def test_settings_of_the_author_are_kept() -> None:
    chosen = {"type": "Localhost", "localhostProfile": "p.json"}
    of_pod = {"runAsUser": 5, "seccompProfile": chosen, "fsGroup": 6}
    own = {"capabilities": {"add": ["NET_BIND_SERVICE"], "drop": ["KILL"]}, "runAsNonRoot": True}
    pod = compiled(run_of(sidecar=own, pod={"securityContext": of_pod}), pod_security="restricted").pod
    kubernetes_validate.validate(pod, str(NEWEST), strict=True)
    spec = pod["spec"]
    assert spec["securityContext"] == {**of_pod, "runAsNonRoot": True}
    (sidecar,) = (each["securityContext"] for each in spec["containers"] if each["name"] == "a-sidecar-db")
    assert sidecar["capabilities"] == {"add": ["NET_BIND_SERVICE"], "drop": ["ALL"]}


RUN = """\
apiVersion: tekton.dev/v1
kind: PipelineRun
metadata:
  name: run
spec:
  taskRunTemplate:
    podTemplate:
      securityContext: {fsGroup: 1}
  taskRunSpecs:
  - pipelineTaskName: a
    podTemplate:
      securityContext: {runAsUser: 0, seccompProfile: {type: Unconfined}}
  pipelineSpec:
    workspaces: [{name: w}]
    tasks:
    - name: a
      workspaces: [{name: w}]
      matrix: {params: [{name: m, value: [u, v]}]}
      taskSpec:
        params: [{name: m}]
        workspaces: [{name: w}]
        stepTemplate:
          securityContext: {privileged: true}
        steps:
        - name: say
          image: alpine
          script: echo $(params.m)
          securityContext: {runAsUser: 5, capabilities: {add: [NET_BIND_SERVICE, SYS_ADMIN]}}
"""


def test_violations_are_reported_once_at_their_position(problems: Callable[..., list[str]]) -> None:
    found = problems(RUN, pod_security="restricted", workspaces=(("w", "hostPath:/srv"),))
    forbids = "which the Pod Security profile 'restricted' forbids; leave it out"
    allows = "configMap, csi, downwardAPI, emptyDir, ephemeral, persistentVolumeClaim, projected, secret"
    task, of_task = "spec.pipelineSpec.tasks[0].taskSpec", "spec.taskRunSpecs[0].podTemplate.securityContext"
    assert found == [
        "-w w=hostPath:/srv: the volume is of the type hostPath, "
        f"which the Pod Security profile 'restricted' forbids; it allows {allows}",
        f"p.yaml:12:62: {of_task}.seccompProfile.type: the seccompProfile is Unconfined, {forbids}",
        f"p.yaml:23:41: {task}.stepTemplate.securityContext.privileged: the container is privileged, {forbids}",
        f"p.yaml:28:82: {task}.steps[0].securityContext.capabilities.add[1]: the capability SYS_ADMIN is added, "
        + forbids,
    ]


def test_without_the_option_nothing_is_reported_or_added() -> None:
    spec = compiled(run_of(step={"privileged": True})).pod["spec"]
    assert "securityContext" not in spec
    assert spec["containers"][0]["securityContext"] == {"privileged": True}
