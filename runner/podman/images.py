"""The images of a Pod on this machine: those that are missing are pulled, before anything starts.

One that is not to be had fails the Tasks that need it, with a reason of kubelet's, and nothing else; without the
runtime image nothing runs.

Rules (Kubernetes API, Container.imagePullPolicy): without a policy an image is pulled if it is not here, one with the
tag ``latest`` or without a tag always. That is for images of a registry: one that is only here, ``localhost/…``, is
never pulled. Where nobody has asked for Always, an image that is here will do if the registry cannot be reached.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from monopod.runner.backend_errors import BackendUnavailableError
from monopod.runner.podman import command
from monopod.runner.podman.command import Image, PodmanError

_ONLY_HERE = re.compile(r"localhost/[^@]*")
_LATEST = re.compile(r"(?:[^/:@]+(?::\d+)?/)*[^/:@]+(?::latest)?")


@dataclass(frozen=True, slots=True)
class Provided:
    """The images that are here, by name, and why the others are not: a reason of kubelet's, and a message."""

    images: dict[str, Image]
    missing: dict[str, tuple[str, str]]


def provide(pod: Mapping[str, Any], runtime_image: str, tell: Callable[[str], None]) -> Provided:
    """Return the images that `pod` names, pulled if needed; `tell` gets their names.

    Raises BackendUnavailableError if the runtime image is not available, or Ctrl-C ends a pull.
    """
    policies = dict(_policies(pod))
    images = command.local_images(policies)
    missing: dict[str, tuple[str, str]] = {}
    for name, policy in policies.items():
        if not must_pull(name, policy, is_here=name in images):
            continue
        try:
            tell(f"Pulling {name}")
            command.run_interruptibly("pull", "--quiet", name)
        except PodmanError as error:
            if name in images and not policy:
                tell(f"{name} cannot be pulled, so the one that is here is used: {error}")
            else:
                missing[name] = ("ErrImagePull", f"image {name} cannot be pulled: {error}")
    images |= command.local_images(name for name in policies if name not in images)
    if runtime_image not in images:
        raise BackendUnavailableError(
            f"the runtime image {runtime_image} is not here; `make image` in a clone of monopod builds it, and "
            "--runtime-image names another"
        )
    if runtime_image in missing:
        raise BackendUnavailableError(missing[runtime_image][1])
    for name in policies:
        if name not in images:
            missing.setdefault(name, ("ErrImageNeverPull", f"image {name} is not here, and is never pulled"))
    return Provided({name: image for name, image in images.items() if name not in missing}, missing)


def _policies(pod: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for container in (*(pod["spec"].get("initContainers") or ()), *pod["spec"]["containers"]):
        yield container["image"], container.get("imagePullPolicy") or ""


def must_pull(name: str, policy: str, *, is_here: bool) -> bool:
    """Return whether an image has to be pulled by a policy ("" is that of its name)."""
    if _ONLY_HERE.fullmatch(name) or policy == "Never":
        return False
    return not is_here or policy == "Always" or (not policy and _LATEST.fullmatch(name) is not None)
