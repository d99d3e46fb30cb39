"""Whom a container runs as, and what it may do: the Pod's and the container's securityContext taken together.

Rules (Kubernetes API, PodSecurityContext and SecurityContext): the container's field wins over the Pod's. Capabilities
are added to and dropped from what container runtimes give by default. Pure but for the user database of this machine.
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
"""What a container keeps that asks for nothing: containerd's default without MKNOD and NET_RAW.

containerd can leave those two, since it limits devices by cgroup and gives each Pod a network of its own. Here a
device that a container made would be the machine's, and a raw socket would read the machine's traffic.
"""


def capabilities(context: Mapping[str, Any]) -> frozenset[int]:
    """Return the numbers of the capabilities that a container keeps. Raises UnresolvedError for an unknown name.

    ``ALL`` stands for each of them. As in a container runtime, what is added by its name survives a drop of ``ALL``,
    and what is dropped by its name is gone though ``ALL`` were added.
    """
    if context.get("privileged"):
        return frozenset(range(len(CAPABILITIES)))
    asked = context.get("capabilities") or {}
    added, dropped = _names(asked.get("add")), _names(asked.get("drop"))
    kept = set(CAPABILITIES) if "ALL" in added else set(DEFAULT_CAPABILITIES)
    if "ALL" in dropped:
        kept.clear()
    kept = (kept | added) - dropped - {"ALL"}
    return frozenset(CAPABILITIES.index(name) for name in kept)


def filters_calls(context: Mapping[str, Any]) -> bool:
    """Whether a container may not make the system calls of ``call_filter``: it is neither privileged nor SYS_ADMIN."""
    return CAPABILITIES.index("SYS_ADMIN") not in capabilities(context)


def _names(written: Iterable[str] | None) -> set[str]:
    names = {name.upper().removeprefix("CAP_") for name in written or ()}
    if unknown := names - set(CAPABILITIES) - {"ALL"}:
        raise UnresolvedError(f"there is no capability {', '.join(sorted(unknown))}")
    return names


def identity(context: Mapping[str, Any], volume_group: int | None) -> Identity:
    """Return whom a container runs as; `context` is the Pod's security context overlaid with the container's.

    The group of a user is that of this machine's user database, else 0, as it would be the image's.
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
    """Whether a container that must not run as root would: a caller who is not root makes nobody root."""
    return not context.get("runAsUser") and (context.get("runAsUser") == 0 or os.geteuid() == 0)
