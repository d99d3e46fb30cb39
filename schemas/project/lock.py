"""The file ``monopod.lock`` (docs/references.md)."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from monopod.schemas.model import ListOf, Model, Path
from monopod.schemas.tekton.fields import NonEmpty

VERSION = 1


class LockedReference(Model):
    """A remote reference, what it was resolved to, and the file with the document.

    `uri`, `digest` and `entry_point` are Tekton's RefSource. `origin` is the document's name in messages.
    """

    kind: Literal["Pipeline", "Task", "StepAction"]
    resolver: NonEmpty
    params: dict[str, str] = Field(default_factory=dict)
    origin: NonEmpty
    uri: NonEmpty
    digest: dict[str, str] = Field(default_factory=dict)
    entry_point: str = ""
    file: NonEmpty
    sha256: NonEmpty

    def problems(self) -> Iterator[tuple[Path, str]]:
        """The file is below the directory of the lock; the checksum has the form of one."""
        parts = self.file.split("/")
        if posixpath.isabs(self.file) or ".." in parts or "\0" in self.file:
            yield ("file",), "expected a path below the directory of this file"
        if not re.fullmatch("[0-9a-f]{64}", self.sha256):
            yield ("sha256",), "expected 64 hexadecimal digits"


class LockFile(Model):
    """The remote references of a repository's Pipelines."""

    version: Literal[1]
    references: ListOf[LockedReference] = ()
