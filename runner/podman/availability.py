"""Whether podman can run some Pods here: it has their images, or can pull them.

Rules:

- One command of podman finds out that all images are here. Nothing is asked of a registry then.
- A registry is asked for each missing image, with this user's logins, at the same time, for `REGISTRY_SECONDS` at most.
  So a machine without a network does not wait for podman's own attempts, and nothing is pulled in vain.
- Only if all missing images exist are they pulled.

Left to others: whether podman works at all (``command``), the policies of images when a Pod starts (``images``).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from monopod.compiler.images.registry_images import why_missing
from monopod.runner.backend_errors import BackendUnavailableError
from monopod.runner.podman import command
from monopod.runner.podman.images import must_pull, policies_of

REGISTRY_SECONDS = 5.0
"""How long the registries may take to say whether they have the images."""
_MOST_REQUESTS = 8
"""How many images are looked up at the same time."""


def missing_images(pods: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the images of some Pods that are not here, all of which can be pulled.

    Raises BackendUnavailableError with the reason if one is not here and cannot be pulled.
    """
    wanted = {name: policy for pod in pods for name, policy in policies_of(pod)}
    here = command.local_images(wanted)
    missing = [name for name in wanted if name not in here]
    for name in missing:
        if not must_pull(name, wanted[name], is_here=False):
            raise BackendUnavailableError(f"image {name} is not on this machine, and is never pulled")
    with ThreadPoolExecutor(_MOST_REQUESTS) as pool:
        reasons = pool.map(lambda name: why_missing(name, os.environ, REGISTRY_SECONDS), missing)
        for name, reason in zip(missing, reasons, strict=True):
            if reason is not None:
                raise BackendUnavailableError(f"image {name} is not on this machine and cannot be pulled: {reason}")
    return tuple(missing)


def pull(images: Sequence[str], show: Callable[[str], None]) -> None:
    """Pull images; `show` is called with a line for each. Raises BackendUnavailableError, InterruptedPodmanError."""
    for number, name in enumerate(images, 1):
        show(f"Pulling {name} ({number} of {len(images)})")
        try:
            command.run_interruptibly("pull", "--quiet", name)
        except command.PodmanError as error:
            raise BackendUnavailableError(f"cannot pull image {name}: {error}") from error
