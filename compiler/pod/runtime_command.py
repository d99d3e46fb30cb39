"""The commands with which the coordinator's container starts: they carry monopod's own programs, the runtime.

Rules:

- A Pod needs no image of monopod's. The image must have Python 3.11 or later as ``python3``. An image that has the same
  runtime (`make image`) is recognised when the Pod starts, and its files are used.
- A program that a person can read (``monopod.runtime.bootstrap``) is followed by the runtime's parts: the coordinator's
  modules and an entrypoint for each architecture.
- The postStart hook waits until the coordinator has installed the entrypoint. Without native sidecars, an init
  container carries and installs all.
- `PYTHONPATH` is for the requests that are executed in the container (``coordinator.outside_request``), and for the
  other containers that run the coordinator's modules (``files_container``, ``tasks.injected_steps``).

Left to others: packing the parts (``monopod.runtime``), the rest of the container (``pod.assembly``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, TypeAlias

from monopod.runtime.carried import ARCHITECTURES, BOOTSTRAP, installed_runtime
from monopod.runtime.packed import COORDINATOR, COORDINATOR_WITH_ALL
from monopod.schemas.plan import PIECE_BYTES

PYTHON_IMAGE = "docker.io/library/python:3.13-alpine"
"""The default image of the coordinator."""
USUAL_ARCHITECTURES = ("amd64", "arm64")
"""The architectures that a Pod is compiled for by default."""
ANNOTATION = "monopod.dev/runtime"

Verb: TypeAlias = Literal["run", "install"]

_PYTHON = ("python3", "-I", "-S", "-c")
_FOR_LINTERS = re.compile(r"  # (?:noqa|type): .*")
_WAIT = """\
import os, time
while not os.path.exists("/monopod/bin/entrypoint"):
    time.sleep(0.002)"""


def runtime_digest() -> str:
    """Return the digest of the runtime, as annotations have it."""
    return f"sha256:{installed_runtime().digest}"


def run_command(architectures: Iterable[str], *, has_all: bool = False) -> list[str]:
    """Return the command that unpacks what it carries, and runs the coordinator with the container's arguments.

    `has_all`: it carries all modules, since Steps of the Pod run some, or the coordinator lowers the Pod's requests.
    """
    return [*_head(), *_parts(architectures, has_all=has_all), "run"]


def install_command(architectures: Iterable[str], *, has_all: bool = False) -> list[str]:
    """Return the command that unpacks what it carries."""
    return [*_head(), *_parts(architectures, has_all=has_all), "install"]


def holding_command(command: Sequence[str]) -> list[str]:
    """Return an `install_command` that then waits until the coordinator runs in another container."""
    return [*command[:-1], "hold"]


def run_installed_command() -> list[str]:
    """Return the command that runs the coordinator after `install_command`."""
    return [*_head(), "run"]


def wait_command() -> list[str]:
    """Return the command that waits for the entrypoint."""
    return [*_PYTHON, _WAIT]


def verb_of(command: Sequence[str]) -> Verb | None:
    """Return what a command does with the runtime: run or install it; None if it is not one of these commands."""
    if tuple(command[: len(_PYTHON)]) != _PYTHON:
        return None
    return "run" if command[-1] == "run" else "install" if command[-1] == "install" else None


def module_path() -> dict[str, str]:
    """Return the environment variable with which Python finds the coordinator's modules in the container."""
    return {"name": "PYTHONPATH", "value": "/monopod/state/runtime.zip:/monopod/runtime/library"}


def has_modules(container: Mapping[str, Any]) -> bool:
    """Return whether a container finds the coordinator's modules: the coordinator, and what runs them beside it."""
    return module_path() in (container.get("env") or ())


def carried_characters(container: Mapping[str, Any]) -> int:
    """Return how long the command of a container is."""
    return sum(map(len, container.get("command") or ()))


def without_runtime(coordinator: Mapping[str, Any]) -> dict[str, Any]:
    """Return a container for an image that has the modules, and whose ENTRYPOINT is the coordinator."""
    variables = [variable for variable in coordinator["env"] if variable != module_path()]
    return {**{key: value for key, value in coordinator.items() if key != "command"}, "env": variables}


def _head() -> list[str]:
    program = _FOR_LINTERS.sub("", BOOTSTRAP.read_text(encoding="utf-8"))
    return [*_PYTHON, program, installed_runtime().digest]


def _parts(architectures: Iterable[str], *, has_all: bool) -> Iterator[str]:
    parts = installed_runtime().parts
    for name in sorted(set(architectures)):
        yield from _words(f"entrypoint-{name}", parts[f"entrypoint-{ARCHITECTURES[name]}"])
    yield from _words(COORDINATOR, parts[COORDINATOR_WITH_ALL if has_all else COORDINATOR])


def _words(name: str, data: str) -> Iterator[str]:
    """Yield the arguments that hold a part, each short enough for the kernel."""
    for start in range(0, len(data), PIECE_BYTES):
        yield f"{name}={data[start : start + PIECE_BYTES]}"
