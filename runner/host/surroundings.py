"""What all containers of a Pod share, made once before the first: namespaces, volumes, devices, the plan of the root.

Rules: all of it is in the sandbox's own mount namespace, and in the Pod's state directory.
"""

from __future__ import annotations

import os
import socket
from typing import NamedTuple

from monopod.runner.backend import BackendUnavailableError
from monopod.runner.host import namespaces, root_view, user_namespace, volumes
from monopod.runner.host.specification import Pod

_NOT_ITS_OWN = (
    "Steps see all processes of this machine, and may reach each other's, and yours: the kernel allows no /proc of "
    "their own where a part of this machine's is hidden, as in a container; start monopod outside of it, or as root"
)
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")


class Surroundings(NamedTuple):
    """What a container is made from.

    ``devices`` and ``system`` are directories whose mounts each container gets as /dev and /sys; ``root`` is the empty
    directory that each mounts its root on, in its own mount namespace. ``memory`` is in memory: /etc/hosts,
    /etc/hostname, termination messages and volumes of known files. ``capabilities`` are those that can be had.
    ``own_processes``: each container may have a /proc of its own.
    """

    pod: Pod
    view: root_view.View
    in_user_namespace: bool
    may_set_groups: bool
    root: str
    devices: str
    system: str
    memory: str
    capabilities: frozenset[int]
    own_processes: bool


def make_surroundings(pod: Pod, *, in_user_namespace: bool) -> tuple[Surroundings, list[str]]:
    """Leave this machine's namespaces and make all that containers share. Return it, and warnings.

    Raises BackendUnavailableError.
    """
    try:
        return _make(pod, in_user_namespace)
    except OSError as error:
        raise BackendUnavailableError(f"this machine refuses what a container needs: {error.strerror}") from error


def _make(pod: Pod, in_user_namespace: bool) -> tuple[Surroundings, list[str]]:
    state = pod.state_directory
    shared = namespaces.NEW_MOUNTS | namespaces.NEW_HOSTNAME | namespaces.NEW_IPC
    namespaces.unshare(shared, "mount, hostname and IPC namespaces")
    namespaces.make_mounts_private()
    socket.sethostname(pod.name)
    for name in ("root", "devices", "system", "volumes", "containers", "scratch", "memory"):
        os.mkdir(f"{state}/{name}")
    memory = f"{state}/memory"
    namespaces.mount("tmpfs", memory, namespaces.MS_NODEV, "mode=755")
    _write(f"{memory}/hosts", pod.hosts_file)
    _write(f"{memory}/hostname", f"{pod.name}\n")
    warnings = []
    may_set_groups = True
    if in_user_namespace:
        ids = user_namespace.current_map()
        may_set_groups = ids.may_set_groups
        pod, warning = user_namespace.fit(pod, ids)
        warnings += [warning] if warning else []
    view = _plan_view(pod, in_user_namespace=in_user_namespace)
    if view.refused is not None:
        warnings.append(f"what containers write outside of volumes is kept in memory: {view.refused}")
    own_processes = _may_mount_processes(f"{state}/root")
    if not own_processes:
        warnings.append(_NOT_ITS_OWN)
    for volume in pod.volumes:
        volumes.make_volume(volume, pod.volume_group)
    devices, system = f"{state}/devices", f"{state}/system"
    _make_devices(devices)
    namespaces.bind("/sys", system)
    namespaces.restrict_mount(system, namespaces.ATTR_RDONLY, recursive=True)
    surroundings = Surroundings(
        pod,
        view,
        in_user_namespace,
        may_set_groups,
        f"{state}/root",
        devices,
        system,
        memory,
        namespaces.bounding_capabilities(),
        own_processes,
    )
    return surroundings, warnings


def _may_mount_processes(place: str) -> bool:
    """Whether the kernel allows a fresh /proc."""
    try:
        namespaces.mount_processes(place)
    except PermissionError:
        return False
    namespaces.unmount(place)
    return True


def _plan_view(pod: Pod, *, in_user_namespace: bool) -> root_view.View:
    needed = {mount.path for container in pod.containers for mount in container.mounts}
    needed |= {container.working_directory for container in pod.containers}
    state = pod.state_directory
    scratch = root_view.Layers(f"{state}/scratch", f"{state}/memory/scratch")
    os.mkdir(scratch.memory)
    return root_view.plan_view(needed, os.path.dirname(state), scratch, in_user_namespace=in_user_namespace)


def _make_devices(directory: str) -> None:
    """Make the minimal /dev of a container runtime.

    The nodes are this machine's, bound one by one: a user namespace may not make its own. Pseudo terminals and shared
    memory are the Pod's.
    """
    namespaces.mount("tmpfs", directory, namespaces.MS_NOSUID, "mode=755,size=64k")
    for name in _DEVICES:
        if os.path.exists(f"/dev/{name}"):
            _touch(f"{directory}/{name}")
            namespaces.bind(f"/dev/{name}", f"{directory}/{name}")
    for name, target in (("fd", "/proc/self/fd"), ("stdin", "/proc/self/fd/0"), ("stdout", "/proc/self/fd/1"),
                         ("stderr", "/proc/self/fd/2"), ("ptmx", "pts/ptmx")):  # fmt: skip
        os.symlink(target, f"{directory}/{name}")
    for name in ("pts", "shm", "mqueue"):
        os.mkdir(f"{directory}/{name}")
    limits = namespaces.MS_NOSUID | namespaces.MS_NODEV | namespaces.MS_NOEXEC
    namespaces.mount("devpts", f"{directory}/pts", namespaces.MS_NOSUID, "newinstance,ptmxmode=666,mode=620")
    namespaces.mount("tmpfs", f"{directory}/shm", limits & ~namespaces.MS_NOEXEC, "mode=1777")
    namespaces.mount("mqueue", f"{directory}/mqueue", limits)
    _touch(f"{directory}/termination-log")


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text)


def _touch(path: str) -> None:
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644))
