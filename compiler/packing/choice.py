"""Whether the Steps of a Task may share containers: ``--pack``, ``--no-pack``, or ``monopod.dev/pack``.

- Without a choice, Steps share containers whose root file system is read-only: they cannot tell.
- ``true``: Steps may also share a root file system that they can write to.
- ``workspaces``: as ``true``, and Steps may see the Workspaces that other Steps of their Task mount.
- ``false``: each Step has a container of its own.

Rules: the annotation of a Task (of a taskRunSpec, then of the Task itself) takes precedence over the command line, that
over the annotation of the run, and that over the annotation of its Pipeline.

Left to others: which Steps then share a container (``packing.containers``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias, get_args

from monopod.compiler.diagnostics import Report
from monopod.compiler.documents.annotations import Annotations, read
from monopod.compiler.documents.own_annotations import PACK

PackChoice: TypeAlias = Literal["true", "false", "workspaces"]
PACK_CHOICES: tuple[PackChoice, ...] = get_args(PackChoice)


def pack_choice(
    sources: Sequence[Annotations], report: Report, *, option: PackChoice | None = None
) -> PackChoice | None:
    """Return the choice of the command line or of the first annotation; None without one. Errors are reported."""
    written = read(PACK, sources, _parse, report)
    return option or (None if written is None else written.value)


def _parse(text: str) -> PackChoice:
    for choice in PACK_CHOICES:
        if text == choice:
            return choice
    raise ValueError(f"expected 'true', 'false' or 'workspaces', got '{text}'")
