"""What others need to know of a Pod that runs on this machine, in a file of its state directory.

Left to others: finding the state directory (``cancellation``), and what they do in the Pod (``runner.visiting``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

CONTROL_DIRECTORY = "/monopod/step"
"""Where each container has its control directory (docs/control-directory.md)."""
_FILE = "running.json"


class RunningPod(NamedTuple):
    """The manifest of a Pod, and the control directory of each container on this machine.

    ``engine_pod`` is the name of podman's pod; empty for a Pod of the host backend, whose control directories are in
    memory: only the sandbox, a child of the process ``launcher``, sees them.
    """

    manifest: dict[str, Any]
    control_directories: dict[str, str]
    engine_pod: str
    launcher: int


def write(
    state_directory: str,
    manifest: Mapping[str, Any],
    control_directories: Mapping[str, str],
    *,
    engine_pod: str = "",
    launcher: int = 0,
) -> None:
    """Write the file. Raises OSError."""
    pod = RunningPod(dict(manifest), dict(control_directories), engine_pod, launcher)
    with open(f"{state_directory}/{_FILE}", "w", encoding="utf-8") as file:
        json.dump(pod._asdict(), file)


def read(state_directory: str) -> RunningPod | None:
    """Return the Pod; None if it has not started yet, or has ended."""
    try:
        with open(f"{state_directory}/{_FILE}", encoding="utf-8") as file:
            return RunningPod(**json.load(file))
    except (OSError, ValueError):
        return None
