"""Emulates the runtime image (`make image`) on the host backend: this machine's files with monopod's own added.

Rules: a Pod that carries a runtime runs as if its image had it; nothing is unpacked. In a container of that image the
entrypoint binary is at /monopod/runtime/entrypoint, and without a command the coordinator is run by the runner's own
interpreter, which is also the ``python3`` of the Steps that run the coordinator's modules. ``site`` is not imported
(``-S``): the coordinator needs only the standard library, and PYTHONPATH has the directories of the few optional
libraries. monopod's own directory is mounted under the name `monopod`, so that an editable installation works from a
checkout of any name. The coordinator's user can reach the interpreter, even in a home directory that is closed to
others.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import monopod
from monopod.compiler.pod.runtime_command import has_modules, verb_of, without_runtime
from monopod.runner.kubelet.hidden_directories import hidden_directories, is_within
from monopod.runner.kubelet.specification import Mount

RUNTIME_IMAGE = f"localhost/monopod:{monopod.__version__}"
"""The name of the image."""
BINARY_PATH = "/monopod/runtime/entrypoint"
ENTRYPOINT = "/monopod/bin/entrypoint"
"""The program of each Step's container."""
LIBRARY_PATH = "/monopod/runtime/lib"
SMALL_FILES = re.compile(r"/monopod/(state|steps/[^/]+|slots/[^/]+/scripts)")
"""The parent directory of volumes that hold only small files. Each Step waits for these, so the disk is too slow."""

RUNTIME_FOLDERS = (
    "coordinator",
    "coordinator/caches",
    "coordinator/engine",
    "coordinator/workspaces",
    "schemas",
    "schemas/formats",
    "system",
    "system/caches",
    "system/files",
)
"""The directories below `PACKAGE_DIRECTORY` with the modules that the coordinator imports."""
PACKAGE_DIRECTORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


@dataclass(frozen=True, slots=True)
class RuntimeImage:
    """The image `name`: its ENTRYPOINT, its environment, and the files that it adds to this machine's.

    ``reachable`` are the directories of this machine that any user can reach in a container of this image.
    ``programs`` is the directory of the interpreter.
    """

    name: str
    entrypoint: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    mounts: tuple[Mount, ...]
    reachable: tuple[str, ...] = ()
    programs: str = ""

    def environment_of(self, container: Mapping[str, Any], path: str) -> dict[str, str]:
        """Return the variables of a container of this image; `path` is its PATH otherwise."""
        own = {"PATH": os.pathsep.join([self.programs, path])} if container.get("command") else {}
        return {**dict(self.environment), **own}


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
        programs=os.path.dirname(sys.executable),
    )


def is_step(container: Mapping[str, Any]) -> bool:
    """Return whether a container of this image runs a Step of monopod's own."""
    return (container.get("command") or ())[:1] == [ENTRYPOINT]


def with_runtime_image(pod: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return a Pod that uses the runtime image instead of the runtime that it carries."""
    spec = {**pod["spec"]}
    for kind in ("initContainers", "containers"):
        if kind in spec:
            spec[kind] = [_with_image(container, name) for container in spec[kind] or ()]
    return {**pod, "spec": spec}


def _with_image(container: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    verb = verb_of(container.get("command") or ())
    install = [BINARY_PATH, "install", "/monopod/bin"]
    if verb == "install":
        return {**container, "image": name, "command": install}
    if verb == "run":
        hook = {"postStart": {"exec": {"command": install}}}
        return {
            **without_runtime(container),
            "image": name,
            **({"lifecycle": hook} if "lifecycle" in container else {}),
        }
    if has_modules(container):
        return {**without_runtime(container), "image": name, "command": container["command"]}
    return container


def _is_hidden(path: str, hidden: tuple[str, ...]) -> bool:
    paths = (path, os.path.realpath(path))
    return any(is_within(path, directory) for path in paths for directory in hidden)
