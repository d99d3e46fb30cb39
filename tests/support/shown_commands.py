"""The commands that a page of the documentation shows, and their output.

Rules:

- An ``sh`` block holds only commands. In any other block a line that begins with ``$ `` is a command, and
  what follows, up to the next one, is what it prints.
- A ``yaml`` block below a line that ends in the name of a file and a colon is that file.
- What differs from run to run is made the same in both texts by `normalised`, and nothing else is.
- Which waits and changes `monopod explain` reports depends on times: it may report more of them than the page shows,
  but it must report all that the page shows.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"`([\w./-]+\.yaml)`:\n+\Z")
_VARIES = (
    (r"\b([a-z][a-z-]*-run)-[0-9a-z]{5}\b", r"\1-NAME"),
    (r"\b(settings|count-orders)-[0-9a-z]{5}\b", r"\1-NAME"),
    (r"\b\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(Z|\b)", "TIME"),
    (r"\b[0-9a-f]{7,64}\b", "HASH"),  # one in 1,000 of seven digits has only letters
    (r"\bHASH \S.*", "HASH SUBJECT"),  # the subject of a commit
    (r"\b(\d+h)?(\d+m)?\d+(\.\d+)?s\b", "DURATION"),
    (r"\b\d+\.\d+ s\b", "DURATION"),
    (r"\b\d+%", "SHARE"),
    (r"\b\d+(\.\d+)? (bytes|KB|KiB|MiB)", r"SIZE"),
    (r"\bSIZE shared by reflinks\b", "SIZE copied"),  # as the file system does it
    (r"\b\d+\.\d cores", "NUMBER cores"),
    (r"\bparallelism \d+\.\d\b", "parallelism NUMBER"),
    (r"\b(it is|Good) (morning|afternoon|evening|night)", r"\1 PART-OF-DAY"),
    (r"\b\d+ (files changed)", r"COUNT \1"),
    (r"\bhas \d+ paths,", "has COUNT paths,"),  # a view also has what parallel Tasks have merged before it was made
    (r"\b\d+ links in \d+ files", "COUNT links in COUNT files"),
    (r"─{3,}|━{3,}", "RULE"),
    (r"[ \t]+", " "),
    (r"(?m)^(\[[\w-]+ : [\w-]+\])? [~^]+\n", ""),  # below a line of Python that failed, as its version does it
)
_TASK = re.compile(r"\[([\w-]+(?:\[[^\]]*\])?)[\] ]")
_CHANGE = re.compile(r"if .* would take DURATION \(DURATION less\)$")
_DEPENDS_ON_TIMES = re.compile(rf"{_CHANGE.pattern}|Longest waits of |DURATION \S+ waited for ")


@dataclass(frozen=True)
class Command:
    """A command of a page. ``output`` is None if the page does not show it; ``block`` is the number of its block."""

    text: str
    output: str | None
    block: int
    start: int
    """The position of the output in the page; ``end`` is its end."""
    end: int


@dataclass(frozen=True)
class File:
    """A file that the page asks the reader to write."""

    name: str
    text: str


@dataclass(frozen=True)
class Block:
    """A block of a page: its kind (the word after the backquotes), its text, and where that begins in the page.

    ``file`` is the name of the file that the page says it is.
    """

    kind: str
    text: str
    start: int
    file: str | None

    @property
    def is_transcript(self) -> bool:
        """Whether it shows commands with their output."""
        return self.kind not in ("sh", "yaml") and re.search(r"^\$ ", self.text, re.MULTILINE) is not None


def pages(root: Path) -> list[str]:
    """Return the paths of all pages in the repository."""
    command = ["git", "-C", root, "ls-files", "--cached", "--others", "--exclude-standard", "*.md"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return sorted(name for name in set(listed) if (root / name).is_file())


def blocks(page: str) -> Iterator[Block]:
    """Yield the blocks of a page in order."""
    for block in _BLOCK.finditer(page):
        name = _FILE.search(page, 0, block.start()) if block[1] == "yaml" else None
        yield Block(block[1], block[2], block.start(2), name and name[1])


def shown(page: str) -> Iterator[Command | File]:
    """Yield the commands and files of a page in order."""
    for number, block in enumerate(blocks(page)):
        if block.kind == "sh":
            for command in _commands(block.text):
                yield Command(command, None, number, block.start, block.start)
        elif block.file is not None:
            yield File(block.file, block.text)
        elif block.is_transcript:
            yield from _transcript(block.text, number, block.start)


def _transcript(text: str, number: int, offset: int) -> Iterator[Command]:
    for part in re.finditer(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", text, re.MULTILINE):
        yield Command(part[1], part[2], number, offset + part.start(2), offset + part.end(2))


def _commands(text: str) -> Iterator[str]:
    """Yield each command of a script. A command ends where the shell accepts it as complete."""
    command = ""
    for line in text.splitlines():
        command += line + "\n"
        if command.isspace() or line.endswith("\\"):
            continue
        if subprocess.run(["bash", "-n"], input=command, text=True, capture_output=True, check=False).returncode == 0:
            if not command.lstrip().startswith("#"):
                yield command.strip()
            command = ""
    assert not command.strip(), f"incomplete command: {command}"


def normalised(output: str, page: str | None = None) -> str:
    """Return a text without what differs from run to run; `page` is the output that the page shows.

    Lines of parallel Tasks may come in any order: consecutive lines of Tasks are sorted by Task. Lines of one Task keep
    their order, except the line with its end. Improvements that save the same time are sorted too.
    """
    for pattern, replacement in _VARIES:
        output = re.sub(pattern, replacement, output)
    lines = [line.strip() for line in output.strip().splitlines()]
    if page is not None:
        shown = set(normalised(page).splitlines())
        lines = [line for line in lines if line in shown or not _DEPENDS_ON_TIMES.match(line)]
    lines = [line for before, line in pairwise(["", *lines]) if line or before]
    result: list[str] = []
    for kind, together in groupby(lines, key=_kind):
        group = list(together)
        result += sorted(group, key=_order) if kind == "task" else sorted(group) if kind == "change" else group
    return "\n".join(result)


def _kind(line: str) -> str:
    return "task" if _TASK.match(line) else "change" if _CHANGE.match(line) else ""


def _order(line: str) -> tuple[str, bool]:
    """Return the Task of a line, and whether the line is its end: on a busy machine, output may come after it."""
    return line[1:].split("]", maxsplit=1)[0].split(" ", maxsplit=1)[0], re.match(
        r"\[[\w-]+(?:\[[^\]]*\])?\] (Succeeded|Failed) in ", line
    ) is not None
