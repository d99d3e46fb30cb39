"""The profile "restricted" of the Pod Security Standards, as its page in the Kubernetes docs has it: fields and values.

Written only from the standard, for Linux Pods outside of user namespaces. Nothing here knows how monopod makes Pods.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

Version = tuple[int, int]
Manifest = dict[str, Any]

VOLUME_TYPES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret",
}  # fmt: skip
SYSCTLS: dict[Version, set[str]] = {
    (1, 0): {
        "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range",
    },
    (1, 27): {"net.ipv4.ip_local_reserved_ports"},
    (1, 29): {
        f"net.ipv4.tcp_{name}" for name in ("keepalive_time", "fin_timeout", "keepalive_intvl", "keepalive_probes")
    },
    (1, 32): {"net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"},
    (1, 37): {"net.ipv4.tcp_slow_start_after_idle", "net.ipv4.tcp_notsent_lowat"},
}  # fmt: skip
"""Since which version each is allowed."""

_UNSET = object()

_HOST_OF_PROBES = [
    (kind, action, "host")
    for kind in ("livenessProbe", "readinessProbe", "startupProbe")
    for action in ("httpGet", "tcpSocket")
] + [("lifecycle", hook, action, "host") for hook in ("postStart", "preStop") for action in ("httpGet", "tcpSocket")]


def forbidden(pod: Manifest, version: Version) -> list[str]:
    """Return the fields of a Pod whose values are not allowed."""
    return list(_forbidden(pod, version))


def missing(pod: Manifest) -> list[str]:
    """Return the required fields that are missing."""
    return list(_missing(pod["spec"]))


def _forbidden(pod: Manifest, version: Version) -> Iterator[str]:
    spec = pod["spec"]
    yield from (f"spec.{name}" for name in ("hostNetwork", "hostPID", "hostIPC") if spec.get(name))
    for volume in spec.get("volumes", ()):
        yield from (f"spec.volumes[{volume['name']}].{kind}" for kind in set(volume) - VOLUME_TYPES - {"name"})
    sysctls = {name for since, names in SYSCTLS.items() if version >= since for name in names}
    used = {sysctl["name"] for sysctl in spec.get("securityContext", {}).get("sysctls", ())}
    yield from (f"sysctl {name}" for name in used - sysctls)
    yield from _annotations(pod["metadata"].get("annotations", {}))
    yield from _values(spec, _common(version), "spec")
    for container in _containers(spec):
        yield from _values(container, [*_common(version), *_of_container(version)], container["name"])
        added = container.get("securityContext", {}).get("capabilities", {}).get("add", ())
        yield from (f"{container['name']}: {name}" for name in added if name != "NET_BIND_SERVICE")
        yield from (f"{container['name']}: hostPort" for port in container.get("ports", ()) if port.get("hostPort"))


def _annotations(annotations: dict[str, str]) -> Iterator[str]:
    for key, value in annotations.items():
        if key.startswith("container.apparmor.security.beta.kubernetes.io/") and (
            value not in ("", "runtime/default") and not value.startswith("localhost/")
        ):
            yield key


def _missing(spec: Manifest) -> Iterator[str]:
    for container in _containers(spec):
        name = container["name"]
        context, of_pod = container.get("securityContext", {}), spec.get("securityContext", {})
        if context.get("allowPrivilegeEscalation") is not False:
            yield f"{name}: allowPrivilegeEscalation"
        if "ALL" not in context.get("capabilities", {}).get("drop", ()):
            yield f"{name}: capabilities.drop"
        if context.get("runAsNonRoot", of_pod.get("runAsNonRoot")) is not True:
            yield f"{name}: runAsNonRoot"
        if "type" not in context.get("seccompProfile", of_pod.get("seccompProfile", {})):
            yield f"{name}: seccompProfile"


Rule = tuple[tuple[str, ...], Callable[[Any], bool]]


def _common(version: Version) -> list[Rule]:
    """Return the rules for the securityContext of a Pod and of a container."""
    selinux = {"", "container_t", "container_init_t", "container_kvm_t"}
    if version >= (1, 31):
        selinux |= {"container_engine_t"}
    rules: list[Rule] = [
        (("runAsNonRoot",), lambda value: value is True),
        (("runAsUser",), lambda value: value != 0),
        (("seccompProfile", "type"), {"RuntimeDefault", "Localhost"}.__contains__),
        (("appArmorProfile", "type"), {"RuntimeDefault", "Localhost"}.__contains__),
        (("seLinuxOptions", "type"), selinux.__contains__),
        (("seLinuxOptions", "user"), lambda value: value == ""),
        (("seLinuxOptions", "role"), lambda value: value == ""),
        (("windowsOptions", "hostProcess"), lambda value: value is False),
    ]
    return [(("securityContext", *path), allowed) for path, allowed in rules]


def _of_container(version: Version) -> list[Rule]:
    rules: list[Rule] = [
        (("securityContext", "privileged"), lambda value: value is False),
        (("securityContext", "allowPrivilegeEscalation"), lambda value: value is False),
        (("securityContext", "procMount"), lambda value: value == "Default"),
    ]
    if version >= (1, 34):
        rules += [(path, lambda value: value == "") for path in _HOST_OF_PROBES]
    return rules


def _values(holder: Manifest, rules: list[Rule], name: str) -> Iterator[str]:
    for path, allowed in rules:
        value = _at(holder, path)
        if value is not _UNSET and value is not None and not allowed(value):
            yield f"{name}: {'.'.join(path)}"


def _at(holder: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        if not isinstance(holder, dict) or name not in holder:
            return _UNSET
        holder = holder[name]
    return holder


def _containers(spec: Manifest) -> list[Manifest]:
    return [*spec.get("initContainers", ()), *spec["containers"]]
