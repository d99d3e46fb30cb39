"""Translates a Pod's manifest into a specification for the sandbox: all references resolved, all defaults filled in.

Rules: a field that the host backend cannot support is an error before anything starts. A field without effect here is
ignored if it would not change what the Pod does (scheduling, resources of the node); otherwise it causes a warning. All
problems are reported at once. The manifest is assumed to be valid for the Kubernetes API.

``volume_sources`` decides where the files of volumes are.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from monopod.runner.backend_errors import PodRefusedError
from monopod.runner.kubelet import host_volumes, security
from monopod.runner.kubelet.environment import (
    Manifest,
    Sources,
    UnresolvedError,
    container_environment,
    expand_strictly,
    expanded,
)
from monopod.runner.kubelet.runtime_image import SMALL_FILES, RuntimeImage, is_step
from monopod.runner.kubelet.specification import (
    Container,
    ContainerKind,
    MemoryVolume,
    Mount,
    Pod,
    RestartRule,
    SizeLimit,
)
from monopod.runner.kubelet.volume_sources import Place, Volumes, read_volumes
from monopod.schemas.formats.object_names import path_problem

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_POD_FIELDS_WITHOUT_EFFECT = (
    "dnsConfig", "hostPID", "hostIPC", "shareProcessNamespace", "runtimeClassName", "setHostnameAsFQDN",
    "ephemeralContainers",
)  # fmt: skip
_CONTAINER_FIELDS_WITHOUT_EFFECT = ("livenessProbe", "readinessProbe", "startupProbe", "stdin", "tty")
_SECURITY_FIELDS_WITHOUT_EFFECT = ("seLinuxOptions", "seccompProfile", "appArmorProfile", "procMount", "sysctls")


@dataclass(slots=True)
class _Reading:
    """The translation so far."""

    sources: Sources
    runtime: RuntimeImage
    place: Place
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    volumes: Volumes = field(default_factory=Volumes)


def read_pod(sources: Sources, runtime: RuntimeImage, place: Place) -> tuple[Pod, tuple[str, ...], dict[str, str]]:
    """Return the specification of ``sources.pod`` for the sandbox, warnings, and the path of each volume.

    Raises PodRefusedError.
    """
    reading = _Reading(sources, runtime, place)
    metadata, spec = sources.pod["metadata"], sources.pod["spec"]
    if spec.get("restartPolicy") != "Never":
        reading.problems.append("spec.restartPolicy: the host backend runs Pods with restartPolicy Never only")
    small = frozenset() if place.keep else volumes_of_small_files(spec, runtime.name)
    reading.volumes = read_volumes(sources, place, small, small & _control_volumes(spec, runtime.name))
    reading.problems += reading.volumes.problems
    reading.warnings += reading.volumes.warnings
    containers = [container for kind, fields in _kinds(spec) if (container := _read_container(fields, kind, reading))]
    reading.warnings += _without_effect(spec, runtime.name)
    if reading.problems:
        raise PodRefusedError(reading.problems)
    grace = spec.get("terminationGracePeriodSeconds")
    hostname = spec.get("hostname") or metadata["name"]
    pod = Pod(
        name=hostname[:63],
        state_directory=place.state_directory,
        hosts_file=host_volumes.hosts_file(hostname[:63], spec.get("hostAliases") or ()),
        containers=tuple(containers),
        volumes=tuple(reading.volumes.to_make),
        volume_group=(spec.get("securityContext") or {}).get("fsGroup"),
        termination_grace=30.0 if grace is None else float(grace),
        active_deadline=spec.get("activeDeadlineSeconds"),
        size_limits=_to_be_watched(reading.volumes),
        open_files=place.open_files,
        private=place.private,
    )
    return pod, tuple(reading.warnings), reading.volumes.paths


def _to_be_watched(volumes: Volumes) -> tuple[SizeLimit, ...]:
    """Return the limits of emptyDirs on the disk; the kernel enforces the limits of emptyDirs in memory."""
    in_memory = {volume.path for volume in volumes.to_make if isinstance(volume, MemoryVolume)}
    return tuple(limit for limit in volumes.limits if limit.path not in in_memory)


def container_kind(container: Manifest, *, initial: bool) -> ContainerKind:
    """Return which kind of container an entry of ``initContainers`` (`initial`) or ``containers`` is."""
    if not initial:
        return "ordinary"
    return "sidecar" if container.get("restartPolicy") == "Always" else "init"


def _kinds(spec: Manifest) -> Iterator[tuple[ContainerKind, Manifest]]:
    for container in spec.get("initContainers") or ():
        yield container_kind(container, initial=True), container
    for container in spec["containers"]:
        yield container_kind(container, initial=False), container


def _without_effect(spec: Manifest, runtime_image: str) -> list[str]:
    fields = [f"spec.{name}" for name in _POD_FIELDS_WITHOUT_EFFECT if spec.get(name)]
    fields += _security_without_effect(spec, "spec")
    for _, container in _kinds(spec):
        where = f"container {container['name']}"
        fields += [f"{where}: {name}" for name in _CONTAINER_FIELDS_WITHOUT_EFFECT if container.get(name)]
        if container.get("image") != runtime_image:
            fields += _security_without_effect(container, where)
        if (container.get("lifecycle") or {}).get("preStop"):
            fields.append(f"{where}: lifecycle.preStop")
        fields += [f"{where}: mountPropagation" for m in container.get("volumeMounts") or () if _propagates(m)]
    return [f"without effect on the host backend: {', '.join(fields)}"] if fields else []


def _propagates(mount: Manifest) -> bool:
    return (mount.get("mountPropagation") or "None") != "None"


def _security_without_effect(holder: Manifest, where: str) -> list[str]:
    context = holder.get("securityContext") or {}
    names = [name for name in _SECURITY_FIELDS_WITHOUT_EFFECT if context.get(name)]
    return [f"{where}: securityContext.{name}" for name in names if not _is_default_profile(context[name])]


def _is_default_profile(profile: Any) -> bool:
    return isinstance(profile, dict) and profile.get("type") in ("RuntimeDefault", "Unconfined")


def volumes_of_small_files(spec: Manifest, runtime_image: str) -> frozenset[str]:
    """Return the volumes through which the coordinator and the Steps' containers communicate."""
    mounts = _coordinator_mounts(spec, runtime_image)
    return frozenset(mount["name"] for mount in mounts if SMALL_FILES.fullmatch(mount["mountPath"]))


def _control_volumes(spec: Manifest, runtime_image: str) -> frozenset[str]:
    """Return the volumes of control directories, to which Steps can write as well."""
    mounts = _coordinator_mounts(spec, runtime_image)
    return frozenset(mount["name"] for mount in mounts if mount["mountPath"].startswith("/monopod/steps/"))


def _coordinator_mounts(spec: Manifest, runtime_image: str) -> Iterator[Manifest]:
    for _, container in _kinds(spec):
        if container.get("image") == runtime_image:
            yield from container.get("volumeMounts") or ()


def _read_container(container: Manifest, kind: ContainerKind, reading: _Reading) -> Container | None:
    try:
        return _container(container, kind, reading)
    except UnresolvedError as error:
        reading.problems.append(f"container {container['name']}: {error}")
        return None


def _container(container: Manifest, kind: ContainerKind, reading: _Reading) -> Container:
    is_runtime = container.get("image") == reading.runtime.name
    pod_context = reading.sources.pod["spec"].get("securityContext") or {}
    context = {**pod_context, **{k: v for k, v in (container.get("securityContext") or {}).items() if v is not None}}
    if is_runtime and not is_step(container):
        context = {}  # the files of this image belong to the caller, and others may not be able to read them
    if context.get("runAsNonRoot") and security.runs_as_root(context):
        raise UnresolvedError("runAsNonRoot is set, but it would run as root; set runAsUser")
    variables, warnings = container_environment(container, reading.sources)
    reading.warnings += warnings
    identity = security.identity(context, pod_context.get("fsGroup"))
    base = _base_environment(reading, identity.user)
    return Container(
        name=container["name"],
        image=container.get("image") or "",
        kind=kind,
        command=_command(container, variables, reading.runtime.entrypoint if is_runtime else ()),
        environment=base | (reading.runtime.environment_of(container, base["PATH"]) if is_runtime else {}) | variables,
        working_directory=container.get("workingDir") or "/",
        mounts=(reading.runtime.mounts if is_runtime else ()) + tuple(_mounts(container, variables, reading)),
        identity=identity,
        capabilities=security.capabilities(context),
        filters_calls=security.filters_calls(context),
        privileged=bool(context.get("privileged")),
        no_new_privileges=context.get("allowPrivilegeEscalation") is False,
        read_only_root=bool(context.get("readOnlyRootFilesystem")),
        post_start=_post_start(container),
        termination_message_path=container.get("terminationMessagePath") or "/dev/termination-log",
        reachable=reading.runtime.reachable if is_runtime else (),
        is_ours=is_runtime,
        restart_rules=_restart_rules(container, kind),
    )


def _restart_rules(container: Manifest, kind: ContainerKind) -> tuple[RestartRule, ...]:
    rules = container.get("restartPolicyRules") or ()
    if kind != "ordinary":
        if rules:
            raise UnresolvedError("restartPolicyRules: the host backend supports them only in containers")
        return ()
    if container.get("restartPolicy") not in (None, "Never"):
        raise UnresolvedError("restartPolicy: the host backend restarts a container only by restartPolicyRules")
    if any(rule.get("action") != "Restart" for rule in rules):
        raise UnresolvedError("restartPolicyRules: the host backend supports only the action Restart")
    codes = (rule["exitCodes"] for rule in rules)
    return tuple(RestartRule(tuple(each.get("values") or ()), each["operator"] == "NotIn") for each in codes)


def _command(container: Manifest, variables: Mapping[str, str], entrypoint: tuple[str, ...]) -> tuple[str, ...]:
    command = expanded(container.get("command") or (), variables) or entrypoint
    if not command:
        raise UnresolvedError("it has no command, and the host backend does not use images; set command")
    words = command + expanded(container.get("args") or (), variables)
    if any("\0" in word for word in words):
        raise UnresolvedError("its command contains a NUL character")
    return words


def _base_environment(reading: _Reading, user: int) -> dict[str, str]:
    """Return the variables that an image would define. PATH is the caller's, so that this machine's tools are found."""
    if user == 0 and os.geteuid() != 0:  # the caller is user 0 in the container
        user = os.geteuid()
    try:
        home = pwd.getpwuid(user).pw_dir or "/"
    except KeyError:
        home = "/"
    hostname = reading.sources.pod["spec"].get("hostname") or reading.sources.pod["metadata"]["name"]
    return {"PATH": os.environ.get("PATH") or DEFAULT_PATH, "HOSTNAME": hostname[:63], "HOME": home}


def _post_start(container: Manifest) -> tuple[str, ...]:
    hook = (container.get("lifecycle") or {}).get("postStart")
    if not hook:
        return ()
    if "exec" not in hook:
        raise UnresolvedError("lifecycle.postStart: the host backend supports only exec")
    return tuple(hook["exec"].get("command") or ())


def _mounts(container: Manifest, variables: Mapping[str, str], reading: _Reading) -> Iterator[Mount]:
    if container.get("volumeDevices"):
        raise UnresolvedError("volumeDevices need a cluster; run it with --backend kubernetes")
    for mount in container.get("volumeMounts") or ():
        source = reading.volumes.sources.get(mount["name"])
        if source is None:
            raise UnresolvedError(f"volumeMounts: the Pod has no volume {mount['name']!r}")
        sub_path = mount.get("subPath") or expand_strictly(mount.get("subPathExpr") or "", variables.get)
        if (problem := path_problem(sub_path)) is not None:
            raise UnresolvedError(f"volumeMounts: subPath: {problem}")
        yield Mount(
            source=source.path,
            path=os.path.normpath(os.path.join("/", mount["mountPath"])),
            sub_path=os.path.normpath(sub_path) if sub_path else "",
            read_only=source.read_only or bool(mount.get("readOnly")),
            recursively_read_only=mount.get("recursiveReadOnly") in ("Enabled", "IfPossible"),
        )


def containers_of_image(pod: Mapping[str, Any], image: str) -> frozenset[str]:
    """Return the names of the containers that use an image."""
    return frozenset(container["name"] for _, container in _kinds(pod["spec"]) if container.get("image") == image)


def termination_policies(pod: Mapping[str, Any]) -> dict[str, str]:
    """Return each container's ``terminationMessagePolicy``."""
    return {
        container["name"]: container.get("terminationMessagePolicy") or "File" for _, container in _kinds(pod["spec"])
    }
