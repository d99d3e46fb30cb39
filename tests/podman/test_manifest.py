"""The manifest for podman, made from a compiled Pod: nothing is left to podman that it would ignore."""

from __future__ import annotations

import pytest

from monopod.runner.backend_errors import PodRefusedError
from monopod.runner.kubelet.environment import Machine, Sources
from monopod.runner.kubelet.specification import DirectoryVolume, FilesVolume, SizeLimit
from monopod.runner.kubelet.volume_sources import Place
from monopod.runner.podman.command import Image
from monopod.runner.podman.manifest import playable

MOUNT = {"name": "v", "mountPath": "/v"}


@pytest.fixture
def play(tmp_path):
    """Makes a manifest from containers and other fields of the spec."""

    def play(*containers, user="", keep=False, config_maps=None, secrets=None, **spec):
        coordinator = {"name": "coordinator", "image": "runtime:1"}
        pod = {
            "metadata": {"name": "p", "namespace": "ns", "labels": {"a": "b"}},
            "spec": {"restartPolicy": "Never", "containers": [coordinator, *containers], **spec},
        }
        sources = Sources(pod, config_maps or {}, secrets or {}, Machine("node", "10.0.0.1", 1, 1))
        images = {"runtime:1": Image("65532:65532"), "x": Image(user)}
        return playable(sources, "p-1", images, Place("/state", str(tmp_path), keep=keep))

    return play


def container(**fields):
    return {"name": "c", "image": "x", "command": ["/x"], **fields}


def played(made, name="c"):
    return next(each for each in made.manifest["spec"]["containers"] if each["name"] == name)


def bound(made, name="c"):
    """Return the binds of a container: (path of this machine, whether it is read-only) by path in the container."""
    paths = {each["name"]: each["hostPath"]["path"] for each in made.manifest["spec"]["volumes"]}
    return {
        mount["mountPath"]: (paths[mount["name"]], mount.get("readOnly", False))
        for mount in played(made, name)["volumeMounts"]
    }


def test_variables_are_resolved_in_the_environment_and_the_command(play):
    settings = {"settings": {"data": {"host": "h", "port": "1"}}}
    made = play(
        container(
            envFrom=[{"configMapRef": {"name": "settings"}, "prefix": "S_"}],
            env=[
                {"name": "HOST", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "host"}}},
                {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                {"name": "URL", "value": "$(HOST):$(S_port) $$(HOST) $(NONE)"},
            ],
            args=["$(URL)", "$$(URL)", "$(NONE)"],
        ),
        config_maps=settings,
    )
    values = {each["name"]: each["value"] for each in played(made)["env"]}
    assert values == {"S_host": "h", "S_port": "1", "HOST": "h", "POD": "p", "URL": "h:1 $(HOST) $(NONE)"}
    assert played(made)["args"] == ["h:1 $(HOST) $(NONE)", "$(URL)", "$(NONE)"]
    assert "envFrom" not in played(made)


@pytest.mark.parametrize(("medium", "directory"), [("", "volumes/v"), ("Memory", "memory/volume-v")])
def test_volume_limits_are_watched(play, medium, directory):
    volumes = [
        {"name": "v", "emptyDir": {"medium": medium, "sizeLimit": "1.5Mi"}},
        {"name": "free", "emptyDir": {"medium": medium}},
        {"name": "nothing", "emptyDir": {"medium": medium, "sizeLimit": 0}},
    ]
    made = play(container(volumeMounts=[MOUNT]), volumes=volumes)
    assert made.limits == (SizeLimit("v", f"/state/{directory}", 3 << 19, "1.5Mi"),)


def test_images_are_never_pulled_by_podman(play):
    made = play(container(imagePullPolicy="Always"))
    assert {each["imagePullPolicy"] for each in made.manifest["spec"]["containers"]} == {"Never"}


def test_volumes_are_directories_and_files_of_this_machine(play):
    made = play(
        container(
            volumeMounts=[
                {"name": "empty", "mountPath": "/a/"},
                {"name": "empty", "mountPath": "/b", "subPath": "in/it", "readOnly": True},
                {"name": "memory", "mountPath": "c"},
                {"name": "secret", "mountPath": "/d"},
                {"name": "host", "mountPath": "/e"},
            ]
        ),
        secrets={"s": {"data": {"k": "eA=="}}},
        volumes=[
            {"name": "empty", "emptyDir": {}},
            {"name": "memory", "emptyDir": {"medium": "Memory"}},
            {"name": "secret", "secret": {"secretName": "s", "defaultMode": 0o400}},
            {"name": "host", "hostPath": {"path": "/usr"}},
        ],
    )
    assert bound(made) == {
        "/a": ("/state/volumes/empty", False),
        "/b": ("/state/volumes/empty/in/it", True),
        "/c": ("/state/memory/volume-memory", False),
        "/d": ("/state/memory/volume-secret", True),
        "/e": ("/usr", False),
    }
    secret = next(each for each in made.volumes if isinstance(each, FilesVolume))
    assert [(file.path, file.data, file.mode) for file in secret.files] == [("k", b"x", 0o400)]


def test_kept_files_are_on_disk_and_need_no_mount(play):
    volumes = [{"name": "v", "emptyDir": {"medium": "Memory"}}]
    made = play(container(volumeMounts=[MOUNT]), volumes=volumes, keep=True)
    assert made.volumes == (DirectoryVolume("/state/volumes/v"),)


def test_host_aliases_are_in_a_file_of_monopod(play):
    aliases = [{"ip": "10.1.2.3", "hostnames": ["one", "two"]}]
    made = play(container(), hostAliases=aliases)
    assert "hostAliases" not in made.manifest["spec"]
    assert bound(made)["/etc/hosts"] == bound(made, "coordinator")["/etc/hosts"] == ("/state/hosts/hosts", False)
    (volume,) = made.volumes
    assert b"10.1.2.3\tone two\n" in volume.files[0].data


def test_hosts_file_of_the_author_is_not_replaced(play):
    mount = {"name": "v", "mountPath": "/etc/hosts"}
    volumes = [{"name": "v", "hostPath": {"path": "/usr"}}]
    made = play(container(volumeMounts=[mount]), volumes=volumes, hostAliases=[{"ip": "10.1.2.3", "hostnames": ["x"]}])
    assert bound(made)["/etc/hosts"] == ("/usr", False)


def test_podman_writes_the_hosts_file_without_aliases(play):
    assert bound(play(container())) == {}


def test_every_container_has_the_group_of_the_volumes(play):
    made = play(container(), securityContext={"fsGroup": 7, "supplementalGroups": [8, 7]})
    assert made.volume_group == 7
    assert made.manifest["spec"]["securityContext"] == {"supplementalGroups": [8, 7]}


@pytest.mark.parametrize(
    ("of_pod", "own", "user", "expected"),
    [
        ({"runAsUser": 1}, {}, "", {"runAsUser": 1}),
        ({"runAsUser": 1}, {"runAsUser": 2}, "", {"runAsUser": 2}),
        ({"runAsUser": 1, "runAsGroup": 3}, {"runAsUser": None}, "", {"runAsUser": 1, "runAsGroup": 3}),
        ({"runAsGroup": 3}, {}, "44:55", {"runAsUser": 44, "runAsGroup": 3}),
        ({"runAsGroup": 3}, {}, "", {"runAsUser": 0, "runAsGroup": 3}),
        ({"runAsNonRoot": True}, {}, "44", {}),
        ({"runAsNonRoot": True}, {"runAsNonRoot": False}, "", {}),
        ({}, {"privileged": True}, "", {"privileged": True}),
        ({}, {"capabilities": {"drop": ["ALL"]}}, "", {"capabilities": {"drop": ["ALL"]}}),
    ],
)  # fmt: skip
def test_container_security_context_overrides_the_pod(play, of_pod, own, user, expected):
    made = play(container(securityContext=own), securityContext=of_pod, user=user)
    assert played(made)["securityContext"] == expected


def test_limits_are_kept_and_requests_dropped(play):
    resources = {"requests": {"cpu": "1"}, "limits": {"cpu": "2", "memory": "1Gi", "nvidia.com/gpu": 1}}
    made = play(container(resources=resources))
    assert played(made)["resources"] == {"limits": {"cpu": "2", "memory": "1Gi"}}
    assert made.warnings == ("without effect on the podman backend: container c: resources.limits.nvidia.com/gpu",)


@pytest.mark.parametrize(
    ("fields", "spec", "problem"),
    [
        ({"securityContext": {"runAsNonRoot": True}}, {}, "container c: runAsNonRoot is set, but it would run as root"),
        ({"securityContext": {"runAsGroup": 5}}, {"user": "worker"}, "container c: runAsGroup needs runAsUser"),
        ({"volumeMounts": [{"name": "none", "mountPath": "/x"}]}, {}, "container c: volumeMounts: the Pod has no"),
        ({"volumeMounts": [{**MOUNT, "mountPath": "/a:b"}]}, {}, "container c: podman cannot mount anything at '/a:b'"),
        ({"volumeMounts": [{**MOUNT, "subPath": "../x"}]}, {}, "container c: subPath '../x' is not a path inside"),
        ({"volumeMounts": [{**MOUNT, "subPath": "/x"}]}, {}, "container c: subPath '/x' is not a path inside"),
        ({"volumeMounts": [{**MOUNT, "subPathExpr": "$(NONE)"}]}, {}, "container c: "),
        ({"volumeDevices": [{"name": "v", "devicePath": "/x"}]}, {}, "container c: volumeDevices need a cluster"),
        ({"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]}, {}, "container c: "),
        ({}, {"volumes": [{"name": "w", "csi": {"driver": "d"}}]}, "volume w: a csi volume needs a cluster"),
    ],
)  # fmt: skip
def test_fields_that_podman_ignores_are_refused(play, fields, spec, problem):
    with pytest.raises(PodRefusedError) as error:
        play(container(**fields), **{"volumes": [{"name": "v", "emptyDir": {}}], **spec})
    assert [text for text in error.value.problems if text.startswith(problem)]


def test_sub_path_that_escapes_by_a_link_is_refused(play, tmp_path):
    (tmp_path / "link").symlink_to("/etc")
    mount = {**MOUNT, "subPath": "link/x"}
    with pytest.raises(PodRefusedError, match="leads out of its volume"):
        play(container(volumeMounts=[mount]), volumes=[{"name": "v", "hostPath": {"path": str(tmp_path)}}])


@pytest.mark.parametrize(
    ("fields", "spec", "what"),
    [
        ({"livenessProbe": {"exec": {}}}, {}, "container c: livenessProbe"),
        ({"securityContext": {"procMount": "Unmasked"}}, {}, "container c: securityContext.procMount"),
        (
            {"securityContext": {"seccompProfile": {"type": "Unconfined"}}},
            {},
            "container c: securityContext.seccompProfile",
        ),
        ({}, {"securityContext": {"sysctls": [{"name": "a", "value": "b"}]}}, "spec.securityContext.sysctls"),
        ({}, {"hostPID": True}, "spec.hostPID"),
    ],
)  # fmt: skip
def test_fields_without_effect_are_reported(play, fields, spec, what):
    made = play(container(**fields), **spec)
    assert made.warnings == (f"without effect on the podman backend: {what}",)


def test_created_host_directory_is_reported(play, tmp_path):
    made = play(container(), volumes=[{"name": "v", "hostPath": {"path": f"{tmp_path}/gone"}}])
    assert made.warnings == (f"volume v: there was no {tmp_path}/gone, so it is an empty directory",)


def test_usual_fields_cause_no_warning(play):
    made = play(container(securityContext={"seccompProfile": {"type": "RuntimeDefault"}, "procMount": "Default"}))
    assert made.warnings == ()
