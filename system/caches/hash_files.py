"""``hashFiles``: one hash of the files that match some patterns, as in GitHub's expressions.

Rules (GitHub docs, "Evaluate expressions", ``hashFiles``; the glob package of actions/toolkit):

- ``*`` and ``?`` match within a name, ``[...]`` one character, and ``**`` any number of directories. Names that start
  with a dot match, too. A pattern that matches a directory matches all files in it.
- A pattern with ``!`` in front removes files that an earlier pattern matched. The order of others does not matter.
- The hash is the SHA-256 of the SHA-256 digests of the files, in the order of their paths; without files it is empty.
- Only regular files count. Symbolic links are not followed: a link does not reach out of the directory.

Unlike GitHub's, the order is the order of paths everywhere, so hashes are equal on all machines.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def hash_files(patterns: Sequence[str], directory: str, inside: Sequence[str] = ()) -> str:
    """Return the hash of the files that match the patterns; relative patterns are below a directory.

    Only files below the directory or one of the directories `inside` count. Raises OSError.
    """
    whole = hashlib.sha256()
    paths = matching_files(patterns, directory, inside)
    for path in paths:
        whole.update(_digest(path))
    return whole.hexdigest() if paths else ""


def matching_files(patterns: Sequence[str], directory: str, inside: Sequence[str] = ()) -> list[str]:
    """Return the regular files that match the patterns, in order."""
    matched: set[str] = set()
    for text in patterns:
        pattern = text.lstrip("!")
        parsed = _Pattern.parse(pattern, directory)
        if (len(text) - len(pattern)) % 2:
            matched = {path for path in matched if not parsed.matches(path)}
        elif _is_inside(parsed.root, (directory, *inside)):
            matched.update(path for path in _files(parsed.root) if parsed.matches(path))
    return sorted(matched, key=os.fsencode)


def _is_inside(path: str, directories: Iterable[str]) -> bool:
    """Return whether a path is at or below one of these directories, whatever links lead to it."""
    real = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
    roots = [os.path.realpath(directory) for directory in directories]
    return any(os.path.commonpath([real, root]) == root for root in roots)


class _Pattern(NamedTuple):
    """A pattern: the deepest directory without wildcards, and an expression for whole paths."""

    root: str
    expression: re.Pattern[str]

    @classmethod
    def parse(cls, pattern: str, directory: str) -> _Pattern:
        whole = os.path.normpath(os.path.join(directory, pattern))
        names = whole.split("/")[1:]
        fixed = next((index for index, name in enumerate(names) if any(sign in name for sign in "*?[")), len(names))
        expression = "".join(map(_name_expression, names))
        below = r"/.+" if names[-1] == "**" else r"(?:/.*)?"
        return cls("/" + "/".join(names[:fixed]), re.compile(expression + below, re.DOTALL))

    def matches(self, path: str) -> bool:
        return self.expression.fullmatch(path) is not None


def _name_expression(name: str) -> str:
    if name == "**":
        return r"(?:/[^/]+)*"
    return "/" + "".join(_characters(name))


def _characters(name: str) -> Iterator[str]:
    position = 0
    while position < len(name):
        sign = name[position]
        end = name.find("]", position + 2) if sign == "[" else -1
        if end > 0:
            inside = name[position + 1 : end]
            negated = inside[0] in "!^"
            escaped = re.sub(r"([\\\[\]&~|^])", r"\\\1", inside[negated:])
            yield f"(?!/)[{'^' * negated}{escaped}]"
            position = end + 1
            continue
        yield {"*": "[^/]*", "?": "[^/]"}.get(sign, re.escape(sign))
        position += 1


def _files(root: str) -> Iterable[str]:
    """Yield the regular files at and below a path, without following links."""
    if not os.path.isdir(root) or os.path.islink(root):
        return [root] if _is_regular(root) else []
    return (
        path
        for folder, _, names in os.walk(root)
        for path in (os.path.join(folder, name) for name in names)
        if _is_regular(path)
    )


def _is_regular(path: str) -> bool:
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False


def _digest(path: str) -> bytes:
    with open(os.open(path, _FILE), "rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
