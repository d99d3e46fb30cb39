"""A container's own /dev: the devices that every container may use, and no others.

Rules:

- Each container has a /dev of its own, with terminals of its own. The containers of a Pod share /dev/shm and
  /dev/mqueue, as on a cluster.
- Device nodes are created. Where the kernel forbids that (in a user namespace), this machine's node is mounted
  read-only: containers can read and write the device, but not change its mode, owner or times, or remove it.
- A privileged container also gets all other devices of this machine, in the same way.

``container`` decides where it is mounted and which container gets it.
"""

from __future__ import annotations

import contextlib
import os
import stat
from functools import cache

from monopod.system import namespaces

_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_LINKS = {"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2",
          "ptmx": "pts/ptmx"}  # fmt: skip
_DIRECTORIES = ("pts", *(SHARED := ("shm", "mqueue")))


def make_shared(directory: str) -> None:
    """Make the part of /dev that the containers of a Pod share, in the empty `directory`."""
    limits = namespaces.MS_NOSUID | namespaces.MS_NODEV
    for name in SHARED:
        os.mkdir(f"{directory}/{name}")
    namespaces.mount("tmpfs", f"{directory}/shm", limits, "mode=1777")
    namespaces.mount("mqueue", f"{directory}/mqueue", limits | namespaces.MS_NOEXEC)


def may_make_nodes(directory: str) -> bool:
    """Whether a device node can be created in the empty `directory`, and opened."""
    namespaces.mount("tmpfs", directory, namespaces.MS_NOSUID, "mode=700")
    try:
        _make_node(f"{directory}/null", os.stat("/dev/null"))
        os.close(os.open(f"{directory}/null", os.O_WRONLY | os.O_CLOEXEC))
    except OSError:
        return False
    finally:
        namespaces.unmount(directory)
    return True


@cache
def machine_devices(*, all_of_them: bool) -> tuple[tuple[str, os.stat_result], ...]:
    """Return the entries of this machine's /dev that a container gets: names and status. Cached."""
    own = {*_DIRECTORIES, *_LINKS}
    devices = []
    for name in os.listdir("/dev") if all_of_them else _DEVICES:
        if name not in own:
            with contextlib.suppress(FileNotFoundError):
                devices.append((name, os.lstat(f"/dev/{name}")))
    return tuple(devices)


def make_devices(target: str, shared: str, *, new_nodes: bool, privileged: bool) -> None:
    """Mount a /dev at `target`; `shared` is what `make_shared` made. Raises OSError."""
    namespaces.mount("tmpfs", target, namespaces.MS_NOSUID, "mode=755,size=64k")
    for name in _DIRECTORIES:
        os.mkdir(f"{target}/{name}", 0o755)
    for name, link in _LINKS.items():
        os.symlink(link, f"{target}/{name}")
    umask = os.umask(0)
    for name, status in machine_devices(all_of_them=privileged):
        _add(name, status, f"{target}/{name}", new_nodes=new_nodes)
    os.umask(umask)
    namespaces.mount("devpts", f"{target}/pts", namespaces.MS_NOSUID, "newinstance,ptmxmode=666,mode=620")
    for name in SHARED:
        namespaces.bind(f"{shared}/{name}", f"{target}/{name}")


def _add(name: str, status: os.stat_result, place: str, *, new_nodes: bool) -> None:
    """Make `place` the same as /dev/`name`: a device, link or directory."""
    source = f"/dev/{name}"
    if stat.S_ISLNK(status.st_mode):
        os.symlink(os.readlink(source), place)
    elif stat.S_ISDIR(status.st_mode):
        os.mkdir(place, 0o755)
        namespaces.bind(source, place, attributes=namespaces.ATTR_RDONLY)
    elif stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
        if new_nodes:
            _make_node(place, status)
        else:
            os.close(os.open(place, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644))
            namespaces.bind(source, place, attributes=namespaces.ATTR_RDONLY)


def _make_node(place: str, status: os.stat_result) -> None:
    """Make a node; the caller's umask is 0."""
    os.mknod(place, status.st_mode, status.st_rdev)
    if status.st_uid or status.st_gid:
        os.chown(place, status.st_uid, status.st_gid)
