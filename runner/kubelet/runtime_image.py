"""What the one runtime image is on this machine: the same files as everywhere, with monopod's own among them.

Rules: in a container of that image the entrypoint binary is at /monopod/runtime/entrypoint, and ENTRYPOINT is the
coordinator, run by the interpreter that runs the runner. ``site`` is not imported (``-S``): the coordinator needs the
standard library alone, and where the few optional libraries are is told by PYTHONPATH. monopod's own folder is mounted
under the name `monopod`, so that an editable installation from a checkout of any name works like any other. Whoever the
coordinator runs as can reach the interpreter, even in a home directory that is closed to others.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass

from monopod.runner.kubelet.hidden_directories import hidden_directories
from monopod.runner.kubelet.specification import Mount

BINARY_PATH = "/monopod/runtime/entrypoint"
LIBRARY_PATH = "/monopod/runtime/lib"
SMALL_FILES = re.compile(r"/monopod/(state|steps/[^/]+|slots/[^/]+/scripts)")
"""Where a container of it has volumes of nothing but small files, which each Step waits for: the disk is too slow."""

RUNTIME_FOLDERS = ("coordinator", "coordinator/engine", "schemas", "schemas/formats", "system")
"""Where the modules are that the coordinator imports, below `PACKAGE_DIRECTORY`."""
PACKAGE_DIRECTORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


@dataclass(frozen=True, slots=True)
class RuntimeImage:
    """The image `name`: its ENTRYPOINT, its environment, and the files that it has beside this machine's.

    ``reachable`` are the directories of this machine that any user can reach in a container of this image.
    """

    name: str
    entrypoint: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    mounts: tuple[Mount, ...]
    reachable: tuple[str, ...] = ()


def runtime_image(name: str, binary: str, private: Iterable[str]) -> RuntimeImage:
    """Return the runtime image; `binary` is the entrypoint's, `private` the directories that containers cannot see."""
    libraries = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    hidden = hidden_directories(private)
    programs = [os.path.dirname(path) for path in (sys.executable, os.path.realpath(sys.executable))]
    needed = dict.fromkeys([sys.base_prefix, sys.prefix, *programs, *libraries])
    own = (
        Mount(binary, BINARY_PATH, read_only=True),
        Mount(PACKAGE_DIRECTORY, f"{LIBRARY_PATH}/monopod", read_only=True),
    )
    unseen = tuple(Mount(path, path, read_only=True) for path in needed if _is_below(path, hidden))
    return RuntimeImage(
        name,
        entrypoint=(sys.executable, "-P", "-S", "-m", "monopod.coordinator"),
        environment=(("PYTHONPATH", os.pathsep.join([LIBRARY_PATH, *libraries])),),
        mounts=own + unseen,
        reachable=tuple(needed),
    )


def _is_below(path: str, directories: tuple[str, ...]) -> bool:
    places = {path, os.path.realpath(path)}
    return any(place == each or place.startswith(f"{each}/") for place in places for each in directories)
