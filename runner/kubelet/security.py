"""The user and the privileges of a container, from the securityContext of the Pod and of the container.

Rules (Kubernetes API, PodSecurityContext and SecurityContext): the container's field wins over the Pod's. Capabilities
are added to and dropped from the default set of container runtimes. Pure, except for this machine's user database.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterable, Mapping
from typing import Any

from monopod.runner.kubelet.environment import UnresolvedError
from monopod.runner.kubelet.specification import Identity

CAPABILITIES = (
    "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
    "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER",
    "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE",
    "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP",
    "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF",
    "CHECKPOINT_RESTORE",
)  # fmt: skip
"""The name of each capability, at its number (linux/capability.h)."""

DEFAULT_CAPABILITIES = frozenset({
    "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE", "SETFCAP", "SETGID",
    "SETPCAP", "SETUID", "SYS_CHROOT",
})  # fmt: skip
"""The capabilities of a container by default: containerd's default without MKNOD and NET_RAW.

containerd can allow these two, since it limits devices by cgroup and gives each Pod its own network. On the host
backend a device node would be a device of the machine, and a raw socket would read the machine's traffic.
"""


def capabilities(context: Mapping[str, Any]) -> frozenset[int]:
    """Return the numbers of the capabilities that a container keeps. Raises UnresolvedError for an unknown name.

    ``ALL`` means all capabilities. As in a container runtime, a capability that is added by name survives a drop of
    ``ALL``, and a capability that is dropped by name is dropped even if ``ALL`` is added.
    """
    if context.get("privileged"):
        return frozenset(range(len(CAPABILITIES)))
    wanted = context.get("capabilities") or {}
    added, dropped = _names(wanted.get("add")), _names(wanted.get("drop"))
    kept = set(CAPABILITIES) if "ALL" in added else set(DEFAULT_CAPABILITIES)
    if "ALL" in dropped:
        kept.clear()
    kept = (kept | added) - dropped - {"ALL"}
    return frozenset(CAPABILITIES.index(name) for name in kept)


def filters_calls(context: Mapping[str, Any]) -> bool:
    """Whether ``call_filter`` applies to a container: it is not privileged and does not have SYS_ADMIN."""
    return CAPABILITIES.index("SYS_ADMIN") not in capabilities(context)


def _names(written: Iterable[str] | None) -> set[str]:
    names = {name.upper().removeprefix("CAP_") for name in written or ()}
    if unknown := names - set(CAPABILITIES) - {"ALL"}:
        raise UnresolvedError(f"unknown capability: {', '.join(sorted(unknown))}")
    return names


def identity(context: Mapping[str, Any], volume_group: int | None) -> Identity:
    """Return the user and groups of a container; `context` is the Pod's securityContext overlaid with the container's.

    A user's group comes from this machine's user database instead of the image's; a user without an entry has group 0.
    """
    user = context.get("runAsUser") or 0
    group = context.get("runAsGroup")
    groups = list(context.get("supplementalGroups") or ())
    if volume_group is not None:
        groups.append(volume_group)
    try:
        known = pwd.getpwuid(user)
    except KeyError:
        return Identity(user, group or 0, tuple(groups))
    group = known.pw_gid if group is None else group
    if context.get("supplementalGroupsPolicy") != "Strict":
        groups += os.getgrouplist(known.pw_name, group)
    return Identity(user, group, tuple(dict.fromkeys(groups)))


def runs_as_root(context: Mapping[str, Any]) -> bool:
    """Whether a container would run as root despite runAsNonRoot; without root, a caller cannot start any as root."""
    return not context.get("runAsUser") and (context.get("runAsUser") == 0 or os.geteuid() == 0)
