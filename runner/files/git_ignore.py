"""Which paths of a folder git ignores.

Rules:

- In a git repository git itself decides: all .gitignore files, also above the folder, .git/info/exclude and the user's
  core.excludesFile. A file that is tracked is never ignored. The same holds for each repository inside the folder.
- Elsewhere, and where there is no git, the .gitignore files of the folder decide, by the library ``pathspec``.
- A folder that is itself ignored is taken as it is: the user has named it.

Left to others: .dockerignore (``docker_ignore``), reading files.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import re
import subprocess
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_ENCODING = "latin-1"
"""Of patterns and paths: git compares bytes."""
_ANY_DIRECTORY = re.compile(r"^(!?)(?:\*|/?(?:\*\*/)*\*\*)/ *$")
"""Patterns for all directories. The library's expressions for them do not say which part of a path they match."""
_COMMAND = ("ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--directory")


class GitIgnore:
    """Decides for the paths of a folder, in the order in which a walk visits them: a directory before what is in it."""

    def __init__(self, folder: bytes) -> None:
        self._folder = folder
        self._ignored: set[bytes] = set()
        self._patterns: dict[bytes, list[Any]] = {}  # by the directory that the .gitignore file is in
        self._has_git = self._ask_git(b"")
        if not self._has_git:
            self._read_spec(b"")

    def is_ignored(self, path: bytes, *, is_directory: bool) -> bool:
        """Return whether a path is ignored. What is in an ignored directory is not asked for."""
        is_ignored = path in self._ignored if self._has_git else self._is_excluded(path, is_directory=is_directory)
        if is_directory and not is_ignored:
            self._enter(path)
        return is_ignored

    def _enter(self, directory: bytes) -> None:
        if not self._has_git:
            self._read_spec(directory)
        elif os.path.lexists(os.path.join(self._folder, directory, b".git")):
            self._ask_git(directory)

    # git

    def _ask_git(self, directory: bytes) -> bool:
        """Add what git ignores in a directory; return False if there is no git, or no repository."""
        command: list[str | bytes] = ["git", "-C", os.path.join(self._folder, directory), *_COMMAND]
        environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
        try:
            done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        except OSError:
            return False
        if done.returncode != 0:
            return False
        paths = [path.rstrip(b"/") for path in done.stdout.split(b"\0") if path]
        if paths != [b"."]:  # the folder itself
            self._ignored.update(os.path.join(directory, path) for path in paths)
        return True

    # .gitignore files

    def _read_spec(self, directory: bytes) -> None:
        try:
            with open(os.path.join(self._folder, directory, b".gitignore"), "rb") as file:
                content = file.read().removeprefix(codecs.BOM_UTF8).decode(_ENCODING)
        except OSError:
            return
        lines = (line.removesuffix("\r") for line in content.split("\n"))
        self._patterns[directory] = list(_parsed(lines))

    def _is_excluded(self, path: bytes, *, is_directory: bool) -> bool:
        """Return what the closest .gitignore file says that says anything."""
        directory = path
        while directory:
            directory = os.path.dirname(directory)
            below = path[len(directory) :].lstrip(b"/") + b"/" * is_directory
            answer = _answer(self._patterns.get(directory, ()), below.decode(_ENCODING))
            if answer is not None:
                return answer
        return False


def _parsed(lines: Iterable[str]) -> Iterator[Any]:
    """Yield the patterns in lines. Git ignores those that the library refuses."""
    from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern  # noqa: PLC0415  # only where git cannot decide

    for line in lines:
        with contextlib.suppress(ValueError):
            pattern = GitIgnoreSpecPattern(_ANY_DIRECTORY.sub(r"\1?*/", line))
            if pattern.include is not None:
                yield pattern


def _answer(patterns: Iterable[Any], path: str) -> bool | None:
    """Return what the last pattern says that matches a path; a directory ends with a slash."""
    answer = None
    for pattern in patterns:
        match = pattern.regex.search(path)
        if match is not None and _matches_whole(pattern, match, path):
            answer = bool(pattern.include)
    return answer


def _matches_whole(pattern: Any, match: re.Match[str], path: str) -> bool:
    """Return whether a pattern matches the path itself: the library's also match what is in a directory.

    Its group marks the slash after the directory. A pattern that ends in ``/**`` is only about what is inside, one that
    ends in ``/**/`` about the directories inside.
    """
    if _is_for_content(pattern.pattern):
        is_wanted_kind = path.endswith("/") or not pattern.pattern.rstrip().endswith("/")
        return is_wanted_kind and match.end() < len(path)
    slash = match.start("ps_d") if "ps_d" in match.re.groupindex else -1
    return slash in (-1, len(path) - 1)


def _is_for_content(text: str) -> bool:
    """Return whether a pattern is only about what is in a directory."""
    names = text.removeprefix("!").rstrip().strip("/").split("/")
    return names[-1] == "**" and any(name != "**" for name in names)
