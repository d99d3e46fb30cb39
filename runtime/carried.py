"""The runtime of this installation, packed to be carried by a Pod.

Rules: the packed runtime is built along with the package. It is used only if the digest of its sources matches the
installed ones. If it is outdated, as in a clone that is being edited, it is packed again, and written where possible,
as Python does with bytecode.

Left to others: packing (``build``), the command of the container (``compiler.pod.runtime_command``).
"""

from __future__ import annotations

import contextlib
from functools import cache
from pathlib import Path

from monopod.runtime.bootstrap import MACHINES
from monopod.runtime.packed import FILE, Runtime, digest_of, read, write

PACKAGE = Path(__file__).parents[1]
BOOTSTRAP = Path(__file__).with_name("bootstrap.py")

ARCHITECTURES = {architecture: machine for machine, architecture in MACHINES.items()}
"""The name of each supported architecture in `platform.machine()`, by its name in Kubernetes and in images."""


@cache
def installed_runtime() -> Runtime:
    """Return the runtime of this installation. Raises FileNotFoundError, with a message for the user."""
    return load_runtime(PACKAGE)


def load_runtime(package: Path) -> Runtime:
    """Return the runtime of the package in a directory, packed again if what was packed is outdated."""
    path = package / FILE
    packed = read(path)
    if packed is not None and _is_current(package, packed):
        return packed
    from monopod.runtime.build import pack  # noqa: PLC0415  # hardly ever needed

    runtime = pack(package)
    with contextlib.suppress(OSError):
        write(path, runtime)
    return runtime


def _is_current(package: Path, packed: Runtime) -> bool:
    try:
        return digest_of(package, packed.modules) == packed.digest
    except FileNotFoundError:  # a module was removed or renamed
        return False
