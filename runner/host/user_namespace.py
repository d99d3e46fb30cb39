"""The user namespace in which an ordinary user is user 0, and the other users and groups in it.

Rules: user 0 inside is the caller. If newuidmap and newgidmap are installed and /etc/subuid and /etc/subgid have
subordinate ids (man subuid), these are the ids from 1 on. Otherwise there is no other id, and groups cannot be set.
"""

from __future__ import annotations

import os
import pwd
import shutil
from typing import NamedTuple

from monopod.runner.kubelet.specification import Container, Identity, Pod
from monopod.system import namespaces


class IdMap(NamedTuple):
    """The users and groups of a user namespace; ``may_set_groups``: a process may change its supplementary groups."""

    users: tuple[range, ...]
    groups: tuple[range, ...]
    may_set_groups: bool

    def has_user(self, user: int) -> bool:
        """Whether the user exists in the namespace."""
        return any(user in ids for ids in self.users)

    def has_group(self, group: int) -> bool:
        """Whether the group exists in the namespace."""
        return any(group in ids for ids in self.groups)


def enter() -> None:
    """Make a user namespace for this process and its children. Raises OSError."""
    user, group = os.geteuid(), os.getegid()
    map_users = _map_command("newuidmap", user, _subordinate_range("/etc/subuid", user))
    map_groups = _map_command("newgidmap", group, _subordinate_range("/etc/subgid", user))
    done = _unshare_and_map(map_users, map_groups)
    if not done[0]:
        _write("/proc/self/uid_map", f"0 {user} 1\n")
    if not done[1]:
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/gid_map", f"0 {group} 1\n")


def current_map() -> IdMap:
    """Return the users and groups of this process's user namespace."""
    with open("/proc/self/setgroups", encoding="ascii") as file:
        may_set_groups = file.read().strip() == "allow"
    return IdMap(_ranges("/proc/self/uid_map"), _ranges("/proc/self/gid_map"), may_set_groups)


def caller_is_root() -> bool:
    """Whether user 0 of this process's user namespace is user 0 of its parent namespace, or it has no parent."""
    with open("/proc/self/uid_map", encoding="ascii") as file:
        inside, outside, _ = file.readline().split()
    return inside == outside == "0"


def fit(pod: Pod, ids: IdMap) -> tuple[Pod, str | None]:
    """Return the Pod with only the users and groups that exist, and a warning if some do not."""
    missing = [
        f"{container.name} (user {container.identity.user})"
        for container in pod.containers
        if not ids.has_user(container.identity.user) and not container.is_ours
    ]
    containers = tuple(_fit_container(container, ids) for container in pod.containers)
    group = pod.volume_group
    if group is not None and not ids.has_group(group):
        missing.append(f"volumes (fsGroup {group})")
        group = None
    pod = pod._replace(containers=containers, volume_group=group)
    if not missing:
        return pod, None
    return pod, (
        f"runs as you instead, since you are not root: {', '.join(missing)}; "
        "subordinate ids in /etc/subuid and /etc/subgid and the program newuidmap would allow it"
    )


def _fit_container(container: Container, ids: IdMap) -> Container:
    who = container.identity
    fitting = Identity(
        who.user if ids.has_user(who.user) else 0,
        who.group if ids.has_group(who.group) else 0,
        tuple(group for group in who.supplementary_groups if ids.has_group(group)),
    )
    return container._replace(identity=fitting)


def _subordinate_range(path: str, user: int) -> tuple[int, int] | None:
    """Return the first range of ids that a line ``NAME:START:COUNT`` of `path` gives to the user."""
    try:
        names = {str(user), pwd.getpwuid(user).pw_name}
    except KeyError:
        names = {str(user)}
    try:
        with open(path, encoding="utf-8") as file:
            lines = [line.strip().split(":") for line in file]
    except OSError:
        return None
    for fields in lines:
        if len(fields) == 3 and fields[0] in names and fields[1].isdecimal() and fields[2].isdecimal():
            return int(fields[1]), int(fields[2])
    return None


def _map_command(program: str, own: int, subordinate: tuple[int, int] | None) -> list[str] | None:
    if subordinate is None or shutil.which(program) is None:
        return None
    return [program, str(os.getpid()), "0", str(own), "1", "1", str(subordinate[0]), str(subordinate[1])]


def _unshare_and_map(map_users: list[str] | None, map_groups: list[str] | None) -> tuple[bool, bool]:
    """Make the namespace, and run the commands in a child outside it. Return which of them succeeded."""
    if map_users is None and map_groups is None:
        namespaces.unshare(namespaces.NEW_USER, "a user namespace")
        return False, False
    reader, writer = os.pipe()
    helper = os.fork()
    if helper == 0:
        os.close(writer)
        made = os.read(reader, 1)
        failures = 0
        if made:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, 2)
            for number, command in enumerate((map_users, map_groups)):
                if command is None or os.spawnvp(os.P_WAIT, command[0], command):  # noqa: S606
                    failures |= 1 << number
        os._exit(failures)
    os.close(reader)
    try:
        namespaces.unshare(namespaces.NEW_USER, "a user namespace")
        os.write(writer, b"x")
    finally:
        os.close(writer)
        failures = os.waitstatus_to_exitcode(os.waitpid(helper, 0)[1])
    return not failures & 1, not failures & 2


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def _ranges(path: str) -> tuple[range, ...]:
    with open(path, encoding="ascii") as file:
        lines = [line.split() for line in file]
    return tuple(range(int(inside), int(inside) + int(count)) for inside, _, count in lines)
