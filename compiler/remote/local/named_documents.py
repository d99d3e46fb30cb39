"""Tekton's documents in the YAML files below a directory, by kind and name.

Rules:

- Files are those with the suffix .yaml, .yml or .json, below the directory, without hidden directories, the documents
  of a lock, and what symbolic links to directories lead to.
- Each file is searched for names once, and parsed only if it mentions the name. A file that is not YAML (a template)
  has no documents.

Left to others: checking a document (``remote_documents``).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from monopod.compiler.remote.reference import MAX_DOCUMENT_BYTES
from monopod.compiler.remote.versions import Version

VENDOR = "monopod.vendor"
"""Where a lock has its documents."""

_SUFFIXES = (".yaml", ".yml", ".json")
_NAME = re.compile(rb"""["']?\bname["']?[ \t]*:[ \t]*["']?([\w.-]+)""")
VERSION_LABEL = "app.kubernetes.io/version"


@dataclass(frozen=True, slots=True)
class NamedDocument:
    """A document in a file: its kind and name, and its version by its label."""

    path: str
    kind: str
    name: str
    version: str


@dataclass(frozen=True, slots=True)
class NamedDocuments:
    """The documents below directories; each directory is read when it is first needed.

    ``files`` are those that mention each name, by directory; it is filled here.
    """

    files: dict[str, dict[str, list[str]]] = field(default_factory=dict, compare=False)

    def find(self, directory: str, kind: str, name: str) -> tuple[NamedDocument, ...]:
        """Return the documents of a kind and name, sorted by path."""
        files = self._mentions(directory).get(name, ())
        documents = (document for path in sorted(files) for document in _documents(path))
        return tuple(each for each in documents if (each.kind.lower(), each.name) == (kind.lower(), name))

    def not_yaml(self, directory: str, name: str) -> tuple[str, ...]:
        """Return the files that mention a name and are not YAML."""
        return tuple(path for path in sorted(self._mentions(directory).get(name, ())) if _parsed(path) is None)

    def names(self, directory: str, kind: str) -> frozenset[str]:
        """Return the names of all documents of a kind."""
        files = {path for paths in self._mentions(directory).values() for path in paths}
        return frozenset(each.name for path in files for each in _documents(path) if each.kind == kind)

    def _mentions(self, directory: str) -> dict[str, list[str]]:
        if directory not in self.files:
            by_name: dict[str, list[str]] = {}
            for path in _yaml_files(directory):
                for name in set(_NAME.findall(_content(path))):
                    by_name.setdefault(name.decode("ascii", "replace"), []).append(path)
            self.files[directory] = by_name
        return self.files[directory]


def _yaml_files(directory: str) -> Iterator[str]:
    for parent, directories, names in os.walk(directory):
        directories[:] = sorted(name for name in directories if not name.startswith(".") and name != VENDOR)
        yield from (os.path.join(parent, name) for name in sorted(names) if name.endswith(_SUFFIXES))


def _content(path: str) -> bytes:
    """Return the content of a file; nothing if it is not a regular file, too large or unreadable."""
    try:
        if os.path.isfile(path) and os.path.getsize(path) <= MAX_DOCUMENT_BYTES:
            with open(path, "rb") as file:
                return file.read()
    except OSError:
        pass
    return b""


def _parsed(path: str) -> list[Any] | None:
    """Return the values in a file, or None if it is not YAML."""
    try:
        return list(yaml.load_all(_content(path), yaml.CSafeLoader))
    except (yaml.YAMLError, ValueError, RecursionError):
        return None


def _documents(path: str) -> Iterator[NamedDocument]:
    documents = _parsed(path) or []
    for document in _objects(documents):
        metadata = document.get("metadata")
        if isinstance(metadata, dict) and str(document.get("apiVersion")).startswith("tekton.dev/"):
            kind, name = str(document.get("kind")), str(metadata.get("name"))
            yield NamedDocument(path, kind, name, _labelled_version(document))


def _labelled_version(document: Mapping[str, Any]) -> str:
    metadata = document.get("metadata")
    labels = metadata.get("labels") if isinstance(metadata, dict) else None
    return str(labels.get(VERSION_LABEL, "")) if isinstance(labels, dict) else ""


def has_version(document: Mapping[str, Any], version: str) -> bool:
    """Return whether a document has a version as its label; ``0.4`` also stands for ``0.4.2``."""
    return is_same_version(_labelled_version(document), version)


def is_same_version(one: str, other: str) -> bool:
    """Return whether two versions are equal, or one has all numbers of the other, and more."""
    short, long = sorted((one, other), key=len)
    return short == long or (Version.parse(short) is not None and long.startswith(f"{short}."))


def _objects(documents: list[Any]) -> Iterator[dict[str, Any]]:
    """Yield the objects, and those in a List."""
    for document in documents:
        if isinstance(document, dict):
            items = document.get("items")
            yield from _objects(items) if document.get("kind") == "List" and isinstance(items, list) else [document]
