"""Fetches the files of ``--fetch`` from a Pod whose run is over, and reports what came.

Rules: files are fetched after a failed run too. A failed file does not keep the others from being fetched. Ctrl-C ends
it: what has not arrived as a whole is not there.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from enum import Enum
from typing import Protocol, TextIO

from monopod.compiler.pod.files_container import ExchangedWorkspace
from monopod.runner.display.printable import printable
from monopod.runner.files.attempts import Attempts, CopyError
from monopod.runner.files.fetch import Fetch
from monopod.runner.files.fetched_files import fetch_files
from monopod.runner.files.progress_line import ProgressLine, format_progress
from monopod.runner.signals import ENDING, raising_interrupt
from monopod.system.files.file_transfer import Channel


class FilesSource(Protocol):
    """A Pod from which files can be fetched."""

    def files(self, workspace: ExchangedWorkspace, path: str) -> AbstractContextManager[Channel]:
        """Connect to a sender of the files at a path in a Workspace. Raises CopyError, BrokenError."""

    def release_files(self) -> None:
        """Wait no longer for files to be fetched."""


class FetchOutcome(Enum):
    """How fetching all files ended."""

    COMPLETE = "everything was fetched"
    INCOMPLETE = "something could not be fetched"
    INTERRUPTED = "the user interrupted it"


def fetch_all(
    source: FilesSource, exchanged: Iterable[ExchangedWorkspace], fetches: Sequence[Fetch], stream: TextIO
) -> FetchOutcome:
    """Fetch files one after the other, and report on `stream` what came. Problems go to standard error."""
    workspaces = {workspace.name: workspace for workspace in exchanged}
    outcome = FetchOutcome.COMPLETE
    try:
        with raising_interrupt(*ENDING):
            for fetch in fetches:
                if not _fetch(source, workspaces[fetch.workspace], fetch, stream):
                    outcome = FetchOutcome.INCOMPLETE
    except KeyboardInterrupt:
        print("monopod run: interrupted; not all files were fetched", file=sys.stderr)
        outcome = FetchOutcome.INTERRUPTED
    source.release_files()
    return outcome


def _fetch(source: FilesSource, workspace: ExchangedWorkspace, fetch: Fetch, stream: TextIO) -> bool:
    try:
        with ProgressLine(sys.stderr) as line:

            def report(length: int) -> None:
                line.show(printable(format_progress(f"Fetching {fetch}", length), colours=False))

            fetched = fetch_files(lambda: source.files(workspace, fetch.path), fetch, report, Attempts())
    except CopyError as error:
        _print(f"monopod run: cannot fetch {fetch}: {error}", sys.stderr)
        return False
    warning = fetched.warning(fetch)
    if warning is not None:
        _print(f"warning: {warning}", sys.stderr)
    _print(fetched.summary(fetch), stream)
    return True


def _print(text: str, stream: TextIO) -> None:
    print(printable(text, colours=False), file=stream, flush=True)
