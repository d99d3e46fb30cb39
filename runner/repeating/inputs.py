"""What is known of the files that a run reads from outside its Pod: whether two runs had the same.

Rules:

- A run whose volumes begin empty, or hold only ConfigMaps and Secrets, which Task digests cover, reads no such files.
- Folders inside a git repository without uncommitted changes hold what its commit has.
- Everything else (other folders, claims, uncommitted changes) may have changed: nothing is known.

What a Task fetches by itself is not considered.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from typing import Any

from monopod.compiler.compilation import Compilation

_BEGIN_KNOWN = ("emptyDir", "configMap", "secret", "downwardAPI", "projected", "ephemeral", "image")
_GIT_SECONDS = 2


def inputs_of(compilation: Compilation, project: str) -> str:
    """Return a name for the files that a run reads: the same name means the same files. Empty if they are unknown."""
    volumes = compilation.pod["spec"].get("volumes") or ()
    folders = [_folder(volume) for volume in volumes if not any(kind in volume for kind in _BEGIN_KNOWN)]
    folders += [workspace.folder for workspace in compilation.exchanged if workspace.folder]
    if not folders:
        return "no files"
    inside = all(folder and f"{os.path.realpath(folder)}/".startswith(f"{project}/") for folder in folders)
    return _clean_commit(project) if inside else ""


def _folder(volume: Mapping[str, Any]) -> str:
    return str((volume.get("hostPath") or {}).get("path") or "")


def _clean_commit(project: str) -> str:
    """Return the commit of a git repository; empty if it has uncommitted changes, or is not a repository."""
    if not os.path.exists(f"{project}/.git"):
        return ""
    try:
        status = _git(project, "status", "--porcelain")
        return "" if status else _git(project, "rev-parse", "HEAD").strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def _git(project: str, *words: str) -> str:
    done = subprocess.run(
        ["git", "--no-optional-locks", "-C", project, *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=_GIT_SECONDS,
        check=True,
    )
    return done.stdout
