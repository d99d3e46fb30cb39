"""Pictures of graphs, drawn by Graphviz' program ``dot`` if it is there.

Left to others: the graph in the language of Graphviz (``monopod.compiler.graph``).
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence


class DrawingError(Exception):
    """Why there is no picture, in one line."""


def draw(graphs: Sequence[str], form: str) -> bytes:
    """Return the picture (``svg`` or ``png``) of one graph. Raises DrawingError for several, and without dot."""
    if len(graphs) != 1:
        raise DrawingError(f"the files hold {len(graphs)} runs, and a picture has only one; choose with --name")
    program = shutil.which("dot")
    if program is None:
        raise DrawingError(
            f"{form} is drawn by Graphviz, whose program dot is not on the PATH; install graphviz, or use "
            "--format mermaid, dot or text"
        )
    drawn = subprocess.run([program, f"-T{form}"], input=graphs[0].encode(), capture_output=True, check=False)
    if drawn.returncode != 0:
        raise DrawingError(f"dot could not draw it: {drawn.stderr.decode(errors='replace').strip()}")
    return drawn.stdout
