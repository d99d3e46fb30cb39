"""The lock of a repository: what each remote reference was resolved to, with the documents beside it.

Rules:

- ``monopod.lock`` and the documents, in ``monopod.vendor``, are beside ``monopod.yaml``.
- Two references are the same if their kinds, resolvers and params are, apart from credentials and caching.
- A document is used only if its checksum is the one in the lock. A `strict` lock has every reference: one that it does
  not have is an error.
- The text of a lock is the same for the same references.

Left to others: which references there are, and writing the lock (``monopod.compiler.locking``).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from hashlib import sha256

from monopod.compiler.diagnostics import Problem, Problems
from monopod.compiler.documents.validation import validate
from monopod.compiler.documents.yaml_text import to_yaml
from monopod.compiler.remote.local.named_documents import VENDOR
from monopod.compiler.remote.local.project import CONFIGURATION, LOCK, ProjectFile, project_directory
from monopod.compiler.remote.reference import RefSource, RemoteError, RemoteReference, Resolved
from monopod.compiler.remote.urls import without_credentials
from monopod.schemas.project.lock import VERSION, LockedReference, LockFile

_UPDATE = "run `monopod resolve --lock`"
_HEAD = "# What remote references mean, written by `monopod resolve --lock`. Do not edit.\n"
_WITHOUT_EFFECT = frozenset({
    "cache", "token", "tokenKey", "gitToken", "gitTokenKey", "secret", "serviceAccount", "http-username",
    "http-password-secret", "http-password-secret-key",
})  # fmt: skip
"""The params that do not say which document is meant."""

Key = tuple[str, str, tuple[tuple[str, str], ...]]


def key_of(reference: RemoteReference) -> Key:
    """Return what is the same for the same references; it has no credentials."""
    params = {name: without_credentials(value) for name, value in reference.params if name not in _WITHOUT_EFFECT}
    given = sorted((name, value) for name, value in params.items() if value)
    return reference.kind, reference.resolver, tuple(given)


def _key(entry: LockedReference) -> Key:
    return entry.kind, entry.resolver, tuple(sorted(entry.params.items()))


@dataclass(frozen=True, slots=True)
class Lock:
    """The lock in a directory, which is relative to the current one."""

    directory: str
    entries: tuple[LockedReference, ...] = ()
    file: ProjectFile | None = None
    strict: bool = True

    @property
    def path(self) -> str:
        """The path of the file."""
        return os.path.normpath(os.path.join(self.directory, LOCK))

    def lenient(self) -> Lock:
        """Return a lock that just does not have what is missing or has changed."""
        return replace(self, strict=False)

    def find(self, reference: RemoteReference) -> Resolved | None:
        """Return the document of a reference. Raises RemoteError if it is strict and does not have it."""
        key = key_of(reference)
        entry = next((entry for entry in self.entries if _key(entry) == key), None)
        try:
            return self._read(entry)
        except RemoteError:
            if self.strict:
                raise
            return None

    def _read(self, entry: LockedReference | None) -> Resolved:
        if entry is None:
            raise RemoteError(f"{self.path} does not have this reference; {_UPDATE} with these files")
        path = os.path.normpath(os.path.join(self.directory, entry.file))
        try:
            with open(path, "rb") as file:
                content = file.read()
        except OSError as error:
            message = f"cannot read {path}, which {self.path} names: {error.strerror}; restore it, or {_UPDATE}"
            raise RemoteError(message) from error
        if sha256(content).hexdigest() != entry.sha256:
            message = f"{path} has changed since {self.path} was written; restore it, or {_UPDATE} to fetch it again"
            raise RemoteError(message)
        source = RefSource(entry.uri, tuple(entry.digest.items()), entry.entry_point)
        return Resolved(content, entry.origin, source)

    def unused(self, used: Iterable[Key]) -> list[Problem]:
        """Return a problem for each entry that is none of these references."""
        keys = frozenset(used)
        unused = [(index, entry) for index, entry in enumerate(self.entries) if _key(entry) not in keys]
        return [
            self._problem(index, f"nothing in the files refers to {entry.origin}; {_UPDATE}") for index, entry in unused
        ]

    def _problem(self, index: int, message: str) -> Problem:
        assert self.file is not None
        return self.file.problem(("references", index), message, "unused-document")


def read_lock() -> Lock | None:
    """Return the repository's lock; None if there is none. Raises Problems if it is not valid."""
    directory = lock_directory()
    path = os.path.normpath(os.path.join(directory, LOCK))
    if not os.path.lexists(path):
        return None
    file = ProjectFile.read(path)
    model, complaints = validate(LockFile, file.mapping())
    if model is None:
        problems = [file.problem(each.path, each.message, each.rule, at_key=each.at_key) for each in complaints]
        raise Problems(problems)
    return Lock(directory, model.references, file)


def lock_directory() -> str:
    """Return the directory where the repository's lock is, or would be."""
    return project_directory((CONFIGURATION, LOCK)) or os.curdir


def entry_of(reference: RemoteReference, resolved: Resolved, name: str, content: bytes) -> LockedReference:
    """Return the entry of a reference to the document `name`, which is vendored as `content`."""
    kind, resolver, params = key_of(reference)
    digest = sha256(repr((kind, resolver, params)).encode()).hexdigest()[:8]
    fields = {
        "kind": kind,
        "resolver": resolver,
        "params": dict(params),
        "origin": resolved.origin,
        **resolved.source.to_json(),
        "file": f"{VENDOR}/{kind.lower()}-{re.sub('[^A-Za-z0-9.-]', '-', name)}-{digest}.yaml",
        "sha256": sha256(content).hexdigest(),
    }
    return LockedReference.model_validate(fields)


def lock_text(entries: Iterable[LockedReference]) -> str:
    """Return the text of a lock."""
    listed = [entry.to_kubernetes() for entry in sorted(entries, key=_key)]
    return _HEAD + to_yaml({"version": VERSION, "references": listed})
