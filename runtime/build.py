"""Packs the runtime that Pods carry: the coordinator's modules, and the entrypoint for each machine.

Rules:

- The modules are all that the coordinator can import, by the import graph. They are carried without comments and
  docstrings; line numbers stay.
- The modules of the Steps that the compiler adds, and of `RARE` modules, are half as much again, so only a Pod that
  needs some of them carries them.
- Equal sources give equal bytes.
- `setup.py` calls `pack` before the dependencies of monopod are installed, so this needs only the standard library.

Left to others: keeping the result (``packed``, ``carried``), unpacking it (``bootstrap``).
"""

from __future__ import annotations

import base64
import io
import lzma
import modulefinder
import tempfile
import tokenize
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from monopod.runtime.packed import COORDINATOR, COORDINATOR_WITH_ALL, Runtime, digest_of, entrypoints

PROGRAMS = (
    "monopod.coordinator.__main__",
    "monopod.coordinator.outside_request",
    "monopod.coordinator.workspace_files",
)
"""What is run in any Pod, or for the runner in its containers."""
STEP_PROGRAMS = (
    "monopod.coordinator.caches.__main__",
    "monopod.coordinator.caches.store_report",
    "monopod.coordinator.workspaces.artifact",
    "monopod.coordinator.workspaces.digest",
    "monopod.coordinator.workspaces.view",
)
"""What is run in Steps that the compiler adds to a Task, and in Pods that read a cache."""
RARE = ("monopod.coordinator.capacity.own_pod", "monopod.coordinator.capacity.self_shrinking")
"""What a program of any Pod imports only in a Pod that needs it. Only the other part has it, and what it imports."""

_STATEMENT_STARTS = (tokenize.NEWLINE, tokenize.NL, tokenize.INDENT, tokenize.DEDENT)


def pack(package: Path) -> Runtime:
    """Pack the runtime of the package in a directory. Raises FileNotFoundError if it has no entrypoints."""
    modules = _names(package, (*PROGRAMS, *STEP_PROGRAMS))
    parts = {
        COORDINATOR: _packed(_archive(package, _names(package, PROGRAMS, without=RARE))),
        COORDINATOR_WITH_ALL: _packed(_archive(package, modules)),
    }
    parts.update((path.name, _packed(path.read_bytes())) for path in entrypoints(package))
    return Runtime(digest_of(package, modules), modules, parts)


def _names(package: Path, programs: Iterable[str], without: Sequence[str] = ()) -> list[str]:
    return sorted(path.relative_to(package).as_posix() for path in find_modules(package, programs, without))


def find_modules(package: Path, programs: Iterable[str], without: Sequence[str] = ()) -> Iterator[Path]:
    """Yield the files of the modules of monopod that programs can import, also while they run.

    `without` are modules that are left out, with what only they import.
    """
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, "monopod").symlink_to(package.resolve())  # for any name of the clone's directory
        finder = modulefinder.ModuleFinder([directory], excludes=without)
        for program in programs:
            finder.import_hook(program)
        root = Path(directory, "monopod")
        for module in finder.modules.values():
            file: str | None = module.__file__  # type: ignore[attr-defined]  # modulefinder.Module
            if file is not None:
                yield package / Path(file).relative_to(root)


def without_comments(source: str) -> str:
    """Return Python source without comments, and with empty docstrings, on the same lines."""
    lines = source.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    kept, at, before = [], 0, tokenize.NEWLINE
    tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    for token, following in zip(tokens, [*tokens[1:], tokens[-1]], strict=True):
        start, end = (starts[row - 1] + column for row, column in (token.start, token.end))
        if token.type == tokenize.COMMENT:
            kept.append(source[at:start].rstrip(" "))
            at = end
        elif token.type == tokenize.STRING and before in _STATEMENT_STARTS and following.type == tokenize.NEWLINE:
            kept.append(source[at:start] + '""' + "\n" * (token.end[0] - token.start[0]))
            at = end
        before = token.type
    return "".join([*kept, source[at:]])


def _archive(package: Path, modules: Iterable[str]) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as writer:
        for name in modules:
            source = without_comments(Path(package, name).read_text(encoding="utf-8"))
            writer.writestr(zipfile.ZipInfo(f"monopod/{name}"), source)
    return archive.getvalue()


def _packed(content: bytes) -> str:
    return base64.b64encode(lzma.compress(content, preset=9)).decode()
