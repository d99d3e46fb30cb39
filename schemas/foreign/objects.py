"""What objects of all systems have: a type, metadata, a spec, and a status that is accepted and ignored."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from monopod.schemas.kubernetes.metadata import ObjectMeta
from monopod.schemas.model import Anything, Model, Path
from monopod.schemas.tekton.fields import name_problems


class ForeignObject(Model):
    """An object of another system. Each kind declares its own `api_version`, `kind` and `spec`."""

    api_version: str
    kind: str
    metadata: ObjectMeta = Field(default_factory=ObjectMeta)
    spec: Model
    status: Anything | None = None

    def problems(self) -> Iterator[tuple[Path, str]]:
        """A valid name."""
        yield from name_problems(self.metadata)
