"""The file ``monopod.yaml`` (docs/references.md)."""

from __future__ import annotations

from pydantic import Field

from monopod.schemas.model import Model


class Configuration(Model):
    """What a repository sets for monopod. `resolve` maps patterns of references to directories."""

    resolve: dict[str, str] = Field(default_factory=dict)
