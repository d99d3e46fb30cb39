"""Checks links in Markdown files to other files and headings. Makes no network requests."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import unquote

from mdlinks.document import anchors, links

_ELSEWHERE = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:|//")


@dataclass(frozen=True)
class Broken:
    """A link that leads nowhere, and why."""

    file: Path
    line: int
    target: str
    reason: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.target}: {self.reason}"


def markdown_files(paths: list[Path]) -> list[Path]:
    """Return the files given and the ``*.md`` files below the folders given; hidden folders are left out.

    Raises FileNotFoundError for a path that is not there.
    """
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            below = path.rglob("*.md")
            files += sorted(file for file in below if not any(part[0] == "." for part in file.relative_to(path).parts))
        elif path.exists():
            files.append(path)
        else:
            raise FileNotFoundError(f"{path}: no such file or folder")
    return files


def check(file: Path, root: Path) -> tuple[int, list[Broken]]:
    """Return how many links of the file were checked, and the broken ones.

    A target that starts with ``/`` is looked up below ``root``. Raises UnicodeDecodeError if the file is not UTF-8.
    """
    local = [link for link in links(file.read_text(encoding="utf-8")) if not _ELSEWHERE.match(link.target)]
    verdicts = ((link, _fault(link.target, file, root)) for link in local)
    return len(local), [Broken(file, link.line, link.target, reason) for link, reason in verdicts if reason]


def _fault(target: str, file: Path, root: Path) -> str:
    """Return why the target leads nowhere, or an empty text."""
    name, _, fragment = (unquote(part) for part in target.partition("#"))
    name = name.partition("?")[0]
    if not name:
        goal = file
    elif name.startswith("/"):
        goal = root / name.lstrip("/")
    else:
        goal = file.parent / name
    if not goal.exists():
        return "no such file"
    if fragment and goal.suffix == ".md" and fragment.lower() not in _anchors_of(goal):
        return "no such heading"
    return ""


@cache
def _anchors_of(file: Path) -> set[str]:
    return {anchor.lower() for anchor in anchors(file.read_text(encoding="utf-8"))}
