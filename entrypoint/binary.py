"""Where the binary of the entrypoint for a machine is (`build.py` makes them, a wheel holds them all)."""

from __future__ import annotations

import platform
from pathlib import Path

_BINARIES = Path(__file__).with_name("bin")


def path(machine: str | None = None) -> Path:
    """Return the path of the entrypoint for `machine`, named as `platform.machine()` does; for this one if None.

    Raises FileNotFoundError, with a message for the user, if there is none.
    """
    wanted = machine or platform.machine()
    binary = _BINARIES / f"entrypoint-{wanted}"
    if not binary.is_file():
        built = sorted(other.name.removeprefix("entrypoint-") for other in _BINARIES.glob("entrypoint-*"))
        there = f"there is one for {', '.join(built)}" if built else "none was built: install monopod with pip"
        raise FileNotFoundError(f"no entrypoint for the machine {wanted} in {_BINARIES}; {there}")
    return binary
