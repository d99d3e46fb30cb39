"""The packed runtime and its file, which is built along with the package.

Rules: the digest of its sources identifies a runtime. A file that cannot be read, or that another version of monopod
wrote, counts as none.

Left to others: packing (``build``), and when the file is used (``carried``).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

FILE = "runtime/packed/runtime.json"
"""Where the packed runtime is, in the directory of the package."""

COORDINATOR = "coordinator"
COORDINATOR_WITH_ALL = "coordinator-with-all"

_OWN_FILES = ("runtime/build.py", "runtime/bootstrap.py")
_ENTRYPOINTS = "entrypoint/bin"


class Runtime(NamedTuple):
    """A packed runtime: the digest of its sources, its modules by their paths in the package, and its parts.

    A part is xz in base64: `COORDINATOR` is a zip archive of the modules of every Pod, `COORDINATOR_WITH_ALL` of all
    modules, ``entrypoint-MACHINE`` a program.
    """

    digest: str
    modules: list[str]
    parts: dict[str, str]


def digest_of(package: Path, modules: Iterable[str]) -> str:
    """Return the digest of all that a runtime with these modules is made of. Raises FileNotFoundError."""
    files = [package / name for name in (*modules, *_OWN_FILES)]
    total = hashlib.sha256()
    for path in (*files, *entrypoints(package)):
        content = path.read_bytes()
        total.update(f"{path.relative_to(package).as_posix()}\0{len(content)}\0".encode())
        total.update(content)
    return total.hexdigest()


def entrypoints(package: Path) -> list[Path]:
    """Return the entrypoint's binaries. Raises FileNotFoundError, with a message for the user, if there are none."""
    directory = package / _ENTRYPOINTS
    if not (paths := sorted(directory.glob("entrypoint-*"))):
        raise FileNotFoundError(f"no entrypoint in {directory}; install monopod with pip to build them")
    return paths


def read(path: Path) -> Runtime | None:
    """Return the packed runtime in a file, if there is one."""
    try:
        return Runtime(**json.loads(path.read_bytes()))
    except (OSError, TypeError, ValueError):
        return None


def write(path: Path, runtime: Runtime) -> None:
    """Write a packed runtime to a file, which others may be reading. Raises OSError."""
    path.parent.mkdir(exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(runtime._asdict(), indent=1) + "\n")
    temporary.replace(path)
