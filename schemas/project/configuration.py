"""The file ``monopod.yaml`` (docs/references.md)."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from monopod.schemas.model import Model


class Configuration(Model):
    """What a repository sets for monopod.

    - `file` is what commands read if the command line names no files, `name` chooses one of the runs in it.
    - `params` and `workspaces` are values for these runs, as in ``-p`` and ``-w``.
    - `backend`, `context` and `namespace` say where a run is run.
    - `keep_workspaces` keeps what a run leaves, as ``--keep always``: a rerun uses its volumes.
    - `resolve` maps patterns of references to directories.
    """

    file: str | None = None
    name: str | None = None
    params: dict[str, Any] = Field(default_factory=dict)
    workspaces: dict[str, str] = Field(default_factory=dict)
    backend: Literal["auto", "host", "podman", "kubernetes"] | None = None
    context: str | None = None
    namespace: str | None = None
    keep_workspaces: bool = False
    resolve: dict[str, str] = Field(default_factory=dict)
