"""The profile "restricted" of Kubernetes' Pod Security Standards, for Pods whose authors did not write for it.

Rules (Kubernetes docs, "Pod Security Standards"; the profile includes all of "baseline"):

- Missing settings are added: to the Pod, if the Pod has the field (runAsNonRoot, seccompProfile), else to each
  container (allowPrivilegeEscalation, capabilities).
- An author's setting is never removed: a setting that the profile forbids is an error where it is written.
- Which sysctls and SELinux types are allowed depends on the version of Kubernetes.
- The standard's exceptions for Pods in a user namespace and for Windows are not used.
- monopod's own containers always pass (``pod.assembly``), and an author's probes and hooks never get into a Pod.

Left to others: whether an image runs as a user other than root, which only the node knows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Literal, TypeAlias

from monopod.compiler.diagnostics import Problem
from monopod.compiler.documents.places import Place
from monopod.compiler.pod.kube_version import KubeVersion
from monopod.compiler.pod.parts import ContainerPart, PodParts, PodPlaces
from monopod.compiler.pod.volume_sources import RESTRICTED

Profile: TypeAlias = Literal["restricted"]

_PROFILE_TYPES = ("RuntimeDefault", "Localhost")
_APP_ARMOR_ANNOTATION = "container.apparmor.security.beta.kubernetes.io/"
_SYSCTLS = {
    "kernel.shm_rmid_forced": (1, 0),
    "net.ipv4.ip_local_port_range": (1, 0),
    "net.ipv4.ip_unprivileged_port_start": (1, 0),
    "net.ipv4.ping_group_range": (1, 0),
    "net.ipv4.tcp_syncookies": (1, 0),
    "net.ipv4.ip_local_reserved_ports": (1, 27),
    "net.ipv4.tcp_fin_timeout": (1, 29),
    "net.ipv4.tcp_keepalive_intvl": (1, 29),
    "net.ipv4.tcp_keepalive_probes": (1, 29),
    "net.ipv4.tcp_keepalive_time": (1, 29),
    "net.ipv4.tcp_rmem": (1, 32),
    "net.ipv4.tcp_wmem": (1, 32),
    "net.ipv4.tcp_notsent_lowat": (1, 37),
    "net.ipv4.tcp_slow_start_after_idle": (1, 37),
}
"""The first version that allows each sysctl."""
_SELINUX_TYPES = {"": (1, 0), "container_t": (1, 0), "container_init_t": (1, 0), "container_kvm_t": (1, 0)}
_SELINUX_TYPES["container_engine_t"] = (1, 31)

_At = Callable[..., Place]
_Forbidden = Iterator[tuple[Place, str]]


def context_of_pod(pod_fields: Mapping[str, Any], profile: Profile | None) -> dict[str, Any]:
    """Return the securityContext of a Pod with these fields, completed by what a profile requires."""
    required = {} if profile is None else {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    return {**required, **_without_nulls(pod_fields.get("securityContext"))}


def restricted(parts: PodParts) -> PodParts:
    """Return the parts of a Pod, completed by the settings that the profile requires."""
    return replace(
        parts,
        containers=tuple(_restricted_container(part) for part in parts.containers),
        pod_fields={**parts.pod_fields, "securityContext": context_of_pod(parts.pod_fields, "restricted")},
    )


def _restricted_container(part: ContainerPart) -> ContainerPart:
    own = _without_nulls(part.fields.get("securityContext"))
    added = (own.get("capabilities") or {}).get("add")
    context = {
        **own,
        "allowPrivilegeEscalation": False,
        "capabilities": {**({"add": added} if added else {}), "drop": ["ALL"]},
    }
    return replace(part, fields={**part.fields, "securityContext": context})


def _without_nulls(context: Mapping[str, Any] | None) -> dict[str, Any]:
    return {key: value for key, value in (context or {}).items() if value is not None}


def violations(parts: PodParts, places: PodPlaces, kube_version: KubeVersion) -> Iterator[Problem]:
    """Yield each setting of an author that the profile forbids, in a cluster of a version."""
    for place, what in _forbidden(parts, places, kube_version):
        yield _problem(place, what, "leave it out")
    for volume in parts.volumes:
        for kind in volume.keys() - RESTRICTED - {"name"}:
            place = places.volumes[volume["name"]].at(kind)
            yield _problem(place, f"the volume is of the type {kind}", f"it allows {', '.join(sorted(RESTRICTED))}")


def annotation_violations(annotations: Mapping[str, str], place_of: _At) -> Iterator[Problem]:
    """Yield annotations of the Pod that the profile forbids; `place_of` gives the place of one."""
    for name, value in annotations.items():
        allowed = value in ("", "runtime/default") or value.startswith("localhost/")
        if name.startswith(_APP_ARMOR_ANNOTATION) and not allowed:
            yield _problem(place_of(name), f"the AppArmor profile is '{value}'", "leave it out")


def _problem(place: Place, what: str, way_out: str) -> Problem:
    message = f"{what}, which the Pod Security profile 'restricted' forbids; {way_out}"
    return place.problem("pod-security", message)


def _forbidden(parts: PodParts, places: PodPlaces, kube_version: KubeVersion) -> _Forbidden:
    if parts.pod_fields.get("hostNetwork"):
        yield places.field_of_pod("hostNetwork"), "the Pod has the node's network"
    of_pod = _without_nulls(parts.pod_fields.get("securityContext"))
    yield from _in_any_context(of_pod, _below(places.field_of_pod, "securityContext"), kube_version)
    for index, sysctl in enumerate(of_pod.get("sysctls") or ()):
        if kube_version < _SYSCTLS.get(sysctl["name"], (9, 0)):
            yield places.field_of_pod("securityContext", "sysctls", index), f"the sysctl '{sysctl['name']}' is set"
    for part in parts.containers:
        yield from _in_container(part.fields, places.containers[part.name], kube_version)


def _in_container(fields: Mapping[str, Any], at: _At, kube_version: KubeVersion) -> _Forbidden:
    context, in_context = _without_nulls(fields.get("securityContext")), _below(at, "securityContext")
    yield from _in_any_context(context, in_context, kube_version)
    if context.get("privileged"):
        yield in_context("privileged"), "the container is privileged"
    if context.get("allowPrivilegeEscalation"):
        yield in_context("allowPrivilegeEscalation"), "privileges may be escalated"
    if (mount := context.get("procMount", "")) not in ("", "Default"):
        yield in_context("procMount"), f"procMount is {mount}"
    for index, name in enumerate((context.get("capabilities") or {}).get("add") or ()):
        if name != "NET_BIND_SERVICE":
            yield in_context("capabilities", "add", index), f"the capability {name} is added"
    for index, port in enumerate(fields.get("ports") or ()):
        if port.get("hostPort"):
            yield at("ports", index, "hostPort"), f"the node's port {port['hostPort']} is taken"


def _in_any_context(context: Mapping[str, Any], at: _At, kube_version: KubeVersion) -> _Forbidden:
    """Yield what is forbidden in both the securityContext of a Pod and of a container."""
    if context.get("runAsNonRoot") is False:
        yield at("runAsNonRoot"), "root is allowed as the user"
    if context.get("runAsUser") == 0:
        yield at("runAsUser"), "the user is root"
    for name in ("seccompProfile", "appArmorProfile"):
        kind = (context.get(name) or {}).get("type", "RuntimeDefault")
        if kind not in _PROFILE_TYPES:
            yield at(name, "type"), f"the {name} is {kind}"
    options = context.get("seLinuxOptions") or {}
    if kube_version < _SELINUX_TYPES.get(options.get("type") or "", (9, 0)):
        yield at("seLinuxOptions", "type"), f"the SELinux type is '{options['type']}'"
    for name in ("user", "role"):
        if options.get(name):
            yield at("seLinuxOptions", name), f"an SELinux {name} is set"


def _below(at: _At, name: str) -> _At:
    return lambda *path: at(name, *path)
