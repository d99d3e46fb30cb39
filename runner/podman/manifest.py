"""Translates a compiled Pod into a manifest that ``podman kube play`` runs as Kubernetes would.

podman silently ignores fields that it does not support, and each version supports different ones. So the manifest uses
only simple fields. Rules:

- Every volume is a directory or file of this machine, made by monopod and mounted by a hostPath: podman's own emptyDirs
  belong to root, and its versions differ in subPath, defaultMode, items, projected volumes and Secrets.
- Images are pulled before the Pod is played (``images``), so podman pulls none. A container whose image is missing is
  left out.
- Environment variables are resolved to plain values.
- fsGroup becomes a supplementary group, and the group of the volumes.
- With hostAliases, monopod writes /etc/hosts: podman ignores hostAliases together with --network.
- Requests have no effect without a scheduler; limits stay.
- A field that podman would ignore is an error if the Pod would behave differently without it; otherwise a warning.

Other modules decide what volumes and variables hold (``runner.kubelet``) and pull images (``images``).
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from monopod.compiler.pod.assembly import coordinator_of
from monopod.runner.backend_errors import PodRefusedError
from monopod.runner.kubelet import host_volumes
from monopod.runner.kubelet.environment import (
    Manifest,
    Sources,
    UnresolvedError,
    container_environment,
    expand_strictly,
    expanded,
)
from monopod.runner.kubelet.manifest import volumes_of_small_files
from monopod.runner.kubelet.specification import (
    DirectoryVolume,
    FilesVolume,
    MemoryVolume,
    ProjectedFile,
    SizeLimit,
    Volume,
)
from monopod.runner.kubelet.volume_sources import Place, Source, read_volumes
from monopod.runner.podman.command import Image

_POD_FIELDS = ("dnsConfig", "hostNetwork", "restartPolicy", "shareProcessNamespace")
_POD_FIELDS_WITHOUT_EFFECT = ("hostIPC", "hostPID", "hostUsers", "runtimeClassName", "setHostnameAsFQDN")
_CONTAINER_FIELDS = ("image", "ports", "workingDir")
_CONTAINER_FIELDS_WITHOUT_EFFECT = ("livenessProbe", "readinessProbe", "startupProbe", "stdin", "tty", "lifecycle")
_SECURITY_FIELDS = (
    "allowPrivilegeEscalation", "capabilities", "privileged", "readOnlyRootFilesystem", "runAsGroup", "runAsUser",
    "seLinuxOptions",
)  # fmt: skip
_SECURITY_FIELDS_OF_POD = ("runAsGroup", "runAsUser", "seLinuxOptions")
_PROFILES = ("seccompProfile", "appArmorProfile")
_DEVICES = ("CharDevice", "BlockDevice")
_ENFORCED = ("cpu", "memory")
_HOSTS = "/etc/hosts"
_CONTROL_DIRECTORY = "/monopod/step"


@dataclass(frozen=True, slots=True)
class Playable:
    """A manifest for podman, the volumes to make for it, the Pod's fsGroup, and warnings.

    ``limits`` are the sizeLimits of emptyDirs, which podman ignores; ``control_directories`` has the path of each
    container's control directory, ``paths`` the path of each volume.
    """

    manifest: dict[str, Any]
    volumes: tuple[Volume, ...]
    volume_group: int | None
    limits: tuple[SizeLimit, ...]
    warnings: tuple[str, ...]
    control_directories: Mapping[str, str]
    paths: Mapping[str, str]


@dataclass(slots=True)
class _Reading:
    """The translation so far. ``bound`` has the names of the hostPath volumes by path and type.

    ``hosts`` is the path of a file for /etc/hosts; empty: podman writes /etc/hosts.
    """

    sources: Sources
    images: Mapping[str, Image]
    volumes: Mapping[str, Source]
    device_types: Mapping[str, str]
    hosts: str
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    bound: dict[tuple[str, str], str] = field(default_factory=dict)


def playable(sources: Sources, name: str, images: Mapping[str, Image], place: Place) -> Playable:
    """Return the manifest of ``sources.pod`` for podman, as a pod called `name`; `images` are the local images.

    Raises PodRefusedError.
    """
    spec = sources.pod["spec"]
    runtime_image = coordinator_of(sources.pod)["image"]
    in_memory = volumes_of_small_files(spec, runtime_image) | _memory_volumes(spec)
    volumes = read_volumes(sources, place, frozenset() if place.keep else in_memory)
    types = {volume["name"]: (volume.get("hostPath") or {}).get("type") or "" for volume in spec.get("volumes") or ()}
    hostname = (spec.get("hostname") or sources.pod["metadata"]["name"])[:63]
    hosts = _hosts_volume(spec, hostname, place)
    reading = _Reading(
        sources,
        images,
        volumes.sources,
        types,
        f"{hosts.path}/hosts" if hosts else "",
        problems=volumes.problems,
        warnings=volumes.warnings,
    )
    containers = {
        kind: [_container(container, reading) for container in spec.get(kind) or () if container["image"] in images]
        for kind in ("initContainers", "containers")
    }
    reading.warnings += _without_effect(spec)
    if reading.problems:
        raise PodRefusedError(reading.problems)
    group = (spec.get("securityContext") or {}).get("fsGroup")
    manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": sources.pod["metadata"].get("labels") or {}},
        "spec": {
            **{key: spec[key] for key in _POD_FIELDS if key in spec},
            "hostname": hostname,
            **({"securityContext": groups} if (groups := _supplementary_groups(spec)) else {}),
            **containers,
            "volumes": [_host_path(path, kind, bound) for (path, kind), bound in reading.bound.items()],
        },
    }
    to_make = (*map(_on_disk, volumes.to_make), *([hosts] if hosts else ()))
    control = dict(_control_directories(spec["containers"], volumes.sources))
    return Playable(manifest, to_make, group, tuple(volumes.limits), tuple(reading.warnings), control, volumes.paths)


def _control_directories(containers: Iterable[Manifest], volumes: Mapping[str, Source]) -> Iterator[tuple[str, str]]:
    """Yield the name and the control directory of each container that has one."""
    for container in containers:
        for mount in container.get("volumeMounts") or ():
            if mount["mountPath"] == _CONTROL_DIRECTORY:
                yield container["name"], volumes[mount["name"]].path


def _on_disk(volume: Volume) -> Volume:
    """Return the volume as a directory, without a file system of its own, so that it can be kept after the run."""
    return DirectoryVolume(volume.path) if isinstance(volume, MemoryVolume) else volume


def _hosts_volume(spec: Manifest, hostname: str, place: Place) -> FilesVolume | None:
    if not spec.get("hostAliases"):
        return None
    text = host_volumes.hosts_file(hostname, spec["hostAliases"])
    return FilesVolume(f"{place.state_directory}/hosts", (ProjectedFile("hosts", text.encode(), 0o644),))


def _memory_volumes(spec: Manifest) -> frozenset[str]:
    volumes = spec.get("volumes") or ()
    return frozenset(volume["name"] for volume in volumes if (volume.get("emptyDir") or {}).get("medium") == "Memory")


def _host_path(path: str, kind: str, name: str) -> dict[str, Any]:
    return {"name": name, "hostPath": {"path": path, **({"type": kind} if kind else {})}}


def _supplementary_groups(spec: Manifest) -> dict[str, Any]:
    context = spec.get("securityContext") or {}
    groups = [*(context.get("supplementalGroups") or ()), *([context["fsGroup"]] if "fsGroup" in context else [])]
    return {"supplementalGroups": list(dict.fromkeys(groups))} if groups else {}


def _container(container: Manifest, reading: _Reading) -> dict[str, Any]:
    try:
        variables, warnings = container_environment(container, reading.sources)
        reading.warnings += warnings
        made: dict[str, Any] = {
            "name": container["name"],
            **{key: container[key] for key in _CONTAINER_FIELDS if container.get(key)},
            "imagePullPolicy": "Never",
            "env": [{"name": name, "value": value} for name, value in variables.items()],
            "securityContext": _security(container, reading),
            "volumeMounts": list(_mounts(container, variables, reading)),
        }
        for key in ("command", "args"):
            if container.get(key):
                made[key] = list(expanded(container[key], variables))
    except UnresolvedError as error:
        reading.problems.append(f"container {container['name']}: {error}")
        return {}
    limits = (container.get("resources") or {}).get("limits") or {}
    enforced = {key: limits[key] for key in _ENFORCED if key in limits}
    return {**made, **({"resources": {"limits": enforced}} if enforced else {})}


def _security(container: Manifest, reading: _Reading) -> dict[str, Any]:
    of_pod = reading.sources.pod["spec"].get("securityContext") or {}
    own = {key: value for key, value in (container.get("securityContext") or {}).items() if value is not None}
    context = {**{key: of_pod[key] for key in _SECURITY_FIELDS_OF_POD if key in of_pod}, **own}
    image = reading.images[container["image"]]
    if {**of_pod, **own}.get("runAsNonRoot") and _is_root(context.get("runAsUser"), image):
        raise UnresolvedError("runAsNonRoot is set, but it would run as root; set runAsUser")
    if "runAsGroup" in context and "runAsUser" not in context:
        user = image.user.partition(":")[0] or "0"
        if not user.isdecimal():
            raise UnresolvedError(f"runAsGroup needs runAsUser with podman, as the image names its user '{user}'")
        context["runAsUser"] = int(user)
    return {key: context[key] for key in _SECURITY_FIELDS if key in context}


def _is_root(user: int | None, image: Image) -> bool:
    if user is not None:
        return user == 0
    return image.user.partition(":")[0] in ("", "0", "root")


def _mounts(container: Manifest, variables: Mapping[str, str], reading: _Reading) -> Iterator[dict[str, Any]]:
    if container.get("volumeDevices"):
        raise UnresolvedError("volumeDevices need a cluster; run it with --backend kubernetes")
    for mount in container.get("volumeMounts") or ():
        source = reading.volumes.get(mount["name"])
        if source is None:
            raise UnresolvedError(f"volumeMounts: the Pod has no volume {mount['name']!r}")
        path = posixpath.normpath(posixpath.join("/", mount["mountPath"]))
        if ":" in path:
            raise UnresolvedError(f"podman cannot mount anything at {path!r}, whose path holds a colon")
        sub_path = mount.get("subPath") or expand_strictly(mount.get("subPathExpr") or "", variables.get)
        kind = reading.device_types[mount["name"]]
        place = (_inside(source.path, sub_path), kind if kind in _DEVICES else "")
        yield {
            "name": reading.bound.setdefault(place, f"v{len(reading.bound)}"),
            "mountPath": path,
            **({"readOnly": True} if source.read_only or mount.get("readOnly") else {}),
            **({"mountPropagation": mount["mountPropagation"]} if mount.get("mountPropagation") else {}),
        }
    if reading.hosts and not any(mount["mountPath"] == _HOSTS for mount in container.get("volumeMounts") or ()):
        yield {"name": reading.bound.setdefault((reading.hosts, ""), f"v{len(reading.bound)}"), "mountPath": _HOSTS}


def _inside(source: str, sub_path: str) -> str:
    """Return the path of `sub_path` in a volume. If the volume does not exist yet, the path is made along with it."""
    if not sub_path:
        return source
    if sub_path.startswith("/") or ".." in sub_path.split("/"):
        raise UnresolvedError(f"subPath {sub_path!r} is not a path inside the volume")
    path = os.path.join(source, os.path.normpath(sub_path))
    root = os.path.realpath(source)
    if os.path.realpath(path) != root and not os.path.realpath(path).startswith(f"{root}/"):
        raise UnresolvedError(f"subPath {sub_path!r} leads out of its volume")
    return path


def _without_effect(spec: Manifest) -> Iterator[str]:
    fields = [f"spec.{name}" for name in _POD_FIELDS_WITHOUT_EFFECT if spec.get(name)]
    context = spec.get("securityContext") or {}
    fields += [f"spec.securityContext.{name}" for name in ("sysctls", "supplementalGroupsPolicy") if context.get(name)]
    fields += [f"spec.securityContext.{name}" for name in _profiles(context)]
    for container in (*(spec.get("initContainers") or ()), *spec["containers"]):
        fields += [f"container {container['name']}: {field}" for field in _container_without_effect(container)]
    if fields:
        yield f"without effect on the podman backend: {', '.join(fields)}"
    if spec.get("imagePullSecrets"):
        yield "podman pulls with credentials of its own (podman login), not with imagePullSecrets"


def _container_without_effect(container: Manifest) -> Iterable[str]:
    context = container.get("securityContext") or {}
    yield from (name for name in _CONTAINER_FIELDS_WITHOUT_EFFECT if container.get(name))
    yield from (f"securityContext.{name}" for name in _profiles(context))
    if (context.get("procMount") or "Default") != "Default":
        yield "securityContext.procMount"
    limits = (container.get("resources") or {}).get("limits") or {}
    yield from (f"resources.limits.{name}" for name in limits if name not in _ENFORCED)
    if any((m.get("recursiveReadOnly") or "Disabled") == "Enabled" for m in container.get("volumeMounts") or ()):
        yield "volumeMounts.recursiveReadOnly"


def _profiles(context: Manifest) -> Iterator[str]:
    for name in _PROFILES:
        if (context.get(name) or {}).get("type", "RuntimeDefault") != "RuntimeDefault":
            yield name
