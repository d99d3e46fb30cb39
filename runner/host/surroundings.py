"""What all containers of a Pod share: namespaces, volumes, devices, the plan of the root. Made before the first starts.

Rules: all mounts are in the sandbox's own mount namespace, and all files in the Pod's state directory.
"""

from __future__ import annotations

import os
import socket
from typing import NamedTuple

from monopod.runner.backend_errors import BackendUnavailableError
from monopod.runner.host import devices, private_directories, root_view, user_namespace
from monopod.runner.kubelet import volumes
from monopod.runner.kubelet.specification import Pod
from monopod.system import namespaces

_NOT_ITS_OWN = (
    "Steps can see all processes of this machine, and reach yours and each other's: the kernel does not allow a new "
    "/proc where a part of /proc is hidden, as in a container; run monopod outside the container, or as root"
)
_NO_FILTER = (
    "Steps can use your keyrings and your cgroups: this kernel has no seccomp filters (CONFIG_SECCOMP_FILTER); run "
    "only code that you trust"
)
_UNSEEN_PROC = ("kcore", "keys")
"""Files of /proc that show root the machine's memory, and the names of its keys."""
_SETTINGS_IN_PROC = ("bus", "fs", "irq", "sys")
"""Directories of /proc to which kernel modules add settings."""


class Surroundings(NamedTuple):
    """What a container is made from.

    ``system`` is a directory that each container gets as /sys; ``devices`` holds the shared part of /dev; ``root`` is
    the empty directory on which each container mounts its root, in its own mount namespace. ``memory`` is a directory
    in memory: each container's /etc/hosts and /etc/hostname, termination messages and volumes of known files.
    ``capabilities`` are the capabilities that some container keeps.

    ``own_processes``: each container can have its own /proc. ``new_nodes``: it can have its own device nodes.
    ``filters_calls``: a container must install its filter of system calls itself. ``private`` are open directories that
    no container sees. ``read_only_proc`` are the files of /proc that no container may write to, ``unseen_proc`` the
    files that none may see.
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
    new_nodes: bool
    filters_calls: bool
    private: tuple[int, ...] = ()
    read_only_proc: tuple[str, ...] = ()
    unseen_proc: tuple[str, ...] = ()


def make_surroundings(pod: Pod, *, in_user_namespace: bool) -> tuple[Surroundings, list[str]]:
    """Leave this machine's namespaces and make everything that containers share. Return it, and warnings.

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
    os.umask(0o022)  # files for containers are readable by all of their users
    namespaces.leave_session_keyring()
    os.mkdir(f"{memory}/empty", 0o755)
    os.close(os.open(f"{memory}/empty-file", os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o444))
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
    can_filter_calls = namespaces.can_filter_calls()
    if not can_filter_calls:
        warnings.append(_NO_FILTER)
    shared_devices, system = f"{state}/devices", f"{state}/system"
    devices.make_shared(shared_devices)
    devices.machine_devices(all_of_them=False)
    _show_system(system)
    is_root = user_namespace.caller_is_root()
    surroundings = Surroundings(
        pod,
        view,
        in_user_namespace,
        may_set_groups,
        f"{state}/root",
        shared_devices,
        system,
        memory,
        _limit_capabilities(pod),
        own_processes,
        not in_user_namespace and devices.may_make_nodes(f"{state}/root"),
        can_filter_calls and not all(container.filters_calls for container in pod.containers),
        private_directories.open_all(pod.private),
        _settings_in_proc() if is_root else (),
        tuple(name for name in _UNSEEN_PROC if os.path.exists(f"/proc/{name}")) if is_root else (),
    )
    if can_filter_calls and all(container.filters_calls for container in pod.containers):
        namespaces.filter_calls()  # once: each container is a child of this process
    return surroundings, warnings


def _limit_capabilities(pod: Pod) -> frozenset[int]:
    """Drop the capabilities that no container keeps from this process's bounding set; return the rest.

    This process keeps its own capabilities, since it executes no program.
    """
    present = namespaces.bounding_capabilities()
    kept = present & frozenset[int]().union(*(container.capabilities for container in pod.containers))
    namespaces.drop_capabilities(present - kept)
    return kept


def _show_system(target: str) -> None:
    """Show /sys read-only at `target`.

    Leave out the file systems that are mounted in it (debugfs, tracefs …), which show root much of the machine, except
    cgroups, where programs read their limits. In a user namespace the kernel allows only a mount of the whole tree.
    """
    try:
        namespaces.bind("/sys", target, recursive=False)
    except OSError:
        namespaces.bind("/sys", target)
    else:
        namespaces.bind("/sys/fs/cgroup", f"{target}/fs/cgroup")
    namespaces.restrict_mount(target, namespaces.ATTR_RDONLY, recursive=True)


def _settings_in_proc() -> tuple[str, ...]:
    """Return the files and directories in /proc, except processes, that only root may write to."""
    with os.scandir("/proc") as entries:
        others = [entry for entry in entries if not entry.name.isdecimal() and not entry.is_symlink()]
    return tuple(entry.name for entry in others if entry.name in _SETTINGS_IN_PROC or _has_settings(entry))


def _has_settings(entry: os.DirEntry[str]) -> bool:
    files = [entry.path]
    if entry.is_dir():
        files = [os.path.join(directory, name) for directory, _, names in os.walk(entry.path) for name in names]
    return any(os.lstat(file).st_mode & 0o222 and not os.lstat(file).st_mode & 0o002 for file in files)


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
    return root_view.plan_view(needed, pod.private, scratch, in_user_namespace=in_user_namespace)
