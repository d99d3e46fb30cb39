"""The remote references of documents, directly and through one another, and the lock that pins them.

Rules:

- Each run is compiled, and each Pipeline and Task that no run uses, since only then it is known what a reference means.
  If one cannot be compiled, references may be missing, so that is an error.
- What a rule of ``monopod.yaml`` names is already in the repository, so the lock leaves it out.
- What the lock has stays as it is, unless everything is to be updated.

Left to others: the format of the lock and reading it (``remote.local.lock``).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from monopod.compiler.advice.checking import targets
from monopod.compiler.compilation import compile_document
from monopod.compiler.diagnostics import Problem, Problems
from monopod.compiler.documents.documents import Document, Documents
from monopod.compiler.documents.yaml_text import to_yaml
from monopod.compiler.images.image_programs import no_lookup
from monopod.compiler.options import Options
from monopod.compiler.remote.local.lock import Key, Lock, entry_of, key_of, lock_text
from monopod.compiler.remote.reference import RemoteReference, Resolved
from monopod.schemas.project.lock import LockedReference


@dataclass(frozen=True, slots=True)
class ResolvedReference:
    """A reference, and the document that it means."""

    reference: RemoteReference
    resolved: Resolved
    document: Document

    @property
    def key(self) -> Key:
        """What is the same for the same references."""
        return key_of(self.reference)

    @property
    def is_locked(self) -> bool:
        """Whether the lock has it, not a directory that the repository names."""
        return not self.resolved.is_in_project


def references(documents: Documents, options: Options) -> tuple[ResolvedReference, ...]:
    """Return all remote references, each once, in the order of their kinds and params. Raises Problems."""
    found: dict[Key, ResolvedReference] = {}
    errors: list[Problem] = [*documents.missing_values]
    for document, is_asked_for in targets(documents, options):
        own = options if is_asked_for else replace(options, params=(), workspaces=())
        outcome = compile_document(document, documents, own, no_lookup)
        errors += (problem for problem in outcome.problems if problem.severity == "error")
        for reference, resolved, fetched in outcome.remote:
            found.setdefault(key_of(reference), ResolvedReference(reference, resolved, fetched))
    if errors:
        raise Problems(errors)
    return tuple(sorted(found.values(), key=lambda each: each.key))


@dataclass(frozen=True, slots=True)
class Change:
    """What writing a lock changed."""

    change: Literal["added", "changed", "removed"]
    entry: LockedReference


def write(lock: Lock, resolved: Iterable[ResolvedReference]) -> tuple[Change, ...]:
    """Write the lock of these references in place of `lock`, with its documents; return what changed."""
    entries = {}
    for each in resolved:
        if each.is_locked:
            content = _vendored(each)
            entry = entry_of(each.reference, each.resolved, each.document.name, content)
            entries[entry.file] = entry
            _write_file(os.path.join(lock.directory, entry.file), content)
    _write_file(lock.path, lock_text(entries.values()).encode())
    before = {entry.file: entry for entry in lock.entries}
    for file in before.keys() - entries.keys():
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(lock.directory, file))
    removed = [Change("removed", entry) for file, entry in before.items() if file not in entries]
    added = [Change("added", entry) for file, entry in entries.items() if file not in before]
    changed = [Change("changed", entry) for file, entry in entries.items() if before.get(file, entry) != entry]
    return (*added, *changed, *removed)


def _vendored(each: ResolvedReference) -> bytes:
    """Return the content to keep: the document alone if others are in its file."""
    if each.resolved.name:
        return to_yaml(each.document.data).encode()
    return each.resolved.content


def _write_file(path: str, content: bytes) -> None:
    """Write a file completely or not at all; leave one with this content as it is."""
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with contextlib.suppress(OSError), open(path, "rb") as file:
        if file.read() == content:
            return
    temporary = f"{path}.new"
    with open(temporary, "wb") as file:
        file.write(content)
    os.replace(temporary, path)
