"""Pictures of graphs, drawn by ``dot`` of Graphviz if it is installed.

``monopod.compiler.graph`` writes the graph in the language of Graphviz.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence


class DrawingError(Exception):
    """The picture cannot be drawn. The message is one line."""


def draw(graphs: Sequence[str], form: str) -> bytes:
    """Return the picture (``svg`` or ``png``) of one graph. Raises DrawingError for several graphs, or without dot."""
    if len(graphs) != 1:
        raise DrawingError(f"a picture shows one run, but the files define {len(graphs)}; choose one with --name")
    program = shutil.which("dot")
    if program is None:
        raise DrawingError(
            f"drawing {form} requires Graphviz, but dot is not on the PATH; install graphviz, or use --format mermaid, "
            "dot or text"
        )
    drawn = subprocess.run([program, f"-T{form}"], input=graphs[0].encode(), capture_output=True, check=False)
    if drawn.returncode != 0:
        raise DrawingError(f"dot failed: {drawn.stderr.decode(errors='replace').strip()}")
    return drawn.stdout
