"""The Steps that carry a Workspace from the Pod of one group of Tasks to those of later groups, as an OCI artifact.

``python3 -P -S -m monopod.coordinator.workspaces.artifact VERB REPOSITORY LOGIN RUN GROUP WORKSPACE DIRECTORY SCRATCH
RESULTS``

- ``save`` pushes what is in the directory, as the Workspace that the group leaves.
- ``restore`` makes the directory what the group has left.

REPOSITORY is ``REGISTRY/REPOSITORY``, and LOGIN a file with Docker's config.json, or ``-``. RUN is the uid of the run:
of the JobSet, the Workflow or the PipelineRun, which all of its Pods know. SCRATCH is a directory for a file, RESULTS
one for the Step Result ``reason``: why it failed.

Rules:

- The tag of an artifact is ``RUN-GROUP.WORKSPACE`` (``registry_artifacts.tag_of``), so no Pod hands a digest over. Only
  Pods of that group push it, and the engine starts the group that pulls it after they have succeeded. If a group runs
  again, it replaces its artifact. The manifest names its content by digest, so whichever a reader gets is whole.
- All files, links and directories are carried, with their modes and owners; sockets, FIFOs and devices are not.
- A registry that does not answer, is busy, or is sent the same by another Pod is asked again for some seconds. Anything
  else that is wrong fails the Step with one line, and with it the run.

Left to others: which groups save and restore what (``compiler.grouping.routes``).
"""

from __future__ import annotations

import os
import re
import stat
import sys
import time
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, TypeVar

from monopod.schemas.formats.sizes import format_files, format_size
from monopod.schemas.formats.visible_text import visible
from monopod.schemas.formats.words import format_duration
from monopod.system.caches import content
from monopod.system.caches.keys import Entry, Part
from monopod.system.caches.registry_artifacts import (
    ArtifactKind,
    RegistryArtifacts,
    is_busy,
    is_push_busy,
    tag_of,
    with_retries,
)
from monopod.system.caches.registry_client import Login, RegistryClient, UnreachableError, login_in
from monopod.system.caches.store import Draft, StoreError
from monopod.system.files.tar_entries import MalformedError
from monopod.system.files.tree_reading import ChangedError, Choice, UnreadableError

WORKSPACE: Final = ArtifactKind(
    "application/vnd.monopod.workspace.v1",
    "application/vnd.monopod.workspace.content.v1.tar+gzip",
    "dev.monopod.workspace.entry",
)
_PAUSES: Final = (0.5, 1.0, 2.0, 4.0)
"""Seconds between the attempts to reach the registry."""
_UID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}", re.ASCII)
_OF_FILE_SYSTEM: Final = b"lost+found"
_WHAT_FAILS = (StoreError, MalformedError, ChangedError, UnreadableError, OSError)
_T = TypeVar("_T")


class Artifact(NamedTuple):
    """The artifact with what a group of a run has left in a Workspace, and where in this Pod the Workspace is."""

    repository: str
    run: str
    group: str
    workspace: str
    directory: str

    @property
    def draft(self) -> Draft:
        """What identifies it."""
        return Draft(f"{self.group}.{self.workspace}", self.run, (self.workspace,))

    @property
    def tag(self) -> str:
        """Its tag."""
        return tag_of(self.draft.version, self.draft.key)

    @property
    def name(self) -> str:
        """Its name for a client of the registry."""
        return f"{self.repository}:{self.tag}"

    @property
    def paths(self) -> tuple[content.CachedPath, ...]:
        """What is in it."""
        return (content.CachedPath(self.workspace, self.directory, ""),)


def main(arguments: Sequence[str]) -> int:
    """Save or restore a Workspace, and return the exit code."""
    match arguments:
        case ["save" | "restore" as verb, repository, login, run, group, workspace, directory, scratch, results]:
            artifact = Artifact(repository, run, group, workspace, directory)
        case _:
            words = "REPOSITORY LOGIN RUN GROUP WORKSPACE DIRECTORY SCRATCH RESULTS"
            print(f"usage: artifact save|restore {words}", file=sys.stderr)
            return 2
    try:
        if _UID.fullmatch(run) is None:
            raise StoreError(f"'{run}' is not the uid of a run; start the object that monopod compile wrote unchanged")
        artifacts = _artifacts(repository, login, scratch)
        _say(_saved(artifact, artifacts) if verb == "save" else _restored(artifact, artifacts))
    except _WHAT_FAILS as error:
        what = "workspace not saved" if verb == "save" else "workspace not restored"
        line = _say(f"{what}: {workspace}: {_reason(error)}")
        with open(os.path.join(results, "reason"), "w", encoding="utf-8", errors="replace") as file:
            file.write(line)
        return 1
    return 0


def _artifacts(repository: str, login: str, scratch: str) -> RegistryArtifacts:
    host, _, name = repository.partition("/")
    return RegistryArtifacts(RegistryClient(host, name, _login(repository, login)), WORKSPACE, scratch)


def _login(repository: str, path: str) -> Login:
    if path == "-":
        return Login()
    try:
        with open(path, encoding="utf-8") as file:
            return login_in(file.read(), repository)
    except (OSError, UnicodeDecodeError) as error:
        message = "cannot read the login: the Secret does not exist or is not of type kubernetes.io/dockerconfigjson"
        raise StoreError(f"{repository}: {message}") from error


def _saved(artifact: Artifact, artifacts: RegistryArtifacts) -> str:
    """Push a Workspace, and return the line for the log. Raises one of `_WHAT_FAILS`."""
    start = time.monotonic()

    def pack(write: Callable[[bytes], object]) -> tuple[Part, ...]:
        return content.pack(artifact.paths, write, _is_wanted, is_own=True)

    with artifacts.packed(artifact.draft, pack) as (entry, packed):

        def push() -> None:
            artifacts.push_content(entry, packed)
            artifacts.push_manifest(entry)

        _patiently(push, is_push_busy)
    how_long = format_duration(time.monotonic() - start)
    return f"workspace saved: {artifact.workspace}, {format_size(entry.size)} in {how_long}, as {artifact.name}"


def _restored(artifact: Artifact, artifacts: RegistryArtifacts) -> str:
    """Pull a Workspace, and return the line for the log. Raises one of `_WHAT_FAILS`."""
    start = time.monotonic()
    entry = _patiently(lambda: artifacts.entry(artifact.tag))
    if entry is None:
        message = f"cannot find the artifact of the group '{artifact.group}': it was deleted or replaced"
        raise StoreError(f"{artifact.name}: {message}; run the whole Pipeline again")
    restored = _patiently(lambda: _unpacked(artifact, artifacts, entry))
    how_much = format_files(restored.files, restored.length)
    how_long = format_duration(time.monotonic() - start)
    return f"workspace restored: {artifact.workspace}, {how_much} in {how_long}, from {artifact.name}"


def _unpacked(artifact: Artifact, artifacts: RegistryArtifacts, entry: Entry) -> content.Restored:
    with artifacts.opened(entry) as source:
        _empty(artifact.directory)  # an attempt before this one may have left something
        return content.restore(artifact.paths, entry.parts, source, is_own=True)


def _patiently(action: Callable[[], _T], passes: Callable[[StoreError], bool] = is_busy) -> _T:
    """Do something with the registry, again if it does not answer or is busy (`passes`). Raises StoreError."""
    return with_retries(action, _PAUSES, lambda error: isinstance(error, UnreachableError) or passes(error))


def _empty(directory: str) -> None:
    """Remove the files and links in a directory, except what belongs to its file system.

    Its directories stay: a container that has one of them as its subPath would not see what a new one has.
    """
    root = os.fsencode(directory)
    for path, folders, files, folder in os.fwalk(root):
        folders[:] = [name for name in folders if path != root or name != _OF_FILE_SYSTEM]
        links = (name for name in folders if stat.S_ISLNK(os.lstat(name, dir_fd=folder).st_mode))
        for name in (*files, *links):
            os.unlink(name, dir_fd=folder)


def _is_wanted(path: bytes, _is_directory: bool) -> Choice:
    return Choice.NO if path == _OF_FILE_SYSTEM else Choice.YES


def _say(text: str) -> str:
    line = visible(text)
    print(line, flush=True)
    return line


def _reason(error: Exception) -> str:
    if isinstance(error, ChangedError):
        return f"{error} changed while it was read; no process may outlive its Step"
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename is not None else str(error.strerror)
    return str(error)


if __name__ == "__main__":
    os.umask(0)
    sys.exit(main(sys.argv[1:]))
