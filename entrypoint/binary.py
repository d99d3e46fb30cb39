"""Finds the entrypoint's binary for a machine. `build.py` builds them; a wheel contains all of them."""

from __future__ import annotations

import platform
from pathlib import Path

_BINARIES = Path(__file__).with_name("bin")


def path(machine: str | None = None) -> Path:
    """Return the path of the binary for `machine` (a name of `platform.machine()`; default: this machine).

    Raises FileNotFoundError with a message for the user.
    """
    wanted = machine or platform.machine()
    binary = _BINARIES / f"entrypoint-{wanted}"
    if not binary.is_file():
        built = sorted(other.name.removeprefix("entrypoint-") for other in _BINARIES.glob("entrypoint-*"))
        advice = f"available: {', '.join(built)}" if built else "install monopod with pip to build them"
        raise FileNotFoundError(f"no entrypoint for {wanted} in {_BINARIES}; {advice}")
    return binary
