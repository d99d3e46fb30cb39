"""The Steps that make and merge the private view that a Task has of a Workspace.

``python3 -P -S -m monopod.coordinator.workspaces.view COMMAND WORKSPACE DIRECTORY TASK [PARAM=VALUE...]``

- ``copy`` makes the view: a copy of the Workspace. It replaces what an earlier attempt has left.
- ``merge`` merges what the Task has changed in the view into the Workspace, or fails and changes nothing.
- ``keep`` puts what the Task has made or changed into a directory of the Workspace that has the Task's name.

WORKSPACE is the Task's name of it, DIRECTORY the directory in its volume, and TASK the name of the Task in messages.
The params of a matrix are part of this name. MONOPOD_SLOT in the environment names the record of the view; with
MONOPOD_SHARED_FILES, every user may do with the files what their owner may do.

Rules:

- The volume of the Workspace is at ``/monopod/origin``, the view at ``/monopod/view``, and the history, with the
  records of views, at ``/monopod/views``.
- A conflict is reported with its path and both Tasks, in the order of the paths.

Exit codes: 0 success, 1 failure. Standard library only.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, NoReturn

from monopod.coordinator.workspaces import history, view_record
from monopod.coordinator.workspaces.commit import LogLine, Place, Source, commit, recover, remove_leftovers
from monopod.coordinator.workspaces.copying import Copier
from monopod.coordinator.workspaces.history import Before, Merged
from monopod.coordinator.workspaces.merge import Conflict, Entry, Operations, merge, parents
from monopod.coordinator.workspaces.tree import UnusableError, open_below, open_root, shown
from monopod.coordinator.workspaces.view_copy import copy_tree, empty
from monopod.coordinator.workspaces.view_trees import Side, Trees
from monopod.schemas.formats.sizes import format_count, format_size

_LISTED: Final = 20
_TICK: Final = 0.011
"""Longer than a tick of the clock that gives files their times (at most 10 ms)."""
_IN_NAME: Final = re.compile(r"[^A-Za-z0-9._-]+")


class Task(NamedTuple):
    """A Task with a view: its name, the params of its matrix, and the Task's own name of the Workspace."""

    path: str
    params: Mapping[str, str]
    workspace: str

    @property
    def label(self) -> str:
        """The name of the instance in messages, such as ``build[arch=arm64]``."""
        combination = ",".join(f"{name}={value}" for name, value in self.params.items())
        return f"{self.path}[{combination}]" if combination else self.path

    @property
    def directory(self) -> str:
        """The name of the instance as a directory, such as ``build-arm64``."""
        return _IN_NAME.sub("_", "-".join((*self.path.split("/"), *self.params.values())))


class _Views:
    """One view: the place of the Workspace, and the record."""

    def __init__(self, top: str, directory: str, task: Task) -> None:
        self._open = contextlib.ExitStack()
        volume = self._opened(open_root(f"{top}/origin"))
        self.place = Place(volume, directory, self._opened(open_below(volume, directory)), f"{top}/views")
        self.view = self._opened(open_root(f"{top}/view"))
        self.task = task
        self.is_shared = "MONOPOD_SHARED_FILES" in os.environ
        slot = os.environ.get("MONOPOD_SLOT", "")
        self._record = f"{top}/views/view.{slot}.{_IN_NAME.sub('_', task.workspace)}"

    def _opened(self, descriptor: int) -> int:
        self._open.callback(os.close, descriptor)
        return descriptor

    def close(self) -> None:
        """Close what is open."""
        self._open.close()

    def copy(self) -> None:
        """Make the view."""
        try:
            empty(self.view)
        except OSError as error:
            raise UnusableError(f"cannot empty the view: {error.strerror}") from error
        with history.locked(self.place.state, alone=True):
            recover(self.place.volume, self.place.state)
        copier = Copier(is_shared=self.is_shared)
        with history.locked(self.place.state, alone=False):
            record = copy_tree(self.place.root, self.view, copier)
            view_record.write(self._record, len(history.read(self.place.state)), record)
        time.sleep(_TICK)  # a file that a Step changes must not have the times that it has now
        print(f"the view of {self.task.workspace} has {format_count(len(record), 'path')}, {_copied(copier)}")

    def merge(self, *, keeps: bool) -> int:
        """Merge the view; with `keeps`, into a directory with the name of the Task."""
        moment, record = view_record.read(self._record)
        with history.locked(self.place.state, alone=True):
            recover(self.place.volume, self.place.state)
            remove_leftovers(self.place.root)
            merges = history.read(self.place.state)
            earlier = [_relative(merged, self.place.directory) for merged in merges]
            view, origin = Side(self.view), Side(self.place.root)
            trees = Trees(record, view, origin, earlier[moment:], is_shared=self.is_shared)
            prefix = os.fsencode(self.task.directory) + b"/" if keeps else b""
            if keeps:
                self._check_directory(prefix, earlier)
                operations = _kept(prefix, trees, (view, origin), is_shared=self.is_shared)
            else:
                operations, conflicts = merge(trees.base, trees.mine, trees.theirs)
                if conflicts:
                    self._report(conflicts, earlier[moment:])
                    return 1
            if not operations:
                print(f"nothing has changed in the view of {self.task.workspace}")
                return 0
            copier = Copier(is_shared=self.is_shared)
            line = self._changes(operations, origin).line()
            commit(self.place, operations, Source(view.directories, prefix, copier), LogLine(len(merges), line))
        print(_merged(operations, copier) + (f" into {self.task.directory}/" if keeps else ""))
        return 0

    def _check_directory(self, prefix: bytes, earlier: Sequence[Merged]) -> None:
        for merged in earlier:
            if merged.task != self.task.label and any(path.startswith(prefix) for path in merged.before):
                raise UnusableError(
                    f"the directory {shown(prefix)} of the Workspace has what {merged.task!r} has left; "
                    "the names of Tasks and of combinations must differ by more than special characters"
                )

    def _changes(self, operations: Operations, origin: Side) -> Merged:
        """Return what the operations replace."""
        below = os.fsencode(self.place.directory).strip(b"/")
        before: dict[bytes, Before] = {}
        for path in (*operations.paths(), *(path for path, _ in operations.retouched)):
            content = origin.digest(path) if origin.kinds.get(path) == "f" else ""
            before[below + b"/" + path if below else path] = Before(origin.seen.get(path), content)
        return Merged(self.task.label, before)

    def _report(self, conflicts: Sequence[Conflict], earlier: Sequence[Merged]) -> None:
        for conflict in conflicts[:_LISTED]:
            print(f"conflict: {shown(conflict.path)}: {self._sides(conflict, earlier)}")
        if len(conflicts) > _LISTED:
            print(f"… and {format_count(len(conflicts) - _LISTED, 'more conflict')}")
        paths = format_count(len(conflicts), "path")
        print(
            f"cannot merge the view of {self.task.workspace}: Tasks that ran at the same time changed "
            f"{paths} differently; let them write different paths, or order them with runAfter"
        )

    def _sides(self, conflict: Conflict, earlier: Sequence[Merged]) -> str:
        """Return who did what to a path, in the order of the Tasks' names, whichever merges last."""
        other = _other(conflict.path, earlier) or _other(conflict.below, earlier)
        theirs = f"'{other}'" if other is not None else "a Task without a view"
        sides = [(theirs, _verb(conflict, conflict.theirs)), (f"'{self.task.label}'", _verb(conflict, conflict.mine))]
        return " and ".join(f"{verb} by {task}" for task, verb in sorted(sides))


def _other(path: bytes, earlier: Sequence[Merged]) -> str | None:
    """Return the Task that changed a path last."""
    return next((merged.task for merged in reversed(earlier) if path in merged.before), None)


def _verb(conflict: Conflict, side: Entry | None) -> str:
    base = conflict.base
    if side is None:
        return "removed"
    if base is None:
        return "made"
    if side.same(base):
        return f"changed at {shown(conflict.below)}"
    return "given another mode" if side._replace(mode=base.mode).same(base) else "changed"


def _relative(merged: Merged, directory: str) -> Merged:
    """Return a merge with paths relative to a directory of the volume, without others."""
    below = os.fsencode(directory).strip(b"/")
    if not below:
        return merged
    inside = {path.removeprefix(below + b"/"): each for path, each in merged.before.items()
              if path.startswith(below + b"/")}  # fmt: skip
    return merged._replace(before=inside)


def _kept(prefix: bytes, trees: Trees, sides: tuple[Side, Side], *, is_shared: bool) -> Operations:
    """Return the operations that put what has changed in a view into a directory of the Workspace."""
    view, origin = sides
    wanted: dict[bytes, Entry] = {}
    for path, entry in trees.mine.items():
        base = trees.base.get(path)
        if base is None or not entry.same(base):
            wanted[prefix + path] = entry._replace(content="new") if entry.kind == "f" else entry
            for above in parents(path):
                directory = view.entry(above, "")
                if directory is not None:
                    wanted.setdefault(prefix + above, directory)
    if wanted:
        wanted[prefix[:-1]] = Entry("d", 0o777 if is_shared else 0o755)
    entries = ((path, origin.entry(path, "")) for path in origin.seen if (path + b"/").startswith(prefix))
    present = {path: entry for path, entry in entries if entry is not None}
    if prefix[:-1] in present and wanted:
        wanted[prefix[:-1]] = present[prefix[:-1]]
    return merge(present, wanted, present)[0]


def _copied(copier: Copier) -> str:
    if not copier.reflinked:
        return f"{format_size(copier.copied)} copied"
    rest = f", {format_size(copier.copied)} copied" if copier.copied else ""
    return f"{format_size(copier.reflinked)} shared by reflinks{rest}"


def _merged(operations: Operations, copier: Copier) -> str:
    written = format_count(len(operations.written) + len(operations.retouched), "path")
    removed = f", {format_count(len(operations.removed), 'path')} removed" if operations.removed else ""
    return f"merged {written} ({_copied(copier)}){removed}"


def _end(*_: object) -> NoReturn:
    raise SystemExit(143)


def main(arguments: Sequence[str], top: str = "/monopod") -> int:
    """Execute a command and return the exit code."""
    command, workspace, directory, path, *params = arguments
    pairs = (param.partition("=") for param in params)
    task = Task(path, {name: value for name, _, value in pairs}, workspace)
    try:
        with contextlib.closing(_Views(top, directory, task)) as views:
            if command == "copy":
                views.copy()
                return 0
            return views.merge(keeps=command == "keep")
    except UnusableError as error:
        print(f"{error}")
    except OSError as error:
        print(f"{error.filename or 'the view'}: {error.strerror}")
    return 1


if __name__ == "__main__":
    os.umask(0)
    signal.signal(signal.SIGTERM, _end)
    sys.exit(main(sys.argv[1:]))
