"""Pulls the images of a Pod before anything starts.

An image that cannot be pulled fails only the Tasks that need it, with one of kubelet's reasons. Without the
coordinator's image nothing runs.

Rules (Kubernetes API, Container.imagePullPolicy): without a policy, an image is pulled if it is missing; an image with
the tag ``latest`` or without a tag is always pulled. A local image (``localhost/…``) is never pulled. If a pull fails,
the local copy is used, unless the Pod sets the policy Always.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from monopod.runner.backend_errors import BackendUnavailableError
from monopod.runner.podman import command
from monopod.runner.podman.command import Image, PodmanError

_OTHER_IMAGE = "the coordinator needs it, or any image with Python 3.11 or later that --runtime-image names"
_ONLY_HERE = re.compile(r"localhost/[^@]*")
_LATEST = re.compile(r"(?:[^/:@]+(?::\d+)?/)*[^/:@]+(?::latest)?")


@dataclass(frozen=True, slots=True)
class Provided:
    """The images on this machine, by name, and why the others are missing: kubelet's reason and a message."""

    images: dict[str, Image]
    missing: dict[str, tuple[str, str]]


def provide(pod: Mapping[str, Any], runtime_image: str, show: Callable[[str], None]) -> Provided:
    """Return the images of `pod`, pulled if needed; `show` is called with each line to show.

    Raises BackendUnavailableError if the coordinator's image is not available, or Ctrl-C ends a pull.
    """
    policies = dict(policies_of(pod))
    images = command.local_images(policies)
    missing: dict[str, tuple[str, str]] = {}
    for name, policy in policies.items():
        if not must_pull(name, policy, is_here=name in images):
            continue
        try:
            show(f"Pulling {name}")
            command.run_interruptibly("pull", "--quiet", name)
        except PodmanError as error:
            if name in images and not policy:
                show(f"cannot pull image {name}, using the local copy: {error}")
            else:
                missing[name] = ("ErrImagePull", f"cannot pull image {name}: {error}")
    images |= command.local_images(name for name in policies if name not in images)
    for name in policies:
        if name not in images:
            missing.setdefault(name, ("ErrImageNeverPull", f"image {name} is not here, and is never pulled"))
    if runtime_image in missing:
        raise BackendUnavailableError(f"{missing[runtime_image][1]}; {_OTHER_IMAGE}")
    return Provided({name: image for name, image in images.items() if name not in missing}, missing)


def policies_of(pod: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each image of a Pod with its imagePullPolicy, empty for the default."""
    for container in (*(pod["spec"].get("initContainers") or ()), *pod["spec"]["containers"]):
        yield container["image"], container.get("imagePullPolicy") or ""


def must_pull(name: str, policy: str, *, is_here: bool) -> bool:
    """Return whether a policy requires a pull. The policy "" is the default for the image's name."""
    if _ONLY_HERE.fullmatch(name) or policy == "Never":
        return False
    return not is_here or policy == "Always" or (not policy and _LATEST.fullmatch(name) is not None)
