"""How many containers packing would save, and so how much sooner the last one starts (docs/packing.md)."""

from __future__ import annotations

from monopod.compiler.compilation import Outcome
from monopod.compiler.diagnostics import Problem
from monopod.compiler.documents.documents import Document
from monopod.compiler.packing.containers import pack

LEAST_SAVED = 10
"""The fewest saved containers that are worth a note: at least a second."""
_SECONDS = (0.1, 0.3)
"""How long kubelet takes to start a container, from the best to the worst node that was measured."""


def suggest_packing(document: Document, outcome: Outcome) -> Problem | None:
    """Return a note if packing saves many containers and nobody has chosen for or against it."""
    if outcome.unpacked is None:
        return None
    apart, together = len(outcome.unpacked.containers), outcome.unpacked
    now = len(pack(together.pipeline, together.containers, None).containers)
    then = len(pack(together.pipeline, together.containers, "true").containers)
    if now - then < LEAST_SAVED:
        return None
    least, most = (f"{(now - then) * seconds:.0f}" for seconds in _SECONDS)
    message = (
        f"{apart} Steps and Sidecars take {now} containers; with --pack or monopod.dev/pack they take {then}, so the "
        f"last one starts {least} to {most} s sooner, but Steps then share a root file system"
    )
    return document.problem((), message, "packing", severity="note")
