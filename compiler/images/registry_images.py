"""What an image in a registry says to run.

Rules:

- Of an image for several platforms the configurations of all are looked at, as Tekton does. Where they differ, that of
  linux/amd64 counts, or else the first, and that is told.
- It is pulled as a cluster would: by the Secrets that the Pod names (``imagePullSecrets``, also those of its
  ServiceAccount) if they are among the documents, else by whoever is logged in on this machine.

Left to others: the API of registries (``remote.registry``).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from monopod.compiler.images.image_config import ConfigError, read_config
from monopod.compiler.remote.reference import RemoteError, ResolverOptions
from monopod.compiler.remote.registry import Image, ImageName, Registry, RegistryError
from monopod.compiler.remote.registry_credentials import Login, login_of_secret, login_of_user
from monopod.schemas.plan import ImageProgram

_PREFERRED = "linux/amd64"


@dataclass(frozen=True, slots=True)
class RegistryImage:
    """What an image says to run, and its digest (of its index if there is one).

    ``differing`` are the platforms on which it says something else than on ``platform``.
    """

    program: ImageProgram
    digest: str
    platform: str = ""
    differing: tuple[str, ...] = ()


def look_up(name: ImageName, pull_secrets: Sequence[str], options: ResolverOptions) -> RegistryImage:
    """Return what an image in its registry says to run. Raises RegistryError."""
    registry = Registry(name, _login(name, pull_secrets, options), options.cache)
    digest, images = registry.images()
    programs = {platform: _program(registry, image) for platform, image in images.items()}
    platform = _PREFERRED if _PREFERRED in programs else next(iter(programs))
    program = programs[platform]
    differing = tuple(each for each, other in programs.items() if other != program)
    return RegistryImage(program, digest, platform, differing)


def _login(name: ImageName, pull_secrets: Sequence[str], options: ResolverOptions) -> Login:
    for secret in pull_secrets:
        if secret in options.secrets:
            try:
                return login_of_secret(secret, "imagePullSecrets", name.context, options)
            except RemoteError:
                continue  # it is for another registry
    return login_of_user(name.context, options.environment)


def _program(registry: Registry, image: Image) -> ImageProgram:
    descriptor = image.manifest.get("config")
    if not isinstance(descriptor, dict):
        raise RegistryError("its manifest names no configuration")
    try:
        return read_config(json.loads(registry.blob(descriptor))).program
    except (ValueError, RecursionError) as error:
        raise RegistryError("its configuration is not JSON") from error
    except ConfigError as error:
        raise RegistryError(f"its configuration is not understood: {error}") from error
