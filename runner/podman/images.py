"""The images of a Pod on this machine: those that are missing are pulled, before anything starts.

Rules (Kubernetes API, Container.imagePullPolicy): without a policy an image is pulled if it is not here, one with the
tag ``latest`` or without a tag always. That is for images of a registry: one that is only here, ``localhost/…``, is
never pulled. Where nobody has asked for Always, an image that is here will do if the registry cannot be reached.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from monopod.runner.backend import BackendUnavailableError, PodRefusedError
from monopod.runner.podman import command
from monopod.runner.podman.command import Image, PodmanError

_ONLY_HERE = re.compile(r"localhost/[^@]*")
_LATEST = re.compile(r"(?:[^/:@]+(?::\d+)?/)*[^/:@]+(?::latest)?")


def provide(pod: Mapping[str, Any], runtime_image: str, tell: Callable[[str], None]) -> dict[str, Image]:
    """Return the images that `pod` names, by name, pulled if need be; `tell` is told which.

    Raises BackendUnavailableError if the runtime image is not to be had, PodRefusedError if another is not.
    """
    policies = dict(_policies(pod))
    images = command.local_images(policies)
    problems = []
    for name, policy in policies.items():
        if not must_pull(name, policy, is_here=name in images):
            continue
        try:
            tell(f"Pulling {name}")
            command.run("pull", "--quiet", name, heeds_interrupts=True)
        except PodmanError as error:
            if name in images and not policy:
                tell(f"{name} cannot be pulled, so the one that is here is used: {error}")
            else:
                problems.append(f"image {name} cannot be pulled: {error}")
    images |= command.local_images(name for name in policies if name not in images)
    if runtime_image not in images:
        raise BackendUnavailableError(
            f"the runtime image {runtime_image} is not here; `make image` in a clone of monopod builds it, and "
            "--runtime-image names another"
        )
    problems += [f"image {name} is not here" for name in policies if name not in images and not _told(name, problems)]
    if problems:
        raise PodRefusedError(problems)
    return images


def _told(name: str, problems: list[str]) -> bool:
    return any(problem.startswith(f"image {name} ") for problem in problems)


def _policies(pod: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for container in (*(pod["spec"].get("initContainers") or ()), *pod["spec"]["containers"]):
        yield container["image"], container.get("imagePullPolicy") or ""


def must_pull(name: str, policy: str, *, is_here: bool) -> bool:
    """Return whether an image has to be pulled by a policy ("" is that of its name)."""
    if _ONLY_HERE.fullmatch(name) or policy == "Never":
        return False
    return not is_here or policy == "Always" or (not policy and _LATEST.fullmatch(name) is not None)
