"""Copies files between this machine and the Workspaces of a Pod, by commands in its container ``files``.

Rules:

- A broken connection, and an API server or node that does not answer, is no failure: the copy continues over the next
  connection. Files that change while they are copied are copied again.
- The Steps start only after all folders are complete (``complete``).
- No request goes to another Pod of the same name.

``coordinator.workspace_files`` is the other side.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from monopod.compiler.pod.files_container import FILES, ExchangedWorkspace
from monopod.runner.files.attempts import Attempts, CopyError
from monopod.runner.files.folder_files import FolderFiles
from monopod.runner.files.progress_line import format_progress
from monopod.runner.kubernetes.answers import Request, about
from monopod.runner.kubernetes.api_errors import ApiError, describe
from monopod.runner.kubernetes.cluster import Cluster, CommandFailedError, PodName, UnreachableError
from monopod.runner.kubernetes.pod_identity import PodIdentity
from monopod.runner.kubernetes.retrying import patiently
from monopod.schemas.formats.sizes import format_files
from monopod.system.files.file_transfer import BrokenError, Channel, FailedError, send
from monopod.system.files.tree_reading import ChangedError, Size, UnreadableError, everything, measure, read_segments

if TYPE_CHECKING:
    from monopod.runner.kubernetes.exec_channel import ExecChannel

REQUEST = ("python3", "-P", "-S", "-m", "monopod.coordinator.workspace_files")
_COMPLETE_SECONDS = 660.0
"""How long the first Step that uses the files may take to start: longer than a Task waits for it."""
_RELEASE_SECONDS = 10.0
_NOT_YET = "has not started"
"""In the message of ``workspace_files complete`` if it must be repeated."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """Which Workspaces are copied, and whether ignored files are."""

    workspaces: Sequence[ExchangedWorkspace]
    include_ignored: bool = False

    @property
    def has_folders(self) -> bool:
        """Whether folders are copied to Workspaces."""
        return any(workspace.folder is not None for workspace in self.workspaces)


class PodFiles:
    """The files of one Pod. Any thread may `cut` what another thread copies."""

    def __init__(self, cluster: Cluster, name: PodName, uid: str, exchange: Exchange) -> None:
        self._cluster = cluster
        self._name = name
        self._identity = PodIdentity(cluster, name, uid)
        self._exchange = exchange
        self._lock = threading.Lock()
        self._open: ExecChannel | None = None
        self._is_cut = False

    def copy_folders(self, report: Callable[[str], None], copied: Callable[[str], None]) -> None:
        """Copy all folders, and let the Steps start. Raises CopyError.

        `report` gets lines about how far it is, `copied` a line about each folder that is copied.
        """
        for workspace in self._exchange.workspaces:
            if workspace.folder is not None:
                copied(self._copy_folder(workspace, workspace.folder, report))
        directories = [each.directory for each in self._exchange.workspaces if each.folder is not None]
        try:
            patiently(Request.EXEC, lambda: self._complete(directories), _COMPLETE_SECONDS)
        except (ApiError, UnreachableError, CommandFailedError) as error:
            raise CopyError(f"cannot complete the copy: {describe(error)}") from error

    @contextlib.contextmanager
    def sender(self, workspace: ExchangedWorkspace, path: str) -> Iterator[Channel]:
        """Connect to a sender of the files at a path in a Workspace. Raises CopyError, BrokenError."""
        with self._connected("send", workspace.directory, path) as channel:
            yield channel

    def release(self) -> None:
        """Let the Pod end: no further files are fetched. If this fails, it ends a little later."""
        with contextlib.suppress(ApiError, UnreachableError, CommandFailedError):
            patiently(Request.EXEC, lambda: self._execute("fetched"), _RELEASE_SECONDS)

    def cut(self) -> None:
        """End a copy. May be called by any thread."""
        with self._lock:
            self._is_cut = True
            if self._open is not None:
                self._open.cut()

    def _complete(self, directories: Sequence[str]) -> None:
        """Let the Steps start. Raises CommandFailedError only if that may succeed later."""
        try:
            self._execute("complete", *directories)
        except CommandFailedError as error:
            if _NOT_YET not in str(error):
                raise CopyError(f"cannot complete the copy: {error}") from error
            raise

    # A folder

    def _copy_folder(self, workspace: ExchangedWorkspace, folder: str, report: Callable[[str], None]) -> str:
        attempts = Attempts()
        while True:
            try:
                return self._copy_once(workspace, folder, report, attempts)
            except ChangedError as error:
                attempts.changed(error)
            except (FailedError, UnreadableError) as error:
                hint = "; exclude it in .dockerignore" if isinstance(error, UnreadableError) else ""
                raise CopyError(f"{folder} cannot be copied to Workspace '{workspace.name}': {error}{hint}") from error

    def _copy_once(
        self, workspace: ExchangedWorkspace, folder: str, report: Callable[[str], None], attempts: Attempts
    ) -> str:
        """Copy a folder from the beginning, and return a line about it. Raises what `send` raises, and CopyError."""
        root, copy = os.fsencode(folder), f"{workspace.name}.{os.urandom(8).hex()}"
        sent: list[bytes] = []
        had = 0
        selected = None if self._exchange.include_ignored else FolderFiles(folder)
        size = measure(root, everything if selected is None else selected.choose)

        def progress(length: int) -> None:
            nonlocal had
            had = max(had, length)
            report(format_progress(f"copying to {workspace.name}", length, size.length))

        while True:
            chosen = everything if self._exchange.include_ignored else FolderFiles(folder).choose
            try:
                with self._connected("receive", copy, workspace.directory) as channel:
                    send(channel, read_segments(root, chosen), sent, progress)
                return _summary(workspace, folder, size, has_excluded=selected is not None and selected.has_excluded)
            except BrokenError as error:
                attempts.broken(error, had)

    # Requests

    @contextlib.contextmanager
    def _connected(self, *arguments: str) -> Iterator[ExecChannel]:
        """Run a request with its standard streams connected. Raises CopyError, BrokenError."""
        channel = self._connect(arguments)
        try:
            with self._lock:
                self._open = channel
                if self._is_cut:
                    raise CopyError("interrupted")
            yield channel
        finally:
            with self._lock:
                self._open = None
            channel.close()

    def _connect(self, arguments: Sequence[str]) -> ExecChannel:
        try:
            self._check_identity()
            return self._cluster.connect_command(self._name, FILES, (*REQUEST, *arguments))
        except ApiError as error:
            if about(Request.EXEC, error).passes:
                raise BrokenError(describe(error)) from error
            raise CopyError(describe(error)) from error
        except UnreachableError as error:
            raise BrokenError(str(error)) from error

    def _execute(self, *arguments: str) -> None:
        self._check_identity()
        self._cluster.execute(self._name, FILES, (*REQUEST, *arguments))

    def _check_identity(self) -> None:
        if self._identity.is_gone():
            raise ApiError(404, "NotFound", "the Pod is gone", kind="pods")
        if self._is_cut:
            raise CopyError("interrupted")


def _summary(workspace: ExchangedWorkspace, folder: str, size: Size, *, has_excluded: bool) -> str:
    files = format_files(size.files, size.content)
    left_out = ", without ignored files" if has_excluded else ""
    back = "" if workspace.is_fetched else f"; changes stay in the Pod (--fetch {workspace.name}:DIR copies them back)"
    where = os.path.relpath(folder)
    if where.startswith(os.pardir):
        where = folder
    return f"Copied {files} of {where} to Workspace '{workspace.name}'{left_out}{back}"
