"""What an importer returns: Tekton documents, with the path of each value in the document that it comes from.

An importer builds a document from plain data with `Sourced` values in it; `unfold` takes them apart. So an importer
names the origin of a value where it uses the value, and every later problem is reported at that origin.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from monopod.compiler.documents.validation import Complaint
from monopod.schemas.model import Path


@dataclass(frozen=True, slots=True)
class Sourced:
    """A value, and its path in the original. Parts of the value have the same paths below it, or name others."""

    value: Any
    path: Path


@dataclass(frozen=True, slots=True)
class ImportedDocument:
    """A Tekton document; `origins` maps paths in `data` to paths in the original.

    `is_template`: the original only describes runs, and this is one of them. It is run if the files have no other run.
    """

    data: dict[str, Any]
    origins: Mapping[Path, Path]
    is_template: bool = False


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What else an importer may use: the values of ``-p``, and all documents of its system in the files.

    `split` is the param whose values are divided among the indexes of a Job; empty if none is.
    """

    params: Mapping[str, str] = field(default_factory=dict)
    documents: Sequence[dict[str, Any]] = ()
    split: str = ""


@dataclass(frozen=True, slots=True)
class Imported:
    """The documents that an original means; there are none if it has `complaints`. All paths are of the original.

    `params` are the names that ``-p`` may set in the original itself, and that its runs do not have.
    """

    documents: tuple[ImportedDocument, ...] = ()
    complaints: tuple[Complaint, ...] = ()
    warnings: tuple[Complaint, ...] = ()
    params: frozenset[str] = frozenset()


def unfold(tree: Any) -> ImportedDocument:
    """Return the document of a tree of plain data and `Sourced` values."""
    origins: dict[Path, Path] = {}
    return ImportedDocument(_unfold(tree, (), origins), origins)


def _unfold(tree: Any, path: Path, origins: dict[Path, Path]) -> Any:
    if isinstance(tree, Sourced):
        origins.setdefault(path, tree.path)
        return _unfold(tree.value, path, origins)
    if isinstance(tree, dict):
        return {key: _unfold(value, (*path, key), origins) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [_unfold(value, (*path, index), origins) for index, value in enumerate(tree)]
    return tree


def without_nothing(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that have a value: not None, and not an empty text, list or mapping."""
    return {name: value for name, value in fields.items() if not _is_nothing(value)}


def _is_nothing(value: Any) -> bool:
    plain = value.value if isinstance(value, Sourced) else value
    return plain is None or plain in ("", [], {}, ())
