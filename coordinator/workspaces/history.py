"""The history of a Workspace that has private views: what each merge changed, and for which Task.

It is in a volume of the Pod that only monopod's own containers mount, in the file ``changes``: a line of JSON for each
merge. The volume also has the lock that views and merges hold, ``lock``.

Rules:

- Processes that make views share the lock; a process that merges holds it alone. A killed process drops it.
- A merge notes, for each path that it changed, which version was there before and its content. So a later merge
  knows what its view began with, without a digest of each file when a view is made.
- Paths are relative to the volume of the Workspace, since Tasks may use different directories in it.

Standard library only.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from monopod.coordinator.workspaces.view_record import Seen

_CHANGES = "changes"
_MODE = 0o666  # Tasks may have different users


class Before(NamedTuple):
    """What was at a path before a merge: nothing (None), or a version and its content."""

    seen: Seen | None = None
    content: str = ""


class Merged(NamedTuple):
    """A merge: the name of the Task, and what was at each path that it changed."""

    task: str
    before: Mapping[bytes, Before]

    def line(self) -> str:
        """Return it as a line."""
        before = {os.fsdecode(path): [each.seen, each.content] for path, each in self.before.items()}
        return json.dumps([self.task, before], separators=(",", ":")) + "\n"

    @classmethod
    def of(cls, line: str) -> Merged:
        """Return the merge that a line describes."""
        task, before = json.loads(line)
        made = {
            os.fsencode(path): Before(None if seen is None else Seen(*seen), content)
            for path, (seen, content) in before.items()
        }
        return cls(task, made)


@contextlib.contextmanager
def locked(directory: str, *, alone: bool) -> Iterator[None]:
    """Hold the lock of a history. Raises OSError."""
    descriptor = os.open(f"{directory}/lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _MODE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


def read(directory: str) -> list[Merged]:
    """Return all merges, in order. Raises OSError."""
    try:
        with open(f"{directory}/{_CHANGES}", encoding="ascii") as file:
            return [Merged.of(line) for line in file]
    except FileNotFoundError:
        return []


def append(directory: str, number: int, line: str) -> None:
    """Add the merge with a number, unless it is there. Raises OSError."""
    path = f"{directory}/{_CHANGES}"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, _MODE)
    with open(descriptor, "r+", encoding="ascii") as file:
        content = file.read()
        complete = content.rpartition("\n")[0]
        if len(complete) + bool(complete) < len(content):  # the writer of the last line was killed
            os.ftruncate(descriptor, len(complete) + bool(complete))
        if complete.count("\n") + bool(complete) == number:
            file.write(line)
