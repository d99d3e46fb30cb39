"""The files of this machine in a Pod's volumes: hostPath directories, persistent claims, and the hosts file."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable

from monopod.runner.kubelet.environment import Manifest, UnresolvedError
from monopod.runner.records import own_directories

_KINDS = {
    "Directory": stat.S_ISDIR,
    "File": stat.S_ISREG,
    "Socket": stat.S_ISSOCK,
    "CharDevice": stat.S_ISCHR,
    "BlockDevice": stat.S_ISBLK,
}


def is_missing(path: str) -> bool:
    """Return whether the path does not exist."""
    return not os.path.lexists(path)


def host_path(path: str, kind: str) -> str:
    """Return the path of a hostPath volume, checked and created according to its ``type``. Raises UnresolvedError.

    Without a type a missing path becomes a directory, as container runtimes do.
    """
    if not path.startswith("/"):
        raise UnresolvedError(f"hostPath {path!r} is not an absolute path")
    try:
        if kind in ("", "DirectoryOrCreate") and not os.path.exists(path):
            os.makedirs(path, 0o755)
        elif kind == "FileOrCreate" and not os.path.exists(path):
            os.close(os.open(path, os.O_CREAT | os.O_CLOEXEC, 0o644))
        mode = os.stat(path).st_mode
    except OSError as error:
        raise UnresolvedError(f"hostPath {path}: {error.strerror}") from error
    wanted = kind.removesuffix("OrCreate")
    if wanted and wanted not in _KINDS:
        raise UnresolvedError(f"hostPath {path}: unknown type {kind!r}")
    if wanted and not _KINDS[wanted](mode):
        raise UnresolvedError(f"hostPath {path} is not of the type {kind}")
    return path


def claims_directory() -> str:
    """Return the directory that keeps the files of PersistentVolumeClaims between runs."""
    return os.path.join(own_directories.data(), "claims")


def claim(directory: str, namespace: str, name: str) -> str:
    """Return the directory of a claim, creating it if it is missing. Raises UnresolvedError."""
    path = os.path.join(directory, namespace, name)
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if not os.path.isdir(path):
            os.mkdir(path)
            os.chmod(path, 0o777)  # noqa: S103  # containers run as any user
    except OSError as error:
        raise UnresolvedError(f"cannot make {path}: {error.strerror}") from error
    return path


def hosts_file(hostname: str, aliases: Iterable[Manifest]) -> str:
    """Return /etc/hosts for the containers: this machine's file, the Pod's own name, and ``hostAliases``."""
    try:
        with open("/etc/hosts", encoding="utf-8", errors="surrogateescape") as file:
            text = file.read()
    except OSError:
        text = "127.0.0.1\tlocalhost\n::1\tlocalhost\n"
    lines = [text.rstrip("\n"), f"127.0.1.1\t{hostname}"]
    lines += [f"{alias['ip']}\t{' '.join(alias.get('hostnames') or ())}" for alias in aliases]
    return "\n".join(lines) + "\n"
