"""A private copy-on-write view of this machine's files: the root file system of a container.

Rules:

- File systems of disks and networks are shown through an overlay, whose upper layer belongs to one container. If the
  kernel refuses the overlay, a directory that contains mounts is shown entry by entry (in a user namespace the kernel
  refuses all of these), and a directory without mounts is shown read-only. A read-only mount is shown read-only, and
  so is a directory below the top level that the caller cannot write to: that costs less.
- Upper layers are on the disk, since they may be large. They are in memory for directories in which a caller without
  root can write little, and if the disk cannot hold them (it is an overlay itself).
- Pseudo file systems are not shown. Temporary directories and monopod's private directories (``private_directories``)
  are empty, as in an image.
- Nothing can connect to a socket of this machine through an overlay. So a directory with sockets, or below /run, is
  shown only through an overlay; it is empty if the kernel refuses the overlay.
- `plan_view` tries once per Pod what the kernel allows; `assemble` then makes each container's view from that plan.
- The machine changes during a run: network namespaces, containers' roots and network mounts come and go. A directory
  that is gone or not reachable is left out of later views.

``container`` adds /proc, /dev, /sys and the volumes.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterable
from functools import cache
from typing import Literal, NamedTuple

from monopod.runner.backend_errors import BackendUnavailableError
from monopod.runner.kubelet.hidden_directories import (
    SYSTEM_DIRECTORIES,
    TEMPORARY_DIRECTORIES,
    emptied_directories,
    is_below,
    is_within,
)
from monopod.system import namespaces

_PSEUDO = frozenset({
    "autofs", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devpts", "devtmpfs", "efivarfs",
    "fusectl", "fuse.gvfsd-fuse", "fuse.portal", "hugetlbfs", "mqueue", "nsfs", "proc", "pstore", "ramfs",
    "rpc_pipefs", "securityfs", "selinuxfs", "sysfs", "tracefs",
})  # fmt: skip
_SOCKETS = "/run"


class Entry(NamedTuple):
    """One part of the view, at ``path``.

    ``overlay``: copy-on-write; ``bind``: read-only; ``directory``: empty, filled by later entries; ``symlink``: to
    ``target``; ``file``: read-only. ``in_memory``: the upper layer of the overlay is in memory.
    """

    kind: Literal["overlay", "bind", "directory", "symlink", "file"]
    path: str
    mode: int = 0o755
    owner: tuple[int, int] = (0, 0)
    target: str = ""
    in_memory: bool = False


class View(NamedTuple):
    """The entries of a container's root, parents first. The options of each overlay begin with ``overlay_options``.

    ``hidden`` are the directories that are empty in each container. ``refused`` says why upper layers are in memory.
    """

    entries: tuple[Entry, ...]
    overlay_options: str
    hidden: tuple[str, ...]
    refused: str | None = None


class Layers(NamedTuple):
    """Two directories for upper layers: on the disk, and in memory."""

    disk: str
    memory: str


class MountPoint(NamedTuple):
    """A mount of this machine, from /proc/self/mountinfo."""

    path: str
    file_system: str
    is_read_only: bool = False


def hide(view: View, private: Iterable[str]) -> View:
    """Return the view with the private directories at their current paths."""
    return view._replace(hidden=emptied_directories(private))


def mount_points(mountinfo: str) -> tuple[MountPoint, ...]:
    """Return the mounts that a mountinfo file (man proc_pid_mountinfo) lists, parents first."""
    mounts: dict[str, MountPoint] = {}
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        path, options = _unescaped(fields[4]), fields[5].split(",")
        mounts[path] = MountPoint(path, after.split(" ")[0], "ro" in options)  # a later mount hides an earlier one
    return tuple(mounts[path] for path in sorted(mounts, key=lambda path: path.split("/")))


def _unescaped(text: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, character)
    return text


# --- planning a view


class _Planner(NamedTuple):
    mounts: tuple[MountPoint, ...]
    needed: tuple[str, ...]
    hidden: tuple[str, ...]
    scratch: Layers
    in_user_namespace: bool
    overlay_options: str
    disk_refused: bool
    entries: list[Entry]

    def take_over(self, path: str, depth: int) -> None:
        """Add the entries for a directory, whether it is a mount or not."""
        if path in self.hidden:
            self.entries.append(_directory(path))
            return
        mounts = [mount for mount in self.mounts if is_below(mount.path, path)]
        below = [mount for mount in mounts if not any(is_below(mount.path, hidden) for hidden in self.hidden)]
        in_memory = self.disk_refused or (self.in_user_namespace and not self._is_written(path))
        if self._takes_overlay(path, depth, in_memory=in_memory, has_mounts=bool(mounts)):
            self.entries.append(_entry("overlay", path)._replace(in_memory=in_memory))
            self._take_over_mounts(below)
        elif mounts or path == "/":
            self._descend(path, depth)
        else:
            self.entries.append(_shown(path))

    @staticmethod
    def _is_written(path: str) -> bool:
        """Whether the caller may write to the directory, or it contains the caller's home."""
        return os.access(path, os.W_OK) or is_below(os.path.realpath(os.path.expanduser("~")), path)

    def _takes_overlay(self, path: str, depth: int, *, in_memory: bool, has_mounts: bool) -> bool:
        if has_mounts and self.in_user_namespace:
            return False
        wanted = any(is_below(needed, path) for needed in self.needed)
        is_light = self.in_user_namespace and not wanted and not os.access(path, os.W_OK)
        if depth > 1 and is_light and not _has_sockets(path):
            return False
        return try_overlay(path, self.scratch.memory if in_memory else self.scratch.disk, self.overlay_options) is None

    def _take_over_mounts(self, mounts: Iterable[MountPoint]) -> None:
        """Add the entries for the outermost mounts inside a directory that has an entry already."""
        done: list[str] = []
        for mount in mounts:
            if any(is_below(mount.path, mounted) for mounted in done) or mount.file_system in _PSEUDO:
                continue
            done.append(mount.path)
            if os.path.isdir(mount.path) and os.access(mount.path, os.X_OK):
                with contextlib.suppress(OSError):  # it is gone by now, or cannot be reached
                    if mount.is_read_only:
                        self.entries.append(_shown(mount.path))
                    else:
                        self.take_over(mount.path, 1)
            elif os.path.isfile(mount.path):
                self.entries.append(Entry("file", mount.path))

    def _descend(self, path: str, depth: int) -> None:
        self.entries.append(_directory(path))
        try:
            found = sorted(os.scandir(path), key=lambda entry: entry.name)
        except OSError:
            return
        for entry in found:
            with contextlib.suppress(OSError):  # it is gone by now, or cannot be reached
                self._take_over_entry(entry, depth)

    def _take_over_entry(self, entry: os.DirEntry[str], depth: int) -> None:
        if entry.is_symlink():
            self.entries.append(Entry("symlink", entry.path, target=os.readlink(entry.path)))
        elif entry.is_dir():
            is_pseudo = any(mount.path == entry.path and mount.file_system in _PSEUDO for mount in self.mounts)
            if is_pseudo or not os.access(entry.path, os.X_OK):
                self.entries.append(_directory(entry.path))
            else:
                self.take_over(entry.path, depth + 1)
        elif entry.is_file():
            self.entries.append(Entry("file", entry.path))


def _entry(kind: Literal["overlay", "bind"], path: str) -> Entry:
    status = os.stat(path)
    return Entry(kind, path, stat.S_IMODE(status.st_mode), (status.st_uid, status.st_gid))


def _directory(path: str) -> Entry:
    status = os.stat(path)
    return Entry("directory", path, stat.S_IMODE(status.st_mode), (status.st_uid, status.st_gid))


def _shown(path: str) -> Entry:
    """Return the entry for a directory that is not an overlay."""
    return _directory(path) if _has_sockets(path) else _entry("bind", path)


def _has_sockets(path: str) -> bool:
    """Whether there may be sockets in a directory, at any depth."""
    sockets = {_SOCKETS, *_socket_directories()}
    return any(is_within(directory, path) for directory in sockets) or is_below(path, _SOCKETS)


@cache
def _socket_directories() -> frozenset[str]:
    """Return the directories that hold the sockets of this machine's network."""
    with open("/proc/net/unix", encoding="utf-8", errors="surrogateescape") as file:
        lines = [line.rstrip("\n").split(None, 7) for line in file]
    paths = [fields[7] for fields in lines if len(fields) == 8 and fields[7].startswith("/")]
    directories = {os.path.dirname(path) for path in paths if not is_below(path, "/proc")}  # monopod's own sockets
    return frozenset(os.path.realpath(directory) for directory in directories)


def plan_view(needed: Iterable[str], private: Iterable[str], scratch: Layers, *, in_user_namespace: bool) -> View:
    """Return the view that the kernel allows on this machine.

    `needed` are the paths that must be created if they are missing (mount points); `private` are the directories that
    no container sees. Raises BackendUnavailableError if the kernel refuses all overlays.
    """
    options, refused = _overlay_options(scratch, in_user_namespace=in_user_namespace)
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        mounts = mount_points(file.read())
    emptied = emptied_directories(private)
    hidden = (*SYSTEM_DIRECTORIES, *emptied)
    planner = _Planner(mounts, tuple(needed), hidden, scratch, in_user_namespace, options, refused is not None, [])
    planner.take_over("/", 0)
    return View(tuple(planner.entries), options, emptied, refused)


def _overlay_options(scratch: Layers, *, in_user_namespace: bool) -> tuple[str, str | None]:
    """Return the options for overlays on this machine, and why upper layers cannot be on the disk (None: they can).

    ``volatile`` (Linux 5.10) avoids a sync of the file system at the end of each container.
    """
    required = "userxattr," if in_user_namespace else ""
    lower = _some_directory()
    refused = None
    for directory in (scratch.disk, scratch.memory):
        for options in (f"{required}volatile,", required):
            problem = try_overlay(lower, directory, options)
            if problem is None:
                return options, refused
            refused = problem
    raise BackendUnavailableError(f"this machine refuses a copy-on-write view of its files: {refused}")


def _some_directory() -> str:
    return next(path for path in ("/usr", "/bin", "/etc", "/") if os.path.isdir(path))


def try_overlay(lower: str, scratch: str, options: str) -> str | None:
    """Mount an overlay of `lower` and unmount it again. Return the error, None on success."""
    number = len(os.listdir(scratch))  # a work directory cannot be used twice
    layers = f"{scratch}/{number}"
    _make_layers(layers)
    os.mkdir(f"{layers}-merged")
    try:
        _mount_overlay(lower, f"{layers}-merged", layers, options)
    except OSError as error:
        return error.strerror
    namespaces.unmount(f"{layers}-merged")
    return None


# --- making a view


def assemble(
    view: View, root: str, layers: Layers, needed: Iterable[tuple[str, bool]], reachable: Iterable[str]
) -> View:
    """Make the view at the directory `root`, in the caller's own mount namespace, with upper layers in `layers`.

    `needed` are the paths that must exist, each with whether it is a directory; `reachable` are the directories that
    any user must be able to reach. Return the view without directories that are gone from this machine. Raises OSError.
    """
    view = view._replace(entries=tuple(entry for entry in view.entries if not _is_gone(entry)))
    if view.entries[0].kind != "overlay":
        namespaces.mount("tmpfs", root, namespaces.MS_NODEV, "mode=755")
    wanted = [(os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path)), is_directory)
              for path, is_directory in needed if not is_hidden(path, view)]  # fmt: skip
    made = []
    for number, entry in enumerate(view.entries):
        own = f"{layers.memory if entry.in_memory else layers.disk}/{number}"
        try:
            if entry.kind == "overlay":
                _make_overlay(entry, root, own, view, (wanted, reachable))
            else:
                _make(entry, root + entry.path.rstrip("/"))
        except OSError:
            if not _is_gone(entry):
                raise
        else:
            made.append(entry)
    for number, path in enumerate(view.hidden):
        is_temporary = path in TEMPORARY_DIRECTORIES
        place = root + path
        if os.path.isdir(place):
            own = f"{layers.disk if is_temporary else layers.memory}/empty-{number}"
            os.mkdir(own)
            os.chmod(own, 0o1777 if is_temporary else 0o755)  # the usual mode of /tmp
            namespaces.bind(own, place, attributes=namespaces.ATTR_NODEV)
    return view._replace(entries=tuple(made))


def _is_gone(entry: Entry) -> bool:
    """Whether the file or directory of an entry is gone, is of another type now, or cannot be reached."""
    if entry.kind in ("directory", "symlink"):  # made without this machine's
        return False
    try:
        mode = os.stat(entry.path).st_mode
    except OSError:
        return True
    return stat.S_ISDIR(mode) != (entry.kind != "file")


def _make_overlay(
    entry: Entry, root: str, own: str, view: View, paths: tuple[Iterable[tuple[str, bool]], Iterable[str]]
) -> None:
    wanted, reachable = paths
    place = root + entry.path.rstrip("/")
    _make_layers(own)
    _copy_attributes(entry, f"{own}-upper")
    _prepare_upper(entry, f"{own}-upper", view, wanted)
    _open_ways(entry, f"{own}-upper", reachable)
    if entry.path != "/":
        os.makedirs(place, exist_ok=True)
    _mount_overlay(entry.path, place or root, own, view.overlay_options)


def restrict(view: View, attributes: int) -> None:
    """Add mount attributes to the whole view, from inside it, before anything else is mounted."""
    mounted = [entry.path for entry in view.entries if entry.kind == "overlay"]
    for path in dict.fromkeys(["/", *mounted, *view.hidden]):
        if os.path.isdir(path):
            namespaces.restrict_mount(path, attributes)


def is_hidden(path: str, view: View) -> bool:
    """Whether `path` is in a directory that is empty in each container."""
    return any(is_within(path, hidden) for hidden in (*SYSTEM_DIRECTORIES, *view.hidden))


def _make(entry: Entry, place: str) -> None:
    if entry.kind == "symlink":
        os.symlink(entry.target, place)
    elif entry.kind == "file":
        if not os.path.lexists(place):
            os.close(os.open(place, os.O_CREAT | os.O_CLOEXEC, 0o644))
        namespaces.bind(entry.path, place, attributes=namespaces.ATTR_RDONLY)
    elif entry.path != "/":
        os.makedirs(place, exist_ok=True)
        if entry.kind == "bind":
            namespaces.bind(entry.path, place, attributes=namespaces.ATTR_RDONLY | namespaces.ATTR_NODEV)
        else:
            os.chmod(place, entry.mode)


def _holder(path: str, view: View) -> Entry:
    """Return the entry that `path` belongs to: the innermost entry that contains it."""
    containing = [entry for entry in view.entries if is_within(path, entry.path)]
    return max(containing, key=lambda entry: len(entry.path))


def _prepare_upper(entry: Entry, upper: str, view: View, wanted: Iterable[tuple[str, bool]]) -> None:
    """Make the `wanted` paths in an upper layer, since the caller may have no permission in the merged directory."""
    for path, is_directory in wanted:
        if is_below(path, entry.path) and _holder(path, view) is entry and not os.path.lexists(path):
            place = _make_parents(path, entry, upper)
            if place and is_directory:
                os.makedirs(place, exist_ok=True)
            elif place:
                os.close(os.open(place, os.O_CREAT | os.O_CLOEXEC, 0o644))


def _open_ways(entry: Entry, upper: str, reachable: Iterable[str]) -> None:
    """Let any user pass the directories of this overlay that lead to `reachable`."""
    for path in {os.path.realpath(directory) for directory in reachable}:
        if not is_within(path, entry.path):
            continue
        way = [entry.path]
        for part in path[len(entry.path.rstrip("/")) + 1 :].split("/"):
            way.append(os.path.join(way[-1], part))
        closed = [
            directory for directory in way if os.path.isdir(directory) and not os.stat(directory).st_mode & stat.S_IXOTH
        ]
        for directory in closed:
            place = upper + directory[len(entry.path.rstrip("/")) :]
            if _make_parents(f"{directory}/any", entry, upper) is not None:
                os.chmod(place, stat.S_IMODE(os.stat(directory).st_mode) | 0o111)  # noqa: S103  # in this container only


def _make_parents(path: str, entry: Entry, upper: str) -> str | None:
    """Copy the parent directories of `path` from below to the upper layer; None if one is not a directory."""
    lower = entry.path.rstrip("/")
    parts = path[len(lower) + 1 :].split("/")
    for part in parts[:-1]:
        lower, upper = f"{lower}/{part}", f"{upper}/{part}"
        if not os.path.isdir(upper):
            if os.path.lexists(lower) and (os.path.islink(lower) or not os.path.isdir(lower)):
                return None
            os.mkdir(upper, 0o755)
            if os.path.isdir(lower):
                _copy_attributes(_directory(lower), upper)
    return f"{upper}/{parts[-1]}"


def _copy_attributes(entry: Entry, path: str) -> None:
    with contextlib.suppress(OSError):  # the owner is nobody in this user namespace: the directory stays the caller's
        os.chown(path, *entry.owner)
    os.chmod(path, entry.mode)


def _make_layers(layers: str) -> None:
    os.mkdir(f"{layers}-upper")
    os.mkdir(f"{layers}-work")


def _mount_overlay(lower: str, target: str, layers: str, options: str) -> None:
    """Mount an overlay. Raises OSError.

    EINVAL may mean that `lower` was a mount, such as one of a container engine, that goes away at this moment (Linux
    fs/namespace.c, clone_private_mount): its directory is an ordinary one then, or gone.
    """
    paths = f"lowerdir={_escaped(lower)},upperdir={_escaped(layers)}-upper,workdir={_escaped(layers)}-work"
    for attempts_left in (2, 1, 0):
        try:
            namespaces.mount("overlay", target, namespaces.MS_NODEV, options + paths)
            break
        except OSError as error:
            if error.errno != errno.EINVAL or not attempts_left:
                raise


def _escaped(path: str) -> str:
    for character in "\\,:":
        path = path.replace(character, f"\\{character}")
    return path
