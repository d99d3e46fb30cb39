"""Folders of this machine that ``-w`` binds to Workspaces."""

from __future__ import annotations

import os

import kubernetes_validate
import pytest
from pod_security_standard import forbidden, missing

from monopod.compiler.pod.kube_version import KubeVersion

TASK = """
    apiVersion: tekton.dev/v1
    kind: Task
    metadata: {name: build}
    spec:
      workspaces: [{name: source}]
      steps: [{image: i, script: ls $(workspaces.source.path)}]
"""


@pytest.fixture
def source(compiled, tmp_path, monkeypatch):
    """Returns the volume of the Workspace for a binding; the working directory is ``here``, with a folder ``src``."""
    (tmp_path / "src").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "src"))

    def source(binding, **options):
        pod = compiled(TASK, workspaces=(("source", binding),), **options).pod
        return next(volume for volume in pod["spec"]["volumes"] if volume["name"] == "workspace-source")

    return source


@pytest.mark.parametrize(
    ("binding", "path"),
    [(".", "."), ("./src", "src"), ("src/../src", None), ("..", ".."), ("../", ".."), ("~", "src"), ("/", "/")],
)
def test_folder_is_mounted_for_a_pod_on_this_machine(source, tmp_path, binding, path):
    if path is None:
        with pytest.raises(Exception, match=r"expected \./src/\.\./src, emptyDir"):
            source(binding, folders="mounted", local=True)
        return
    expected = {"path": os.path.abspath(tmp_path / path), "type": "Directory"}
    assert source(binding, folders="mounted", local=True) == {"name": "workspace-source", "hostPath": expected}


def test_copied_folder_needs_an_empty_volume(source):
    assert source("./src", folders="copied") == {"name": "workspace-source", "emptyDir": {}}


def test_name_without_a_dot_has_a_suggestion(problems, source):
    assert problems(TASK, workspaces=(("source", "src"),), folders="mounted") == [
        "-w source=src: expected ./src, emptyDir, pvc:CLAIM, hostPath:DIRECTORY, secret:NAME or configMap:NAME"
    ]


RUN = """
    apiVersion: tekton.dev/v1
    kind: PipelineRun
    metadata: {name: run}
    spec:
      taskRunTemplate: {podTemplate: {securityContext: POD}}
      workspaces:
      - name: source
        subPath: part
        volumeClaimTemplate: {spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 3Gi}}}}
      - {name: other, emptyDir: {}}
      pipelineSpec:
        workspaces: [{name: source}, {name: other}]
        tasks:
        - name: first
          workspaces: [{name: source}]
          taskSpec:
            workspaces: [{name: source}]
            steps: [{name: act, image: i, script: x, securityContext: FIRST}]
        - name: second
          runAfter: [first]
          workspaces: [{name: source}]
          taskSpec:
            workspaces: [{name: source}]
            steps: [{name: act, image: i, script: x, securityContext: SECOND}]
"""
COPIED = {"folders": "copied", "workspaces": (("source", "."),)}


@pytest.fixture
def pod(compiled):
    def pod(first="{}", second=None, of_pod="{}", **options):
        second = first if second is None else second
        text = RUN.replace("FIRST", first).replace("SECOND", second).replace("POD", of_pod)
        return compiled(text, **{**COPIED, **options}).pod

    return pod


def files_container(pod):
    return next((each for each in pod["spec"]["containers"] if each["name"] == "files"), None)


def test_files_are_copied_through_a_container_that_is_the_first(pod):
    made = pod()
    kubernetes_validate.validate(made, "1.36", strict=True)
    container = made["spec"]["containers"][0]
    coordinator = made["spec"]["initContainers"][0]
    assert (container["name"], container["image"]) == ("files", coordinator["image"])
    assert container["command"] == ["/monopod/bin/entrypoint"]
    mounts = {each["mountPath"]: each["name"] for each in container["volumeMounts"]}
    assert mounts["/monopod/workspaces/workspace-source"] == "workspace-source"
    assert mounts["/monopod/owner"] == "control-first-act"
    assert coordinator["args"][:5] == ["--format", "human", "--files", "copied", "--"]
    assert {each["mountPath"]: each["name"] for each in coordinator["volumeMounts"]}["/monopod/steps/files"] == mounts[
        "/monopod/step"
    ]
    assert {"name": "workspace-source", "emptyDir": {"sizeLimit": "3Gi"}} in made["spec"]["volumes"]


def test_a_claim_that_is_kept_gets_the_files(pod):
    volumes = {each["name"]: each for each in pod(keep_volume_claims=True)["spec"]["volumes"]}
    assert "ephemeral" in volumes["workspace-source"]


def test_files_are_fetched_from_where_the_workspace_is(compiled):
    text = RUN.replace("FIRST", "{}").replace("SECOND", "{}").replace("POD", "{}")
    compilation = compiled(text, fetched=("source", "other"))
    assert [(each.name, each.directory, each.is_fetched) for each in compilation.exchanged] == [
        ("source", "/monopod/workspaces/workspace-source/part", True),
        ("other", "/monopod/workspaces/workspace-other", True),
    ]
    coordinator = compilation.pod["spec"]["initContainers"][0]
    assert coordinator["args"][2:4] == ["--files", "fetched"]


@pytest.mark.parametrize("options", [{"workspaces": ()}, {"folders": "mounted", "local": True, "fetched": ("source",)}])
def test_without_copies_there_is_no_container_for_them(pod, options):
    made = pod(**options)
    assert files_container(made) is None
    assert "--files" not in made["spec"]["initContainers"][0]["args"]


USERS = {
    "of the Step": (("{runAsUser: 7, runAsGroup: 8}",), {"runAsUser": 7, "runAsGroup": 8}, False),
    "of its image": (("{}",), {}, False),
    "of the Pod": (("{}", "{}", "{runAsUser: 7, runAsNonRoot: true}"), {}, False),
    "of two Steps": (("{runAsUser: 7}", "{runAsUser: 8}"), {"runAsUser": 7}, True),
    "not root": (("{runAsNonRoot: true}",), {"runAsNonRoot": True, "runAsUser": 65532, "runAsGroup": 65532}, True),
    "without privilege": (("{privileged: true, capabilities: {add: [SYS_ADMIN]}}",), {}, False),
}


@pytest.mark.parametrize("case", USERS)
def test_the_container_has_the_user_of_the_first_step(pod, case):
    arguments, expected, is_shared = USERS[case]
    container = files_container(pod(*arguments))
    assert container["securityContext"] == {
        **expected,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
    }
    assert ({"name": "MONOPOD_SHARED_FILES", "value": "true"} in container["env"]) == is_shared


@pytest.mark.parametrize("user", ["{}", "{runAsUser: 7}"])
def test_the_container_passes_the_profile_restricted(pod, user):
    made = pod(user, pod_security="restricted")
    assert forbidden(made, (1, 36)) == []
    assert missing(made) == []


def test_copying_is_not_time_of_the_run(pod):
    without = pod(workspaces=())["spec"]["activeDeadlineSeconds"]
    assert pod()["spec"]["activeDeadlineSeconds"] == without + 3600


@pytest.mark.parametrize(
    ("version", "whole"),
    [(KubeVersion(1, 33), None), (KubeVersion(1, 34), {"requests": {"cpu": "20m", "memory": "64Mi"}})],
)
def test_the_container_counts_in_the_requests(pod, version, whole):
    made = pod(kube_version=version)
    assert files_container(made)["resources"]["requests"]["memory"] == "32Mi"
    assert made["spec"].get("resources") == whole
