"""The document of a reference in a directory of this machine.

Rules:

- Where the document lies depends on the resolver (`Layout`). In Tekton's catalog, the latest version that satisfies the
  reference counts; without the catalog's directories, a document of that kind and name anywhere below does.
- A document found by kind and name that exists several times must have the reference's version: as its label
  ``app.kubernetes.io/version``, or as a directory of its path.
- A path may contain symbolic links, but must not leave the directory.

Left to others: which directory it is (``rules``), finding documents by name (``named_documents``).
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from monopod.compiler.diagnostics import did_you_mean
from monopod.compiler.remote.local.named_documents import NamedDocument, NamedDocuments, is_same_version
from monopod.compiler.remote.local.rules import Match
from monopod.compiler.remote.reference import MAX_DOCUMENT_BYTES, Address, RefSource, RemoteError, Resolved
from monopod.compiler.remote.versions import Version, parse_constraints

_KINDS = {"task": "Task", "pipeline": "Pipeline", "stepaction": "StepAction"}


@dataclass(frozen=True, slots=True)
class Directory:
    """The directory where a rule looks for a reference; `documents` has those in it."""

    match: Match
    address: Address
    documents: NamedDocuments

    def read(self) -> Resolved:
        """Return the document. Raises RemoteError."""
        if self.match.text and ".." in re.split(r"[/\\]", self.match.text):
            raise RemoteError(f"'{self.match.name}' leads out of {self._from}", self.address.param)
        if self.address.layout == "below":
            return self._read_path(*self._below())
        if not os.path.isdir(self._root):
            if os.path.exists(self._root):
                raise RemoteError(f"{self._what}: {self._from}, is not a directory")
            message = f"there is no directory '{self._root}'{self._hint('')}, where {self._by} points"
            raise RemoteError(f"{self._what}: {message}")
        if self.address.layout == "path":
            return self._read_path(self.address.path)
        path = self._in_catalog() if self.address.layout == "catalog" else None
        return self._read_path(path) if path is not None else self._read_named()

    @property
    def _root(self) -> str:
        return self.match.directory

    @property
    def _by(self) -> str:
        return self.match.rule.written

    @property
    def _from(self) -> str:
        return f"'{self._root}', where {self._by} points"

    @property
    def _what(self) -> str:
        return f"{self.address.resolver} {self.match.name}"

    # By path

    def _below(self) -> tuple[str, ...]:
        """Return the path of what the pattern's ``*`` stands for; nothing if the rule names the file."""
        text = re.split("[?#]", self.match.text)[0].strip("/")
        return (text,) if text and "*" not in self.match.rule.directory else ()

    def _read_path(self, *parts: str) -> Resolved:
        path = os.path.normpath(os.path.join(self._root, *parts))
        recorded = os.path.normpath(os.path.join(self.match.recorded, *parts))
        content = self._content(path, "/".join(parts))
        return _resolved(content, path, recorded)

    def _content(self, path: str, below: str) -> bytes:
        root = os.path.realpath(self._root)
        real = os.path.realpath(path)
        if real != root and not real.startswith(root.rstrip("/") + "/"):
            raise RemoteError(f"{self._what}: '{path}' leads out of {self._from}", self.address.param)
        try:
            with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
                status = os.fstat(file.fileno())
                if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_DOCUMENT_BYTES:
                    limit = f"{MAX_DOCUMENT_BYTES / 2**20:g} MiB"
                    raise RemoteError(f"{self._what}: '{path}' is not a file of at most {limit}", self.address.param)
                return file.read()
        except (FileNotFoundError, NotADirectoryError):
            message = f"there is no file '{path}'{self._hint(below)}, where {self._by} points"
            raise RemoteError(f"{self._what}: {message}", self.address.param) from None
        except IsADirectoryError:
            message = f"'{path}' is a directory; the reference must name a file in it"
            raise RemoteError(f"{self._what}: {message}", self.address.param) from None
        except OSError as error:
            raise RemoteError(f"{self._what}: cannot read '{path}': {error.strerror}", self.address.param) from error

    def _hint(self, below: str) -> str:
        """Return a suggestion for the first part of a path that does not exist."""
        path = os.path.normpath(os.path.join(self._root, below))
        missing = path
        while not os.path.isdir(os.path.dirname(missing) or "."):
            missing = os.path.dirname(missing)
        parent = os.path.dirname(missing)
        names = {os.path.join(parent, name) for name in os.listdir(parent or ".")}
        return did_you_mean(missing, names)

    # By kind and name

    def _in_catalog(self) -> str | None:
        """Return the path in the layout of Tekton's catalog; None if the directory has no such kind and name."""
        kind, name = self.address.kind, self.address.name
        if "/" in name or name in {"", ".", ".."}:
            return None
        try:
            versions = os.listdir(os.path.join(self._root, kind, name))
        except OSError:
            return None
        version = self._fitting(versions)
        if version is None:
            known = ", ".join(sorted(filter(Version.parse, versions), key=_by_version)) or "none"
            message = f"'{self._root}' has no version '{self.address.version}' of the {kind} '{name}'; it has {known}"
            raise RemoteError(f"{self._what}: {message}", "version")
        return "/".join((kind, name, version, f"{name}.yaml"))

    def _fitting(self, versions: Iterable[str]) -> str | None:
        constraints = parse_constraints(self.address.version)
        if constraints is None:
            return next((version for version in versions if version == self.address.version), None)
        known = [(version, text) for text in versions if (version := Version.parse(text)) is not None]
        fitting = [pair for pair in known if all(constraint.allows(pair[0]) for constraint in constraints)]
        return max(fitting)[1] if fitting else None

    def _read_named(self) -> Resolved:
        kind = _KINDS.get(self.address.kind, self.address.kind)
        found = self.documents.find(self._root, kind, self.address.name)
        chosen = found[0] if len(found) == 1 else self._with_version(found, kind)
        if chosen is None:
            others = self.documents.names(self._root, kind)
            broken = self.documents.not_yaml(self._root, self.address.name)
            hint = f"; {broken[0]} names it, but is not YAML" if broken else did_you_mean(self.address.name, others)
            message = f"there is no {kind} '{self.address.name}' in the YAML files below {self._from}{hint}"
            raise RemoteError(f"{self._what}: {message}", self.address.param)
        recorded = os.path.normpath(os.path.join(self.match.recorded, os.path.relpath(chosen.path, self._root)))
        content = self._content(chosen.path, os.path.relpath(chosen.path, self._root))
        return _resolved(content, os.path.normpath(chosen.path), recorded, chosen.name)

    def _with_version(self, found: tuple[NamedDocument, ...], kind: str) -> NamedDocument | None:
        """Return the one document of several that has the version. Raises RemoteError if it is not clear which."""
        asked = self.address.version
        exact = [each for each in found if asked and asked in self._versions(each)]
        close = [
            each for each in found if asked and any(is_same_version(asked, version) for version in self._versions(each))
        ]
        chosen = exact or close
        if len(chosen) == 1 or not found:
            return chosen[0] if chosen else None
        listed = ", ".join(each.path for each in (chosen or found)[:5])
        version = f" with the version '{asked}'" if chosen else ""
        advice = f"no one has the version '{asked}'" if asked and not chosen else "name a directory with one of them"
        message = f"there are several {kind}s '{self.address.name}'{version}: {listed}; {advice}"
        raise RemoteError(f"{self._what}: {message}", self.address.param)

    def _versions(self, document: NamedDocument) -> frozenset[str]:
        directories = os.path.dirname(os.path.relpath(document.path, self._root)).split(os.sep)
        return frozenset((document.version, *directories)) - {""}


def _by_version(text: str) -> tuple[Version, str]:
    version = Version.parse(text)
    assert version is not None
    return version, text


def _resolved(content: bytes, path: str, recorded: str, name: str = "") -> Resolved:
    source = RefSource(f"file:{recorded}", (("sha256", sha256(content).hexdigest()),))
    return Resolved(content, path, source, name=name)
