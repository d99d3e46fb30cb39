"""Makes a Pod's volumes in its state directory, and opens a subPath in a volume.

Rules (Kubernetes API, Volume; PodSecurityContext.fsGroup): a directory has mode 0777. With an fsGroup a volume belongs
to that group, which may read all files, and write to them if the volume is writable; new files inherit the group.
"""

from __future__ import annotations

import errno
import os
import stat

from monopod.runner.kubelet.specification import DirectoryVolume, FilesVolume, MemoryVolume, Volume
from monopod.system import namespaces


def make_volume(volume: Volume, group: int | None) -> None:
    """Make a volume; `group` is the Pod's fsGroup. Raises OSError."""
    os.mkdir(volume.path)
    if isinstance(volume, MemoryVolume):
        size = "" if volume.size is None else f",size={volume.size}"
        namespaces.mount("tmpfs", volume.path, namespaces.MS_NODEV, f"mode=777{size}")
    if isinstance(volume, FilesVolume):
        os.chmod(volume.path, 0o755)  # noqa: S103  # containers run as any user
        for file in volume.files:
            _write(volume.path, file.path, file.data, file.mode)
        if group is not None:
            _give_to_group(volume.path, group)
    elif isinstance(volume, DirectoryVolume | MemoryVolume):
        os.chmod(volume.path, 0o777)  # noqa: S103  # as kubelet does: containers run as any user
        if group is not None:
            os.chown(volume.path, -1, group)
            os.chmod(volume.path, 0o2777)  # noqa: S103  # as kubelet does


def _write(volume: str, path: str, data: bytes, mode: int) -> None:
    place = os.path.join(volume, path)
    os.makedirs(os.path.dirname(place), mode=0o755, exist_ok=True)
    with open(place, "wb") as file:
        file.write(data)
    os.chmod(place, mode)


def _give_to_group(volume: str, group: int) -> None:
    for directory, _, files in os.walk(volume):
        os.chown(directory, -1, group)
        os.chmod(directory, 0o2755)  # noqa: S103  # as kubelet does
        for name in files:
            path = os.path.join(directory, name)
            mode = stat.S_IMODE(os.stat(path).st_mode)
            os.chown(path, -1, group)
            os.chmod(path, mode | 0o440)


def clone_sub_path(source: str, sub_path: str) -> tuple[int, bool, str]:
    """Return an unattached mount of `sub_path` below the directory `source`, whether it is a directory, and its path.

    A missing directory is created with the mode of the volume. A path that leads out of the volume is an error (EXDEV).
    """
    volume = os.open(source, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            found = namespaces.open_beneath(volume, sub_path, os.O_PATH)
        except FileNotFoundError:
            found = _make_beneath(volume, sub_path)
    except OSError as error:
        if error.errno in (errno.EXDEV, errno.ELOOP):
            raise OSError(error.errno, f"subPath {sub_path!r} leads out of its volume") from error
        raise
    finally:
        os.close(volume)
    try:
        is_directory = stat.S_ISDIR(os.fstat(found).st_mode)
        path = os.readlink(f"/proc/self/fd/{found}")  # a link in the volume may have changed by now
        return namespaces.clone_mount("", directory=found), is_directory, path
    finally:
        os.close(found)


def _make_beneath(volume: int, sub_path: str) -> int:
    """Create `sub_path` below the open directory, and open it."""
    mode = stat.S_IMODE(os.fstat(volume).st_mode)
    current = os.dup(volume)
    done: list[str] = []
    for part in sub_path.split("/"):
        done.append(part)
        try:
            os.mkdir(part, dir_fd=current)
        except FileExistsError:
            made = False
        else:
            made = True
        os.close(current)
        current = namespaces.open_beneath(volume, "/".join(done), os.O_RDONLY | os.O_DIRECTORY)
        if made:
            os.fchmod(current, mode)
    return current
