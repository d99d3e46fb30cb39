"""Where the entrypoint's binaries are: beside this module, one for each architecture, as the build left them."""

from __future__ import annotations

import platform
from pathlib import Path


def path(machine: str | None = None) -> Path:
    """Return the entrypoint's binary for a machine as `platform.machine()` names it; None is this one.

    Raises FileNotFoundError, in words, if the installed package has none for it.
    """
    machine = machine or platform.machine()
    binary = Path(__file__).parent / "bin" / f"entrypoint-{machine}"
    if not binary.exists():
        raise FileNotFoundError(f"monopod was installed without an entrypoint for {machine}: install it again with pip")
    return binary
