"""Reading a manifest for the sandbox."""

from __future__ import annotations

import os

import pytest

from monopod.runner.backend_errors import PodRefusedError
from monopod.runner.kubelet.environment import Machine, Sources
from monopod.runner.kubelet.manifest import Place, read_pod
from monopod.runner.kubelet.runtime_image import RuntimeImage
from monopod.runner.kubelet.specification import DirectoryVolume, FilesVolume, MemoryVolume, Mount, RestartRule

RUNTIME = RuntimeImage("runtime:1", ("/python", "-m", "x"), (("PYTHONPATH", "/lib"),), (Mount("/b", "/monopod/b"),))


@pytest.fixture
def read(tmp_path):
    def read_spec(spec, config_maps=None, *, keep=False):
        pod = {"metadata": {"name": "p", "namespace": "ns"}, "spec": {"restartPolicy": "Never", **spec}}
        sources = Sources(pod, config_maps or {}, {}, Machine("node", "10.0.0.1", 1, 1))
        return read_pod(sources, RUNTIME, Place("/state", str(tmp_path), 1024, keep))[:2]

    return read_spec


def container(**fields):
    return {"name": "c", "image": "x", "command": ["/x"], **fields}


def test_runtime_image_has_an_entrypoint_files_and_an_environment(read):
    pod, _ = read(
        {
            "initContainers": [
                {"name": "coordinator", "image": "runtime:1", "args": ["$(A)"], "env": [{"name": "A", "value": "a"}]},
                {"name": "install", "image": "runtime:1", "command": ["/own"]},
            ],
            "containers": [container()],
        }
    )
    coordinator, install, step = pod.containers
    assert coordinator.command == ("/python", "-m", "x", "a")
    assert coordinator.environment["PYTHONPATH"] == "/lib"
    assert coordinator.mounts == RUNTIME.mounts
    assert install.command == ("/own",)
    assert "PYTHONPATH" not in step.environment
    assert step.mounts == ()


@pytest.mark.parametrize("keep", [False, True])
def test_control_files_are_in_memory_unless_kept(read, keep):
    paths = {
        "/monopod/bin": "volumes/",
        "/monopod/state": "memory/volume-",
        "/monopod/steps/build-make": "memory/volume-",
        "/monopod/slots/build/scripts": "memory/volume-",
        "/monopod/slots/build/tekton": "volumes/",
    }
    mounts = [{"name": path.replace("/", "-")[1:], "mountPath": path} for path in paths]
    of_author = {"name": "author", "mountPath": "/monopod/state"}
    pod, _ = read(
        {
            "volumes": [{"name": mount["name"], "emptyDir": {}} for mount in (*mounts, of_author)],
            "initContainers": [{"name": "coordinator", "image": "runtime:1", "volumeMounts": mounts}],
            "containers": [container(volumeMounts=[of_author])],
        },
        keep=keep,
    )
    assert [volume.path for volume in pod.volumes] == [
        *(f"/state/{'volumes/' if keep else where}{path.replace('/', '-')[1:]}" for path, where in paths.items()),
        "/state/volumes/author",
    ]
    bounded = [volume for volume in pod.volumes if isinstance(volume, MemoryVolume)]
    assert [(volume.path, volume.size) for volume in bounded] == (
        [] if keep else [("/state/memory/volume-monopod-steps-build-make", 64 << 20)]
    )


def test_kinds_of_containers_in_the_order_of_starting(read):
    pod, _ = read(
        {
            "containers": [container(name="m")],
            "initContainers": [container(name="i"), container(name="s", restartPolicy="Always")],
        }
    )
    assert [(each.name, each.kind) for each in pod.containers] == [("i", "init"), ("s", "sidecar"), ("m", "ordinary")]


def test_security_context_of_the_container_overrides_the_pod(read):
    pod, _ = read(
        {
            "securityContext": {"runAsUser": 54321, "runAsGroup": 54321, "fsGroup": 7},
            "containers": [container(securityContext={"runAsUser": 54322, "runAsGroup": None})],
        }
    )
    (only,) = pod.containers
    assert (only.identity.user, only.identity.group, only.identity.supplementary_groups) == (54322, 54321, (7,))
    assert pod.volume_group == 7


def test_volumes(read, tmp_path):
    pod, _ = read(
        {
            "volumes": [
                {"name": "a", "emptyDir": {}},
                {"name": "b", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
                {"name": "c", "configMap": {"name": "c"}},
                {"name": "d", "persistentVolumeClaim": {"claimName": "d", "readOnly": True}},
            ],
            "containers": [container(volumeMounts=[{"name": name, "mountPath": f"/{name}//"} for name in "abcd"])],
        },
        {"c": {"data": {}}},
    )
    directory, memory, files = pod.volumes
    assert directory == DirectoryVolume("/state/volumes/a")
    assert memory == MemoryVolume("/state/volumes/b", 1 << 20)
    assert isinstance(files, FilesVolume)
    mounts = {mount.path: (mount.source, mount.read_only) for mount in pod.containers[0].mounts}
    assert mounts["/a"] == ("/state/volumes/a", False)
    assert mounts["/c"] == (files.path, True)
    assert mounts["/d"] == (f"{tmp_path}/ns/d", True)
    assert os.path.isdir(f"{tmp_path}/ns/d")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"restartPolicy": "Always", "containers": [container()]}, "restartPolicy Never only"),
        ({"containers": [{"name": "c", "image": "x", "args": ["a"]}]}, "container c: it has no command"),
        ({"containers": [container(volumeMounts=[{"name": "v", "mountPath": "/v"}])]}, "no volume 'v'"),
        (
            {"containers": [container(volumeDevices=[{"name": "v", "devicePath": "/v"}])]},
            "volumeDevices need a cluster",
        ),
        ({"containers": [container(lifecycle={"postStart": {"httpGet": {}}})]}, "supports only exec"),
        (
            {"volumes": [{"name": "v", "csi": {"driver": "d"}}], "containers": [container()]},
            "a csi volume needs a cluster",
        ),
        (
            {"volumes": [{"name": "v", "hostPath": {"path": "rel"}}], "containers": [container()]},
            "not an absolute path",
        ),
        (
            {
                "volumes": [{"name": "v", "hostPath": {"path": "/etc/passwd", "type": "Directory"}}],
                "containers": [container()],
            },
            "not of the type Directory",
        ),
        (
            {
                "volumes": [{"name": "v", "emptyDir": {}}],
                "containers": [container(volumeMounts=[{"name": "v", "mountPath": "/v", "subPath": "a/../../b"}])],
            },
            "'a/../../b' is not a path inside the volume",
        ),
    ],
)
def test_unsupported_fields_are_refused(read, spec, message):
    with pytest.raises(PodRefusedError, match=message):
        read(spec)


def test_fields_without_effect_are_warned_about_once(read):
    _, warnings = read(
        {
            "hostPID": True,
            "containers": [
                container(
                    tty=True, livenessProbe={"exec": {}}, securityContext={"seccompProfile": {"type": "Localhost"}}
                )
            ],
        }
    )
    (warning,) = warnings
    for field in ("spec.hostPID", "container c: tty", "livenessProbe", "seccompProfile"):
        assert field in warning


def test_created_host_directory_is_reported(read, tmp_path):
    def volume(path, **fields):
        return {"name": path, "hostPath": {"path": str(tmp_path / path), **fields}}

    volumes = [volume("gone"), volume("wanted", type="DirectoryOrCreate"), volume(".")]
    _, warnings = read({"volumes": volumes, "containers": [container()]})
    assert warnings == (f"volume gone: there was no {tmp_path}/gone, so it is an empty directory",)
    assert (tmp_path / "gone").is_dir()
    assert (tmp_path / "wanted").is_dir()


def test_environment_is_the_environment_of_an_image(read, monkeypatch):
    monkeypatch.setenv("PATH", "/here:/there")
    pod, _ = read({"hostname": "name", "containers": [container(env=[{"name": "HOME", "value": "/mine"}])]})
    assert pod.containers[0].environment == {"PATH": "/here:/there", "HOME": "/mine", "HOSTNAME": "name"}


def rule(operator="In", action="Restart"):
    return {"action": action, "exitCodes": {"operator": operator, "values": [77, 137]}}


def test_restart_rules(read):
    rules = [rule(), rule("NotIn")]
    pod, _ = read({"containers": [container(restartPolicy="Never", restartPolicyRules=rules)]})
    assert pod.containers[0].restart_rules == (RestartRule((77, 137)), RestartRule((77, 137), is_not=True))
    assert [each.applies(137) for each in pod.containers[0].restart_rules] == [True, False]


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"containers": [container(restartPolicy="Always")]}, "restarts a container only by restartPolicyRules"),
        (
            {"containers": [container(restartPolicyRules=[rule(action="RestartAllContainers")])]},
            "only the action Restart",
        ),
        (
            {"initContainers": [container(restartPolicyRules=[rule()])], "containers": [container(name="d")]},
            "supports them only in containers",
        ),
    ],
)
def test_other_restarts_are_refused(read, spec, words):
    with pytest.raises(PodRefusedError, match=words):
        read(spec)
