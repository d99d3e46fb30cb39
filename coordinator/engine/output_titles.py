"""The title of a Step's or Sidecar's output in the log of its container (docs/control-directory.md, "Titles"). Pure.

A container that may run only one request has the name of that Step, and its log no title.
"""

from __future__ import annotations

from monopod.coordinator.engine.run_state import AttemptState
from monopod.schemas.matrix_names import label


def title(attempt: AttemptState, name: str, *, is_first: bool) -> str:
    """Return the line ``==> TASK/NAME <==``, with an empty line before it unless it is the first of the container."""
    instance = attempt.instance
    retry = f" (attempt {attempt.number + 1})" if attempt.number else ""
    line = f"==> {label(instance.task.path, instance.index)}/{name}{retry} <==\n"
    return line if is_first else f"\n{line}"
