"""Emulates the runtime image on the host backend: this machine's files with monopod's own added.

Rules: in a container of that image the entrypoint binary is at /monopod/runtime/entrypoint, and ENTRYPOINT is the
coordinator, run by the runner's own interpreter. ``site`` is not imported (``-S``): the coordinator needs only the
standard library, and PYTHONPATH has the directories of the few optional libraries. monopod's own directory is mounted
under the name `monopod`, so that an editable installation works from a checkout of any name. The coordinator's user can
reach the interpreter, even in a home directory that is closed to others.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass

from monopod.runner.kubelet.hidden_directories import hidden_directories, is_within
from monopod.runner.kubelet.specification import Mount

BINARY_PATH = "/monopod/runtime/entrypoint"
LIBRARY_PATH = "/monopod/runtime/lib"
SMALL_FILES = re.compile(r"/monopod/(state|steps/[^/]+|slots/[^/]+/scripts)")
"""The parent directory of volumes that hold only small files. Each Step waits for these, so the disk is too slow."""

RUNTIME_FOLDERS = ("coordinator", "coordinator/engine", "schemas", "schemas/formats", "system")
"""The directories below `PACKAGE_DIRECTORY` with the modules that the coordinator imports."""
PACKAGE_DIRECTORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


@dataclass(frozen=True, slots=True)
class RuntimeImage:
    """The image `name`: its ENTRYPOINT, its environment, and the files that it adds to this machine's.

    ``reachable`` are the directories of this machine that any user can reach in a container of this image.
    """

    name: str
    entrypoint: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    mounts: tuple[Mount, ...]
    reachable: tuple[str, ...] = ()


def runtime_image(name: str, binary: str, private: Iterable[str]) -> RuntimeImage:
    """Return the runtime image; `binary` is the entrypoint, `private` are directories that containers cannot see."""
    libraries = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    hidden = hidden_directories(private)
    programs = [os.path.dirname(path) for path in (sys.executable, os.path.realpath(sys.executable))]
    needed = dict.fromkeys([sys.base_prefix, sys.prefix, *programs, *libraries])
    own = (
        Mount(binary, BINARY_PATH, read_only=True),
        Mount(PACKAGE_DIRECTORY, f"{LIBRARY_PATH}/monopod", read_only=True),
    )
    unseen = tuple(Mount(path, path, read_only=True) for path in needed if _is_hidden(path, hidden))
    return RuntimeImage(
        name,
        entrypoint=(sys.executable, "-P", "-S", "-m", "monopod.coordinator"),
        environment=(("PYTHONPATH", os.pathsep.join([LIBRARY_PATH, *libraries])),),
        mounts=own + unseen,
        reachable=tuple(needed),
    )


def _is_hidden(path: str, hidden: tuple[str, ...]) -> bool:
    paths = (path, os.path.realpath(path))
    return any(is_within(path, directory) for path in paths for directory in hidden)
